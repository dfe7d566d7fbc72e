//! Claims: each partition's owner says so in the collection, before it writes anything else.
//!
//! The claim of partition 3 of the topic `shop.public.products` is the point whose id is the UUIDv5
//! of the topic, a line feed and `partition 3` (a key's canonical form begins with a bracket, so no
//! row has it). It has no vector. Its bookkeeping object says under which epoch the partition is
//! owned, and up to where the index is known to reflect it: see [`Watermark`].

use std::sync::Arc;

use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Direction, OrderByBuilder, PointStruct, PointsUpdateOperation,
    Range, ScrollPointsBuilder, UpdateBatchPointsBuilder,
    points_update_operation::{Operation, PointStructList},
    value::Kind,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use crate::{
    error::Failure,
    record::{Epoch, Offset, PointId, RESERVED_FIELD, TopicPartition, Watermark},
};

use super::{
    Connection, Fence, conditions,
    operations::no_vectors,
    points,
    stored::{DELETED_MS, DELETED_OFFSET, EPOCH, Object, field},
    value,
};

/// A partition that is owned.
#[derive(Debug, Clone)]
pub struct Claim {
    connection: Arc<Connection>,
    fence: Fence,
    id: PointId,
}

/// What a partition's new owner finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predecessor {
    /// What is known to be reflected in the index, if anything is.
    pub watermark: Option<Watermark>,
}

/// What a claim's point says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claimed {
    epoch: Epoch,
    watermark: Option<Watermark>,
}

impl Claim {
    /// Takes a partition over, with an epoch above every one that was ever used for it: in the
    /// collection, and `committed` with the group's offsets. Says what the former owner left;
    /// `None` when there was none.
    ///
    /// `now_ms` tells the time in milliseconds since 1970. Tries until it is done, or until `until`
    /// is cancelled: then `None`.
    pub(super) async fn make(
        connection: Arc<Connection>,
        partition: TopicPartition,
        committed: Option<Epoch>,
        now_ms: impl Fn() -> i64,
        until: &CancellationToken,
    ) -> Option<(Self, Option<Predecessor>)> {
        let id = id(&partition);
        let claim = Self {
            fence: Fence::new(partition, Epoch(0)),
            connection,
            id,
        };
        let attempt = || claim.attempt(committed, &now_ms);
        let found = loop {
            if let Some(found) = claim.connection.insist(until, attempt).await? {
                break found;
            }
            // Somebody else has claimed it at the same time: above that, then.
        };
        let predecessor = found.map(|claimed| Predecessor {
            watermark: claimed.watermark,
        });
        Some((claim, predecessor))
    }

    /// The right to write the partition's points.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Whether nobody has claimed the partition since. What was written before this was asked, whoever
    /// claims it later finds.
    pub(super) async fn is_current(&self) -> Result<bool, Failure> {
        let found = self.read().await?;
        Ok(found.is_some_and(|claimed| claimed.epoch <= self.fence.epoch()))
    }

    /// Takes the partition over once more, above whatever is found now, once the group has confirmed
    /// that it is this member's. Tries until it is done: then `true`; or until `until` is cancelled.
    pub async fn renew(&self, now_ms: impl Fn() -> i64, until: &CancellationToken) -> bool {
        self.connection.lease.doubt(std::time::Instant::now());
        tokio::select! {
            () = self.connection.lease.trusted() => {}
            () = until.cancelled() => return false,
        }
        let renewed = Self::make(
            self.connection.clone(),
            self.fence.partition().clone(),
            Some(self.fence.epoch()),
            now_ms,
            until,
        );
        let Some((renewed, _)) = renewed.await else {
            return false;
        };
        self.fence.renew(renewed.fence.epoch());
        true
    }

    /// Notes what is reflected, unless there is a later owner. Tries until it is done: then `true`; or
    /// until `until` is cancelled.
    pub async fn note(&self, watermark: Watermark, until: &CancellationToken) -> bool {
        let attempt = || self.write(self.fence.epoch(), Some(watermark));
        self.connection.insist(until, attempt).await.is_some()
    }

    /// One attempt to take over: what was found, or `None` where somebody else was faster.
    async fn attempt(
        &self,
        committed: Option<Epoch>,
        now_ms: impl Fn() -> i64,
    ) -> Result<Option<Option<Claimed>>, Failure> {
        let found = self.read().await?;
        let known = [
            committed,
            self.highest().await?,
            found.map(|claimed| claimed.epoch),
        ];
        let epoch = Epoch::of_assignment(now_ms(), known.into_iter().flatten());
        let watermark = found.and_then(|claimed| claimed.watermark);
        self.write(epoch, watermark).await?;
        let is_ours = self.read().await?.is_some_and(|now| now.epoch == epoch);
        if is_ours {
            self.fence.renew(epoch);
        }
        Ok(is_ours.then_some(found))
    }

    /// The highest epoch among the partition's points: whatever the claim says, nothing is written
    /// below.
    async fn highest(&self) -> Result<Option<Epoch>, Failure> {
        let TopicPartition { topic, partition } = self.fence.partition();
        let by_epoch = OrderByBuilder::new(field(EPOCH)).direction(Direction::Desc.into());
        let request = ScrollPointsBuilder::new(&self.connection.collection)
            .filter(conditions::of_partition(topic, *partition))
            .order_by(by_epoch)
            .limit(1)
            .with_payload(true)
            .with_vectors(false);
        let answer = self
            .connection
            .client
            .points()
            .scroll(request.build())
            .await;
        let points = answer
            .map_err(|error| self.failure(&error))?
            .into_inner()
            .result;
        let highest = points.first().and_then(|point| Object::of(&point.payload));
        Ok(highest.and_then(|object| object.integer(EPOCH).map(Epoch)))
    }

    async fn read(&self) -> Result<Option<Claimed>, Failure> {
        let ids = std::iter::once(self.id);
        let fields = vec![RESERVED_FIELD.to_owned()];
        let points = points::read(&self.connection, "claim", ids, fields).await?;
        let found = points.into_values().next();
        Ok(found.and_then(|point| Claimed::from_object(Object::of(&point.payload)?)))
    }

    async fn write(&self, epoch: Epoch, watermark: Option<Watermark>) -> Result<(), Failure> {
        let partition = self.fence.partition();
        let point = PointStruct {
            id: Some(value::point_id(self.id)),
            payload: [(
                RESERVED_FIELD.to_owned(),
                Claimed { epoch, watermark }.to_value(partition),
            )]
            .into(),
            vectors: Some(no_vectors()),
        };
        let upsert = PointsUpdateOperation {
            operation: Some(Operation::Upsert(PointStructList {
                points: vec![point],
                shard_key_selector: None,
                update_filter: Some(conditions::own(partition, epoch)),
                update_mode: None,
            })),
        };
        let collection = &self.connection.collection;
        let request = UpdateBatchPointsBuilder::new(collection, vec![upsert]).wait(true);
        let answer = self
            .connection
            .client
            .points()
            .update_batch(request.build())
            .await;
        self.connection.metrics.count_call("claim", answer.is_ok());
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &Status) -> Failure {
        let refuses = "Qdrant refuses the bookkeeping of a partition";
        self.connection
            .failure_of_no_record(error, "claim", refuses)
    }

    /// Removes the tombstones that were written before `before_ms` (milliseconds since 1970), after
    /// noting that everything below the watermark is reflected: from then on that says what they
    /// said. Tries until it is done: then `true`; or until `until` is cancelled.
    pub async fn sweep(
        &self,
        watermark: Watermark,
        before_ms: i64,
        until: &CancellationToken,
    ) -> bool {
        let attempt = || self.delete_tombstones(watermark, before_ms);
        self.note(watermark, until).await && self.connection.insist(until, attempt).await.is_some()
    }

    async fn delete_tombstones(&self, watermark: Watermark, before_ms: i64) -> Result<(), Failure> {
        let TopicPartition { topic, partition } = self.fence.partition();
        let below = |bound: i64| Range {
            lt: Some(bound as f64),
            ..Range::default()
        };
        let mut swept = conditions::of_partition(topic, *partition);
        swept.must.extend([
            Condition::range(field(DELETED_MS), below(before_ms)),
            Condition::range(field(DELETED_OFFSET), below(watermark.offset.0)),
        ]);
        swept
            .must_not
            .push(conditions::written_above(self.fence.epoch()));
        let request = DeletePointsBuilder::new(&self.connection.collection)
            .points(swept)
            .wait(true);
        let answer = self
            .connection
            .client
            .points()
            .delete(request.build())
            .await;
        self.connection.metrics.count_call("sweep", answer.is_ok());
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }
}

fn id(partition: &TopicPartition) -> PointId {
    let TopicPartition { topic, partition } = partition;
    let name = format!("{topic}\npartition {partition}");
    PointId::Uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

const WATERMARK_FROM: &str = "watermark_from";
const WATERMARK: &str = "watermark";
const WATERMARK_MS: &str = "watermark_ms";

impl Claimed {
    fn to_value(self, partition: &TopicPartition) -> qdrant_client::qdrant::Value {
        let mut fields = std::collections::HashMap::from([
            ("topic".to_owned(), value::text(&*partition.topic)),
            (
                "partition".to_owned(),
                value::integer(i64::from(partition.partition)),
            ),
            (EPOCH.to_owned(), value::integer(self.epoch.0)),
        ]);
        if let Some(Watermark {
            from,
            offset,
            timestamp_ms,
        }) = self.watermark
        {
            fields.insert(WATERMARK_FROM.to_owned(), value::integer(from.0));
            fields.insert(WATERMARK.to_owned(), value::integer(offset.0));
            fields.insert(WATERMARK_MS.to_owned(), value::integer(timestamp_ms));
        }
        value::wrap(Kind::StructValue(qdrant_client::qdrant::Struct { fields }))
    }

    fn from_object(object: Object<'_>) -> Option<Self> {
        let watermark = || {
            Some(Watermark {
                from: Offset(object.integer(WATERMARK_FROM)?),
                offset: Offset(object.integer(WATERMARK)?),
                timestamp_ms: object.integer(WATERMARK_MS)?,
            })
        };
        Some(Self {
            epoch: Epoch(object.integer(EPOCH)?),
            watermark: watermark(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_as_it_was_written() {
        let partition = TopicPartition {
            topic: "t".into(),
            partition: 3,
        };
        for watermark in [
            None,
            Some(Watermark {
                from: Offset(0),
                offset: Offset(7),
                timestamp_ms: 1_700_000_000_000,
            }),
        ] {
            let claimed = Claimed {
                epoch: Epoch(1 << 51),
                watermark,
            };
            let Some(Kind::StructValue(object)) = claimed.to_value(&partition).kind else {
                unreachable!("it is an object")
            };
            assert_eq!(Claimed::from_object(Object(&object)), Some(claimed));
        }
    }

    #[test]
    fn each_partition_has_a_claim_of_its_own() {
        let of = |topic: &str, partition| {
            id(&TopicPartition {
                topic: topic.into(),
                partition,
            })
        };
        assert_ne!(of("t", 1), of("t", 2));
        assert_ne!(of("t", 1), of("u", 1));
    }
}
