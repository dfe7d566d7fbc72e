//! More texts than memory has room for, while the embedding endpoint is stalled; flips and deletes
//! among them, and a member that is killed in the middle.

use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedSender, error::TryRecvError, unbounded_channel},
};

use vectide::config::ByteSize;

use crate::{
    endpoint::Endpoint,
    member::{Figures, Member, Setup},
    scale::Backlog,
    servers::Servers,
    shop::Shop,
    sighting::{Change, Produced, Sightings},
    view::View,
    workspace::Workspace,
};

/// What a member may take beside its budget, in bytes, as docs/scaling.md promises:
const BESIDE: u64 = 100_000_000;
/// so much for each partition,
const A_PARTITION: u64 = 4_000_000;
/// and for each key that it remembers.
const A_KEY: u64 = 64;
/// One change in so many is a flip of a stock,
const FLIPS: u64 = 20;
/// and one in so many a delete.
const DELETES: u64 = 200;
/// How long nothing may arrive while no partition is paused, for all to have been received. What came
/// later would supersede texts that are bought by then.
const QUIET: Duration = Duration::from_secs(10);
/// How long the backlog may take to be worked off.
const PATIENCE: Duration = Duration::from_mins(20);

/// What was measured.
pub(crate) struct Parked {
    pub(crate) backlog: Backlog,
    /// Flips and deletes, until the member was killed.
    pub(crate) sightings: Sightings,
    /// Records that had not settled when all had been received, the endpoint still stalled.
    pub(crate) unsettled: u64,
    /// The most memory that either member had,
    pub(crate) peak_bytes: u64,
    /// and may have.
    pub(crate) most_bytes: u64,
    /// Rows whose texts waited in the end,
    pub(crate) rows: u64,
    /// and how many texts were bought.
    pub(crate) texts: u64,
    /// How long that took, in seconds.
    pub(crate) seconds: f64,
    pub(crate) differences: u64,
}

/// Lets half of the rows arrive, stalls the endpoint, and sends the backlog. When half of it has been
/// sent the member is killed, and another takes over. At the end the endpoint answers again.
pub(crate) fn measure(
    runtime: &Runtime,
    servers: &Servers,
    workspace: &Workspace,
    setup: &Setup,
    backlog: Backlog,
) -> Result<Parked> {
    let view = View::open(&servers.index_url)?;
    let endpoint = Endpoint::at(&servers.embed_url);
    let mut shop = Shop::open(&servers.brokers, usize::try_from(backlog.keys)?)?;
    shop.keep_back(usize::try_from(backlog.keys / 2)?);
    shop.snapshot()?;
    let mut first = Member::start(setup, workspace)?;
    first.when_settled(shop.sent())?;

    runtime.block_on(endpoint.stall(true))?;
    let mut changed = Changed::default();
    let mut sightings = Sightings::default();
    let (produced, mut arriving) = unbounded_channel();
    let half = backlog.texts / 2;
    thread::scope(|scope| {
        let (shop, changed) = (&mut shop, &mut changed);
        let producing = scope.spawn(move || produce(shop, backlog, half, changed, Some(&produced)));
        let watched = runtime.block_on(async {
            loop {
                match arriving.try_recv() {
                    Ok(produced) => sightings.expect(produced),
                    Err(TryRecvError::Disconnected) if !sightings.is_waiting() => break Ok(()),
                    Err(_) => sightings.look(&view).await?,
                }
            }
        });
        let produced = producing.join();
        watched.and(produced.map_err(|_| anyhow!("the producer panicked"))?)
    })?;
    let peak = first.now()?.peak_bytes;
    first.kill()?;

    let mut second = Member::start(setup, workspace)?;
    produce(&mut shop, backlog, half, &mut changed, None)?;
    shop.flush()?;
    let received = when_all_received(&mut second)?;
    runtime.block_on(endpoint.stall(false))?;
    let begun = Instant::now();
    let differences = loop {
        let owed = runtime.block_on(view.owed())?;
        let differences = owed + runtime.block_on(view.differences(&shop))?;
        if differences == 0 || begun.elapsed() > PATIENCE {
            break differences;
        }
        thread::sleep(Duration::from_millis(200));
    };
    let seconds = begun.elapsed().as_secs_f64();
    let end = second.now()?;
    second.stop()?;
    Ok(Parked {
        backlog,
        sightings,
        unsettled: received.received - received.settled,
        peak_bytes: peak.max(end.peak_bytes),
        most_bytes: most_bytes(setup, backlog)?,
        rows: changed.texts.len() as u64,
        texts: end.texts,
        seconds,
        differences,
    })
}

/// What is promised of the memory of a member that remembers every key.
fn most_bytes(setup: &Setup, backlog: Backlog) -> Result<u64> {
    let budget: ByteSize = setup.budget.parse()?;
    Ok(budget.0 + BESIDE + A_PARTITION * setup.partitions + A_KEY * backlog.keys)
}

/// Rows that have changed since the endpoint was stalled.
#[derive(Default)]
struct Changed {
    /// Those whose texts have.
    texts: HashSet<usize>,
    /// Those that were not there before.
    new: HashSet<usize>,
    /// Those that are gone.
    deleted: HashSet<usize>,
}

/// Sends changes, each when its time has come.
fn produce(
    shop: &mut Shop,
    backlog: Backlog,
    texts: u64,
    changed: &mut Changed,
    produced: Option<&UnboundedSender<Produced>>,
) -> Result<()> {
    let Changed {
        texts: waiting,
        new,
        deleted,
    } = changed;
    let begun = Instant::now();
    let every = Duration::from_secs(1) / u32::try_from(backlog.rate)?;
    for turn in 1..=texts {
        let due = begun + every * u32::try_from(turn)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let keys = usize::try_from(backlog.keys)?;
        // One that came back would hide whether its delete was shown.
        let row = std::iter::repeat_with(|| fastrand::usize(..keys))
            .find(|row| !deleted.contains(row))
            .context("no row is left")?;
        if shop.is_gone(row) {
            shop.create(row)?;
            new.insert(row);
        } else {
            shop.rewrite(row)?;
        }
        waiting.insert(row);
        if turn % FLIPS != 0 {
            continue;
        }
        // Of rows whose texts may wait, too; but those that are new are shown to nobody yet.
        let row = std::iter::repeat_with(|| shop.any_row()).find(|row| !new.contains(row));
        let (row, at) = (row.context("no row is left")?, Instant::now());
        let change = if turn % DELETES == 0 {
            shop.delete(row)?;
            waiting.remove(&row);
            deleted.insert(row);
            Change::Delete
        } else {
            Change::Flip(shop.flip(row)?)
        };
        if let Some(produced) = produced {
            produced.send(Produced { row, change, at })?;
        }
    }
    Ok(())
}

/// Waits until a member receives nothing more, and returns how it stands then.
fn when_all_received(member: &mut Member) -> Result<Figures> {
    let begun = Instant::now();
    let mut last = member.now()?;
    let mut since = Instant::now();
    loop {
        thread::sleep(Duration::from_millis(200));
        let now = member.now()?;
        if now.received != last.received || now.paused > 0 {
            since = Instant::now();
        } else if now.received > 0 && since.elapsed() > QUIET {
            return Ok(now);
        }
        if begun.elapsed() > PATIENCE {
            bail!("it goes on receiving: {now:?}");
        }
        last = now;
    }
}
