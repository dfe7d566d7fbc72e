//! What the index has to hold at the end: the tables' rows, but for what no consumer could know.

use std::collections::BTreeMap;

use crate::{
    capture::{Capture, Database, Encoding, Table},
    compare::Type,
    fixtures::{self, DumpedRow},
    story,
};

/// Column to JSON text.
pub(crate) type Row = BTreeMap<String, String>;

const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// The rows that the index has to hold of a table.
pub(crate) fn rows(capture: &Capture, table: &Table) -> Vec<Row> {
    let drops_truncates = capture.flattened && table.name == "translations";
    let dumped = if drops_truncates {
        // The transform drops truncates, so that nobody behind it can know of them.
        story::rows_without_truncates("json_bare", table.name)
    } else {
        fixtures::tables(capture.dump()).remove(table.name).unwrap()
    };
    let mut rows: Vec<Row> = dumped.into_iter().map(text).collect();
    if table.name == "products" {
        for row in &mut rows {
            match capture.database {
                Database::Postgres => postgres_product(capture, row),
                Database::Maria => maria_product(row),
            }
        }
    }
    rows
}

/// The type a column has for this capture.
pub(crate) fn column_type(capture: &Capture, column_type: Type) -> Type {
    match column_type {
        // The connector has made it one.
        Type::Decimal if capture.encoding == Encoding::BareDoubles => Type::Float,
        other => other,
    }
}

fn text(row: DumpedRow) -> Row {
    row.into_iter()
        .map(|(column, json)| (column, json.get().to_owned()))
        .collect()
}

fn postgres_product(capture: &Capture, row: &mut Row) {
    let doubles = capture.encoding == Encoding::BareDoubles;
    let id: i64 = row["id"].parse().unwrap();
    let mut set = |column: &str, json: String| row.insert(column.to_owned(), json);
    match id {
        // The dump has rounded it.
        7 if !doubles => {
            let exact = story::last("json_string_decimals", "products", id, "list_price", |_| {
                true
            });
            set("list_price", exact);
        }
        // The text *is* the placeholder: not to be told from one that did not change.
        8 => {
            let before = story::last("json_bare", "products", id, "description", |description| {
                *description != UNAVAILABLE
            });
            set("description", before);
        }
        // This connector wrote null for bytes that did not change.
        12 if doubles => {
            set("image", "null".to_owned());
        }
        _ => {}
    }
    if doubles {
        // `time.precision.mode=connect`: to the millisecond.
        let micros = &row["updated_at"];
        let millis = micros.find('.').map_or(micros.clone(), |point| {
            format!("{}\"", &micros[..point + 4])
        });
        row.insert("updated_at".to_owned(), millis);
    }
}

fn maria_product(row: &mut Row) {
    // `bigint.unsigned.handling.mode=long`, the connector's default, writes large ones as negative.
    if row["id"] == u64::MAX.to_string() {
        row.insert("id".to_owned(), "-1".to_owned());
    }
}
