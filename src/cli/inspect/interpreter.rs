//! Reads records as the pipeline does, with the same decoder and the same document builder.

use std::{collections::HashMap, sync::Arc};

use crate::{
    config::Config,
    decode::{Decoded, Decoder},
    document::{DocumentBuilder, PointIds, TemplateError},
    record::{RawRecord, RowChange, RowKey, RowState},
};

use super::{
    look::Look,
    understood::{News, Place, RowNews, Understood},
};

/// Keeps a decoder for each partition, as the pipeline does.
#[derive(Debug)]
pub(super) struct Interpreter {
    documents: DocumentBuilder,
    points: PointIds,
    partitions: HashMap<(Arc<str>, i32), (Decoder, DocumentBuilder)>,
}

impl Interpreter {
    pub(super) fn new(config: &Config) -> Result<Self, TemplateError> {
        let version_column = config.window.version_column.as_deref();
        Ok(Self {
            documents: DocumentBuilder::new(&config.document, version_column)?,
            points: PointIds(config.document.point_id),
            partitions: HashMap::new(),
        })
    }

    pub(super) fn understand(&mut self, raw: &RawRecord) -> Understood {
        let (decoder, documents) = self
            .partitions
            .entry((raw.topic.clone(), raw.partition))
            .or_insert_with(|| (Decoder::default(), self.documents.clone()));
        let key = Decoder::key(raw);
        // A record whose key is missing is worth looking into, too.
        let known = match &key {
            Ok(key) => key.clone(),
            Err(_) => RowKey::from_canonical("[]"),
        };
        let point = || match &key {
            Ok(key) => self.points.of(&raw.topic, key),
            Err(failure) => Err(failure.clone()),
        };
        let news = match decoder.decode(raw, Ok(known)) {
            Err(failure) => News::Unreadable(failure),
            Ok(Decoded::Skip(skip)) => News::Skip(skip),
            Ok(Decoded::Change(RowChange {
                key,
                state,
                position,
            })) => match state {
                RowState::Gone => News::Gone {
                    point: point(),
                    position,
                },
                RowState::Present(row) => News::Row(Box::new(RowNews {
                    document: documents.build(&key, &row),
                    row,
                    position,
                    point: point(),
                })),
            },
        };
        Understood {
            place: Place {
                topic: raw.topic.clone(),
                partition: raw.partition,
                offset: raw.offset,
            },
            timestamp_ms: raw.timestamp_ms,
            look: Look::at(raw),
            key,
            news,
        }
    }
}
