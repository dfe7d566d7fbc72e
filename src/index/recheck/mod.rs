//! Requests to recheck rows, kept in the collection as points without a vector, so that whoever owns
//! the partition finds them, also after a crash or a rebalance.
//!
//! A request's bookkeeping object names the topic in a field of its own, by which requests are found,
//! and has all else as JSON. It has no `topic` and no `partition`, so it is never taken for a row's
//! point, and no fence and no sweep matches it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Filter, GetPointsBuilder, PointStruct, RetrievedPoint,
    ScrollPointsBuilder, SetPayloadPointsBuilder, Struct, UpsertPointsBuilder, Value, value::Kind,
};
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::debug;
use uuid::Uuid;

use crate::{
    clock::now_ms,
    error::Failure,
    record::{
        Answer, AskedRow, Doubt, Offset, PointId, RESERVED_FIELD, Receipt, Recheck, RowKey,
        TopicPartition,
    },
};

use super::{
    Claim, Client, Connection,
    operations::no_vectors,
    stored::{Object, field},
    value,
};

/// How often requests are looked for.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long an answered request is kept for whoever asked.
const KEPT: Duration = Duration::from_hours(1);

/// More requests than that are looked at later.
const PAGE: u32 = 256;

/// Names the topic of a request; no other point has it.
pub(super) const RECHECK_OF: &str = "recheck_of";

/// The request itself.
const RECHECK: &str = "recheck";

/// Follows the requests of one table.
#[derive(Debug, Clone)]
pub struct Rechecks {
    connection: Arc<Connection>,
    topic: Arc<str>,
    open: Arc<watch::Sender<Arc<[Recheck]>>>,
}

impl Rechecks {
    /// Looks for requests until the program stops.
    pub(super) fn follow(connection: Arc<Connection>, topic: Arc<str>, runtime: &Handle) -> Self {
        let rechecks = Self {
            connection,
            topic,
            open: Arc::new(watch::Sender::new(Arc::default())),
        };
        runtime.spawn(rechecks.clone().look_again_and_again());
        rechecks
    }

    /// Those that are not answered, of all partitions, the oldest first.
    pub fn watch(&self) -> watch::Receiver<Arc<[Recheck]>> {
        let mut open = self.open.subscribe();
        // What was found before is news to whoever begins to watch.
        open.mark_changed();
        open
    }

    /// Answers a request, unless its partition has been claimed by another member since: then that one
    /// answers it. Tries until it is done, or until `until` is cancelled.
    ///
    /// What a former owner writes of a row that it was asked for may arrive after its successor has
    /// received later news of the row. So the request must be open still, for the successor to find.
    pub async fn answer(&self, answered: &Recheck, claim: &Claim, until: &CancellationToken) {
        let attempt = || self.try_answer(answered, claim);
        self.connection.insist(until, attempt).await;
    }

    async fn look_again_and_again(self) {
        let shutdown = self.connection.shutdown.clone();
        loop {
            if let Err(failure) = self.look().await {
                debug!(topic = %self.topic, "can't look for requests to recheck rows: {failure}");
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn look(&self) -> Result<(), Failure> {
        let request = ScrollPointsBuilder::new(&self.connection.collection)
            .filter(of_topic(&self.topic))
            .limit(PAGE)
            .with_payload(true)
            .with_vectors(false);
        let answer = self
            .connection
            .client
            .points()
            .scroll(request.build())
            .await;
        let points = answer.map_err(|error| self.failure(&error))?.into_inner();
        let found = points.result.iter().filter_map(from_point);
        let (mut open, answered): (Vec<_>, Vec<_>) = found.partition(|it| it.answer.is_none());
        open.sort_by_key(|request| (request.asked_ms, request.id));
        self.open.send_if_modified(|known| {
            let is_news = **known != *open;
            *known = open.into();
            is_news
        });
        self.forget_old(&answered).await
    }

    /// Removes what was answered long ago: whoever asked is gone.
    async fn forget_old(&self, answered: &[Recheck]) -> Result<(), Failure> {
        let now_ms = u128::try_from(now_ms()).unwrap_or(0);
        let is_old = |it: &&Recheck| {
            let answer = it.answer.as_ref();
            let at_ms = answer.and_then(|answer| u128::try_from(answer.at_ms).ok());
            at_ms.is_some_and(|at_ms| at_ms + KEPT.as_millis() < now_ms)
        };
        let old: Vec<_> = answered.iter().filter(is_old).map(|it| it.id).collect();
        if old.is_empty() {
            return Ok(());
        }
        let connection = &self.connection;
        let forgotten = forget(&connection.client, &connection.collection, &old).await;
        forgotten.map_err(|error| self.failure(&error))
    }

    async fn try_answer(&self, answered: &Recheck, claim: &Claim) -> Result<(), Failure> {
        if !claim.is_current().await? {
            return Ok(());
        }
        let payload: HashMap<String, Value> =
            [(RECHECK.to_owned(), value::text(to_json(answered)))].into();
        // By a filter, because the request may be gone: whoever asked has given it up.
        let this = Filter::must([Condition::has_id([id_of(answered.id)])]);
        let request = SetPayloadPointsBuilder::new(&self.connection.collection, payload)
            .points_selector(this)
            .key(RESERVED_FIELD)
            .wait(true);
        let mut points = self.connection.client.points();
        let answer = points.set_payload(request.build()).await;
        let metrics = &self.connection.metrics;
        metrics.count_call(RECHECK, answer.is_ok());
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &Status) -> Failure {
        let refuses = "rows were asked to be rechecked, and Qdrant refuses to take the answer";
        self.connection
            .failure_of_no_record(error, RECHECK, refuses)
    }
}

/// Asks the owners of a collection's partitions to recheck rows.
#[derive(Clone)]
pub struct RecheckDesk {
    client: Client,
    collection: String,
}

impl RecheckDesk {
    /// Asks in this collection.
    pub fn new(client: Client, collection: &str) -> Self {
        Self {
            client,
            collection: collection.to_owned(),
        }
    }

    /// Makes a request, which stays until it is answered.
    pub async fn ask(
        &self,
        partition: TopicPartition,
        rows: Vec<AskedRow>,
        asked_ms: i64,
    ) -> Result<Recheck, Failure> {
        let name = format!(
            "{partition}\nrecheck {asked_ms} {:032x}",
            fastrand::u128(..)
        );
        let request = Recheck {
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
            partition,
            asked_ms,
            rows,
            answer: None,
        };
        let point = PointStruct {
            id: Some(id_of(request.id)),
            payload: [(RESERVED_FIELD.to_owned(), to_value(&request))].into(),
            vectors: Some(no_vectors()),
        };
        let upsert = UpsertPointsBuilder::new(&self.collection, [point]).wait(true);
        let asked = self.client.points().upsert(upsert.build()).await;
        asked.map_err(|error| self.failure(&error))?;
        Ok(request)
    }

    /// What became of requests: those that are answered.
    pub async fn answered(&self, ids: &[Uuid]) -> Result<Vec<Recheck>, Failure> {
        let ids: Vec<_> = ids.iter().copied().map(id_of).collect();
        let request = GetPointsBuilder::new(&self.collection, ids)
            .with_payload(true)
            .with_vectors(false);
        let answer = self.client.points().get(request.build()).await;
        let points = answer.map_err(|error| self.failure(&error))?.into_inner();
        let found = points.result.iter().filter_map(from_point);
        Ok(found.filter(|it| it.answer.is_some()).collect())
    }

    /// Removes requests that are answered.
    pub async fn forget(&self, ids: &[Uuid]) -> Result<(), Failure> {
        let forgotten = forget(&self.client, &self.collection, ids).await;
        forgotten.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &Status) -> Failure {
        self.client.failure(error, &self.collection)
    }
}

impl std::fmt::Debug for RecheckDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecheckDesk({})", self.collection)
    }
}

async fn forget(client: &Client, collection: &str, ids: &[Uuid]) -> Result<(), Status> {
    let ids: Vec<_> = ids.iter().copied().map(id_of).collect();
    let request = DeletePointsBuilder::new(collection).points(ids).wait(true);
    client.points().delete(request.build()).await.map(|_| ())
}

fn id_of(id: Uuid) -> qdrant_client::qdrant::PointId {
    value::point_id(PointId::Uuid(id))
}

/// Matches the requests of a topic.
fn of_topic(topic: &str) -> Filter {
    Filter::must([Condition::matches(field(RECHECK_OF), topic.to_owned())])
}

/// A request as JSON, without its topic and its id.
#[derive(Serialize, Deserialize)]
struct Wire {
    partition: i32,
    asked_ms: i64,
    rows: Vec<WireRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<Receipt>,
}

#[derive(Serialize, Deserialize)]
struct WireRow {
    point: String,
    key: String,
    from: i64,
    doubt: Doubt,
}

fn to_value(request: &Recheck) -> Value {
    let topic = value::text(&*request.partition.topic);
    value::wrap(Kind::StructValue(Struct {
        fields: [
            (RECHECK_OF.to_owned(), topic),
            (RECHECK.to_owned(), value::text(to_json(request))),
        ]
        .into(),
    }))
}

fn to_json(request: &Recheck) -> String {
    let rows = request.rows.iter().map(|row| WireRow {
        point: row.point.to_string(),
        key: row.key.as_str().to_owned(),
        from: row.from.0,
        doubt: row.doubt,
    });
    let answer = request.answer.as_ref();
    let wire = Wire {
        partition: request.partition.partition,
        asked_ms: request.asked_ms,
        rows: rows.collect(),
        answered_ms: answer.map(|answer| answer.at_ms),
        receipts: answer.map_or_else(Vec::new, |answer| answer.receipts.clone()),
    };
    serde_json::to_string(&wire).expect("it has text, numbers and lists alone")
}

/// The request that a point is.
fn from_point(point: &RetrievedPoint) -> Option<Recheck> {
    let PointId::Uuid(id) = value::shown_id(point.id.as_ref()?).parse().ok()? else {
        return None;
    };
    let object = Object::of(&point.payload)?;
    let topic = object.text(RECHECK_OF)?;
    let wire: Wire = serde_json::from_str(object.text(RECHECK)?).ok()?;
    let rows = wire.rows.into_iter().map(|row| {
        Some(AskedRow {
            point: row.point.parse().ok()?,
            key: RowKey::from_canonical(row.key),
            from: Offset(row.from),
            doubt: row.doubt,
        })
    });
    let receipts = wire.receipts;
    Some(Recheck {
        id,
        partition: TopicPartition {
            topic: topic.into(),
            partition: wire.partition,
        },
        asked_ms: wire.asked_ms,
        rows: rows.collect::<Option<_>>()?,
        answer: wire.answered_ms.map(|at_ms| Answer { at_ms, receipts }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Recheck {
        let row = |point, doubt| AskedRow {
            point,
            key: RowKey::from_canonical("[\"B-204\",3]"),
            from: Offset(40),
            doubt,
        };
        Recheck {
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, b"request"),
            partition: TopicPartition {
                topic: "shop.public.products".into(),
                partition: 3,
            },
            asked_ms: 1_700_000_000_000,
            rows: vec![
                row(PointId::Integer(17), Doubt::Memory),
                row(PointId::Uuid(Uuid::nil()), Doubt::Vector),
            ],
            answer: None,
        }
    }

    fn stored(request: &Recheck) -> RetrievedPoint {
        RetrievedPoint {
            id: Some(id_of(request.id)),
            payload: [(RESERVED_FIELD.to_owned(), to_value(request))].into(),
            ..RetrievedPoint::default()
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let mut request = request();
        assert_eq!(from_point(&stored(&request)), Some(request.clone()));
        let refused = Receipt::Refused {
            stage: "decode".to_owned(),
            reason: "not_json".to_owned(),
            message: "no “JSON”".to_owned(),
        };
        request.answer = Some(Answer {
            at_ms: 1_700_000_000_500,
            receipts: vec![Receipt::Written { offset: 41 }, refused],
        });
        assert_eq!(from_point(&stored(&request)), Some(request));
    }

    #[test]
    fn a_request_is_never_taken_for_a_row() {
        let point = stored(&request());
        let state = super::super::stored::from_payload(&point.payload);
        assert_eq!(state, crate::record::PointState::Foreign);
        let Some(Kind::StructValue(object)) = to_value(&request()).kind else {
            unreachable!("it is an object")
        };
        for field in ["topic", "partition", "epoch", "commit_ms"] {
            assert!(!object.fields.contains_key(field), "{field}");
        }
    }
}
