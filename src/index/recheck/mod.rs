//! Requests to recheck rows, kept in the collection as points without a vector, so that whoever owns
//! the partition finds them, also after a crash or a rebalance.

mod wire;

use std::{collections::HashMap, sync::Arc, time::Duration};

use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Filter, GetPointsBuilder, PointStruct, ScrollPointsBuilder,
    SetPayloadPointsBuilder, UpsertPointsBuilder, Value,
};
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::debug;
use uuid::Uuid;

use crate::{
    clock::now_ms,
    error::Failure,
    record::{AskedRow, RESERVED_FIELD, Recheck, TopicPartition},
};

use super::{Claim, Client, Connection, operations::no_vectors, stored::field, value};

pub(super) use wire::RECHECK_OF;
use wire::{RECHECK, from_point, id_of, to_json, to_value};

/// How often requests are looked for.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long an answered request is kept for whoever asked.
const KEPT: Duration = Duration::from_hours(1);

/// More requests than that are looked at later.
const PAGE: u32 = 256;

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

/// Matches the requests of a topic.
fn of_topic(topic: &str) -> Filter {
    Filter::must([Condition::matches(field(RECHECK_OF), topic.to_owned())])
}
