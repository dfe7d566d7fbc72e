//! A member of three is killed under load, with everything configured as it is by default. How long the group takes to be whole is printed,
//! and compared with what is promised by people; what the test asserts is that nothing is lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::connect::Dialect;
use crate::group::{Group, Member};
use crate::index::Index;
use crate::java::Java;
use crate::kafka::{Doors, Kafka};
use crate::stand_ins::StandIns;
use crate::stream::Stream;
use crate::table::{Differences, Rows, VECTOR};
use crate::wait::until;
use crate::workspace::in_workspace_with;

/// Rows of the table before there is a load.
const ROWS: usize = 1_000;
/// Partitions of the topic.
const PARTITIONS: i32 = 6;
/// Between a few changes and the next: up to 200 changes a second.
const PAUSE: Duration = Duration::from_millis(40);
/// How long the load goes on before somebody is killed: longer than texts are held.
const BEFORE: Duration = Duration::from_secs(8);
/// How long anything may take on the busiest of machines, beside the session of the member that was killed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A broker that misses a silent member of the newer protocol as soon as one of the older.
const SHORTER_SESSIONS: &str = "group.consumer.min.session.timeout.ms=6000\n\
                                group.consumer.session.timeout.ms=10000\n\
                                group.consumer.min.heartbeat.interval.ms=1000\n\
                                group.consumer.heartbeat.interval.ms=2000";

#[test]
#[ignore = "needs servers: make test-stack"]
fn the_partitions_of_a_killed_member_are_taken_over_and_nothing_is_lost() -> Result<()> {
    take_over(Dialect::WithSchemas, "", Duration::from_secs(10), 3)
}

#[test]
#[ignore = "needs servers: make test-stack"]
fn the_same_where_the_brokers_assign_and_are_told_to_wait_no_longer() -> Result<()> {
    take_over(Dialect::Bare, SHORTER_SESSIONS, Duration::from_secs(10), 3)
}

#[test]
#[ignore = "needs servers: make test-stack"]
fn the_same_where_the_brokers_assign_and_wait_as_long_as_they_do_by_default() -> Result<()> {
    take_over(Dialect::Bare, "", Duration::from_secs(45), 1)
}

/// Each dialect's group shares its partitions in another way; the records are bare JSON in both.
fn take_over(dialect: Dialect, properties: &str, session: Duration, times: usize) -> Result<()> {
    in_workspace_with(&["kafka"], |workspace| {
        let doors = Doors {
            properties: properties.to_owned(),
            ..Doors::default()
        };
        let kafka = Kafka::start_with(workspace, &Java::find(workspace)?, &doors)?;
        let stand_ins = StandIns::start(workspace)?;
        let group = Group { dialect };
        let topic = dialect.topic();
        kafka.create_topic(&topic, PARTITIONS)?;
        let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
        let start = |name: usize| {
            let name = format!("member-{name}");
            group.start_plain_member(&name, workspace, &kafka, &stand_ins)
        };
        let mut members = vec![start(0)?, start(1)?];

        let mut stream = Stream::new(kafka.brokers(), topic)?;
        stream.fill(ROWS)?;
        let rows = stream.rows()?;
        index.wait_until_equal(&rows, || Ok(group.lag(&kafka)? == Some(0)))?;
        let stream = Mutex::new(stream);
        let is_over = AtomicBool::new(false);
        let began = Instant::now();
        scope(|scope| {
            let loading = scope.spawn(|| load(&stream, &is_over));
            let result = (0..times).try_for_each(|time| {
                members.push(start(time + 2)?);
                wait_until_shared(&mut members, session)?;
                lock(&stream).change_all();
                sleep(BEFORE);
                let (first_later, rows) = {
                    let mut stream = lock(&stream);
                    let left = stream.leave_as_is()?;
                    members.remove(0).kill()?;
                    left
                };
                let times = recover(&mut members, &index, first_later, &rows, session)?;
                println!("{}: {} rows, {times}", group.name(), rows.len());
                Ok(())
            });
            is_over.store(true, Ordering::Relaxed);
            let loaded = loading.join();
            result.and(loaded.unwrap_or_else(|_| bail!("the load panicked")))
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let stream = stream.into_inner().unwrap_or_else(PoisonError::into_inner);
        stream.flush()?;
        index.wait_until_equal(&stream.rows()?, || {
            members.iter_mut().try_for_each(Member::expect_running)?;
            Ok(group.lag(&kafka)? == Some(0))
        })?;
        let rate = (stream.changes as f64 - ROWS as f64) / seconds;
        println!(
            "{}: {rate:.0} changes a second, no difference at the end",
            group.name()
        );
        let letters = kafka.lag(&group.dead_letters(), "letters")?;
        ensure!(letters.unwrap_or(0) == 0, "{letters:?} dead letters");
        members.into_iter().try_for_each(|it| it.stop(PATIENCE))
    })
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load(stream: &Mutex<Stream>, is_over: &AtomicBool) -> Result<()> {
    while !is_over.load(Ordering::Relaxed) {
        lock(stream).go_on()?;
        sleep(PAUSE);
    }
    Ok(())
}

/// How long it took from the kill on.
#[derive(Default)]
struct Recovery {
    /// Until each partition was a living member's.
    whole: Option<Duration>,
    /// Until every row of then was in the index, but for vectors.
    rows: Option<Duration>,
    /// The same with the vectors.
    vectors: Option<Duration>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |it: Option<Duration>| it.unwrap_or_default().as_secs_f64();
        write!(
            f,
            "killed: all partitions assigned after {:.1} s, rows equal after {:.1} s, vectors too after {:.1} s",
            seconds(self.whole),
            seconds(self.rows),
            seconds(self.vectors)
        )
    }
}

/// Waits until the members have all partitions, and the index has these rows, beside those that came later.
fn recover(
    members: &mut [Member],
    index: &Index,
    first_later: i64,
    rows: &Rows,
    session: Duration,
) -> Result<Recovery> {
    let killed = Instant::now();
    let mut recovery = Recovery::default();
    let bare = without_vectors(rows.clone());
    let mut found = String::new();
    until("the group to be whole", session + PATIENCE, || {
        if recovery.whole.is_none()
            && assigned(members)?.iter().sum::<f64>() >= f64::from(PARTITIONS)
        {
            recovery.whole = Some(killed.elapsed());
        }
        let mut copy = index.read()?;
        let now = killed.elapsed();
        copy.retain(|id, _| *id < first_later);
        let differences = Differences::between(rows, &copy);
        if differences.count() == 0 {
            recovery.vectors.get_or_insert(now);
        }
        if Differences::between(&bare, &without_vectors(copy)).count() == 0 {
            recovery.rows.get_or_insert(now);
        }
        found = differences.to_string();
        // What was equal before the takeover would not show that the partitions are in good hands.
        Ok((recovery.whole.is_some() && recovery.vectors.is_some()).then_some(()))
    })
    .with_context(|| format!("{recovery}; {found}"))?;
    Ok(recovery)
}

fn without_vectors(mut rows: Rows) -> Rows {
    for row in rows.values_mut() {
        row.remove(VECTOR);
    }
    rows
}

/// Waits until each member has a part of the partitions, and none is nobody's.
fn wait_until_shared(members: &mut [Member], session: Duration) -> Result<()> {
    until(
        "the members to share the partitions",
        session + PATIENCE,
        || {
            members.iter_mut().try_for_each(Member::expect_running)?;
            // At first nothing listens there.
            let assigned = assigned(members).unwrap_or_default();
            let is_shared = !assigned.is_empty() && assigned.iter().all(|it| *it > 0.0);
            Ok((is_shared && assigned.iter().sum::<f64>() >= f64::from(PARTITIONS)).then_some(()))
        },
    )
}

fn assigned(members: &[Member]) -> Result<Vec<f64>> {
    let metric = |it: &Member| it.metric("vectide_kafka_partitions_assigned");
    members.iter().map(metric).collect()
}
