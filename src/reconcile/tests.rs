#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

//! The reconciler against a model: a table, an index that applies writes when told to, and a log
//! that is replayed from the committed offset after a crash.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use proptest::prelude::*;

use super::*;
use crate::{
    commit::OffsetLedger,
    record::{
        Completion, Creation, Desired, Document, KeyChange, Offset, Payload, PayloadHash,
        RawRecord, RowKey, SourcePosition, TextHash, TruncateMark, Value,
    },
};

const DELAYS: Delays = Delays {
    quiet: Duration::from_secs(5),
    max_hold: Duration::from_secs(30),
};

/// A row of the model: the number of its text, and its stock.
type ModelRow = Option<(u8, u8)>;

fn point(key: u8) -> PointId {
    PointId::Integer(u64::from(key))
}

fn document((text, stock): (u8, u8)) -> Document {
    let text: Arc<str> = format!("text {text}").into();
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

/// A point of the model's index.
#[derive(Debug, Clone)]
struct ModelPoint {
    stored: Stored,
    payload: Payload,
    vector_of: TextHash,
}

struct World {
    now: Instant,
    /// Key, row, and whether the row was created.
    log: Vec<(u8, ModelRow, bool)>,
    table: BTreeMap<u8, ModelRow>,
    index: BTreeMap<PointId, ModelPoint>,
    reconciler: Reconciler,
    ledger: OffsetLedger,
    next: usize,
    committed: usize,
    /// The table's last truncate, and the one that this member knows of.
    truncate: Option<TruncateMark>,
    known: Option<TruncateMark>,
    pending: Vec<Action>,
    bought: Vec<Arc<str>>,
    dead: Vec<Failure>,
    conflicts: usize,
    version: Option<u64>,
}

fn reconciler() -> Reconciler {
    let partition = TopicPartition {
        topic: "t".into(),
        partition: 0,
    };
    let cache = ObservedCache::new(100);
    Reconciler::new(partition, Fingerprint::new("m", 1, "e"), DELAYS, cache)
}

impl World {
    fn new() -> Self {
        Self {
            now: Instant::now(),
            log: Vec::new(),
            table: BTreeMap::new(),
            index: BTreeMap::new(),
            reconciler: reconciler(),
            ledger: OffsetLedger::default(),
            next: 0,
            committed: 0,
            truncate: None,
            known: None,
            pending: Vec::new(),
            bought: Vec::new(),
            dead: Vec::new(),
            conflicts: 0,
            version: None,
        }
    }

    fn produce(&mut self, key: u8, row: ModelRow) {
        let before = self.table.insert(key, row).flatten();
        let created = row.is_some() && before.is_none();
        self.log.push((key, row, created));
    }

    /// The table is emptied; the record that says so is in another partition.
    fn truncate(&mut self) {
        self.truncate = Some(TruncateMark {
            source: Some(Self::place(self.log.len())),
            commit_ms: i64::try_from(self.log.len()).unwrap(),
        });
        for row in self.table.values_mut() {
            *row = None;
        }
    }

    /// This member learns of the last truncate, and sweeps.
    fn learn(&mut self) {
        let Some(mark) = self.truncate.filter(|_| self.known != self.truncate) else {
            return;
        };
        self.known = Some(mark);
        self.index
            .retain(|_, point| point.stored.source >= mark.source);
        self.act(|reconciler, now, out| reconciler.truncate(&mark, now, out));
    }

    /// Where the database's log has the record that is at this place in ours.
    fn place(index: usize) -> SourcePosition {
        SourcePosition(i64::try_from(index).unwrap())
    }

    fn deliver(&mut self) {
        let Some((key, mut row, created)) = self.log.get(self.next).copied() else {
            return;
        };
        let source = Some(Self::place(self.next));
        if self.known.is_some_and(|mark| source < mark.source) {
            row = None;
        }
        let offset = Offset(i64::try_from(self.next).unwrap());
        self.next += 1;
        let ack = self.ledger.receive(offset, 100).unwrap();
        let change = KeyChange {
            key: RowKey::from_canonical(format!("[{key}]")),
            point: point(key),
            desired: row.map_or(Desired::Gone, |row| {
                let version = self.version;
                Desired::Row(Box::new(Document {
                    version,
                    ..document(row)
                }))
            }),
            position: Position {
                offset,
                timestamp_ms: offset.0,
                commit_ms: None,
                source,
            },
            raw: RawRecord {
                topic: "t".into(),
                partition: 0,
                offset,
                timestamp_ms: Some(offset.0),
                key: None,
                value: None,
                headers: Vec::new(),
            },
            ack,
            creation: if created {
                Creation::This
            } else {
                Creation::No
            },
            completion: Completion::default(),
        };
        self.act(|reconciler, now, out| reconciler.on_change(change, now, out));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.act(Reconciler::on_time);
    }

    /// Does one thing that is pending and gives the answer.
    fn answer(&mut self, pick: usize) {
        if self.pending.is_empty() {
            return;
        }
        match self.pending.swap_remove(pick % self.pending.len()) {
            Action::Read { ticket, point } => {
                let stored = self.index.get(&point).map(|point| point.stored.clone());
                self.act(|reconciler, now, out| {
                    reconciler.on_read(ticket, stored.as_ref().map(Some), now, out);
                });
            }
            Action::Embed {
                ticket,
                text,
                wanted,
            } => {
                if Weak::upgrade(&wanted).is_some() {
                    let outcome = if &*text == "text 9" {
                        Err(Failure::record("http_400", "refused"))
                    } else {
                        Ok(TextHash::of_text(&text)
                            .to_string()
                            .bytes()
                            .map(f32::from)
                            .collect())
                    };
                    self.bought.push(text);
                    self.act(|reconciler, now, out| {
                        reconciler.on_embedded(ticket, outcome, now, out);
                    });
                }
            }
            Action::Write { ticket, write } => {
                let outcome = self.apply(write);
                self.act(|reconciler, now, out| reconciler.on_written(ticket, outcome, now, out));
            }
            _ => panic!("only requests are pending"),
        }
    }

    fn act(&mut self, step: impl FnOnce(&mut Reconciler, Instant, &mut Vec<Action>)) {
        let mut out = Vec::new();
        step(&mut self.reconciler, self.now, &mut out);
        for action in out {
            match action {
                Action::Settle { ack, .. } => {
                    self.ledger.settle(ack);
                }
                Action::DeadLetter {
                    ack,
                    earlier,
                    failure,
                    ..
                } => {
                    for earlier in earlier {
                        self.ledger.settle(earlier);
                    }
                    self.dead.push(failure);
                    self.ledger.settle(ack);
                }
                Action::VersionConflict => self.conflicts += 1,
                request => self.pending.push(request),
            }
        }
        let writes: Vec<PointId> = self
            .pending
            .iter()
            .filter_map(|action| match action {
                Action::Write { write, .. } => Some(write.point()),
                _ => None,
            })
            .collect();
        let distinct: std::collections::BTreeSet<_> = writes.iter().collect();
        assert_eq!(distinct.len(), writes.len(), "one write in flight a key");
        if let Some(frontier) = self.ledger.frontier() {
            self.committed = self.committed.max(usize::try_from(frontier.0).unwrap());
        }
    }

    fn apply(&mut self, write: Write) -> WriteOutcome {
        let before = self.index.get(&write.point()).cloned();
        let (id, after) = match write {
            Write::Delete { point } => {
                self.index.remove(&point);
                return WriteOutcome::Applied;
            }
            Write::Upsert {
                point,
                vector,
                payload,
                stored,
            } => {
                let text = stored.text_hash.unwrap();
                let of_text: Vec<f32> = text.to_string().bytes().map(f32::from).collect();
                assert_eq!(
                    vector, of_text,
                    "a vector is written with the hash of its own text"
                );
                (
                    point,
                    ModelPoint {
                        stored: *stored,
                        payload,
                        vector_of: text,
                    },
                )
            }
            Write::PatchPayload {
                point,
                payload,
                stored,
            } => {
                let Some(vector_of) = before.as_ref().map(|point| point.vector_of) else {
                    return WriteOutcome::Missing;
                };
                (
                    point,
                    ModelPoint {
                        stored: *stored,
                        payload,
                        vector_of,
                    },
                )
            }
        };
        if let Some(before) = before {
            assert!(
                before.stored.offset <= after.stored.offset,
                "a point never gets older"
            );
        }
        self.index.insert(id, after);
        WriteOutcome::Applied
    }

    /// The process is gone; another one starts from the committed offset.
    fn crash(&mut self) {
        self.pending.clear();
        self.reconciler = reconciler();
        self.ledger = OffsetLedger::default();
        self.next = self.committed;
    }

    fn settle_all(&mut self) {
        self.learn();
        while self.next < self.log.len() {
            self.deliver();
        }
        for _ in 0..10_000 {
            if !self.pending.is_empty() {
                self.answer(0);
            } else if self.reconciler.due().is_some() {
                self.pass(DELAYS.max_hold);
            } else {
                break;
            }
        }
        assert!(
            self.pending.is_empty() && self.reconciler.is_idle() && !self.reconciler.is_buying()
        );
    }

    fn assert_equal(&self) {
        assert!(self.reconciler.is_empty(), "no key has unsettled news");
        assert!(self.ledger.is_empty(), "every record has settled");
        for (key, row) in &self.table {
            let indexed = self.index.get(&point(*key));
            match row {
                None => assert!(indexed.is_none(), "key {key} was deleted"),
                // Refused: without a vector of its own, but never with another row's payload.
                Some(row @ (9, _)) => {
                    if let Some(indexed) = indexed {
                        assert_eq!(indexed.payload, document(*row).payload, "key {key}");
                    }
                }
                Some(row) => {
                    let (indexed, wanted) = (indexed.unwrap(), document(*row));
                    assert_eq!(indexed.payload, wanted.payload, "key {key}");
                    assert_eq!(indexed.vector_of, wanted.text_hash, "key {key}");
                    assert_eq!(indexed.stored.wanted, None);
                }
            }
        }
    }
}

#[test]
fn a_new_row_is_embedded_once_its_text_has_been_quiet() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.deliver();
    world.answer(0);
    assert!(world.pending.is_empty(), "it waits to be quiet");
    world.pass(DELAYS.quiet);
    assert!(matches!(world.pending[..], [Action::Embed { .. }]));
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_change_of_stock_buys_nothing_and_waits_for_nothing() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.bought.clear();
    world.produce(1, Some((1, 0)));
    world.deliver();
    assert!(matches!(
        world.pending[..],
        [Action::Write {
            write: Write::PatchPayload { .. },
            ..
        }]
    ));
    world.settle_all();
    world.assert_equal();
    assert!(world.bought.is_empty());
}

#[test]
fn a_delete_does_not_wait_for_the_embedding_of_its_own_key() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.produce(1, Some((2, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    let [Action::Embed { wanted, .. }] = &world.pending[..] else {
        panic!("{:?}", world.pending)
    };
    let wanted = wanted.clone();
    world.produce(1, None);
    world.deliver();
    assert!(
        wanted.upgrade().is_none(),
        "nobody pays for the text any more"
    );
    world.answer(1);
    assert!(world.index.is_empty());
    world.settle_all();
    world.assert_equal();
}

#[test]
fn when_text_and_payload_change_the_payload_goes_out_at_once() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.produce(1, Some((2, 0)));
    world.deliver();
    world.answer(0);
    let patched = &world.index[&point(1)];
    assert_eq!(patched.payload, document((2, 0)).payload);
    assert_eq!(patched.vector_of, document((1, 5)).text_hash);
    assert_eq!(patched.stored.wanted, Some(document((2, 0)).text_hash));
    assert_eq!(
        world.committed, 1,
        "the record has not settled: its vector is owed"
    );
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_vector_that_comes_back_is_written_with_the_latest_row() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    world.produce(1, Some((1, 0)));
    world.deliver();
    world.answer(0);
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn a_text_that_changes_and_changes_back_buys_nothing() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.bought.clear();
    world.produce(1, Some((2, 5)));
    world.deliver();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.assert_equal();
    assert!(world.bought.is_empty());
}

#[test]
fn replaying_the_whole_log_buys_and_writes_nothing() {
    let mut world = World::new();
    for stock in 0..20 {
        world.produce(stock % 3, Some((stock % 3, stock)));
        world.deliver();
    }
    world.settle_all();
    world.bought.clear();
    world.crash();
    world.next = 0;
    while world.next < world.log.len() {
        world.deliver();
        while !world.pending.is_empty() {
            assert!(
                matches!(world.pending[0], Action::Read { .. }),
                "{:?}",
                world.pending
            );
            world.answer(0);
        }
    }
    world.assert_equal();
    assert!(world.bought.is_empty());
}

#[test]
fn a_refused_text_is_dead_lettered_and_the_payload_still_goes_out() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.produce(1, Some((9, 0)));
    world.settle_all();
    assert_eq!(world.dead.len(), 1);
    assert!(world.ledger.is_empty());
    assert_eq!(world.index[&point(1)].payload, document((9, 0)).payload);
}

#[test]
fn a_point_that_somebody_else_removed_is_made_anew() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.index.clear();
    world.produce(1, Some((1, 0)));
    world.settle_all();
    world.assert_equal();
}

#[test]
fn what_was_written_of_a_row_before_its_text_was_refused_is_not_forgotten() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.produce(1, Some((9, 0)));
    world.settle_all();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_payload_goes_out_also_after_its_text_was_refused() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.produce(1, Some((9, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    world.produce(1, Some((9, 4)));
    world.deliver();
    let embed = world
        .pending
        .iter()
        .position(|action| matches!(action, Action::Embed { .. }));
    world.answer(embed.unwrap());
    world.produce(1, Some((9, 0)));
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.index[&point(1)].payload, document((9, 0)).payload);
}

#[test]
fn a_draining_partition_buys_nothing_more() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.deliver();
    world.answer(0);
    world.reconciler.drain();
    world.pass(DELAYS.max_hold);
    assert!(world.pending.is_empty());
    assert!(world.reconciler.is_idle());
    assert_eq!(world.committed, 0);
}

#[test]
fn two_changes_within_one_version_are_both_applied_and_counted() {
    let mut world = World::new();
    world.version = Some(7);
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    assert_eq!(world.conflicts, 0, "the same row again is a duplicate");
    world.produce(1, Some((1, 4)));
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.conflicts, 1);
}

#[test]
fn a_row_made_anew_before_the_truncate_is_known_survives_its_sweep() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.truncate();
    world.produce(1, Some((1, 5)));
    world.deliver();
    while !world.pending.is_empty() {
        world.answer(0);
    }
    world.learn();
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1, "the vector is the same");
}

#[test]
fn a_topic_made_anew_is_not_taken_for_a_replay() {
    let position = Position {
        offset: Offset(3),
        timestamp_ms: 2_000,
        commit_ms: None,
        source: None,
    };
    let at = |timestamp_ms| {
        Observed::Present(Present {
            offset: Some(Offset(90)),
            timestamp_ms,
            text: None,
            payload: None,
            version: None,
        })
    };
    assert!(at(2_500).is_later_than(&position));
    assert!(
        !at(1_000).is_later_than(&position),
        "the point is of an earlier time"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Produce(u8, ModelRow),
    Deliver,
    Answer(usize),
    Pass(u64),
    Crash,
    Truncate,
    Learn,
}

/// Mostly a few texts, sometimes the one that the provider refuses.
fn model_text() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0_u8..3, 1 => Just(9)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..4, prop::option::weighted(0.75, (model_text(), 0_u8..4))).prop_map(|(key, row)| Step::Produce(key, row)),
        4 => Just(Step::Deliver),
        6 => any::<usize>().prop_map(Step::Answer),
        2 => (0_u64..7_000).prop_map(Step::Pass),
        1 => Just(Step::Crash),
        1 => Just(Step::Truncate),
        1 => Just(Step::Learn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn at_rest_the_index_equals_the_table_whatever_the_order_of_answers_and_crashes(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Produce(key, row) => world.produce(key, row),
                Step::Deliver => world.deliver(),
                Step::Answer(pick) => world.answer(pick),
                Step::Pass(milliseconds) => world.pass(Duration::from_millis(milliseconds)),
                Step::Crash => world.crash(),
                Step::Truncate => world.truncate(),
                Step::Learn => world.learn(),
            }
        }
        world.settle_all();
        world.assert_equal();
    }
}
