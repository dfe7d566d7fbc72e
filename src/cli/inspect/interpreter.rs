//! Reads records as the pipeline does, with the same decoder and the same document builder.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value as Json;

use crate::{
    config::{Config, RowsConfig},
    decode::{Decoded, Decoder, RowSettings},
    document::{DocumentBuilder, PointIds, TemplateError},
    error::Failure,
    record::{
        NeededColumns, PointId, Position, RawRecord, Row, RowChange, RowKey, RowState, Value,
    },
};

use super::{
    look::Look,
    understood::{News, Outcome, Place, RowNews, Understood},
};

/// Keeps for each partition what the pipeline keeps for it.
#[derive(Debug)]
pub(super) struct Interpreter {
    rows: Arc<RowsConfig>,
    settings: RowSettings,
    documents: DocumentBuilder,
    points: PointIds,
    partitions: HashMap<(Arc<str>, i32), Partition>,
}

#[derive(Debug)]
struct Partition {
    /// As in the pipeline: skips columns that nothing needs, and by that their faults.
    decoder: Decoder,
    /// Reads all columns, whatever the key.
    curious: Decoder,
    documents: DocumentBuilder,
}

impl Interpreter {
    pub(super) fn new(config: &Config) -> Result<Self, TemplateError> {
        let version_column = config.window.version_column.as_deref();
        let documents = DocumentBuilder::new(&config.document, version_column)?;
        Ok(Self {
            rows: Arc::new(config.rows.clone()),
            settings: RowSettings::new(&config.rows, documents.needed_columns()),
            documents,
            points: PointIds(config.document.point_id),
            partitions: HashMap::new(),
        })
    }

    pub(super) fn understand(&mut self, raw: &RawRecord) -> Understood {
        let look = Look::at(raw, &self.rows);
        let place = (raw.topic.clone(), raw.partition);
        let partition = self.partitions.entry(place).or_insert_with(|| Partition {
            decoder: Decoder::new(self.settings.clone()),
            curious: Decoder::new(without_key_columns(&self.rows)),
            documents: self.documents.clone(),
        });
        let (key, news) = partition.read(raw, &look, |key| self.points.of(&raw.topic, key));
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
    fn read(
        &mut self,
        raw: &RawRecord,
        look: &Look,
        point_of: impl Fn(&RowKey) -> Result<PointId, Failure>,
    ) -> (Result<RowKey, Failure>, News) {
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
                    created,
                } = change;
                let point = point_of(&key);
                let news = match state {
                    RowState::Gone => News::Gone { point, position },
                    RowState::Present(row) => News::Row(Box::new(RowNews {
                        is_new: created,
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
        match self.documents.build(key, row) {
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
