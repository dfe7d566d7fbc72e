//! What happens to a table, as Debezium writes it, and the table as it should be after that. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;

use crate::format::{Change, Format};

/// A text with this word is refused by the embedding endpoint.
pub(crate) const REFUSED: &str = "unembeddable";

/// Rows of a seed's table: they are made until there are so many, and then as often as they are deleted.
pub(crate) const ROWS: usize = 40;

/// How many records a connector repeats that was started again.
const REPEATED: usize = 8;

/// A row, beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) price: i64,
    pub(crate) stock: i64,
}

impl Row {
    /// The template of the text, as the configuration has it.
    pub(crate) const TEMPLATE: &str = "{{ title }}. {{ description }}";

    /// The text to embed.
    pub(crate) fn text(&self) -> String {
        format!("{}. {}", self.title, self.description)
    }

    /// Whether its text is refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.text().contains(REFUSED)
    }
}

/// What can happen to the table or to its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Create,
    /// Title or description.
    Text,
    Price,
    /// Sold out, or there again.
    Flip,
    Delete,
    /// A row with the key of a deleted one.
    Recreate,
    /// Another primary key: delete, tombstone and create.
    Key,
    /// All rows at once.
    Truncate,
    /// The last records once more, as by a connector that was started again.
    Repeat,
    /// A record that nobody can read.
    Poison,
    /// A text that the endpoint refuses.
    Refused,
}

/// By weight.
const EVENTS: [(Event, u32); 11] = [
    (Event::Create, 12),
    (Event::Text, 48),
    (Event::Price, 32),
    (Event::Flip, 48),
    (Event::Delete, 16),
    (Event::Recreate, 16),
    (Event::Key, 10),
    (Event::Truncate, 1),
    (Event::Repeat, 8),
    (Event::Poison, 6),
    (Event::Refused, 4),
];

/// Of which row a record tells, and how it has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is reflected in the index, or a later one of its key is.
    Change,
    /// It ends in the dead-letter topic.
    Poison,
    /// It ends there if it is the last of this key.
    Refused(i64),
}

/// A record of the topic.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) meaning: Meaning,
}

/// The table, and what happens to it next.
pub(crate) struct Workload {
    random: Rng,
    format: Format,
    /// How many rows there are to be.
    rows: usize,
    table: BTreeMap<i64, Row>,
    gone: BTreeSet<i64>,
    /// Keys whose last record nobody can read.
    spoiled: BTreeSet<i64>,
    recent: VecDeque<Record>,
    next_id: i64,
    position: i64,
    /// When the last event was committed, in milliseconds since 1970.
    now_ms: i64,
    counts: BTreeMap<Event, usize>,
}

impl Workload {
    /// Of a table with up to so many rows.
    pub(crate) fn new(seed: u64, format: Format, rows: usize) -> Self {
        Self {
            random: Rng::with_seed(seed),
            format,
            rows,
            table: BTreeMap::new(),
            gone: BTreeSet::new(),
            spoiled: BTreeSet::new(),
            recent: VecDeque::new(),
            next_id: 1,
            position: 0,
            now_ms: 0,
            counts: BTreeMap::new(),
        }
    }

    /// The rows there are.
    pub(crate) fn table(&self) -> &BTreeMap<i64, Row> {
        &self.table
    }

    /// The keys that had a row and have none now.
    pub(crate) fn gone(&self) -> BTreeSet<i64> {
        let is_gone = |id: &&i64| !self.table.contains_key(id);
        self.gone.iter().filter(is_gone).copied().collect()
    }

    /// The keys whose last record nobody can read, so that nobody can say what their rows are.
    pub(crate) fn spoiled(&self) -> &BTreeSet<i64> {
        &self.spoiled
    }

    /// How often each event has happened.
    pub(crate) fn counts(&self) -> &BTreeMap<Event, usize> {
        &self.counts
    }

    /// Lets anything happen at a time, in milliseconds since 1970; the records that tell of it, in their order.
    pub(crate) fn event(&mut self, now_ms: i64) -> Vec<Record> {
        let event = self.pick();
        self.make(event, now_ms)
    }

    /// Lets this happen, to a row that chance names.
    pub(crate) fn make(&mut self, event: Event, now_ms: i64) -> Vec<Record> {
        self.now_ms = self.now_ms.max(now_ms);
        *self.counts.entry(event).or_default() += 1;
        let records = match event {
            Event::Create => {
                let id = self.new_id();
                self.put(id, "c", None, |_, _| ())
            }
            Event::Text => self.update(|row, random| {
                if random.bool() {
                    row.title = words(random, 2);
                } else {
                    row.description = words(random, 4);
                }
            }),
            Event::Price => self.update(|row, random| row.price = random.i64(100..100_000)),
            Event::Flip => self.update(|row, random| {
                row.stock = if row.stock == 0 { random.i64(1..50) } else { 0 };
            }),
            Event::Refused => {
                self.update(|row, random| row.title = format!("{REFUSED} {}", words(random, 1)))
            }
            Event::Delete => {
                let id = self.any_row();
                self.delete(id, None)
            }
            Event::Recreate => {
                let gone: Vec<i64> = self.gone().into_iter().collect();
                let id = *self.random.choice(&gone).expect("a row is gone");
                self.put(id, "c", None, |_, _| ())
            }
            Event::Key => {
                let (old, new) = (self.any_row(), self.new_id());
                let row = self.table[&old].clone();
                let mut records = self.delete(old, Some(new));
                records.extend(self.put(new, "c", Some(old), |it, _| *it = row));
                records
            }
            Event::Truncate => vec![self.truncate()],
            Event::Repeat => self.recent.iter().cloned().collect(),
            Event::Poison => vec![self.poison()],
        };
        self.recent.extend(records.iter().cloned());
        let superfluous = self.recent.len().saturating_sub(REPEATED);
        self.recent.drain(..superfluous);
        records
    }

    fn pick(&mut self) -> Event {
        if self.table.len() < self.rows / 2 {
            return Event::Create;
        }
        let may_happen = |event: Event| match event {
            Event::Create => self.table.len() < self.rows,
            Event::Recreate => !self.gone().is_empty(),
            _ => true,
        };
        let events: Vec<_> = EVENTS.into_iter().filter(|it| may_happen(it.0)).collect();
        let mut left = self.random.u32(0..events.iter().map(|it| it.1).sum());
        for (event, weight) in events {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return event,
            }
        }
        unreachable!("less than the sum of the weights");
    }

    fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id - 1
    }

    fn any_row(&mut self) -> i64 {
        let index = self.random.usize(0..self.table.len());
        *self.table.keys().nth(index).expect("in its range")
    }

    fn update(&mut self, change: impl FnOnce(&mut Row, &mut Rng)) -> Vec<Record> {
        let id = self.any_row();
        self.put(id, "u", None, change)
    }

    /// Changes a row, or makes one, and changes it.
    fn put(
        &mut self,
        id: i64,
        operation: &str,
        old_key: Option<i64>,
        change: impl FnOnce(&mut Row, &mut Rng),
    ) -> Vec<Record> {
        let random = &mut self.random;
        let row = self.table.entry(id).or_insert_with(|| Row {
            title: words(random, 2),
            description: words(random, 4),
            price: random.i64(100..100_000),
            stock: random.i64(0..50),
        });
        change(row, random);
        let row = row.clone();
        self.spoiled.remove(&id);
        let meaning = if row.is_refused() {
            Meaning::Refused(id)
        } else {
            Meaning::Change
        };
        let value = self.value(operation, Some((id, &row)));
        let headers = old_key.map(|old| ("__debezium.oldkey", self.format.key(old)));
        vec![Record {
            key: Some(self.format.key(id)),
            value: Some(value),
            headers: headers.into_iter().collect(),
            meaning,
        }]
    }

    fn delete(&mut self, id: i64, new_key: Option<i64>) -> Vec<Record> {
        self.table.remove(&id);
        self.gone.insert(id);
        self.spoiled.remove(&id);
        let value = self.value("d", None);
        let headers = new_key.map(|new| ("__debezium.newkey", self.format.key(new)));
        let event = Record {
            key: Some(self.format.key(id)),
            value: Some(value),
            headers: headers.into_iter().collect(),
            meaning: Meaning::Change,
        };
        let tombstone = Record {
            value: None,
            headers: Vec::new(),
            ..event.clone()
        };
        vec![event, tombstone]
    }

    fn truncate(&mut self) -> Record {
        self.gone.extend(self.table.keys());
        self.table.clear();
        Record {
            key: None,
            value: Some(self.value("t", None)),
            headers: Vec::new(),
            meaning: Meaning::Change,
        }
    }

    fn poison(&mut self) -> Record {
        let id = self.any_row();
        self.spoiled.insert(id);
        let values = self.format.poison();
        Record {
            key: Some(self.format.key(id)),
            value: self.random.choice(values),
            headers: Vec::new(),
            meaning: Meaning::Poison,
        }
    }

    fn value(&mut self, operation: &str, after: Option<(i64, &Row)>) -> Vec<u8> {
        self.position += 8;
        self.format.value(Change {
            operation,
            after,
            position: self.position,
            commit_ms: self.now_ms,
        })
    }
}

/// Words that hardly occur twice.
fn words(random: &mut Rng, count: usize) -> String {
    let mut word = || -> String { (0..7).map(|_| random.lowercase()).collect() };
    let words: Vec<String> = (0..count).map(|_| word()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(seed: u64) -> Workload {
        Workload::new(seed, Format::Json, ROWS)
    }

    /// What a reader who applies every record in its order has at the end.
    fn applied(records: &[Record]) -> BTreeMap<Vec<u8>, serde_json::Value> {
        let mut rows = BTreeMap::new();
        for record in records {
            let value = record.value.as_deref().unwrap_or(b"{\"after\": null}");
            let Ok(value) = serde_json::from_slice::<serde_json::Value>(value) else {
                continue;
            };
            let Some(key) = record.key.clone() else {
                assert_eq!(value["op"], "t");
                rows.clear();
                continue;
            };
            match value.get("after") {
                Some(serde_json::Value::Null) => drop(rows.remove(&key)),
                Some(after) => drop(rows.insert(key, after.clone())),
                None => {}
            }
        }
        rows
    }

    #[test]
    fn the_records_lead_to_the_table() {
        for seed in 0..20 {
            let mut workload = workload(seed);
            let records: Vec<Record> = (0..500).flat_map(|now| workload.event(now)).collect();
            let applied = applied(&records);
            assert_eq!(applied.len(), workload.table().len());
            for (id, row) in workload.table() {
                let found = &applied[&Format::Json.key(*id)];
                assert_eq!(found["title"], row.title);
                assert_eq!(found["description"], row.description);
                assert_eq!(
                    (&found["price"], &found["stock"]),
                    (&row.price.into(), &row.stock.into())
                );
            }
        }
    }

    #[test]
    fn every_event_happens_and_a_seed_means_the_same_again() {
        let run = |seed| {
            let mut workload = workload(seed);
            let records: Vec<_> = (0..2_000).flat_map(|now| workload.event(now)).collect();
            let bytes: Vec<_> = records.into_iter().map(|it| (it.key, it.value)).collect();
            (workload.counts().clone(), bytes)
        };
        let (counts, records) = run(7);
        assert_eq!(counts.len(), EVENTS.len(), "{counts:?}");
        assert_eq!(run(7), (counts, records));
    }
}
