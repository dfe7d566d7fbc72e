//! Single changes of a system that does nothing else.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    shop::Shop,
    sighting::{Change, Produced, Sightings},
    view::View,
};

/// So long, and up to as long again, nothing happens between two changes.
const PAUSE_MS: u64 = 20;

/// Flips the stock of `flips` rows, then deletes `deletes`, one after the other.
pub(crate) async fn measure(
    shop: &mut Shop,
    view: &View,
    flips: u64,
    deletes: u64,
) -> Result<Sightings> {
    let mut sightings = Sightings::default();
    for turn in 0..flips + deletes {
        let pause = fastrand::u64(PAUSE_MS..2 * PAUSE_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let (row, at) = (shop.any_row(), Instant::now());
        let change = if turn < flips {
            Change::Flip(shop.flip(row)?)
        } else {
            shop.delete(row)?;
            Change::Delete
        };
        sightings.expect(Produced { row, change, at });
        sightings.wait(view).await?;
    }
    Ok(sightings)
}
