//! Statements that read rows.

use serde_json::Value as Json;

use crate::record::RowKey;

use super::catalogue::TableName;

/// A row's key as literals, in the order of the key's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLiterals(Vec<String>);

impl KeyLiterals {
    /// Of a key's values as the server printed them.
    pub(super) fn of_printed<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(values.into_iter().map(literal).collect())
    }

    /// Of a key in canonical form; `None` where a value of it is none that a literal can be made of,
    /// or there are others than `columns`.
    pub(super) fn of_key(key: &RowKey, columns: usize) -> Option<Self> {
        let values: Vec<Json> = serde_json::from_str(key.as_str()).ok()?;
        if values.len() != columns {
            return None;
        }
        let literals = values.into_iter().map(|value| match value {
            Json::String(text) => (!text.contains('\0')).then(|| literal(&text)),
            Json::Number(number) => Some(literal(&number.to_string())),
            Json::Bool(value) => Some(literal(if value { "true" } else { "false" })),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        });
        literals.collect::<Option<_>>().map(Self)
    }
}

/// What is read: these columns of a table with this key.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) table: &'a TableName,
    pub(super) columns: &'a [String],
    pub(super) key: &'a [String],
}

impl Rows<'_> {
    /// The rows behind a key, in the order of keys.
    pub(super) fn page(&self, after: Option<&KeyLiterals>, limit: u32) -> String {
        let key = list(self.key);
        let condition = after.map_or_else(String::new, |after| {
            format!(" WHERE ({key}) > ({})", after.0.join(", "))
        });
        format!("{}{condition} ORDER BY {key} LIMIT {limit}", self.select())
    }

    /// The rows with these keys.
    pub(super) fn with(&self, keys: &[KeyLiterals]) -> String {
        let keys: Vec<String> = keys
            .iter()
            .map(|key| format!("({})", key.0.join(", ")))
            .collect();
        let (select, key) = (self.select(), list(self.key));
        format!("{select} WHERE ({key}) IN ({})", keys.join(", "))
    }

    fn select(&self) -> String {
        let table = qualified(self.table);
        format!("SELECT {} FROM {table}", list(self.columns))
    }
}

/// A table's name, each part quoted.
pub(super) fn qualified(table: &TableName) -> String {
    format!("{}.{}", identifier(&table.schema), identifier(&table.name))
}

fn list(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| identifier(column)).collect();
    columns.join(", ")
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A literal of no type yet: the column that it is compared with gives it one. Right only under
/// `standard_conforming_strings`, which the session sets.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn pages_go_on_behind_the_last_key_of_the_page_before() {
        let table = TableName::parse("public.order \"x\"").unwrap();
        let (columns, key) = (
            ["a", "b", "c"].map(str::to_owned),
            ["a", "b"].map(str::to_owned),
        );
        let rows = Rows {
            table: &table,
            columns: &columns,
            key: &key,
        };
        assert_eq!(
            rows.page(None, 10),
            r#"SELECT "a", "b", "c" FROM "public"."order ""x""" ORDER BY "a", "b" LIMIT 10"#
        );
        let after = KeyLiterals::of_printed(["7", "O'Hara"]);
        assert_eq!(
            rows.page(Some(&after), 10),
            r#"SELECT "a", "b", "c" FROM "public"."order ""x""" WHERE ("a", "b") > ('7', 'O''Hara') ORDER BY "a", "b" LIMIT 10"#
        );
    }

    #[test]
    fn a_key_is_looked_for_by_literals_or_not_at_all() {
        let of = |key: &str, columns| KeyLiterals::of_key(&RowKey::from_canonical(key), columns);
        let literals = KeyLiterals(vec!["'17'".into(), "'a'' OR 1=1'".into(), "'true'".into()]);
        assert_eq!(of(r#"[17,"a' OR 1=1",true]"#, 3), Some(literals));
        assert_eq!(of("[17]", 2), None);
        assert_eq!(of("[{}]", 1), None);
        assert_eq!(of("[\"a\\u0000\"]", 1), None);
        assert_eq!(of("nonsense", 1), None);
    }
}
