//! One seed: servers and members start, the table changes, faults come and go, everything ends, and the oracle looks.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::runtime::Handle;

use crate::{
    cluster::{Cluster, TOPIC},
    faults::World,
    index,
    member::{Member, SESSION},
    oracle::{self, Difference, Expected, Found},
    report::Report,
    schedule::{Act, MEMBERS, STARTED, Slot, schedule},
    topic::{self, Group, Writer, Written},
    wait::until,
    workload::Workload,
};

/// Events before the first fault, which make the table.
const FIRST_EVENTS: usize = 40;

/// A pause between two events.
const PACE: Duration = Duration::from_millis(25);

/// How long the group may take for its first commit, and for its last one after the faults.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long what is committed may take to be seen. It should be there at once; what comes later is the difference that is told.
const SETTLE: Duration = Duration::from_secs(20);

/// How often a server is asked for what it holds until it has to answer.
const ATTEMPTS: usize = 5;

/// A folder of its own for each seed, whose logs are kept when it fails.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("faults")
        .join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Servers, and places for members of which the first ones are taken.
pub(crate) fn world(runtime: &Handle, folder: &Path, started: Slot) -> Result<World> {
    let cluster = Cluster::start(runtime, folder)?;
    let members = (0..MEMBERS).map(|slot| Member::new(runtime, &cluster, folder, slot));
    let members = members.collect::<Result<Vec<_>>>()?;
    let mut world = World { cluster, members };
    for member in world.members.iter_mut().take(started) {
        member.start()?;
    }
    Ok(world)
}

/// Runs a seed to its end. An error is one of the suite or of a process; what the oracle finds is in the report.
pub(crate) fn seed(runtime: &Handle, seed: u64, length: Duration) -> Result<Report> {
    let folder = folder(&format!("seed-{seed}"))?;
    let mut world = world(runtime, &folder, STARTED)?;
    let mut writer = Writer::new(world.cluster.brokers())?;
    let group = Group::new(world.cluster.brokers())?;
    let mut workload = Workload::new(seed);
    for _ in 0..FIRST_EVENTS {
        writer.write(workload.event())?;
    }
    until("the first commit", PATIENCE, || {
        expect_running(&mut world)?;
        let committed = group.committed();
        Ok(committed.ok().filter(|it| !it.is_empty()))
    })?;

    let start = Instant::now();
    let mut steps = schedule(seed, length, SESSION).into_iter().peekable();
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    while start.elapsed() < length || steps.peek().is_some() {
        while let Some(step) = steps.next_if(|step| step.at <= start.elapsed()) {
            if let Act::Begin(fault) = step.act {
                *faults.entry(fault.name()).or_default() += 1;
            }
            let at = start.elapsed();
            world
                .act(step.act)
                .with_context(|| format!("{:?} after {at:?}", step.act))?;
        }
        writer.write(workload.event())?;
        sleep(PACE);
    }

    world.heal(STARTED)?;
    let healed = Instant::now();
    let events = workload.counts().values().sum();
    let expected = expected(&workload, writer.written(runtime)?);
    let oracle = Oracle {
        runtime,
        group: &group,
        expected: &expected,
    };
    let differences = oracle.settle(&mut world)?;
    let recovery = healed.elapsed();
    let embedded = world.cluster.embed_stats()?;
    let differences = if differences.is_empty() {
        oracle.settle_and_stop(&mut world)?
    } else {
        differences
    };
    let report = Report {
        seed,
        length,
        events,
        faults,
        recovery,
        differences,
        embedded,
        folder: folder.clone(),
    };
    drop(world);
    if report.differences.is_empty() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(report)
}

fn expect_running(world: &mut World) -> Result<()> {
    world
        .members
        .iter_mut()
        .try_for_each(Member::expect_running)
}

/// What there should be after that workload.
pub(crate) fn expected(workload: &Workload, written: &Written) -> Expected {
    Expected {
        topic: TOPIC.to_owned(),
        table: workload.table().clone(),
        gone: workload.gone(),
        poison: written.poison.clone(),
        refused: written.refused.clone(),
        ends: written.ends.clone(),
    }
}

/// What looks at the end.
pub(crate) struct Oracle<'a> {
    pub(crate) runtime: &'a Handle,
    pub(crate) group: &'a Group,
    pub(crate) expected: &'a Expected,
}

impl Oracle<'_> {
    /// All promises that are not kept now. On a busy machine a server may be slow to answer.
    pub(crate) fn look(&self, world: &World) -> Result<Vec<Difference>> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match self.look_once(world) {
                Err(_) if left > 0 => {}
                result => return result,
            }
        }
    }

    fn look_once(&self, world: &World) -> Result<Vec<Difference>> {
        let found = Found {
            points: self
                .runtime
                .block_on(index::points(world.cluster.index_port()))?,
            letters: topic::letters(world.cluster.brokers())?,
            committed: self.group.committed()?,
        };
        Ok(oracle::differences(self.expected, &found))
    }

    /// Waits until the group has committed everything and every promise is kept; what is not kept in time otherwise.
    pub(crate) fn settle(&self, world: &mut World) -> Result<Vec<Difference>> {
        let ends = &self.expected.ends;
        let committed = until("all offsets to be committed", PATIENCE, || {
            expect_running(world)?;
            // The brokers have just come back.
            let Ok(committed) = self.group.committed() else {
                return Ok(None);
            };
            let is_behind = |(partition, end): (&i32, &i64)| committed.get(partition) < Some(end);
            Ok((!ends.iter().any(is_behind)).then_some(()))
        });
        expect_running(world)?;
        if committed.is_err() {
            return self.look(world);
        }
        let mut last = self.look(world)?;
        // Whether it comes to that is the caller's to judge.
        let _ = until("index and table to be equal", SETTLE, || {
            if !last.is_empty() {
                last = self.look(world)?;
            }
            Ok(last.is_empty().then_some(()))
        });
        Ok(last)
    }

    /// Stops all members and looks once more: what they did last must not have broken a promise, either.
    pub(crate) fn settle_and_stop(&self, world: &mut World) -> Result<Vec<Difference>> {
        let differences = self.settle(world)?;
        world.stop()?;
        if differences.is_empty() {
            self.look(world)
        } else {
            Ok(differences)
        }
    }
}
