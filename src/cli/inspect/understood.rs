//! A record as Vectide understands it.

use std::sync::Arc;

use crate::{
    config::RowsConfig,
    decode::Skip,
    error::Failure,
    record::{Document, Offset, PointId, Position, Row, RowKey},
};

use super::look::{Look, Shape};

/// A record, and what was made of it.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Understood {
    pub(in crate::cli) place: Place,
    /// Kafka's, in milliseconds since 1970.
    pub(in crate::cli) timestamp_ms: Option<i64>,
    pub(super) look: Look,
    /// How rows of its table were to be read.
    pub(super) rows: Arc<RowsConfig>,
    pub(in crate::cli) key: Result<RowKey, Failure>,
    pub(in crate::cli) news: News,
}

/// Where a record stands; displays as `topic/partition@offset`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Place {
    pub(in crate::cli) topic: Arc<str>,
    pub(in crate::cli) partition: i32,
    pub(in crate::cli) offset: Offset,
}

/// What a record says.
#[derive(Debug, Clone)]
pub(in crate::cli) enum News {
    /// The row now.
    Row(Box<RowNews>),
    /// The row is gone.
    Gone {
        point: Result<PointId, Failure>,
        position: Position,
    },
    /// All rows are gone.
    Truncate,
    /// It carries no row.
    Skip(Skip),
    /// It can't be read.
    Unreadable(Failure),
}

/// A row, and what would be written.
#[derive(Debug, Clone)]
pub(in crate::cli) struct RowNews {
    pub(in crate::cli) row: Row,
    /// Whether the record says that there was none before.
    pub(in crate::cli) is_new: bool,
    pub(in crate::cli) position: Position,
    pub(in crate::cli) point: Result<PointId, Failure>,
    pub(in crate::cli) outcome: Outcome,
}

/// What would be written of a row.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Outcome {
    /// This.
    Document(Box<Document>),
    /// What the index says of these columns, which the connector did not repeat, is needed first.
    Incomplete(Vec<Arc<str>>),
    /// Nothing.
    Refused(Failure),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

impl Understood {
    /// What happened, in one word: the operation, or what the record is instead of a change.
    pub(in crate::cli) fn operation(&self) -> &'static str {
        let op = match &self.look.shape {
            Shape::Envelope { op, .. } => Some(op.as_str()),
            Shape::Flattened { op, .. } => op.as_deref(),
            Shape::Other => None,
        };
        match (&self.news, op) {
            (News::Unreadable(_), _) => "unreadable",
            (News::Skip(skip), _) => skip.label(),
            (News::Truncate, _) => "truncate",
            (News::Gone { .. }, _) if self.is_tombstone() => "tombstone",
            (News::Gone { .. }, _) => "delete",
            (News::Row(_), Some("r")) => "snapshot",
            (News::Row(_), Some("c")) => "create",
            (News::Row(_), Some("u")) => "update",
            (News::Row(news), _) if news.is_new => "create",
            // A flattened row need not say, and Avro can't be looked into from outside.
            (News::Row(_), _) => "upsert",
        }
    }

    /// Where the record stands, as far as it can be told.
    pub(in crate::cli) fn position_or_place(&self) -> Position {
        match &self.news {
            News::Row(news) => news.position,
            News::Gone { position, .. } => *position,
            News::Truncate | News::Skip(_) | News::Unreadable(_) => Position {
                offset: self.place.offset,
                timestamp_ms: self.timestamp_ms.unwrap_or(0),
                commit_ms: None,
                source: None,
            },
        }
    }

    /// Whether the value is null.
    pub(super) fn is_tombstone(&self) -> bool {
        use super::look::Encoding::{Null, NullLiteral};
        matches!(self.look.value, Null | NullLiteral)
    }

    /// Why nothing could be written of it, if so.
    pub(in crate::cli) fn failure(&self) -> Option<&Failure> {
        let needs_key = matches!(self.news, News::Row(_) | News::Gone { .. });
        match &self.news {
            News::Unreadable(failure) => Some(failure),
            _ if needs_key && self.key.is_err() => self.key.as_ref().err(),
            News::Row(news) => match (&news.point, &news.outcome) {
                (Err(failure), _) | (_, Outcome::Refused(failure)) => Some(failure),
                _ => None,
            },
            News::Gone { point, .. } => point.as_ref().err(),
            News::Truncate | News::Skip(_) => None,
        }
    }

    /// The table, as the source names it, or as the topic is called: `public.products`.
    pub(in crate::cli) fn table(&self) -> &str {
        match &self.look.table {
            Some(table) => table,
            None => self
                .place
                .topic
                .split_once('.')
                .map_or(&*self.place.topic, |(_, table)| table),
        }
    }
}
