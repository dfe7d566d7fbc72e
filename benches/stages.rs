//! What each stage costs a record, without any server: `cargo bench --bench stages`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark fails by panicking, and has no readers from outside"
)]

#[path = "stages/avro.rs"]
mod avro;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use vectide::{
    cli::demo::{
        catalogue::{Catalogue, Product},
        debezium::{Change, Connector, Moment},
    },
    commit::OffsetLedger,
    config::{Config, PointIdKind, RowsConfig},
    decode::{Decoded, Decoder, RowSettings},
    document::{DocumentBuilder, PointIds},
    reconcile::{Action, Delays, ObservedCache, Reconciler, Replay, TakeOver},
    record::{
        Ack, Content, Desired, Epoch, Fingerprint, KeyChange, NeededColumns, Offset, PointId,
        PointState, Position, Priority, Provenance, RawRecord, Row, RowChange, RowKey, RowState,
        Stored, TopicPartition, WriteOutcome,
    },
    window::Window,
};

/// Records that pass through a stage together, as they are handed over by the source.
const BATCH: i64 = 1_024;
/// Of the assignment that is measured.
const EPOCH: Epoch = Epoch(1);
/// Below the largest batch, so that some keys come twice.
const KEYS: i64 = 1_000;

fn connector() -> Connector {
    Connector::new("shop")
}

/// The product of a catalogue whose change, bare, comes closest to 1 KiB.
fn product() -> Product {
    let products = Catalogue::generate(7, 500).products;
    let length = |product: &Product| record(&connector(), product, 0).value.unwrap().len();
    products
        .into_iter()
        .min_by_key(|product| length(product).abs_diff(1_024))
        .unwrap()
}

/// The same product with a description so long that its change has `bytes`.
fn long_product(bytes: usize) -> Product {
    let mut product = product();
    let words = product.description.clone();
    while product.description.len() < bytes {
        product.description.push(' ');
        product.description.push_str(&words);
    }
    product
}

fn record(connector: &Connector, product: &Product, offset: i64) -> RawRecord {
    let at = Duration::from_hours(490_896);
    let moment = Moment {
        tx_id: 700,
        lsn: 24_023_128,
        committed: at,
        seen: at + Duration::from_millis(20),
    };
    let record = connector.record(Change::Update(product), moment);
    RawRecord {
        topic: connector.topic().into(),
        partition: 0,
        offset: Offset(offset),
        timestamp_ms: Some(1_767_225_600_050),
        key: Some(record.key.into()),
        value: record.value.map(Into::into),
        headers: Vec::new(),
    }
}

fn decoded(raw: &RawRecord) -> RowChange {
    let mut decoder = Decoder::default();
    let key = decoder.key(raw);
    match decoder.decode(raw, key).unwrap() {
        Decoded::Change(change) => change,
        other => panic!("{other:?} is no change"),
    }
}

fn row(raw: &RawRecord) -> Row {
    match decoded(raw).state {
        RowState::Present(row) => row,
        RowState::Gone => panic!("an update has a row"),
    }
}

/// The same change in every encoding.
fn encodings(product: &Product) -> [(&'static str, RawRecord); 4] {
    let bare = record(&connector(), product, 0);
    let envelope = bare.value.as_ref().unwrap();
    let of_value = |value: Box<[u8]>| RawRecord {
        value: Some(value),
        ..bare.clone()
    };
    let in_avro = of_value(avro::from_json(envelope).0);
    let mut parsed: serde_json::Value = serde_json::from_slice(envelope).unwrap();
    let mut row = parsed["after"].take();
    row["__deleted"] = "false".into();
    let flattened = of_value(row.to_string().into_bytes().into());
    let with_schemas = record(&connector().with_schema(), product, 0);
    [
        ("bare JSON", bare),
        ("flattened JSON", flattened),
        ("JSON with schemas", with_schemas),
        ("Avro", in_avro),
    ]
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let raw = record(&connector(), &product(), 0);
    let mut decoder = Decoder::default();
    group.bench_function("key", |bench| bench.iter(|| decoder.key(black_box(&raw))));
    let (_, schema) = avro::from_json(raw.value.as_ref().unwrap());
    let only_stock = NeededColumns::Only(["stock".to_owned()].into());
    for (size, product) in [("1 KB", product()), ("20 KB", long_product(20 * 1_024))] {
        for (encoding, raw) in encodings(&product) {
            for (columns, needed) in [
                ("all columns", NeededColumns::all()),
                ("one column", only_stock.clone()),
            ] {
                let settings = RowSettings::new(&RowsConfig::default(), needed);
                let mut decoder = Decoder::new(settings);
                decoder.learn(avro::SCHEMA, &schema);
                let key = RowKey::single_integer(1);
                assert!(decoder.decode(&raw, Ok(key.clone())).is_ok());
                group.throughput(Throughput::Bytes(raw.value.as_ref().unwrap().len() as u64));
                group.bench_function(format!("{encoding}, {size}, {columns}"), |bench| {
                    bench.iter_batched(
                        || key.clone(),
                        |key| decoder.decode(black_box(&raw), Ok(key)),
                        BatchSize::SmallInput,
                    );
                });
            }
        }
    }
    group.finish();
}

fn window(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("window");
    group.throughput(Throughput::Elements(BATCH as u64));
    let raw = record(&connector(), &product(), 0);
    let change = decoded(&raw);
    let pending = || -> Vec<KeyChange> {
        let mut ledger = OffsetLedger::default();
        (0..BATCH)
            .map(|offset| KeyChange {
                key: RowKey::single_integer(offset % KEYS),
                desired: Desired::Gone,
                point: PointId::Integer((offset % KEYS).unsigned_abs()),
                from: Provenance::of_record(
                    change.position,
                    raw.clone(),
                    ledger.receive(Offset(offset), 0, 1).unwrap(),
                    Priority::Fresh,
                ),
                replaces: false,
            })
            .collect()
    };
    let mut window = Window::default();
    let now = Instant::now();
    group.bench_function("push and take 1,024 changes", |bench| {
        bench.iter_batched(
            pending,
            |pending| {
                let superseded: Vec<Ack> = pending
                    .into_iter()
                    .flat_map(|pending| window.push(pending, now))
                    .collect();
                (superseded, window.take())
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn ledger(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut shuffled: Vec<usize> = (0..usize::try_from(BATCH).unwrap()).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut shuffled);
    let in_order: Vec<usize> = (0..shuffled.len()).collect();
    for (name, order) in [
        ("receive and settle 1,024 in order", in_order),
        ("receive and settle 1,024 in random order", shuffled),
    ] {
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || (OffsetLedger::default(), Vec::with_capacity(order.len())),
                |(mut ledger, mut acks)| {
                    acks.extend(
                        (0..BATCH).map(|offset| ledger.receive(Offset(offset), 0, 2_500).ok()),
                    );
                    for index in &order {
                        if let Some(ack) = acks.get_mut(*index).and_then(Option::take) {
                            ledger.settle(ack);
                        }
                    }
                    (ledger, acks)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn document(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document");
    let mut builder = DocumentBuilder::new(&Config::default().document, None).unwrap();
    let key = RowKey::single_integer(1);
    for (name, product) in [
        ("build, row of 1 KB", product()),
        ("build, row of 20 KB", long_product(20 * 1_024)),
    ] {
        let row = row(&record(&connector(), &product, 0));
        group.bench_function(name, |bench| {
            bench.iter(|| builder.build(black_box(&row)));
        });
    }
    let ids = PointIds(PointIdKind::Uuid5);
    let topic = connector().topic();
    group.bench_function("point id", |bench| {
        bench.iter(|| ids.of(black_box(&topic), black_box(&key)));
    });
    group.finish();
}

/// One partition's reconciler that knows every point of its keys, with what feeds it.
struct Reconciliation {
    reconciler: Reconciler,
    builder: DocumentBuilder,
    ids: PointIds,
    now: Instant,
    actions: Vec<Action>,
}

impl Reconciliation {
    fn new() -> Self {
        let partition = TopicPartition {
            topic: connector().topic().into(),
            partition: 0,
        };
        let delays = Delays {
            quiet: Duration::ZERO,
            max_hold: Duration::ZERO,
        };
        let fingerprint = Fingerprint::new("model", 1_536, "http://localhost/v1");
        let mut new = Self {
            reconciler: Reconciler::new(
                partition.clone(),
                fingerprint.clone(),
                delays,
                Replay::Skip,
                ObservedCache::new(100_000),
                TakeOver {
                    since: EPOCH,
                    at: Instant::now(),
                    at_ms: 0,
                    had_owner: true,
                    watermark: None,
                },
            ),
            builder: DocumentBuilder::new(&Config::default().document, None).unwrap(),
            ids: PointIds(PointIdKind::Uuid5),
            now: Instant::now(),
            actions: Vec::new(),
        };
        for change in new.changes(0, &product()) {
            let Desired::Row(document) = &change.desired else {
                panic!("every product has a row")
            };
            let stored = Stored {
                topic: partition.topic.clone(),
                partition: 0,
                position: Position {
                    offset: Offset(0),
                    timestamp_ms: 0,
                    commit_ms: None,
                    source: None,
                },
                key: change.key.as_str().into(),
                text_hash: Some(document.text_hash),
                wanted: None,
                payload_hash: document.payload_hash,
                fingerprint: fingerprint.as_str().into(),
                version: None,
                source_columns: document.source_columns.clone(),
                parked: None,
            };
            let state = PointState::Ours {
                epoch: Some(EPOCH),
                content: Content::Row(stored),
            };
            new.reconciler.on_change(change, new.now, &mut new.actions);
            for action in std::mem::take(&mut new.actions) {
                if let Action::Read { ticket, .. } = action {
                    new.reconciler
                        .on_read(ticket, &state, new.now, &mut new.actions);
                }
            }
            new.actions.clear();
        }
        assert!(new.reconciler.is_empty());
        new
    }

    /// A change of every key to `product`, from `offset` on.
    fn changes(&mut self, offset: i64, product: &Product) -> Vec<KeyChange> {
        let mut ledger = OffsetLedger::default();
        let connector = connector();
        let topic = connector.topic();
        let raw = record(&connector, product, offset);
        let row = row(&raw);
        (0..KEYS)
            .map(|key| {
                let offset = Offset(offset + key);
                let key = RowKey::single_integer(key);
                let position = Position {
                    offset,
                    ..decoded(&raw).position
                };
                KeyChange {
                    point: self.ids.of(&topic, &key).unwrap(),
                    desired: Desired::Row(Box::new(self.builder.build(&row).unwrap())),
                    key,
                    from: Provenance::of_record(
                        position,
                        raw.clone(),
                        ledger.receive(offset, 0, 1).unwrap(),
                        Priority::Fresh,
                    ),
                    replaces: false,
                }
            })
            .collect()
    }

    /// Takes changes as far as they go when every write is applied at once; says how many settle.
    fn reconcile(&mut self, changes: Vec<KeyChange>) -> usize {
        let mut settled = 0;
        for change in changes {
            self.reconciler
                .on_change(change, self.now, &mut self.actions);
        }
        while !self.actions.is_empty() {
            for action in std::mem::take(&mut self.actions) {
                match action {
                    Action::Write { ticket, write } => {
                        black_box(write);
                        self.reconciler.on_written(
                            ticket,
                            WriteOutcome::Applied,
                            self.now,
                            &mut self.actions,
                        );
                    }
                    Action::Settle { ack, .. } => {
                        let _settled = black_box(ack);
                        settled += 1;
                    }
                    other => panic!("{other:?} for a key whose point and text are known"),
                }
            }
        }
        settled
    }
}

fn reconcile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reconcile");
    group.throughput(Throughput::Elements(KEYS as u64));
    for (name, sold) in [("1,000 unchanged keys", 0), ("1,000 payload changes", 1)] {
        let mut reconciliation = Reconciliation::new();
        let mut product = product();
        let mut next = KEYS;
        group.bench_function(name, |bench| {
            // Both halves of an iteration need the reconciler, so the setup is timed apart by hand.
            bench.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    product.stock += sold;
                    let changes = reconciliation.changes(next, &product);
                    next += KEYS;
                    let begun = Instant::now();
                    let settled = reconciliation.reconcile(changes);
                    spent += begun.elapsed();
                    assert_eq!(settled, changes_of_a_round());
                }
                spent
            });
        });
    }
    group.finish();
}

fn changes_of_a_round() -> usize {
    usize::try_from(KEYS).unwrap()
}

criterion_group! {
    name = stages;
    // Enough to tell a tenth apart on a shared machine; the whole takes under two minutes.
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(30);
    targets = decode, window, ledger, document, reconcile
}
criterion_main!(stages);
