//! What a partition's records say last of some rows, found by reading them again.

use std::collections::HashMap;

use crate::{
    document::DocumentBuilder,
    error::Failure,
    record::{
        AskedRow, Offset, Payload, PointId, RawRecord, Row, RowChange, RowState, TopicPartition,
    },
    registry::Registry,
    source::{Past, PastRecords},
};

use super::super::RowReader;

/// Looks for the last records of some rows.
pub(super) struct Scan {
    pub(super) partition: TopicPartition,
    pub(super) rows: Vec<AskedRow>,
    /// Up to here: what follows, the worker receives.
    pub(super) to: Offset,
    pub(super) past: PastRecords,
    pub(super) registry: Registry,
    pub(super) reader: RowReader,
}

/// What is known of a row in the end.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Found {
    /// Its last record that can be used.
    News(Box<(RowChange, RawRecord)>),
    /// The partition holds no record of it, and lacks none.
    Nothing,
    /// Of the row there is only what can't be used.
    Refused(&'static str, Failure),
    /// What the row's last record was can't be told any more.
    Unknown(String),
}

/// What the records said so far of one row.
#[derive(Debug, Default)]
struct Story {
    latest: Option<(RowChange, RawRecord)>,
    /// Payload and source columns of the latest whole row.
    known: Option<(Payload, Payload)>,
    failure: Option<(&'static str, Failure)>,
}

impl Scan {
    /// Reads everything. Fails where Kafka does not let it be read right now.
    pub(super) async fn run(&mut self) -> Result<HashMap<PointId, Found>, Failure> {
        let from = self.rows.iter().map(|row| row.from).min();
        let from = from.unwrap_or(self.to);
        let mut stories: HashMap<PointId, (Offset, Story)> = HashMap::new();
        for row in &self.rows {
            stories.insert(row.point, (row.from, Story::default()));
        }
        let (mut begin, mut told) = (Offset(0), 0);
        let mut reading = self.past.read(self.partition.clone(), from, self.to);
        while let Some(past) = reading.next().await? {
            match past {
                Past::Begins(offset) => {
                    begin = begin.max(offset);
                    told += 1;
                }
                Past::Record(raw) => {
                    let is_asked = |point: &PointId| stories.contains_key(point);
                    let read = self.reader.read(&raw, &self.registry, is_asked).await;
                    let Some((point, news)) = read else {
                        continue;
                    };
                    if let Some((from, story)) = stories.get_mut(&point)
                        && *from <= raw.offset
                    {
                        story.add(news, raw, &mut self.reader.documents);
                    }
                }
            }
        }
        if told < 2 {
            return Err(Failure::transient("broken_off", "the reading broke off"));
        }
        let found = stories.into_iter().map(|(point, (from, story))| {
            let found = if from < begin {
                Found::Unknown(format!(
                    "Kafka has no longer what came from offset {from} on: what {} holds begins at {begin}",
                    self.partition
                ))
            } else {
                story.end(from)
            };
            (point, found)
        });
        Ok(found.collect())
    }
}

impl Story {
    fn add(
        &mut self,
        news: Result<RowChange, Failure>,
        raw: RawRecord,
        documents: &mut DocumentBuilder,
    ) {
        let mut change = match news {
            Ok(change) => change,
            Err(failure) => {
                self.failure = Some(("decode", failure));
                return;
            }
        };
        match &mut change.state {
            RowState::Gone => self.known = None,
            RowState::Present(row) => {
                if let Err(failure) = self.complete(row, documents) {
                    self.failure = Some(("document", failure));
                    return;
                }
            }
        }
        self.latest = Some((change, raw));
    }

    /// Fills in what the record does not repeat, as far as earlier records say it; the point may say
    /// the rest.
    fn complete(&mut self, row: &mut Row, documents: &mut DocumentBuilder) -> Result<(), Failure> {
        if let Some((payload, source_columns)) = &self.known {
            documents.complete(row, payload, source_columns);
        }
        if documents.unavailable(row).next().is_some() {
            return Ok(());
        }
        let document = documents.build(row)?;
        self.known = Some((document.payload, document.source_columns));
        Ok(())
    }

    fn end(self, from: Offset) -> Found {
        match (self.latest, self.failure) {
            (Some(latest), _) => Found::News(Box::new(latest)),
            (None, Some((stage, failure))) => Found::Refused(stage, failure),
            (None, None) if from == Offset(0) => Found::Nothing,
            (None, None) => {
                Found::Unknown(format!("there is no record of it from offset {from} on"))
            }
        }
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
