//! Commits frontiers to Kafka.

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};
use tracing::warn;

use crate::{
    record::{Offset, TopicPartition},
    telemetry::KafkaMetrics,
};

use super::Frontier;

/// Commits what has settled and was not committed yet.
///
/// Blocks until the broker has answered, because librdkafka never reports the outcome of an
/// asynchronous commit to its callback (rust-rdkafka, issue 856). An error that can pass is left
/// to the next round; after one that says that this member no longer owns the partitions there is
/// nothing to commit: their new owner reads the same records again.
pub(crate) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[(TopicPartition, Frontier)],
    metrics: &KafkaMetrics,
) {
    let due: Vec<(&TopicPartition, &Frontier, Offset)> = partitions
        .iter()
        .filter_map(|(partition, frontier)| Some((partition, frontier, frontier.uncommitted()?)))
        .collect();
    if due.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::with_capacity(due.len());
    for (partition, _, offset) in &due {
        let offset = rdkafka::Offset::Offset(offset.0);
        if let Err(error) = list.add_partition_offset(&partition.topic, partition.partition, offset)
        {
            warn!(%partition, "can't commit: {error}");
        }
    }
    let outcome = match consumer.commit(&list, CommitMode::Sync) {
        Ok(()) => {
            for (_, frontier, offset) in due {
                frontier.note_committed(offset);
            }
            "ok"
        }
        Err(error) if is_fenced(&error) => {
            warn!("a commit was discarded, the partitions have a new owner: {error}");
            "discarded"
        }
        Err(error) => {
            warn!("a commit failed and will be tried again: {error}");
            "retried"
        }
    };
    metrics.commits.with_label_values(&[outcome]).inc();
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
