//! What the table says about one key, ready to be compared with the index.

use smallvec::SmallVec;

use super::{Ack, Document, KnownPoint, Offset, PointId, Priority, Provenance, RawRecord, RowKey};

/// What the table says about a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Desired {
    /// The row exists, and this is its document.
    Row(Box<Document>),
    /// The row is gone.
    Gone,
}

impl Desired {
    /// Whether both ask the same of the index.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gone, Self::Gone) => true,
            (Self::Row(one), Self::Row(other)) => {
                one.text_hash == other.text_hash && one.payload_hash == other.payload_hash
            }
            _ => false,
        }
    }
}

/// Whether news of a row includes that it was created.
///
/// A created row over a point from before means that a delete or a truncate in between is not in
/// the index yet. The point is then written even if it looks the same, so that whoever applies a
/// truncate later sees that the row is younger. Until then the create's record must not settle,
/// also when a later row of the key supersedes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Creation {
    /// It doesn't.
    #[default]
    No,
    /// The news itself is of a created row.
    This,
    /// An earlier record, superseded and not settled, said so.
    Earlier {
        /// Its offset.
        offset: Offset,
        /// Settles it.
        ack: Ack,
    },
}

impl Creation {
    /// The offset as of which the row was created, given that of the news itself.
    pub fn offset(&self, own: Offset) -> Option<Offset> {
        match self {
            Self::No => None,
            Self::This => Some(own),
            Self::Earlier { offset, .. } => Some(*offset),
        }
    }

    /// Hands an earlier create on to later news of the row, and returns what need not wait for that:
    /// the earlier news' own acknowledgement, given with its offset, and that which it carried.
    #[must_use = "superseded records must be settled"]
    pub fn hand_on(
        self,
        offset: Offset,
        ack: Ack,
        later: &mut Self,
        desired: &Desired,
    ) -> [Option<Ack>; 2] {
        if *desired == Desired::Gone || *later != Self::No {
            return [Some(ack), self.into_ack()];
        }
        match self {
            Self::No => [Some(ack), None],
            Self::This => {
                *later = Self::Earlier { offset, ack };
                [None, None]
            }
            create @ Self::Earlier { .. } => {
                *later = create;
                [Some(ack), None]
            }
        }
    }

    /// The acknowledgement of the earlier create.
    pub fn into_ack(self) -> Option<Ack> {
        match self {
            Self::No | Self::This => None,
            Self::Earlier { ack, .. } => Some(ack),
        }
    }
}

/// What a row owes to earlier news of its key.
///
/// A row that came without the values that did not change may have taken them from earlier news that
/// has not settled. Then its own record does not say the whole row, and after a crash it could not be
/// completed again if the earlier records were settled: so they settle with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completion {
    is_owed: bool,
    records: Vec<Ack>,
}

impl Completion {
    /// Of a row with values from earlier, unsettled news.
    pub fn owed() -> Self {
        Self {
            is_owed: true,
            records: Vec::new(),
        }
    }

    /// Keeps the acknowledgements of what the row supersedes as long as it owes something to them;
    /// else they are given back.
    #[must_use = "superseded records must be settled"]
    pub fn keep(&mut self, superseded: impl IntoIterator<Item = Ack>) -> Superseded {
        if self.is_owed {
            self.records.extend(superseded);
            return Superseded::new();
        }
        superseded.into_iter().collect()
    }

    /// The acknowledgements of the earlier records.
    pub fn into_acks(self) -> Vec<Ack> {
        self.records
    }
}

/// The acknowledgements of superseded records, which settle at once.
pub type Superseded = SmallVec<[Ack; 2]>;

/// News of one key, with its document made, so that nothing about it can fail any more but its
/// embedding and its write.
#[derive(Debug)]
pub struct KeyChange {
    /// Which row.
    pub key: RowKey,
    /// Its point.
    pub point: PointId,
    /// What the table says.
    pub desired: Desired,
    /// The records that say so.
    pub from: Provenance,
    /// Whether earlier news of the key, which this superseded, said something else. A former owner
    /// of the partition may be writing that.
    pub replaces: bool,
}

impl KeyChange {
    /// A row that is parked at `point`, as news of itself: to get what it is owed. `None` where it
    /// is not parked. `cost` says what to charge for it, by the record made of its point and by its text.
    pub fn of_parked(
        point: PointId,
        known: KnownPoint,
        cost: impl FnOnce(&RawRecord, &str) -> u64,
    ) -> Option<Self> {
        let KnownPoint {
            stored, payload, ..
        } = known;
        let (parked, text_hash) = (stored.parked?, stored.wanted?);
        let columns = payload
            .fields()
            .iter()
            .chain(stored.source_columns.fields());
        let row: serde_json::Map<_, _> = columns
            .map(|(name, column)| (name.to_string(), column.clone().into_json()))
            .collect();
        // What becomes a dead letter, if it must: Kafka may have the record no more.
        let raw = RawRecord {
            topic: stored.topic,
            partition: stored.partition,
            offset: stored.position.offset,
            timestamp_ms: Some(stored.position.timestamp_ms),
            key: Some(stored.key.as_bytes().into()),
            value: serde_json::to_vec(&row).ok().map(Into::into),
            headers: Vec::new(),
        };
        let ack = Ack::of_debt(cost(&raw, &parked.text));
        Some(Self {
            // It has waited for long already; what changes now is looked for now.
            from: Provenance::of_record(stored.position, raw, ack, Priority::Backfill),
            key: RowKey::from_canonical(stored.key),
            point,
            desired: Desired::Row(Box::new(Document {
                text: parked.text,
                text_hash,
                payload,
                payload_hash: stored.payload_hash,
                source_columns: stored.source_columns,
                version: stored.version,
            })),
            replaces: false,
        })
    }
}
