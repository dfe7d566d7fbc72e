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
        Ok((!group.committed()?.is_empty()).then_some(()))
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
    let expected = expected(&workload, writer.finish(runtime)?);
    let differences = settle(runtime, &mut world, &group, &expected)?;
    let recovery = healed.elapsed();
    let embedded = world.cluster.embed_stats()?;
    world.stop()?;
    let mut report = Report {
        seed,
        length,
        events,
        faults,
        recovery,
        differences,
        embedded,
        folder: folder.clone(),
    };
    // A member that was stopped changes nothing any more; what it did last must not have, either.
    if report.differences.is_empty() {
        let found = found(runtime, &world, &group)?;
        report.differences = oracle::differences(&expected, &found);
    }
    drop(world);
    if report.differences.is_empty() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(report)
}

fn expect_running(world: &mut World) -> Result<()> {
    world.members.iter_mut().try_for_each(Member::expect_running)
}

/// What there should be after that workload.
pub(crate) fn expected(workload: &Workload, written: Written) -> Expected {
    Expected {
        topic: TOPIC.to_owned(),
        table: workload.table().clone(),
        gone: workload.gone(),
        poison: written.poison,
        refused: written.refused,
        ends: written.ends,
    }
}

/// What there is.
pub(crate) fn found(runtime: &Handle, world: &World, group: &Group) -> Result<Found> {
    Ok(Found {
        points: runtime.block_on(index::points(world.cluster.index_port()))?,
        letters: topic::letters(world.cluster.brokers())?,
        committed: group.committed()?,
    })
}

/// Waits until the group has committed everything and the oracle has nothing to say, or no more time.
pub(crate) fn settle(
    runtime: &Handle,
    world: &mut World,
    group: &Group,
    expected: &Expected,
) -> Result<Vec<Difference>> {
    // Whether it came to that is the oracle's to say.
    let _ = until("all offsets to be committed", PATIENCE, || {
        expect_running(world)?;
        let committed = group.committed()?;
        let is_behind = |(partition, end): (&i32, &i64)| committed.get(partition) < Some(end);
        Ok((!expected.ends.iter().any(is_behind)).then_some(()))
    });
    expect_running(world)?;
    let mut last = Vec::new();
    let settled = until("index and table to be equal", SETTLE, || {
        let found = found(runtime, world, group)?;
        last = oracle::differences(expected, &found);
        Ok(last.is_empty().then_some(()))
    });
    if settled.is_err() && last.is_empty() {
        settled?;
    }
    Ok(last)
}
