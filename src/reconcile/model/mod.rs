#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

//! A model of the world around the reconciler: a table, its log, an index that carries writes out
//! under their fences, members that own the partition one after the other, and some that go on as if
//! they still did.

mod index;
mod members;
mod owner;

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use super::{recheck_model::Asked, *};
use crate::{
    commit::OffsetLedger,
    record::{
        Content, Creation, Desired, Document, Expected, KeyChange, KnownPoint, Offset, Payload,
        PayloadHash, Priority, Provenance, RawRecord, Reflected, RowKey, Settled, SourcePosition,
        TextHash, TruncateMark, Value, Vector, Watermark, Write, WriteKind,
    },
};

pub(super) use members::member;
pub(super) use owner::Pending;

use index::{Kept, ModelPoint};
use members::{Claimed, Member};

pub(super) const DELAYS: Delays = Delays {
    quiet: Duration::from_secs(5),
    max_hold: Duration::from_secs(30),
};

/// A row of the model: the number of its text, and its stock.
pub(super) type ModelRow = Option<(u8, u8)>;

pub(super) fn point(key: u8) -> PointId {
    PointId::Integer(u64::from(key))
}

/// The number of the text that the provider refuses.
pub(super) const REFUSED: u8 = 9;
/// The number of the text that is empty.
pub(super) const EMPTY: u8 = 8;

pub(super) fn document((text, stock): (u8, u8)) -> Document {
    let text: Arc<str> = match text {
        EMPTY => "".into(),
        text => format!("text {text}").into(),
    };
    Document {
        text_hash: TextHash::of_text(&text),
        payload: Payload::from(vec![
            ("stock".into(), Value::Int(i64::from(stock))),
            ("text".into(), Value::String((&*text).into())),
        ]),
        payload_hash: PayloadHash::of(&[&[stock], text.as_bytes()].concat()),
        source_columns: Payload::default(),
        version: None,
        text,
    }
}

pub(super) struct World {
    pub(super) now: Instant,
    /// Key, row, and whether the row was created.
    pub(super) log: Vec<(u8, ModelRow, bool)>,
    pub(super) table: BTreeMap<u8, ModelRow>,
    pub(super) index: BTreeMap<PointId, ModelPoint>,
    /// The latest offset that the index has ever shown of a point.
    pub(super) shown: BTreeMap<PointId, Offset>,
    pub(super) claimed: Option<Claimed>,
    pub(super) owner: Member,
    /// Members that were stopped or cut off, and go on as if they were owners.
    pub(super) stale: Vec<Member>,
    /// Writes that were sent and have not arrived.
    pub(super) late: Vec<(Epoch, Pending)>,
    pub(super) committed: usize,
    /// What was committed when the owner took over.
    pub(super) taken_over_at: usize,
    /// The table's last truncate.
    pub(super) truncate: Option<TruncateMark>,
    pub(super) bought: Vec<Arc<str>>,
    pub(super) writes: usize,
    pub(super) dead: Vec<Failure>,
    pub(super) conflicts: usize,
    /// What searchers came to see, write by write.
    pub(super) visible: Vec<WriteKind>,
    /// How records came to rest, record by record.
    pub(super) settled: Vec<Settled>,
    pub(super) version: Option<u64>,
    /// Keys that somebody asked to have rechecked.
    pub(super) asked: BTreeMap<u8, Asked>,
    /// How often somebody asked.
    pub(super) asks: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let taken_over = TakeOver {
            since: Epoch(1_024),
            at: now,
            at_ms: 0,
            had_owner: false,
            watermark: None,
        };
        Self {
            now,
            log: Vec::new(),
            table: BTreeMap::new(),
            index: BTreeMap::new(),
            shown: BTreeMap::new(),
            claimed: Some(Claimed {
                epoch: taken_over.since,
                watermark: None,
            }),
            owner: member(taken_over, 0),
            stale: Vec::new(),
            late: Vec::new(),
            committed: 0,
            taken_over_at: 0,
            truncate: None,
            bought: Vec::new(),
            writes: 0,
            dead: Vec::new(),
            conflicts: 0,
            visible: Vec::new(),
            settled: Vec::new(),
            version: None,
            asked: BTreeMap::new(),
            asks: 0,
        }
    }

    /// One in which key 1 has a row with text 1, and all is settled.
    pub(super) fn with_a_row() -> Self {
        let mut world = Self::new();
        world.produce(1, Some((1, 5)));
        world.settle_all();
        world
    }

    pub(super) fn produce(&mut self, key: u8, row: ModelRow) {
        let before = self.table.insert(key, row).flatten();
        let created = row.is_some() && before.is_none();
        self.log.push((key, row, created));
    }

    /// The table is emptied; the record that says so is in another partition.
    pub(super) fn truncate(&mut self) {
        self.truncate = Some(TruncateMark {
            source: Some(Self::place(self.log.len())),
            commit_ms: i64::try_from(self.log.len()).unwrap(),
        });
        for row in self.table.values_mut() {
            *row = None;
        }
    }

    /// Where the database's log has the record that is at this place in ours.
    pub(super) fn place(index: usize) -> SourcePosition {
        SourcePosition(i64::try_from(index).unwrap())
    }

    /// Tombstones have served their time: whatever was under way has arrived or is lost.
    pub(super) fn sweep(&mut self) {
        self.late.clear();
        self.stale.clear();
        self.commit();
        let noted = self.claimed.and_then(|claimed| claimed.watermark);
        let Some(noted) = noted else {
            return;
        };
        self.index
            .retain(|_, point| point.is_row() || point.offset() >= noted.offset);
    }

    pub(super) fn settle_all(&mut self) {
        self.learn();
        while self.owner.next < self.log.len() {
            self.deliver();
        }
        for _ in 0..10_000 {
            if !self.owner.pending.is_empty() {
                self.answer(0);
            } else if self.owner.reconciler.due().is_some() {
                self.pass(DELAYS.max_hold);
            } else if !self.work_off(0) {
                break;
            }
        }
        let reconciler = &self.owner.reconciler;
        assert!(self.owner.pending.is_empty() && reconciler.is_idle() && !reconciler.is_buying());
    }

    /// Everything that is under way arrives, and everybody who takes himself for the owner goes on.
    pub(super) fn let_everything_arrive(&mut self) {
        for step in 0..400 {
            self.go_on(step);
        }
        while !self.late.is_empty() {
            self.arrive(0);
        }
        // Again and again a truncate is swept; and a former owner may have parked what was refused.
        self.settle_all();
    }

    pub(super) fn assert_equal(&self) {
        assert!(
            self.owner.reconciler.is_empty(),
            "no key has unsettled news"
        );
        assert!(self.owner.ledger.is_empty(), "every record has settled");
        for point in self.index.values().filter(|point| point.is_row()) {
            assert_eq!(point.stored().parked, None, "no debt is left");
        }
        for (key, row) in &self.table {
            let indexed = self.index.get(&point(*key)).filter(|point| point.is_row());
            match row {
                None => assert!(indexed.is_none(), "key {key} was deleted"),
                // Without a vector of its own, but never with another row's payload.
                Some(row @ (REFUSED | EMPTY, _)) => {
                    if let Some(indexed) = indexed {
                        assert_eq!(indexed.payload, document(*row).payload, "key {key}");
                    }
                }
                Some(row) => {
                    let (indexed, wanted) = (indexed.unwrap(), document(*row));
                    assert_eq!(indexed.payload, wanted.payload, "key {key}");
                    assert_eq!(indexed.vector_of, Some(wanted.text_hash), "key {key}");
                    assert_eq!(indexed.stored().wanted, None);
                    assert_eq!(indexed.stored().text_hash, indexed.vector_of);
                }
            }
        }
    }
}
