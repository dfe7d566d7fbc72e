//! A larger table under load, with members as they are by default: one of three is killed, another one asked to stop.
//!
//! How long the group takes to be whole again is reported, and compared with what is promised by people, not by the test.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::runtime::Runtime;

use crate::{
    cluster::{Cluster, PRODUCTS},
    configuration::Pace,
    format::Format,
    index,
    oracle::{Point, is_of, point_id},
    records,
    run::{self, Oracle, Source},
    schedule::MEMBERS,
    topic::Group,
    wait::until,
    workload::{Event, Row, Workload},
};

const ROWS: usize = 1_000;

/// What happens again and again.
const EVENTS: [Event; 8] = [
    Event::Flip,
    Event::Price,
    Event::Text,
    Event::Flip,
    Event::Delete,
    Event::Price,
    Event::Recreate,
    Event::Flip,
];

/// A pause after these: up to 200 events a second.
const PAUSE: Duration = Duration::from_millis(40);

/// How long the load goes on before something happens.
const BEFORE: Duration = Duration::from_secs(5);

/// How long anything may take on the busiest of machines.
const PATIENCE: Duration = Duration::from_mins(2);

type Table = BTreeMap<i64, Row>;

/// What rows may be as of a moment: what they were then, or anything they became since.
struct Since {
    states: BTreeMap<i64, Vec<Option<Row>>>,
    /// Where each partition ended.
    ends: BTreeMap<i32, i64>,
    tables: Receiver<Table>,
}

impl Since {
    /// As of now. What came to `tables` before is history, but for the last one.
    fn now(cluster: &Cluster, tables: Receiver<Table>) -> Result<Self> {
        let table = tables.try_iter().last().context("no load")?;
        let reader = records::consumer(cluster.brokers(), "reader")?;
        let ends = records::ends(&reader, PRODUCTS.topic)?.context("no topic")?;
        let states = table.into_iter().map(|(id, row)| (id, vec![Some(row)]));
        Ok(Self {
            states: states.collect(),
            ends: ends.into_iter().map(|(it, _, end)| (it, end)).collect(),
            tables,
        })
    }

    /// Learns what became of the rows.
    fn learn(&mut self) {
        for table in self.tables.try_iter() {
            for (id, states) in &mut self.states {
                let state = table.get(id);
                if states.last().is_none_or(|last| last.as_ref() != state) {
                    states.push(state.cloned());
                }
            }
        }
    }

    /// Whether every row of then is what it was or became; if asked for, with the vector of such a row.
    fn is_reached(&self, points: &BTreeMap<String, Point>, with_vectors: bool) -> bool {
        self.states.iter().all(|(id, states)| {
            let Some(point) = points.get(&point_id(PRODUCTS.topic, *id)) else {
                return states.contains(&None);
            };
            let is_row = states.contains(&point.row);
            let mut rows = states.iter().flatten();
            is_row && (!with_vectors || rows.any(|row| is_of(&point.vector, row)))
        })
    }

    /// Whether something that came later is in the index, of each partition.
    fn is_whole(&self, points: &BTreeMap<String, Point>) -> bool {
        self.ends.iter().all(|(partition, end)| {
            let mut as_of = points.values().filter_map(|point| point.as_of);
            as_of.any(|(of, offset)| of == *partition && offset >= *end)
        })
    }
}

/// How long it took until each partition was processed again, and until the index was at least as of then: but for vectors, and with them.
#[derive(Debug)]
struct Recovery {
    whole: Duration,
    rows: Duration,
    vectors: Duration,
}

fn recovery(runtime: &Runtime, cluster: &Cluster, mut since: Since) -> Result<Recovery> {
    let start = Instant::now();
    let (mut whole, mut rows) = (None, None);
    until("the index to be as of then", PATIENCE, || {
        let look = index::points(cluster.index_port(), &PRODUCTS);
        // On a busy machine Qdrant may be slow to answer.
        let Ok(points) = runtime.block_on(look) else {
            return Ok(None);
        };
        let now = start.elapsed();
        since.learn();
        if whole.is_none() && since.is_whole(&points) {
            whole = Some(now);
        }
        if rows.is_none() && since.is_reached(&points, false) {
            rows = Some(now);
        }
        let vectors = since.is_reached(&points, true).then_some(now);
        Ok(match (whole, rows, vectors) {
            (Some(whole), Some(rows), Some(vectors)) => Some(Recovery {
                whole,
                rows,
                vectors,
            }),
            _ => None,
        })
    })
}

/// Lets events happen until it is over, and shows the table again and again.
fn load(source: &mut Source, is_over: &AtomicBool, watchers: &[Sender<Table>]) -> Result<usize> {
    let mut events = 0;
    while !is_over.load(Ordering::Relaxed) {
        for event in EVENTS {
            source.happen(|it, now_ms| it.make(event, now_ms))?;
            events += 1;
        }
        for watcher in watchers {
            // Whoever has seen enough is gone.
            let _ = watcher.send(source.workload.table().clone());
        }
        sleep(PAUSE);
    }
    Ok(events)
}

#[test]
fn a_group_under_load_is_whole_again_after_one_member_is_killed_and_another_leaves() -> Result<()> {
    let runtime = Runtime::new()?;
    let folder = run::folder("load")?;
    let mut world = run::world(runtime.handle(), &folder, MEMBERS, Pace::Default, 0)?;
    let group = Group::new(world.cluster.brokers())?;
    let workload = Workload::new(0, Format::Json, ROWS);
    let mut source = Source::new(&world.cluster, &PRODUCTS, workload)?;
    for _ in 0..ROWS {
        source.happen(|it, now_ms| it.make(Event::Create, now_ms))?;
    }
    let ends = source.expected(runtime.handle())?.ends;
    until("the table to be indexed", PATIENCE, || {
        Ok(group.committed(&PRODUCTS).ok().filter(|it| *it == ends))
    })?;

    let is_over = AtomicBool::new(false);
    let (after_kill, tables) = mpsc::channel();
    let (after_stop, later_tables) = mpsc::channel();
    let watchers = [after_kill, after_stop];
    let begin = Instant::now();
    let (killed, stopped, left, events) = thread::scope(|scope| {
        let loading = scope.spawn(|| load(&mut source, &is_over, &watchers));
        let happen = || {
            sleep(BEFORE);
            world.members[0].kill()?;
            let since = Since::now(&world.cluster, tables)?;
            let killed = recovery(&runtime, &world.cluster, since)?;
            world.members[0].start()?;
            sleep(BEFORE);
            let asked = Instant::now();
            world.members[1].ask_to_leave()?;
            world.members[1].await_end()?;
            let stopped = asked.elapsed();
            let since = Since::now(&world.cluster, later_tables)?;
            let left = recovery(&runtime, &world.cluster, since)?;
            anyhow::Ok((killed, stopped, left))
        };
        let happened = happen();
        is_over.store(true, Ordering::Relaxed);
        let events = loading.join().expect("the load does not panic")?;
        let (killed, stopped, left) = happened?;
        anyhow::Ok((killed, stopped, left, events))
    })?;
    let rate = events as f64 / begin.elapsed().as_secs_f64();
    let seconds = Duration::as_secs_f64;
    println!(
        "{ROWS} rows, {rate:.0} events a second: one of {MEMBERS} members killed: all partitions processed again after {:.1} s, index as of \
         the kill after {:.1} s, with all vectors after {:.1} s; another one asked to stop: ended after {:.1} s, all partitions processed \
         again {:.1} s later",
        seconds(&killed.whole),
        seconds(&killed.rows),
        seconds(&killed.vectors),
        seconds(&stopped),
        seconds(&left.whole),
    );

    world.heal(MEMBERS)?;
    let expected = [(&PRODUCTS, source.expected(runtime.handle())?)];
    let oracle = Oracle {
        runtime: runtime.handle(),
        group: &group,
        expected: &expected,
    };
    let breaches = oracle.settle_and_stop(&mut world)?;
    let texts: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    ensure!(texts.is_empty(), "{}", texts.join("\n"));
    Ok(())
}
