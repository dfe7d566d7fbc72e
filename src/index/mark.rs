//! Truncate marks: each table's last truncate, kept in the collection as a point without a vector,
//! so that every member learns of it, whichever partition it owns.
//!
//! The mark of the topic `shop.public.products` is the point whose id is the UUIDv5 of the topic,
//! a line feed and `truncate` (a key's canonical form begins with a bracket, so no row has it).
//! Its bookkeeping object says when and where, and which partitions have been swept since.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use qdrant_client::qdrant::{
    Condition, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, FieldType, Filter,
    GetPointsBuilder, PointStruct, Range, SetPayloadPointsBuilder, Struct, UpsertPointsBuilder,
    Value, value::Kind,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, watch},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::debug;
use uuid::Uuid;

use crate::{
    error::Failure,
    record::{PointId, RESERVED_FIELD, SourcePosition, TruncateMark},
};

use super::{Connection, operations::no_vectors, stored::DELETED_MS, stored::Object, value};

/// How often the marks are read: so long may a truncate that another member met stay unknown here.
const INTERVAL: Duration = Duration::from_secs(2);

/// What is known of a table's last truncate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkState {
    /// Nothing yet: the mark has not been read.
    Unread,
    /// There was none.
    Never,
    /// This one.
    Truncated {
        /// Which rows it took.
        mark: TruncateMark,
        /// Partitions whose points have been swept, with the stamp of the truncate after which.
        swept: BTreeMap<i32, i64>,
    },
}

impl MarkState {
    /// The mark, and whether the partition's points are still to be swept.
    pub fn of_partition(&self, partition: i32) -> Option<(TruncateMark, bool)> {
        match self {
            Self::Unread | Self::Never => None,
            Self::Truncated { mark, swept } => {
                Some((*mark, swept.get(&partition) != Some(&mark.stamp())))
            }
        }
    }

    fn raise(&mut self, mark: TruncateMark) -> bool {
        let is_later = match self {
            Self::Unread | Self::Never => true,
            Self::Truncated { mark: known, .. } => mark.is_later_than(known),
        };
        if is_later {
            *self = Self::Truncated {
                mark,
                swept: BTreeMap::new(),
            };
        }
        is_later
    }
}

/// Reads and writes one table's mark.
#[derive(Debug, Clone)]
pub struct Mark {
    connection: Arc<Connection>,
    topic: Arc<str>,
    state: Arc<watch::Sender<MarkState>>,
    /// Held while the mark is read and written.
    writing: Arc<Mutex<()>>,
}

impl Mark {
    /// Follows a table's mark until the program stops.
    pub(super) fn follow(connection: Arc<Connection>, topic: Arc<str>, runtime: &Handle) -> Self {
        let mark = Self {
            connection,
            topic,
            state: Arc::new(watch::Sender::new(MarkState::Unread)),
            writing: Arc::default(),
        };
        let followed = mark.clone();
        runtime.spawn(followed.read_again_and_again());
        mark
    }

    /// Reads the mark anew: what is known may be some seconds old. Tries until it is read, or until
    /// the program stops.
    pub async fn read_now(&self) {
        let connection = &self.connection;
        connection
            .insist(&connection.shutdown, || self.look())
            .await;
    }

    /// What is known, and whatever will be.
    pub fn watch(&self) -> watch::Receiver<MarkState> {
        self.state.subscribe()
    }

    /// Raises the mark, for all members, deletes the points of rows from before the truncate, and
    /// returns once that is done. Tries until it is, or until `until` is cancelled.
    ///
    /// A member that does not know of the truncate yet may still write such a row; it sweeps its
    /// partitions when it learns of it.
    pub async fn raise(&self, mark: TruncateMark, until: &CancellationToken) {
        let attempt = || self.try_raise(mark);
        self.connection.insist(until, attempt).await;
    }

    /// Deletes a partition's points of rows from before the truncate, and notes that it was done.
    /// Tries until it is, or until `until` is cancelled.
    pub async fn sweep(&self, partition: i32, mark: TruncateMark, until: &CancellationToken) {
        let attempt = || self.try_sweep(partition, mark);
        self.connection.insist(until, attempt).await;
    }

    async fn try_raise(&self, mark: TruncateMark) -> Result<(), Failure> {
        {
            let _one_at_a_time = self.writing.lock().await;
            self.index_fields().await?;
            let mut state = self.read().await?;
            if state.raise(mark) {
                self.write(mark).await?;
            }
            self.publish(state);
        }
        self.delete(covered(&self.topic, None, mark)).await
    }

    async fn try_sweep(&self, partition: i32, mark: TruncateMark) -> Result<(), Failure> {
        self.delete(covered(&self.topic, Some(partition), mark))
            .await?;
        self.note_swept(partition, mark).await
    }

    async fn read_again_and_again(self) {
        let shutdown = self.connection.shutdown.clone();
        // Partitions wait for the first answer.
        self.read_now().await;
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(failure) = self.look().await {
                debug!(topic = %self.topic, "can't read the truncate mark: {failure}");
            }
        }
    }

    /// Reads the mark. Another member that raised an earlier truncate at the same time may have
    /// written over a later one, which is known here: then that is written again.
    async fn look(&self) -> Result<(), Failure> {
        let _one_at_a_time = self.writing.lock().await;
        let mut read = self.read().await?;
        let known = self.state.borrow().clone();
        if let MarkState::Truncated { mark, .. } = known
            && read.raise(mark)
        {
            self.write(mark).await?;
        }
        self.publish(read);
        Ok(())
    }

    fn publish(&self, read: MarkState) {
        self.state.send_if_modified(|state| {
            let is_news = *state != read;
            *state = read;
            is_news
        });
    }

    /// Lets the fields by which points are swept be filtered by: servers in strict mode refuse to
    /// filter by others. Doing it again changes nothing.
    async fn index_fields(&self) -> Result<(), Failure> {
        for (field, kind) in SWEPT_BY {
            let request = CreateFieldIndexCollectionBuilder::new(
                &self.connection.collection,
                format!("{RESERVED_FIELD}.{field}"),
                kind,
            );
            let answer = self
                .connection
                .client
                .points()
                .create_field_index(request.wait(true).build())
                .await;
            answer.map_err(|error| self.failure(&error))?;
        }
        Ok(())
    }

    fn id(&self) -> PointId {
        id_of(&self.topic)
    }

    fn failure(&self, error: &Status) -> Failure {
        let refuses = "the table was truncated, and Qdrant refuses to apply that";
        self.connection
            .failure_of_no_record(error, "truncate", refuses)
    }

    async fn read(&self) -> Result<MarkState, Failure> {
        let request =
            GetPointsBuilder::new(&self.connection.collection, [value::point_id(self.id())])
                .with_payload(true)
                .with_vectors(false);
        let answer = self.connection.client.points().get(request.build()).await;
        let points = answer
            .map_err(|error| self.failure(&error))?
            .into_inner()
            .result;
        let state = points
            .first()
            .and_then(|point| from_payload(&point.payload));
        Ok(state.unwrap_or(MarkState::Never))
    }

    async fn write(&self, mark: TruncateMark) -> Result<(), Failure> {
        let point = PointStruct {
            id: Some(value::point_id(self.id())),
            payload: [(RESERVED_FIELD.to_owned(), to_value(&self.topic, mark))].into(),
            vectors: Some(no_vectors()),
        };
        let request = UpsertPointsBuilder::new(&self.connection.collection, [point]).wait(true);
        let answer = self
            .connection
            .client
            .points()
            .upsert(request.build())
            .await;
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    async fn delete(&self, covered: Filter) -> Result<(), Failure> {
        let request = DeletePointsBuilder::new(&self.connection.collection)
            .points(covered)
            .wait(true);
        let answer = self
            .connection
            .client
            .points()
            .delete(request.build())
            .await;
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }

    async fn note_swept(&self, partition: i32, mark: TruncateMark) -> Result<(), Failure> {
        let done: HashMap<String, Value> =
            [(partition.to_string(), value::integer(mark.stamp()))].into();
        let request = SetPayloadPointsBuilder::new(&self.connection.collection, done)
            .points_selector(vec![value::point_id(self.id())])
            .key(format!("{RESERVED_FIELD}.{SWEPT}"))
            .wait(true);
        let answer = self
            .connection
            .client
            .points()
            .set_payload(request.build())
            .await;
        answer.map(|_| ()).map_err(|error| self.failure(&error))
    }
}

/// The point that is a topic's mark.
pub(super) fn id_of(topic: &str) -> PointId {
    let name = format!("{topic}\ntruncate");
    PointId::Uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

/// The fields of the bookkeeping by which points are swept, beside the partition.
const SWEPT_BY: [(&str, FieldType); 2] = [
    ("commit_ms", FieldType::Integer),
    (SOURCE_POSITION, FieldType::Integer),
];

const TRUNCATED_MS: &str = "truncated_ms";
const SOURCE_POSITION: &str = "source_position";
const SWEPT: &str = "swept";

/// What [`TruncateMark::covers`] says, as a filter over the points of a topic, or of one partition.
fn covered(topic: &str, partition: Option<i32>, mark: TruncateMark) -> Filter {
    let field = |name: &str| format!("{RESERVED_FIELD}.{name}");
    let commit = |range| Condition::range(field("commit_ms"), range);
    let no_later = Range {
        lte: Some(mark.not_clearly_after() as f64),
        ..Range::default()
    };
    let clearly_before = Range {
        lt: Some(mark.clearly_before() as f64),
        ..Range::default()
    };
    let earlier = Range {
        lt: Some(mark.commit_ms as f64),
        ..Range::default()
    };
    let mut own = vec![
        Condition::matches(field("topic"), topic.to_owned()),
        // Tombstones stay, and serve their time: a former owner may yet write a row that was made
        // after the truncate and has been deleted since.
        Condition::is_empty(field(DELETED_MS)),
    ];
    if let Some(partition) = partition {
        own.push(Condition::matches(field("partition"), i64::from(partition)));
    }
    let Some(SourcePosition(source)) = mark.source else {
        return Filter::must(own.into_iter().chain([commit(earlier)]));
    };
    let before = Range {
        lt: Some(source as f64),
        ..Range::default()
    };
    let by_place = Filter::must([
        Condition::range(field(SOURCE_POSITION), before),
        commit(no_later),
    ]);
    let by_time = Filter::must([Condition::is_empty(field(SOURCE_POSITION)), commit(earlier)]);
    Filter {
        must: own,
        should: vec![by_place.into(), by_time.into(), commit(clearly_before)],
        ..Filter::default()
    }
}

fn to_value(topic: &str, mark: TruncateMark) -> Value {
    let mut fields: HashMap<String, Value> = [
        // Without a partition, so that it is never taken for a row's.
        ("topic".to_owned(), value::text(topic)),
        (TRUNCATED_MS.to_owned(), value::integer(mark.commit_ms)),
        (
            SWEPT.to_owned(),
            value::wrap(Kind::StructValue(Struct::default())),
        ),
    ]
    .into();
    if let Some(SourcePosition(position)) = mark.source {
        fields.insert(SOURCE_POSITION.to_owned(), value::integer(position));
    }
    value::wrap(Kind::StructValue(Struct { fields }))
}

/// The mark that a point is.
pub(super) fn from_payload(payload: &HashMap<String, Value>) -> Option<MarkState> {
    let object = Object::of(payload)?;
    let swept = match &object.0.fields.get(SWEPT)?.kind {
        Some(Kind::StructValue(swept)) => swept
            .fields
            .iter()
            .filter_map(|(partition, after)| match after.kind {
                Some(Kind::IntegerValue(after)) => Some((partition.parse().ok()?, after)),
                _ => None,
            })
            .collect(),
        _ => BTreeMap::new(),
    };
    Some(MarkState::Truncated {
        mark: TruncateMark {
            source: object.integer(SOURCE_POSITION).map(SourcePosition),
            commit_ms: object.integer(TRUNCATED_MS)?,
        },
        swept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for source in [Some(SourcePosition(100)), None] {
            let mark = TruncateMark {
                source,
                commit_ms: 5,
            };
            let payload = HashMap::from([(RESERVED_FIELD.to_owned(), to_value("t", mark))]);
            let state = from_payload(&payload);
            assert_eq!(
                state.map(|state| state.of_partition(0)),
                Some(Some((mark, true)))
            );
        }
    }

    #[test]
    fn a_later_truncate_is_to_be_swept_anew() {
        let mark = |commit_ms| TruncateMark {
            source: None,
            commit_ms,
        };
        let mut state = MarkState::Truncated {
            mark: mark(5),
            swept: [(3, mark(5).stamp())].into(),
        };
        assert!(!state.raise(mark(4)));
        assert_eq!(state.of_partition(3), Some((mark(5), false)));
        assert!(state.raise(mark(6)));
        assert_eq!(state.of_partition(3), Some((mark(6), true)));
    }
}
