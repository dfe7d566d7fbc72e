//! Reads records for whoever wants to know what they say of rows, as a partition's worker does.

use crate::{
    decode::{Decoded, Decoder, RowSettings},
    document::{DocumentBuilder, PointIds},
    error::Failure,
    record::{PointId, RawRecord, RowChange},
    registry::Registry,
};

/// Reads the records of one partition, or of several of one table.
#[derive(Debug)]
pub struct RowReader {
    decoder: Decoder,
    /// Makes documents.
    pub documents: DocumentBuilder,
    point_ids: PointIds,
}

/// Of which row a record is, by its point, and what it says; or why nothing can be made of it.
pub type RowNews = (PointId, Result<RowChange, Failure>);

impl RowReader {
    /// Of one table.
    pub fn new(rows: RowSettings, documents: DocumentBuilder, point_ids: PointIds) -> Self {
        Self {
            decoder: Decoder::new(rows),
            documents,
            point_ids,
        }
    }

    /// What a record says of a row; `None` where it is of no row, or can't be told of which, or is of
    /// one that is not wanted. Waits for the registry, as long as it takes, where the record was written
    /// with a schema that is not known yet.
    pub async fn read(
        &mut self,
        raw: &RawRecord,
        registry: &Registry,
        is_wanted: impl Fn(&PointId) -> bool,
    ) -> Option<RowNews> {
        let learnt = self.learn(raw, registry).await;
        let key = self.decoder.key(raw);
        let known = key.clone().ok();
        if let Some(key) = &known {
            let point = self.point_ids.of(&raw.topic, key);
            // Most records need not be decoded.
            point.ok().filter(&is_wanted)?;
        }
        let decoded = learnt.and_then(|()| self.decoder.decode(raw, key));
        let (key, news) = match decoded {
            Ok(Decoded::Change(change)) => (change.key.clone(), Ok(change)),
            Ok(Decoded::Truncate(_) | Decoded::Skip(_)) => return None,
            Err(failure) => (known?, Err(failure)),
        };
        let point = self.point_ids.of(&raw.topic, &key).ok();
        Some((point.filter(is_wanted)?, news))
    }

    async fn learn(&mut self, raw: &RawRecord, registry: &Registry) -> Result<(), Failure> {
        while let Some(id) = self.decoder.missing_schema(raw) {
            let schema = registry.schema(id).await?;
            self.decoder.learn(id, &schema);
        }
        Ok(())
    }
}
