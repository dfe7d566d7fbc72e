//! What a topic says of its table: of each row the last record's offset and hashes, not the row.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::{
    cli::explain::Ignored,
    document::{DocumentBuilder, hash_of_fields},
    index::as_stored,
    pipeline::RowNews,
    record::{
        Offset, Payload, PointId, Position, RawRecord, Row, RowKey, RowState, ShortHash,
        SourcePosition, TextHash, TruncateMark, Value,
    },
};

/// The rows of one topic.
#[derive(Debug)]
pub(super) struct Table {
    rows: HashMap<PointId, LastRecord>,
    ignored: Ignored,
    truncated: Option<TruncateMark>,
    /// Sets of fields that records did not repeat.
    unrepeated: Vec<Box<[Arc<str>]>>,
}

/// A row's last record.
#[derive(Debug)]
pub(super) struct LastRecord {
    /// The row's key: most are that short.
    key: SmallVec<[u8; 16]>,
    pub(super) partition: i32,
    pub(super) offset: Offset,
    timestamp_ms: i64,
    source: Option<SourcePosition>,
    /// From here on its records say the whole row.
    pub(super) from: Offset,
    pub(super) said: Said,
    /// Whether the index has a point for it.
    pub(super) is_found: bool,
}

/// What a row's last record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The row exists.
    Row {
        /// The text's hash; `None` where the record does not repeat all that it is made of.
        text: Option<TextHash>,
        /// The hash of the payload's fields as they are stored, without ignored ones and
        payload: ShortHash,
        /// without those that the record does not repeat: the number of their set.
        unrepeated: u16,
    },
    /// There is no such row.
    Gone,
    /// Nothing can be made of it.
    Unusable,
}

impl Table {
    pub(super) fn new(ignored: Ignored, truncated: Option<TruncateMark>) -> Self {
        Self {
            rows: HashMap::new(),
            ignored,
            truncated,
            unrepeated: vec![Box::default()],
        }
    }

    /// Takes a record in. Those of one partition must come in the order of their offsets.
    pub(super) fn add(&mut self, raw: &RawRecord, news: RowNews, documents: &mut DocumentBuilder) {
        let (point, news) = news;
        let (key, position, said) = match news {
            Err(_) => (None, Position::of_record(raw), Said::Unusable),
            Ok(change) => {
                let said = self.said(&change.key, &change.state, &change.position, documents);
                (Some(change.key), change.position, said)
            }
        };
        let is_whole = !matches!(said, Said::Row { text: None, .. } | Said::Unusable);
        let known = self.rows.get(&point);
        if known.is_some_and(|known| known.is_later(raw.partition, &position)) {
            return;
        }
        let known = known.filter(|known| known.partition == raw.partition);
        let from = match known {
            Some(known) if !is_whole && known.said != Said::Gone => known.from,
            _ => position.offset,
        };
        let key = match (key, known) {
            (Some(key), _) => SmallVec::from_slice(key.as_str().as_bytes()),
            (None, Some(known)) => known.key.clone(),
            (None, None) => SmallVec::new(),
        };
        let last = LastRecord {
            key,
            partition: raw.partition,
            offset: position.offset,
            timestamp_ms: position.timestamp_ms,
            source: position.source,
            from,
            said,
            is_found: false,
        };
        self.rows.insert(point, last);
    }

    /// What a row that was read elsewhere says, in the same form.
    pub(super) fn said_of(
        &mut self,
        key: &RowKey,
        row: Option<&Row>,
        documents: &mut DocumentBuilder,
    ) -> Said {
        match row {
            None => Said::Gone,
            Some(row) => self.row(key, row, documents).unwrap_or(Said::Unusable),
        }
    }

    fn said(
        &mut self,
        key: &RowKey,
        state: &RowState,
        position: &Position,
        documents: &mut DocumentBuilder,
    ) -> Said {
        let is_truncated = self.truncated.is_some_and(|mark| mark.covers(position));
        match state {
            RowState::Gone => Said::Gone,
            RowState::Present(_) if is_truncated => Said::Gone,
            RowState::Present(row) => self.row(key, row, documents).unwrap_or(Said::Unusable),
        }
    }

    fn row(&mut self, key: &RowKey, row: &Row, documents: &mut DocumentBuilder) -> Option<Said> {
        let (text, payload) = if documents.unavailable(row).next().is_none() {
            let document = documents.build_with_text(key, row).ok()?;
            (Some(document.text_hash), document.payload)
        } else {
            (None, documents.payload(row).ok()?)
        };
        let fields = payload.fields().iter();
        let left_out = fields.filter(|(_, value)| *value == Value::Unavailable);
        let left_out: Box<[Arc<str>]> = left_out.map(|(name, _)| name.clone()).collect();
        let unrepeated = self.set_of(left_out)?;
        let stored: Vec<(Arc<str>, Value)> = payload
            .fields()
            .iter()
            .map(|(name, value)| (name.clone(), as_stored(value)))
            .collect();
        Some(Said::Row {
            text,
            payload: self.hash(&stored.into(), unrepeated),
            unrepeated,
        })
    }

    /// The number of a set of fields; `None` where there are too many sets.
    fn set_of(&mut self, fields: Box<[Arc<str>]>) -> Option<u16> {
        let known = self.unrepeated.iter().position(|known| *known == fields);
        let number = known.unwrap_or(self.unrepeated.len());
        if number == self.unrepeated.len() {
            self.unrepeated.push(fields);
        }
        u16::try_from(number).ok()
    }

    /// The hash of fields as they are stored, without those that don't count and those of a set.
    pub(super) fn hash(&self, payload: &Payload, unrepeated: u16) -> ShortHash {
        let left_out = self.unrepeated.get(usize::from(unrepeated));
        let left_out = left_out.map_or(&[][..], |fields| fields);
        let counts = |name: &str| {
            !self.ignored.contains(name) && !left_out.iter().any(|field| **field == *name)
        };
        let fields = payload.fields().iter();
        let fields = fields.filter(|(name, _)| counts(name));
        hash_of_fields(fields.map(|(name, value)| (&**name, value))).short()
    }

    pub(super) fn get(&self, point: &PointId) -> Option<&LastRecord> {
        self.rows.get(point)
    }

    /// Notes that the index has a point for a row.
    pub(super) fn find(&mut self, point: &PointId) {
        if let Some(row) = self.rows.get_mut(point) {
            row.is_found = true;
        }
    }

    /// All rows, by their points.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&PointId, &LastRecord)> {
        self.rows.iter()
    }
}

impl LastRecord {
    /// The row's key in canonical form; of a row of which there is no usable record, empty.
    pub(super) fn key(&self) -> RowKey {
        RowKey::from_canonical(String::from_utf8_lossy(&self.key))
    }

    /// Where it stands, as far as that is kept.
    pub(super) fn position(&self) -> Position {
        Position {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            commit_ms: None,
            source: self.source,
        }
    }

    /// Whether it came through another partition and is later nevertheless.
    fn is_later(&self, partition: i32, position: &Position) -> bool {
        self.partition != partition
            && match (self.source, position.source) {
                (Some(known), Some(other)) => known > other,
                _ => self.timestamp_ms > position.timestamp_ms,
            }
    }
}
