//! `[[tables]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Config, DocumentConfig, PointIdKind, RowsConfig,
    index::{QDRANT_NAME, is_qdrant_name},
    kafka::{is_pattern, names_or_matches, validate_topics},
    validate::Report,
};

/// What the tables of some topics have of their own. The first entry that matches a topic counts;
/// topics that none matches use the sections at the top level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableConfig {
    /// The topics, by name, or by patterns that start with `^`, as in `kafka.topics`, which must
    /// have them, too.
    pub topics: Vec<String>,
    /// The collection of these tables, in place of `index.collection`. All else about it is as
    /// in `[index]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// A whole section of the keys of `[document]`, in its place: what it does not set has its
    /// default, not what `[document]` sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentConfig>,
    /// The same for `[rows]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsConfig>,
}

/// The part of a configuration that is about some tables, and where its keys are.
#[derive(Debug, Clone, Copy)]
pub struct TableSections<'a> {
    /// Which entry of `tables`; `None` for the tables that none matches.
    pub entry: Option<usize>,
    /// Its topics and patterns; empty for the tables that no entry matches.
    pub topics: &'a [String],
    /// The collection.
    pub collection: &'a str,
    /// The key that names it.
    collection_is_own: bool,
    /// How rows become documents.
    pub document: &'a DocumentConfig,
    document_is_own: bool,
    /// How rows are read.
    pub rows: &'a RowsConfig,
    rows_are_own: bool,
}

impl TableSections<'_> {
    /// The key that names the collection: `index.collection` or `tables[0].collection`.
    pub fn collection_key(&self) -> String {
        match self.entry.filter(|_| self.collection_is_own) {
            Some(entry) => format!("tables[{entry}].collection"),
            None => "index.collection".to_owned(),
        }
    }

    /// The section about documents: `document` or `tables[0].document`.
    pub fn document_key(&self) -> String {
        match self.entry.filter(|_| self.document_is_own) {
            Some(entry) => format!("tables[{entry}].document"),
            None => "document".to_owned(),
        }
    }

    /// The section about rows: `rows` or `tables[0].rows`.
    pub fn rows_key(&self) -> String {
        match self.entry.filter(|_| self.rows_are_own) {
            Some(entry) => format!("tables[{entry}].rows"),
            None => "rows".to_owned(),
        }
    }
}

impl Config {
    /// What each entry of `tables` comes to, in order; last, without an entry, what counts where
    /// none matches.
    pub fn table_sections(&self) -> Vec<TableSections<'_>> {
        let rest = TableSections {
            entry: None,
            topics: &[],
            collection: &self.index.collection,
            collection_is_own: false,
            document: &self.document,
            document_is_own: false,
            rows: &self.rows,
            rows_are_own: false,
        };
        let own = self.tables.iter().enumerate().map(|(entry, table)| {
            let (collection, document) = (table.collection.as_deref(), table.document.as_ref());
            TableSections {
                entry: Some(entry),
                topics: &table.topics,
                collection: collection.unwrap_or(rest.collection),
                collection_is_own: collection.is_some(),
                document: document.unwrap_or(rest.document),
                document_is_own: document.is_some(),
                rows: table.rows.as_ref().unwrap_or(rest.rows),
                rows_are_own: table.rows.is_some(),
            }
        });
        own.chain([rest]).collect()
    }

    /// Each collection that is written to, once, with the key that names it.
    pub fn collections(&self) -> Vec<(&str, String)> {
        let mut collections: Vec<(&str, String)> = Vec::new();
        for table in self.table_sections() {
            let is_known = collections
                .iter()
                .any(|(name, _)| *name == table.collection);
            if !is_known && self.is_used(&table) {
                collections.push((table.collection, table.collection_key()));
            }
        }
        collections
    }

    /// Whether there may be tables with these sections: not where each topic has an entry.
    pub fn is_used(&self, table: &TableSections<'_>) -> bool {
        !self.topics_of(table).is_empty()
    }

    pub(super) fn validate_tables(&self, report: &mut Report) {
        for (entry, table) in self.tables.iter().enumerate() {
            let key = format!("tables[{entry}]");
            let topics = format!("{key}.topics");
            report.refuse_if(
                table.topics.is_empty(),
                &topics,
                "missing: name the topics, of those in kafka.topics, whose tables these are",
            );
            validate_topics(&topics, &table.topics, report);
            self.validate_reading(entry, &topics, table, report);
            if let Some(collection) = &table.collection {
                report.refuse_if(
                    !is_qdrant_name(collection, 255),
                    format!("{key}.collection"),
                    format!("{collection:?} is no name for Qdrant: 1 to 255 bytes, {QDRANT_NAME}"),
                );
            }
            if let Some(document) = &table.document {
                document.validate(&format!("{key}.document"), report);
            }
            if let Some(rows) = &table.rows {
                rows.validate(&format!("{key}.rows"), report);
            }
        }
        self.validate_integer_ids(report);
    }

    /// Each topic must be one that is read, and that no earlier entry takes.
    fn validate_reading(&self, entry: usize, key: &str, table: &TableConfig, report: &mut Report) {
        let read = &self.kafka.topics;
        let earlier = self.tables.get(..entry).unwrap_or_default();
        for topic in &table.topics {
            let may_be_read = if is_pattern(topic) {
                // Whether two patterns have a topic in common can't be told.
                read.iter()
                    .any(|it| is_pattern(it) || names_or_matches(topic, it))
            } else {
                self.kafka.subscribes_to(topic).is_some()
            };
            report.refuse_if(
                !may_be_read && !read.is_empty(),
                key,
                format!("{topic:?} is not read: name it in kafka.topics, too"),
            );
            let taken = earlier.iter().position(|table| {
                table
                    .topics
                    .iter()
                    .any(|it| it == topic || (!is_pattern(topic) && names_or_matches(it, topic)))
            });
            if let Some(other) = taken {
                report.refuse(
                    key,
                    format!("{topic:?} has tables[{other}] already, and the first entry counts"),
                );
            }
        }
    }

    /// Ids that are keys tell rows apart within one table only.
    fn validate_integer_ids(&self, report: &mut Report) {
        let mut owners: Vec<(&str, &str)> = Vec::new();
        for table in self.table_sections() {
            if table.document.point_id != PointIdKind::Integer {
                continue;
            }
            for topic in self.topics_of(&table) {
                match owners.iter().find(|(of, _)| *of == table.collection) {
                    Some((collection, other)) => report.refuse(
                        format!("{}.point_id", table.document_key()),
                        format!(
                            "is \"integer\" for {other:?} and {topic:?}, whose rows would overwrite each other in the collection {collection:?}: use \"uuid5\", or give one another collection in [[tables]]"
                        ),
                    ),
                    None => owners.push((table.collection, topic)),
                }
            }
        }
    }

    /// The topics and patterns whose tables have these sections, as far as names tell.
    fn topics_of<'a>(&'a self, table: &TableSections<'a>) -> Vec<&'a str> {
        let is_left = |topic: &&String| {
            let mut own = self.tables.iter().flat_map(|table| &table.topics);
            !own.any(|it| it == *topic || names_or_matches(it, topic))
        };
        let topics: Vec<&String> = match table.entry {
            Some(_) => table.topics.iter().collect(),
            None => self.kafka.topics.iter().filter(is_left).collect(),
        };
        topics.into_iter().map(String::as_str).collect()
    }
}
