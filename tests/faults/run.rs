//! One seed: servers and members start, the table changes, faults come and go, everything ends, and the oracle looks.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::runtime::Handle;

use crate::{
    cluster::{BUNDLES, Cluster, PRODUCTS, Table},
    configuration::{Pace, SESSION},
    faults::World,
    format::Format,
    index,
    member::Member,
    oracle::{self, Breach, Expected, Found},
    rechecks::Rechecks,
    report::Report,
    schedule::{Act, MEMBERS, STARTED, Slot, schedule},
    topic::{self, Group, Writer},
    wait::until,
    workload::{ROWS, Record, Row, Workload},
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
pub(crate) fn world(
    runtime: &Handle,
    folder: &Path,
    started: Slot,
    pace: Pace,
    seed: u64,
) -> Result<World> {
    let cluster = Cluster::start(runtime, folder)?;
    let members = (0..MEMBERS).map(|slot| Member::new(runtime, &cluster, folder, slot, pace));
    let members = members.collect::<Result<Vec<_>>>()?;
    let rechecks = Rechecks::new(runtime, &cluster, folder, seed)?;
    let mut world = World {
        cluster,
        members,
        rechecks,
    };
    for member in world.members.iter_mut().take(started) {
        member.start()?;
    }
    Ok(world)
}

/// A table, and how it gets into its topic.
pub(crate) struct Source {
    pub(crate) table: &'static Table,
    pub(crate) workload: Workload,
    pub(crate) writer: Writer,
}

impl Source {
    pub(crate) fn new(
        cluster: &Cluster,
        table: &'static Table,
        workload: Workload,
    ) -> Result<Self> {
        let writer = Writer::new(cluster.brokers(), table)?;
        Ok(Self {
            table,
            workload,
            writer,
        })
    }

    /// The tables of a seed. Of three seeds one has JSON alone, one Avro alone, and one a table of each.
    fn of_seed(cluster: &Cluster, seed: u64) -> Result<[Self; 2]> {
        let format = |table, is_avro| {
            if is_avro {
                cluster.avro(table)
            } else {
                Ok(Format::Json)
            }
        };
        let products = format(&PRODUCTS, seed.is_multiple_of(3))?;
        let bundles = format(&BUNDLES, seed % 3 != 1)?;
        Ok([
            Self::new(cluster, &PRODUCTS, Workload::new(seed, products, ROWS))?,
            Self::new(cluster, &BUNDLES, Workload::new(!seed, bundles, ROWS / 2))?,
        ])
    }

    /// Lets something happen now.
    pub(crate) fn happen(
        &mut self,
        what: impl FnOnce(&mut Workload, i64) -> Vec<Record>,
    ) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now_ms = i64::try_from(since.as_millis())?;
        self.writer.write(what(&mut self.workload, now_ms))
    }

    /// What there should be now.
    pub(crate) fn expected(&mut self, runtime: &Handle) -> Result<Expected> {
        let written = self.writer.written(runtime)?;
        Ok(Expected {
            topic: self.table.topic.to_owned(),
            table: self.workload.table().clone(),
            gone: self.workload.gone(),
            spoiled: self.workload.spoiled().clone(),
            poison: written.poison.clone(),
            refused: written.refused.clone(),
            ends: written.ends.clone(),
        })
    }
}

/// Runs a seed to its end. An error is one of the suite or of a process; what the oracle finds is in the report.
pub(crate) fn seed(runtime: &Handle, seed: u64, length: Duration) -> Result<Report> {
    let folder = folder(&format!("seed-{seed}"))?;
    let mut world = world(runtime, &folder, STARTED, Pace::Quick, seed)?;
    let report = play(runtime, &mut world, &folder, seed, length);
    if report.is_err() {
        world.cluster.expect_running()?;
    }
    drop(world);
    let report = report?;
    if report.breaches.is_empty() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(report)
}

fn play(
    runtime: &Handle,
    world: &mut World,
    folder: &Path,
    seed: u64,
    length: Duration,
) -> Result<Report> {
    let group = Group::new(world.cluster.brokers())?;
    let mut sources = Source::of_seed(&world.cluster, seed)?;
    for source in &mut sources {
        for _ in 0..FIRST_EVENTS {
            source.happen(Workload::event)?;
        }
        until("the first commit", PATIENCE, || {
            expect_running(world)?;
            let committed = group.committed(source.table);
            Ok(committed.ok().filter(|it| !it.is_empty()))
        })?;
    }

    let start = Instant::now();
    let mut steps = schedule(seed, length, SESSION).into_iter().peekable();
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    let mut random = Rng::with_seed(seed ^ 0x0007_ab1e);
    while start.elapsed() < length || steps.peek().is_some() {
        while let Some(step) = steps.next_if(|step| step.at <= start.elapsed()) {
            if let Act::Begin(fault) = step.act {
                *faults.entry(fault.name()).or_default() += 1;
            }
            let at = start.elapsed();
            let products: Vec<i64> = sources[0].workload.table().keys().copied().collect();
            world
                .act(step.act, &products)
                .with_context(|| format!("{:?} after {at:?}", step.act))?;
        }
        // Two events of three are of the first table.
        let which = usize::from(random.u32(0..3) == 2);
        sources[which].happen(Workload::event)?;
        sleep(PACE);
    }

    world.heal(STARTED)?;
    let healed = Instant::now();
    let counts = sources.iter().map(|source| source.workload.counts());
    let events = counts.flat_map(|counts| counts.values()).sum();
    let expected = sources
        .iter_mut()
        .map(|source| Ok((source.table, source.expected(runtime)?)))
        .collect::<Result<Vec<_>>>()?;
    let oracle = Oracle {
        runtime,
        group: &group,
        expected: &expected,
    };
    let mut breaches = oracle.settle(world)?;
    let recovery = healed.elapsed();
    let embedded = world.cluster.embed_stats()?;
    if breaches.is_empty() {
        breaches = oracle.settle_after_rechecks(world)?;
    }
    if breaches.is_empty() {
        breaches = oracle.settle_and_stop(world)?;
    }
    Ok(Report {
        seed,
        length,
        events,
        faults,
        rechecks: world.rechecks.counts(),
        recovery,
        breaches,
        embedded,
        folder: folder.to_owned(),
    })
}

fn expect_running(world: &mut World) -> Result<()> {
    world
        .members
        .iter_mut()
        .try_for_each(Member::expect_running)
}

/// What looks at the end.
pub(crate) struct Oracle<'a> {
    pub(crate) runtime: &'a Handle,
    pub(crate) group: &'a Group,
    pub(crate) expected: &'a [(&'static Table, Expected)],
}

impl Oracle<'_> {
    /// All promises that are not kept now. On a busy machine a server may be slow to answer.
    pub(crate) fn look(&self, world: &World) -> Result<Vec<Breach>> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match self.look_once(world) {
                Err(_) if left > 0 => {}
                result => return result,
            }
        }
    }

    fn look_once(&self, world: &World) -> Result<Vec<Breach>> {
        let mut letters = topic::letters(world.cluster.brokers())?;
        let mut breaches = Vec::new();
        for (table, expected) in self.expected {
            let port = world.cluster.index_port();
            let found = Found {
                points: self.runtime.block_on(index::points(port, table))?,
                letters: letters.remove(table.topic).unwrap_or_default(),
                committed: self.group.committed(table)?,
            };
            let damaged = world.rechecks.damaged(table);
            let differences = oracle::differences(expected, &found, &damaged);
            breaches.extend(differences.into_iter().map(|difference| Breach {
                topic: table.topic.to_owned(),
                difference,
            }));
        }
        Ok(breaches)
    }

    /// Whether the group has committed everything.
    fn is_committed(&self) -> bool {
        self.expected.iter().all(|(table, expected)| {
            // The brokers may have just come back.
            let committed = self.group.committed(table).unwrap_or_default();
            let is_reached = |(partition, end): (&i32, &i64)| committed.get(partition) >= Some(end);
            expected.ends.iter().all(is_reached)
        })
    }

    /// Waits until the group has committed everything and every promise is kept; what is not kept in time otherwise.
    pub(crate) fn settle(&self, world: &mut World) -> Result<Vec<Breach>> {
        let committed = until("all offsets to be committed", PATIENCE, || {
            expect_running(world)?;
            Ok(self.is_committed().then_some(()))
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

    /// Looks after what was asked for in the midst of faults is done, and again after everything was repaired and all letters were
    /// replayed, which changes nothing where nothing was damaged.
    fn settle_after_rechecks(&self, world: &mut World) -> Result<Vec<Breach>> {
        world.rechecks.finish()?;
        let breaches = self.settle(world)?;
        if !breaches.is_empty() {
            return Ok(breaches);
        }
        let expected = |topic: &str| {
            let mut tables = self.expected.iter();
            tables
                .find(|(table, _)| table.topic == topic)
                .map(|it| &it.1)
        };
        let is_refused = |topic: &str, id| {
            let row = expected(topic).and_then(|it| it.table.get(&id));
            row.is_some_and(Row::is_refused)
        };
        let is_spoiled =
            |topic: &str, id| expected(topic).is_some_and(|it| it.spoiled.contains(&id));
        world.rechecks.repair_all(is_refused, is_spoiled)?;
        world.rechecks.replay_all()?;
        self.settle(world)
    }

    /// Stops all members and looks once more: what they did last must not have broken a promise, either.
    pub(crate) fn settle_and_stop(&self, world: &mut World) -> Result<Vec<Breach>> {
        let breaches = self.settle(world)?;
        world.stop()?;
        if breaches.is_empty() {
            self.look(world)
        } else {
            Ok(breaches)
        }
    }
}
