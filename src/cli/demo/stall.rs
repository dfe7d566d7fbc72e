//! The chapter in which the embedding endpoint stalls.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::{
    report::{Report, quantile, time},
    shop::Shop,
    story::PATIENCE,
    view::{View, is_point},
};
use crate::{
    config::PointIdKind,
    document::PointIds,
    record::{PointId, RowKey, Vector},
};

/// Rows whose text changes during the stall; a third of them are about to leave, too.
pub(super) const TEXTS: usize = 150;

/// The first so many of the rows that leave sell out.
const SOLD_OUT: usize = 120;

/// So many more are deleted.
const DELETED: usize = 80;

/// The pace at which they leave.
const PACE: Duration = Duration::from_millis(8);

/// Products sell out, are deleted, and get new texts, while no vector can be bought. Returns how
/// long those that had to go stayed visible.
pub(super) async fn tell(
    report: &mut Report<'_>,
    shop: &mut Shop,
    view: &View,
    topic: &str,
    words: &str,
    vector: &Vector,
) -> anyhow::Result<Vec<Duration>> {
    report.step(
        3,
        "The embedding endpoint stalls. Meanwhile texts change, products sell out and are deleted.",
    )?;
    let best = view.search(vector, 1).await?;
    let best = best.first().context("the search found nothing")?.id;
    let leaving = change_texts(shop, best).await?;
    let latencies = Departures::new(topic, &leaving)
        .watch(report, shop, view)
        .await?;
    report.line(&format!(
        "    {} products left the search results: p50 {}, p99 {} from record to invisible",
        latencies.len(),
        time(quantile(&latencies, 0.5)),
        time(quantile(&latencies, 0.99))
    ))?;
    let hits = view.search(vector, 3).await?;
    ensure!(
        hits.iter().all(|hit| !leaving.contains(&hit.id)),
        "a product that left is found by the search"
    );
    report.line(&format!("    \"{words}\" now"))?;
    for hit in hits {
        report.line(&format!(
            "      {:.2}  {} ({})",
            hit.score, hit.title, hit.price
        ))?;
    }
    Ok(latencies)
}

/// Changes texts, and returns the rows that are to leave, the search's best hit first.
async fn change_texts(shop: &mut Shop, best: i64) -> anyhow::Result<Vec<i64>> {
    let in_stock: Vec<i64> = shop
        .table()
        .values()
        .filter(|product| product.stock > 0)
        .map(|product| product.id)
        .collect();
    let step = (in_stock.len() / (SOLD_OUT + DELETED)).max(1);
    let others = in_stock
        .iter()
        .step_by(step)
        .copied()
        .filter(|id| *id != best);
    let leaving: Vec<i64> = std::iter::once(best)
        .chain(others)
        .take(SOLD_OUT + DELETED)
        .collect();
    let both = TEXTS / 3;
    for id in leaving.iter().take(both) {
        shop.update(*id, |product| product.title.push_str(" II"))?;
    }
    let staying = in_stock.iter().filter(|id| !leaving.contains(id));
    for id in staying.take(TEXTS - both) {
        shop.update(*id, |product| {
            product.description.push_str(" Now in a new edition.");
        })?;
    }
    shop.flush().await?;
    // Long enough for the texts to be on their way to the endpoint.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(leaving)
}

/// Rows that leave, one after another, and how long each stays visible.
struct Departures<'a> {
    topic: &'a str,
    leaving: &'a [i64],
    watched: HashMap<PointId, Instant>,
    latencies: Vec<Duration>,
}

impl<'a> Departures<'a> {
    fn new(topic: &'a str, leaving: &'a [i64]) -> Self {
        Self {
            topic,
            leaving,
            watched: HashMap::new(),
            latencies: Vec::new(),
        }
    }

    async fn watch(
        mut self,
        report: &mut Report<'_>,
        shop: &mut Shop,
        view: &View,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut queue = self.leaving.iter().enumerate().peekable();
        let mut next = Instant::now();
        let deadline = next + PATIENCE;
        while queue.peek().is_some() || !self.watched.is_empty() {
            let visible = self.watched.len();
            ensure!(
                Instant::now() < deadline,
                "{visible} products are still visible"
            );
            if Instant::now() >= next
                && let Some((index, id)) = queue.next()
            {
                next += PACE;
                self.leave(shop, index, *id)?;
            }
            if self.watched.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            } else {
                self.look(view).await?;
            }
            let (gone, all) = (self.latencies.len(), self.leaving.len());
            report.progress(&format!("{gone} of {all} have left the search results"))?;
        }
        Ok(self.latencies)
    }

    fn leave(&mut self, shop: &mut Shop, index: usize, id: i64) -> anyhow::Result<()> {
        let key = RowKey::single_integer(id);
        let point = PointIds(PointIdKind::Uuid5).of(self.topic, &key)?;
        self.watched.insert(point, Instant::now());
        if index < SOLD_OUT {
            shop.update(id, |product| product.stock = 0)
        } else {
            shop.delete(id)
        }
    }

    async fn look(&mut self, view: &View) -> anyhow::Result<()> {
        let ids: Vec<PointId> = self.watched.keys().copied().collect();
        let visible = view.visible(&ids).await?;
        let now = Instant::now();
        let latencies = &mut self.latencies;
        self.watched.retain(|id, since| {
            let stays = visible.iter().any(|point| is_point(point, *id));
            if !stays {
                latencies.push(now - *since);
            }
            stays
        });
        Ok(())
    }
}
