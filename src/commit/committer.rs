//! Commits frontiers to Kafka.

use std::{collections::HashMap, time::Duration};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};
use tracing::warn;

use crate::{
    record::{Epoch, Offset, TopicPartition},
    telemetry::KafkaMetrics,
};

use super::Frontier;

/// Which frontiers to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that have moved since they were committed.
    Moved,
    /// All, so that the brokers' answer says whether this member still owns the partitions.
    All,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The brokers took it, or there was nothing to commit.
    Done,
    /// The group has moved on without this member.
    Fenced,
    /// It can be tried again.
    Failed,
}

/// Commits what has settled, with the epochs under which it was.
///
/// Blocks until the broker has answered, because librdkafka never reports the outcome of an
/// asynchronous commit to its callback (rust-rdkafka, issue 856). An error that can pass is left
/// to the next round; after one that says that this member no longer owns the partitions there is
/// nothing to commit: their new owner reads the same records again.
pub(crate) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[(TopicPartition, Frontier)],
    which: Which,
    metrics: &KafkaMetrics,
) -> Committed {
    let due: Vec<(&TopicPartition, &Frontier, Offset)> = partitions
        .iter()
        .filter_map(|(partition, frontier)| {
            let offset = match which {
                Which::Moved => frontier.uncommitted(),
                Which::All => frontier.noted(),
            };
            Some((partition, frontier, offset?))
        })
        .collect();
    if due.is_empty() {
        return Committed::Done;
    }
    let mut list = TopicPartitionList::with_capacity(due.len());
    for (partition, frontier, offset) in &due {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        if let Err(error) = element.set_offset(rdkafka::Offset::Offset(offset.0)) {
            warn!(%partition, "can't commit: {error}");
        }
        if let Some(epoch) = frontier.epoch() {
            element.set_metadata(epoch_to_metadata(epoch));
        }
    }
    let (outcome, label) = match consumer.commit(&list, CommitMode::Sync) {
        Ok(()) => {
            for (_, frontier, offset) in due {
                frontier.note_committed(offset);
            }
            (Committed::Done, "ok")
        }
        Err(error) if is_fenced(&error) => {
            warn!("a commit was discarded, the partitions have a new owner: {error}");
            (Committed::Fenced, "discarded")
        }
        Err(error) => {
            warn!("a commit failed and will be tried again: {error}");
            (Committed::Failed, "retried")
        }
    };
    metrics.commits.with_label_values(&[label]).inc();
    outcome
}

/// What was committed last of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastCommit {
    /// The offset to go on at; `None` when nothing was committed.
    pub offset: Option<Offset>,
    /// Under which epoch.
    pub epoch: Option<Epoch>,
}

/// What was committed last of each partition. Blocks until the brokers answer, up to `timeout`.
pub(crate) fn last_commits<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> Result<HashMap<TopicPartition, LastCommit>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    let answer = consumer.committed_offsets(list, timeout)?;
    let mut commits = HashMap::new();
    for element in answer.elements() {
        element.error()?;
        let partition = TopicPartition {
            topic: element.topic().into(),
            partition: element.partition(),
        };
        let offset = match element.offset() {
            rdkafka::Offset::Offset(offset) => Some(Offset(offset)),
            _ => None,
        };
        let epoch = offset.and_then(|_| epoch_of_metadata(element.metadata()));
        commits.insert(partition, LastCommit { offset, epoch });
    }
    Ok(commits)
}

/// What a commit's metadata begins with.
const METADATA: &str = "vectide epoch=";

fn epoch_to_metadata(epoch: Epoch) -> String {
    format!("{METADATA}{epoch}")
}

fn epoch_of_metadata(metadata: &str) -> Option<Epoch> {
    metadata.strip_prefix(METADATA)?.parse().ok().map(Epoch)
}

/// Errors after which a commit is pointless: the group has moved on without this member.
fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::FencedInstanceId
                | RDKafkaErrorCode::FencedMemberEpoch
                | RDKafkaErrorCode::StaleMemberEpoch
                | RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::AssignmentLost
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_as_it_was_committed() {
        let epoch = Epoch(1 << 51);
        assert_eq!(epoch_of_metadata(&epoch_to_metadata(epoch)), Some(epoch));
        for other in ["", "vectide epoch=", "7", "{\"instance\":1}"] {
            assert_eq!(epoch_of_metadata(other), None, "{other}");
        }
    }
}
