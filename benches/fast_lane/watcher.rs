//! Looks at the collection all the while, for what must never be seen.

use std::sync::Arc;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use crate::{
    shop::Shop,
    view::{Seen, View},
};

/// Deleted rows asked for at once.
const ASKED: usize = 1_000;

/// What it saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watched {
    /// Calls in which it looked.
    pub(crate) looks: u64,
    /// Points that it was shown.
    pub(crate) points: u64,
    /// Of these, rows that are deleted.
    pub(crate) deleted: u64,
    /// Of these, rows that are not as they are in the table.
    pub(crate) older: u64,
}

/// A watcher at work.
pub(crate) struct Watcher {
    watching: tokio::task::JoinHandle<Result<Watched>>,
    enough: CancellationToken,
}

impl Watcher {
    /// Starts to watch. The table must not change meanwhile.
    pub(crate) fn start(view: &View, shop: &Shop) -> Self {
        let enough = CancellationToken::new();
        let table = Arc::new(shop.table());
        let watching = watch(view.clone(), table, enough.clone());
        Self {
            watching: tokio::spawn(watching),
            enough,
        }
    }

    pub(crate) async fn stop(self) -> Result<Watched> {
        self.enough.cancel();
        self.watching.await?
    }
}

async fn watch(
    view: View,
    table: Arc<Vec<Option<(i64, String)>>>,
    enough: CancellationToken,
) -> Result<Watched> {
    let deleted: Vec<usize> = (0..table.len())
        .filter(|index| table.get(*index).is_some_and(Option::is_none))
        .collect();
    let mut watched = Watched::default();
    let mut note = |index: usize, seen: &Seen| {
        watched.points += 1;
        match (seen, table.get(index)) {
            (Seen::Row { .. }, Some(None)) => watched.deleted += 1,
            (Seen::Row { stock, .. }, Some(Some((now, _)))) if stock != now => watched.older += 1,
            _ => {}
        }
    };
    let mut looks = 0;
    let mut next = None;
    // At least one whole round, however fast the replay is.
    let mut is_round = false;
    while !(enough.is_cancelled() && is_round) {
        for asked in deleted.chunks(ASKED) {
            for (index, seen) in view.look(asked).await? {
                note(index, &seen);
            }
            looks += 1;
        }
        let (rows, further) = view.page(next).await?;
        for (index, seen) in rows {
            note(index, &seen);
        }
        looks += 1;
        is_round |= further.is_none();
        next = further;
    }
    watched.looks = looks;
    Ok(watched)
}
