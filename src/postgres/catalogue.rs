//! What the database says of a table: its columns' types and its key.

use std::fmt;

/// A table by schema and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The schema's name.
    pub schema: String,
    /// The table's own.
    pub name: String,
}

impl TableName {
    /// From `schema.table`.
    pub fn parse(text: &str) -> Option<Self> {
        let (schema, name) = text.split_once('.')?;
        (!schema.is_empty() && !name.is_empty()).then(|| Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The table that a connector names a topic after: `prefix.schema.table`.
    pub fn of_topic(topic: &str) -> Option<Self> {
        let (rest, name) = topic.rsplit_once('.')?;
        let (_, schema) = rest.rsplit_once('.')?;
        Self::parse(&format!("{schema}.{name}"))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A column's type. One of a domain is the type below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    /// As `pg_type` has it: `int8`, `timestamptz`.
    pub(super) name: Box<str>,
    /// Of an array: the name of its elements' type.
    pub(super) element: Option<Box<str>>,
    /// Whether it is declared with a precision and scale of its own, as `numeric(10, 2)` is.
    pub(super) has_modifier: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) of: Type,
}

/// A table's columns, and those of its primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// The table.
    pub table: TableName,
    pub(super) columns: Vec<Column>,
    /// Names of columns, in the order of the key.
    pub(super) primary_key: Vec<String>,
}

impl Catalogue {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Asks for the columns with their types: name, type, type of the elements, and whether
/// there is a modifier.
pub(super) fn columns(table: &str) -> String {
    format!(
        "WITH RECURSIVE based AS (
            SELECT attnum, attname, atttypid AS type, atttypmod AS modifier FROM pg_catalog.pg_attribute
                WHERE attrelid = {table}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped
            UNION ALL
            SELECT attnum, attname, typbasetype, typtypmod FROM based
                JOIN pg_catalog.pg_type ON pg_type.oid = based.type WHERE typtype = 'd')
        SELECT attname, base.typname, element.typname, modifier >= 0 FROM based
            JOIN pg_catalog.pg_type base ON base.oid = based.type AND base.typtype <> 'd'
            LEFT JOIN pg_catalog.pg_type element
                ON element.oid = base.typelem AND base.typcategory = 'A'
        ORDER BY attnum"
    )
}

/// Asks for the names of the primary key's columns.
pub(super) fn primary_key(table: &str) -> String {
    format!(
        "SELECT attname FROM pg_catalog.pg_index
            CROSS JOIN LATERAL pg_catalog.unnest(indkey::int2[]) WITH ORDINALITY AS part (number, place)
            JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = part.number
        WHERE indrelid = {table}::pg_catalog.regclass AND indisprimary ORDER BY place"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_last_two_parts_are_its_table() {
        let of = |topic| TableName::of_topic(topic).map(|table| table.to_string());
        assert_eq!(
            of("shop.public.products").as_deref(),
            Some("public.products")
        );
        assert_eq!(
            of("eu.shop.public.products").as_deref(),
            Some("public.products")
        );
        assert_eq!(of("public.products"), None);
        assert_eq!(of("products"), None);
    }
}
