//! What the connectors said, where the tables at the end don't tell: read from the captures in bare
//! JSON, by means of its own.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

use crate::fixtures::{self, DumpedRow, Record};

/// The envelope's row after a change, as the JSON that it is.
fn after(record: &Record) -> Option<DumpedRow> {
    let envelope: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(record.value.as_deref()?).unwrap();
    serde_json::from_str(envelope.get("after")?.get()).unwrap()
}

fn of_table(capture: &str, table: &str) -> impl Iterator<Item = Record> {
    let topic = format!("{capture}.shop.{table}");
    fixtures::records(capture)
        .into_iter()
        .filter(move |record| record.topic == topic)
}

/// The JSON of the last value of a column for which `usable` holds, in the rows with this `id`.
pub(crate) fn last(
    capture: &str,
    table: &str,
    id: i64,
    column: &str,
    usable: impl Fn(&Value) -> bool,
) -> String {
    of_table(capture, table)
        .filter_map(|record| after(&record))
        .filter(|row| {
            row.get("id")
                .is_some_and(|value| value.get() == id.to_string())
        })
        .filter_map(|row| Some(row.get(column)?.get().to_owned()))
        .filter(|text| usable(&serde_json::from_str(text).unwrap()))
        .last()
        .unwrap()
}

/// The rows of a table as its records leave them, the truncates left out.
pub(crate) fn rows_without_truncates(capture: &str, table: &str) -> Vec<DumpedRow> {
    let mut rows = BTreeMap::new();
    for record in of_table(capture, table) {
        let Some(key) = &record.key else { continue };
        match after(&record) {
            Some(row) => rows.insert(key.clone(), row),
            None => rows.remove(key),
        };
    }
    rows.into_values().collect()
}
