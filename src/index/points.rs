//! What the services that read points have in common: many points in one call, each with the part
//! of its payload that somebody asked for.

use std::{collections::HashMap, sync::Arc};

use qdrant_client::qdrant::{
    GetPointsBuilder, PayloadIncludeSelector, PointId, RetrievedPoint,
    with_payload_selector::SelectorOptions,
};

use crate::{error::Failure, record};

use super::{Connection, failure::failure, service::Outage, value};

/// A request for one point.
pub(super) trait PointRequest: Sized {
    /// The metric label.
    const LABEL: &'static str;

    /// Which point.
    fn point(&self) -> record::PointId;

    /// The payload fields that a batch asks for, together.
    fn fields(batch: &[Self]) -> Vec<String>;

    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;

    /// Answers: with the point, or that there is none.
    fn answer(self, point: Option<&RetrievedPoint>);
}

/// Answers a batch of requests. Tries until the server does, or nobody waits any more.
pub(super) async fn get<R: PointRequest>(connection: Arc<Connection>, mut batch: Vec<R>) {
    let mut outage = Outage::new(&connection);
    loop {
        batch.retain(R::is_wanted);
        if batch.is_empty() {
            return;
        }
        match call(&connection, &batch).await {
            Ok(points) => {
                outage.over();
                for request in batch {
                    let point = points.get(&value::point_id(request.point()));
                    request.answer(point);
                }
                return;
            }
            Err(failure) => {
                if !outage.pause(&failure).await {
                    return;
                }
            }
        }
    }
}

async fn call<R: PointRequest>(
    connection: &Connection,
    batch: &[R],
) -> Result<Points, Failure> {
    let ids = batch.iter().map(R::point);
    read(connection, R::LABEL, ids, R::fields(batch), false).await
}

/// The points that were found, by their ids.
pub(super) type Points = HashMap<PointId, RetrievedPoint>;

/// One call: these points with these fields of their payload, and with all their vectors if wanted.
pub(super) async fn read(
    connection: &Connection,
    label: &'static str,
    ids: impl Iterator<Item = record::PointId>,
    fields: Vec<String>,
    vectors: bool,
) -> Result<Points, Failure> {
    let ids: Vec<PointId> = ids.map(value::point_id).collect();
    let fields = SelectorOptions::Include(PayloadIncludeSelector { fields });
    let request = GetPointsBuilder::new(&connection.collection, ids)
        .with_payload(fields)
        .with_vectors(vectors);
    let timer = connection
        .metrics
        .duration
        .with_label_values(&[label])
        .start_timer();
    let answer = connection.client.get_points(request).await;
    timer.observe_duration();
    connection.metrics.count_call(label, answer.is_ok());
    let points = answer.map_err(|error| failure(&error, &connection.collection))?;
    Ok(points
        .result
        .into_iter()
        .filter_map(|point| Some((point.id.clone()?, point)))
        .collect())
}

#[cfg(all(test, feature = "embedded"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;
    use tokio_util::sync::CancellationToken;
    use vectide_embedded::qdrant::{EmbeddedQdrant, QdrantOptions, Storage};

    use crate::{
        config::Config,
        index::{Calls, CollectionSpec, Fence, Index, IndexReply, connect_client},
        lease::Lease,
        record::{
            Epoch, Offset, Payload, PayloadHash, PointId, Stored, Ticket, TopicPartition, Value,
            Write, WriteOutcome,
        },
        telemetry::{Health, Lane, LanePart, Metrics},
    };

    fn stored() -> Stored {
        Stored {
            topic: "t".into(),
            partition: 0,
            offset: Offset(1),
            timestamp_ms: 0,
            commit_ms: None,
            source: None,
            key: "[1]".into(),
            text_hash: None,
            wanted: None,
            payload_hash: PayloadHash::of(&[]),
            fingerprint: "m/4@e".into(),
            version: None,
            source_columns: Payload::default(),
        }
    }

    /// As when a row that was looked up is superseded, and its key is looked up again at once.
    #[tokio::test]
    async fn two_requests_for_one_point_in_one_call_are_both_answered_with_it() {
        let qdrant = EmbeddedQdrant::start(QdrantOptions {
            address: "127.0.0.1:0".parse().unwrap(),
            storage: Storage::Memory,
        });
        let qdrant = qdrant.await.unwrap();
        let config = Config::default().index;
        let health = LanePart::split(
            &Health::default(),
            Lane::Index,
            std::iter::once("collection".to_owned()),
        );
        let spec = CollectionSpec::new(&config, "products", 4);
        let index = Index::connect(
            connect_client(&config, &qdrant.url()).unwrap(),
            &spec,
            Calls::new(&config),
            Metrics::new().unwrap().index,
            health.into_iter().next().unwrap(),
            Lease::unlimited(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let index = index.await.unwrap();
        let point = PointId::Integer(1);
        let (written, mut outcomes) = unbounded_channel();
        let title = ("title".into(), Value::String("Tent".into()));
        let write = Write::Upsert {
            point,
            vector: vec![1.0; 4],
            payload: vec![title.clone()].into(),
            stored: Box::new(stored()),
            expected: None,
        };
        let topic = "t".into();
        let fence = Fence::new(TopicPartition { topic, partition: 0 }, Epoch(1));
        index.write(Ticket(0), write, &fence, written);
        assert!(matches!(
            outcomes.recv().await,
            Some(IndexReply::Written {
                outcome: WriteOutcome::Applied,
                ..
            })
        ));

        let (reply, mut replies) = unbounded_channel();
        for ticket in [1, 2] {
            index.look_up(Ticket(ticket), point, vec!["title".into()], reply.clone());
        }
        for _ in 0..2 {
            let known = replies.recv().await.unwrap().point.unwrap();
            assert_eq!(known.payload.fields(), std::slice::from_ref(&title));
            assert_eq!(known.stored, stored());
        }
    }
}
