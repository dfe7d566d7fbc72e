//! A topic is filled, read, and read again by a group that knows nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::runtime::Runtime;

use crate::{
    endpoint::Endpoint,
    idle,
    member::{Figures, Member, Setup},
    scale::Replayed,
    servers::Servers,
    shop::Shop,
    sighting::Sightings,
    view::View,
    watcher::{Watched, Watcher},
    workspace::Workspace,
};

/// How long tombstones stay.
const TOMBSTONES: Duration = Duration::from_secs(1);
/// How long they may take to be swept.
const SWEPT: Duration = Duration::from_mins(5);
/// Single flips while nothing else happens, at this size.
const IDLE: u64 = 100;

/// What was measured.
pub(crate) struct Measured {
    pub(crate) size: Replayed,
    pub(crate) idle: Sightings,
    /// How many records the flips and deletes were, and what they took.
    pub(crate) changes: (u64, Figures),
    pub(crate) replay: Figures,
    /// Requests to the embedding endpoint during the replay.
    pub(crate) requests: u64,
    pub(crate) watched: Watched,
    /// Where the index was not equal to the table, before and after.
    pub(crate) differences: u64,
}

/// Fills the topic with all rows, then with flips and deletes, each read by a member of its own;
/// waits until the tombstones are swept; then reads all of it as another group.
pub(crate) fn measure(
    runtime: &Runtime,
    servers: &Servers,
    workspace: &Workspace,
    setup: &Setup,
    size: Replayed,
) -> Result<Measured> {
    let setup = Setup {
        tombstones: Some(TOMBSTONES),
        ..setup.clone()
    };
    let view = View::open(&servers.index_url)?;
    let endpoint = Endpoint::at(&servers.embed_url);
    let mut shop = Shop::open(&servers.brokers, usize::try_from(size.keys)?)?;

    shop.snapshot()?;
    let mut member = Member::start(&setup, workspace)?;
    member.when_settled(size.keys)?;
    let singles = IDLE.min(size.records - size.keys - 2 * size.deleted);
    let idle = runtime.block_on(idle::measure(&mut shop, &view, singles, 0))?;
    member.when_settled(shop.sent())?;
    member.stop()?;

    let before = shop.sent();
    change(&mut shop, size)?;
    let changes = shop.sent() - before;
    let mut member = Member::start(&setup, workspace)?;
    let figures = member.when_settled(changes)?;
    runtime.block_on(until_swept(&view))?;
    member.stop()?;
    let differences = runtime.block_on(view.differences(&shop))?;

    let requests = runtime.block_on(endpoint.requests())?;
    let watcher = {
        let _on = runtime.enter();
        Watcher::start(&view, &shop)
    };
    let another = Setup {
        group: "another".to_owned(),
        ..setup
    };
    let mut member = Member::start(&another, workspace)?;
    let replay = member.when_settled(shop.sent())?;
    let seen = runtime.block_on(watcher.stop())?;
    member.stop()?;
    Ok(Measured {
        size,
        idle,
        changes: (changes, figures),
        replay,
        requests: runtime.block_on(endpoint.requests())? - requests,
        watched: seen,
        differences: differences + runtime.block_on(view.differences(&shop))?,
    })
}

/// Flips and deletes in any order, until the topic has as many records as it is to have.
fn change(shop: &mut Shop, size: Replayed) -> Result<()> {
    let mut deletes = size.deleted;
    let mut left = size.records - shop.sent();
    while left > 0 {
        // So that the deletes are spread over all of the changes.
        let turns = left - deletes;
        let row = shop.any_row();
        if fastrand::u64(..turns) < deletes {
            shop.delete(row)?;
            deletes -= 1;
            left -= 2;
        } else {
            shop.flip(row)?;
            left -= 1;
        }
    }
    shop.flush()
}

async fn until_swept(view: &View) -> Result<()> {
    let begun = Instant::now();
    loop {
        let left = view.tombstones().await?;
        if left == 0 {
            return Ok(());
        }
        if begun.elapsed() > SWEPT {
            bail!("{left} tombstones are never swept");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
