//! Flips and deletes while the embedding endpoint is stalled and has all texts in front of it.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedSender, error::TryRecvError, unbounded_channel},
};

use crate::{
    endpoint::Endpoint,
    member::Member,
    scale::Scale,
    shop::Shop,
    sighting::{Change, Produced, Sightings},
    view::View,
};

/// One change in so many is a delete.
const DELETES: u64 = 10;
/// How long the backlog may take to be patched.
const PATIENCE: Duration = Duration::from_mins(3);

/// What was measured.
pub(crate) struct Stalled {
    /// Texts that waited at the stalled endpoint.
    pub(crate) backlog: u64,
    pub(crate) sightings: Sightings,
    /// Requests that the endpoint got meanwhile.
    pub(crate) requests: u64,
    /// Texts bought when it answered again.
    pub(crate) texts: u64,
    pub(crate) peak_bytes: u64,
}

/// Stalls the endpoint, changes the text of every row, and then, while all of these wait, changes
/// stocks and deletes rows. At the end the endpoint answers again, and everything settles.
pub(crate) fn measure(
    runtime: &Runtime,
    shop: &mut Shop,
    view: &View,
    endpoint: &Endpoint,
    member: &mut Member,
    scale: &Scale,
) -> Result<Stalled> {
    runtime.block_on(endpoint.stall(true))?;
    let before = member.now()?;
    let rows = shop.rows();
    let backlog = rows.len() as u64;
    for row in &rows {
        shop.rewrite(*row)?;
    }
    shop.flush()?;
    let begun = Instant::now();
    while member.now()?.patched < before.patched + backlog {
        if begun.elapsed() > PATIENCE {
            bail!("the backlog is never read: {:?}", member.now()?);
        }
        thread::sleep(Duration::from_millis(100));
    }

    let requests = runtime.block_on(endpoint.requests())?;
    let (produced, mut arriving) = unbounded_channel();
    let mut sightings = Sightings::default();
    thread::scope(|scope| {
        let (shop, rows) = (&mut *shop, &rows);
        // With the sender's end it is known that all has been produced.
        let producing = scope.spawn(move || produce(shop, rows, scale, &produced));
        runtime
            .block_on(async {
                loop {
                    match arriving.try_recv() {
                        Ok(produced) => sightings.expect(produced),
                        Err(TryRecvError::Disconnected) if !sightings.is_waiting() => break Ok(()),
                        Err(_) => sightings.look(view).await?,
                    }
                }
            })
            .and_then(|()| {
                let produced = producing.join();
                produced.map_err(|_| anyhow!("the producer panicked"))?
            })
    })?;
    let requests = runtime.block_on(endpoint.requests())? - requests;

    runtime.block_on(endpoint.stall(false))?;
    let after = member.when_settled(shop.sent())?;
    Ok(Stalled {
        backlog,
        sightings,
        requests,
        texts: after.texts - before.texts,
        peak_bytes: after.peak_bytes,
    })
}

/// Changes rows in turn, each when its time has come.
fn produce(
    shop: &mut Shop,
    rows: &[usize],
    scale: &Scale,
    produced: &UnboundedSender<Produced>,
) -> Result<()> {
    let begun = Instant::now();
    let mut rows = rows.iter().copied().cycle();
    let every = Duration::from_secs(1) / u32::try_from(scale.rate)?;
    let count = scale.stall.as_secs() * scale.rate;
    for turn in 0..count {
        let due = begun + every * u32::try_from(turn)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let row = rows
            .find(|row| !shop.is_gone(*row))
            .context("no row is left")?;
        let at = Instant::now();
        let change = if turn % DELETES == 0 {
            shop.delete(row)?;
            Change::Delete
        } else {
            Change::Flip(shop.flip(row)?)
        };
        produced.send(Produced { row, change, at })?;
    }
    Ok(())
}
