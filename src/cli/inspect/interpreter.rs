//! Reads records as the pipeline does, with the same decoder and the same document builder.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value as Json;

use crate::{
    config::{Config, RowsConfig},
    decode::{Decoded, Decoder, RowSettings},
    document::{DocumentBuilder, PointIds},
    error::Failure,
    pipeline::Routes,
    record::{
        NeededColumns, Origin, Payload, Position, RawRecord, Row, RowChange, RowKey, RowState,
        SchemaId, Value, WriterSchema,
    },
};

use super::{
    look::Look,
    understood::{News, Outcome, Place, RowNews, Understood},
};

/// Keeps for each partition what the pipeline keeps for it.
#[derive(Debug)]
pub(in crate::cli) struct Interpreter {
    tables: Routes<Table>,
    partitions: HashMap<(Arc<str>, i32), Partition>,
}

/// How the tables of some topics are read, and what becomes of their rows.
#[derive(Debug, Clone)]
struct Table {
    rows: Arc<RowsConfig>,
    settings: RowSettings,
    documents: DocumentBuilder,
    points: PointIds,
}

#[derive(Debug)]
struct Partition {
    rows: Arc<RowsConfig>,
    /// As in the pipeline: skips columns that nothing needs, and by that their faults.
    decoder: Decoder,
    /// Reads all columns, whatever the key.
    curious: Decoder,
    documents: DocumentBuilder,
    points: PointIds,
}

impl Interpreter {
    pub(in crate::cli) fn new(config: &Config) -> anyhow::Result<Self> {
        let version_column = config.window.version_column.as_deref();
        let mut tables = Routes::default();
        for table in config.table_sections() {
            let section = table.document_key();
            let documents = DocumentBuilder::of_section(&section, table.document, version_column)?;
            let settings = RowSettings::new(table.rows, documents.needed_columns());
            let own = Table {
                rows: Arc::new(table.rows.clone()),
                settings: settings.in_section(table.rows_key()),
                documents,
                points: PointIds(table.document.point_id),
            };
            match table.entry {
                Some(_) => tables.push(table.topics, own)?,
                None => tables.set_others(own),
            }
        }
        Ok(Self {
            tables,
            partitions: HashMap::new(),
        })
    }

    /// A schema that is to be learnt before the record is read.
    pub(in crate::cli) fn missing_schema(&mut self, raw: &RawRecord) -> Option<SchemaId> {
        self.partition(raw).decoder.missing_schema(raw)
    }

    /// Takes note of a schema that a record was written with.
    pub(in crate::cli) fn learn(&mut self, raw: &RawRecord, id: SchemaId, schema: &WriterSchema) {
        let partition = self.partition(raw);
        partition.decoder.learn(id, schema);
        partition.curious.learn(id, schema);
    }

    /// A record that can't be read for want of its schema.
    pub(in crate::cli) fn unreadable(&mut self, raw: &RawRecord, failure: Failure) -> Understood {
        let partition = self.partition(raw);
        let look = Look::at(raw, &partition.rows);
        partition.understood(raw, look, Err(failure.clone()), News::Unreadable(failure))
    }

    /// Which row a record is about.
    pub(in crate::cli) fn key(&mut self, raw: &RawRecord) -> Result<RowKey, Failure> {
        if raw.key.is_some() {
            return self.partition(raw).decoder.key(raw);
        }
        self.understand(raw).key
    }

    /// What would be written of a record's row after its unavailable values were completed from what
    /// an earlier state left: payload and source columns.
    pub(in crate::cli) fn complete(
        &mut self,
        raw: &RawRecord,
        key: &RowKey,
        row: &mut Row,
        payload: &Payload,
        source_columns: &Payload,
    ) -> Outcome {
        let documents = &mut self.partition(raw).documents;
        documents.complete(row, payload, source_columns);
        match documents.build_with_text(key, row) {
            Ok(document) => Outcome::Document(Box::new(document)),
            Err(failure) => Outcome::Refused(failure),
        }
    }

    /// What a record says.
    pub(in crate::cli) fn understand(&mut self, raw: &RawRecord) -> Understood {
        let partition = self.partition(raw);
        let look = Look::at(raw, &partition.rows);
        let (key, news) = partition.read(raw, &look);
        partition.understood(raw, look, key, news)
    }

    fn partition(&mut self, raw: &RawRecord) -> &mut Partition {
        let place = (raw.topic.clone(), raw.partition);
        self.partitions.entry(place).or_insert_with(|| {
            let table = self.tables.of(&raw.topic);
            Partition::new(table.expect("there is an entry for all others"))
        })
    }
}

/// A row is worth looking into, too, if it can't be told which it is.
fn without_key_columns(rows: &RowsConfig) -> RowSettings {
    let rows = RowsConfig {
        key_columns: Vec::new(),
        ..rows.clone()
    };
    RowSettings::new(&rows, NeededColumns::all())
}

impl Partition {
    fn new(table: &Table) -> Self {
        Self {
            rows: table.rows.clone(),
            decoder: Decoder::new(table.settings.clone()),
            curious: Decoder::new(without_key_columns(&table.rows)),
            documents: table.documents.clone(),
            points: table.points,
        }
    }

    fn understood(
        &self,
        raw: &RawRecord,
        look: Look,
        key: Result<RowKey, Failure>,
        news: News,
    ) -> Understood {
        Understood {
            place: Place {
                topic: raw.topic.clone(),
                partition: raw.partition,
                offset: raw.offset,
            },
            timestamp_ms: raw.timestamp_ms,
            look,
            rows: self.rows.clone(),
            key,
            news,
        }
    }

    fn read(&mut self, raw: &RawRecord, look: &Look) -> (Result<RowKey, Failure>, News) {
        let key = self.decoder.key(raw);
        let any_key = RowKey::from_canonical("[]");
        let all = self.curious.decode(raw, Ok(any_key));
        match self.decoder.decode(raw, key.clone()) {
            Ok(Decoded::Skip(skip)) => (key, News::Skip(skip)),
            Ok(Decoded::Truncate(_)) => (key, News::Truncate),
            Ok(Decoded::Change(change)) => {
                let RowChange {
                    key,
                    state,
                    position,
                    origin,
                } = change;
                let point = self.points.of(&raw.topic, &key);
                let news = match state {
                    RowState::Gone => News::Gone { point, position },
                    RowState::Present(row) => News::Row(Box::new(RowNews {
                        is_new: origin == Origin::Created,
                        outcome: self.outcome(&key, &row),
                        row: present(all).map_or(row, |all| all.0),
                        position,
                        point,
                    })),
                };
                (Ok(key), news)
            }
            Err(failure) => {
                let news = match all {
                    Ok(Decoded::Change(change)) if change.state == RowState::Gone => News::Gone {
                        point: Err(failure.clone()),
                        position: change.position,
                    },
                    all => match present(all).or_else(|| as_it_stands(raw, look)) {
                        Some((row, position)) => News::Row(Box::new(RowNews {
                            is_new: false,
                            row,
                            position,
                            point: Err(failure.clone()),
                            outcome: Outcome::Refused(failure.clone()),
                        })),
                        None => News::Unreadable(failure.clone()),
                    },
                };
                (key.or(Err(failure)), news)
            }
        }
    }
}

impl Partition {
    fn outcome(&mut self, key: &RowKey, row: &Row) -> Outcome {
        let unavailable: Vec<_> = self.documents.unavailable(row).cloned().collect();
        if !unavailable.is_empty() {
            return Outcome::Incomplete(unavailable);
        }
        match self.documents.build_with_text(key, row) {
            Ok(document) => Outcome::Document(Box::new(document)),
            Err(failure) => Outcome::Refused(failure),
        }
    }
}

/// The row that a record was decoded to, and its position.
fn present(decoded: Result<Decoded, Failure>) -> Option<(Row, Position)> {
    match decoded {
        Ok(Decoded::Change(RowChange {
            state: RowState::Present(row),
            position,
            ..
        })) => Some((row, position)),
        _ => None,
    }
}

/// The row as JSON has it, where that can't be read for want of its columns' types.
fn as_it_stands(raw: &RawRecord, look: &Look) -> Option<(Row, Position)> {
    let row = look.untyped.as_ref()?;
    let columns = row.iter().map(|(name, value)| {
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(text.as_str().into()),
            Json::Array(_) | Json::Object(_) => Value::Json(Box::new(value.clone())),
        };
        (Arc::from(name.as_str()), value)
    });
    let position = Position {
        offset: raw.offset,
        timestamp_ms: raw.timestamp_ms.unwrap_or(0),
        commit_ms: None,
        source: None,
    };
    Some((Row::new(columns.collect()), position))
}
