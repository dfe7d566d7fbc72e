//! The topic, read on a thread of its own, because the Kafka client's calls block.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use tokio::sync::mpsc;

use crate::{
    error::Failure,
    record::{Offset, RawRecord},
    source::{LookBack, Probe},
};

/// Records that may be read ahead.
const AHEAD: usize = 1_024;

/// By partition: from where, and how far.
pub(super) type Stretches = BTreeMap<i32, (i64, i64)>;

/// The topics that these names and patterns mean, in order.
pub(super) async fn find(
    base: &ClientConfig,
    group: &str,
    topics: &[String],
) -> anyhow::Result<Vec<String>> {
    if !topics.iter().any(|topic| topic.starts_with('^')) {
        return Ok(topics.to_vec());
    }
    let (base, group) = (base.clone(), group.to_owned());
    let probe = tokio::task::spawn_blocking(move || Probe::connect(&base, &group)).await??;
    let mut found = std::collections::BTreeSet::new();
    for topic in topics {
        if topic.starts_with('^') {
            found.extend(probe.matching(topic).into_iter().map(str::to_owned));
        } else {
            found.insert(topic.clone());
        }
    }
    Ok(found.into_iter().collect())
}

/// Opens one topic, and asks where it begins and ends.
pub(super) async fn open(
    base: &ClientConfig,
    group: &str,
    topic: &str,
) -> Result<LookBack, anyhow::Error> {
    let (base, group, topics) = (base.clone(), group.to_owned(), vec![topic.to_owned()]);
    let open = move || LookBack::open(&base, &group, &topics);
    Ok(tokio::task::spawn_blocking(open).await??)
}

/// What the group has committed.
pub(super) async fn committed(
    look: LookBack,
) -> Result<(LookBack, BTreeMap<i32, Offset>), anyhow::Error> {
    let ask = move || look.committed().map(|committed| (look, committed));
    Ok(tokio::task::spawn_blocking(ask).await??)
}

/// Reads stretches of a topic; `take` gets the records of each partition in order.
pub(super) async fn read(
    mut look: LookBack,
    stretches: Stretches,
    mut take: impl AsyncFnMut(RawRecord) -> anyhow::Result<()>,
) -> anyhow::Result<LookBack> {
    let (to, mut records) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking(move || -> Result<LookBack, Failure> {
        look.read(stretches, |raw| to.blocking_send(raw).unwrap_or_default())?;
        Ok(look)
    });
    while let Some(raw) = records.recv().await {
        take(raw).await?;
    }
    Ok(reading.await??)
}
