//! Letters that are looked at again: what the topic says of their rows now is applied.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::Duration,
};

use anyhow::bail;
use clap::{ArgGroup, Args};
use serde_json::{Value as Json, json};

use super::{Letters, SELECTING, WHICH, filter::Filter, groups::letters};
use crate::{
    cli::{
        ExitStatus, Output,
        inspect::{Interpreter, Length, Schemas},
        recheck::{self, Receipts, Rows, unanswered},
        selection::client,
        table::{refuse_stand_in, sections_of},
    },
    config::Config,
    dead_letter::{self, Done, Place},
    document::PointIds,
    error::Failure,
    index::{self, RecheckDesk},
    record::{AskedRow, Doubt, Offset, Receipt, TopicPartition},
};

/// Look at letters again: apply what is still news, once what was wrong is mended
///
/// Asks the members of the group, which must be running, to read what the topic says of each letter's
/// row from the letter's record on, and to make the index equal to the last of it. So nothing newer is
/// overwritten, and no deleted row comes back. Nothing is written to the topic. Letters that are
/// done with by that are marked as with `drop`; those that are refused again stay.
///
/// Ends with 1 when letters stay.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(WHICH))]
#[command(override_usage = "vectide dlq replay [OPTIONS] <PLACES>...
       vectide dlq replay [OPTIONS] <--all|--reason <REASON>|--key <KEY>|…>")]
pub(super) struct Replay {
    /// Which ones, as PARTITION@OFFSET; without any, those that the options select
    places: Vec<Place>,
    #[command(flatten)]
    filter: Filter,
    /// All letters that are not done with
    #[arg(long, conflicts_with_all = SELECTING)]
    all: bool,
    /// How long to wait for members that do not answer
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// A letter whose row is asked for, or why it can't be.
struct Asked {
    place: Place,
    /// Where its record stood.
    offset: Offset,
    collection: String,
    row: Result<(AskedRow, TopicPartition), Failure>,
}

/// What came of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Its record, or the deletion that it is, was applied.
    Applied,
    /// The index reflected it.
    Unchanged,
    /// A later record of its row counts.
    Superseded,
    /// It can't be processed still.
    Refused(String),
    /// It can't be told whether it is news.
    Unknown(String),
    /// Nobody has answered.
    Waiting,
}

impl Replay {
    pub(super) async fn run(self, config: &Config, out: &mut Output) -> anyhow::Result<ExitStatus> {
        refuse_stand_in(
            "index.url",
            config.index.embedded().is_some(),
            "http://localhost:6334",
        )?;
        let asked = self.choose(config).await?;
        let mut rows: BTreeMap<&str, Rows> = BTreeMap::new();
        for letter in &asked {
            if let Ok((row, partition)) = &letter.row {
                let rows = rows.entry(&letter.collection).or_default();
                rows.add(partition, row);
            }
        }
        let qdrant = index::connect_client(&config.index, &config.index.url)?;
        let mut receipts: BTreeMap<&str, Receipts> = BTreeMap::new();
        for (collection, rows) in rows {
            let desk = RecheckDesk::new(qdrant.clone(), collection);
            let came = recheck::recheck(&desk, rows, self.patience).await?;
            receipts.insert(collection, came);
        }
        let told: Vec<(&Asked, Outcome)> = asked
            .iter()
            .map(|letter| (letter, letter.outcome(receipts.get(&*letter.collection))))
            .collect();
        let mut done = Done::default();
        for (asked, outcome) in &told {
            if outcome.is_done() {
                done.insert(asked.place);
            }
        }
        dead_letter::mark_done(&client(config)?, &config.dead_letter, &done).await?;
        self.tell(config, &told, out)?;
        let all_done = told.iter().all(|(_, outcome)| outcome.is_done());
        Ok(if all_done {
            ExitStatus::Success
        } else {
            ExitStatus::Failure
        })
    }
}

impl Replay {
    /// The letters that are meant.
    async fn choose(&self, config: &Config) -> anyhow::Result<Vec<Asked>> {
        let done = Letters::read_done(config).await?;
        let mut missing: BTreeSet<Place> = self.places.iter().copied().collect();
        let mut interpreter = Interpreter::new(config)?;
        let mut schemas = Schemas::new(&config.registry)?;
        let mut chosen = Vec::new();
        let mut read = Letters::open(config).await?;
        while let Some(letter) = read.next().await? {
            missing.remove(&letter.place);
            let is_named = self.places.is_empty() || self.places.contains(&letter.place);
            if !is_named || !self.filter.matches(&letter) || done.contains(letter.place) {
                continue;
            }
            let table = sections_of(config, &letter.record.topic)?;
            let key = match schemas.teach(&mut interpreter, &letter.record).await {
                Ok(()) => interpreter.key(&letter.record),
                Err(failure) => Err(failure),
            };
            let ids = PointIds(table.document.point_id);
            let topic = &letter.record.topic;
            let row = key.and_then(|key| Ok((ids.of(topic, &key)?, key)));
            chosen.push(Asked {
                place: letter.place,
                offset: letter.record.offset,
                collection: table.collection.to_owned(),
                row: row.map(|(point, key)| {
                    let from = letter.record.offset;
                    let doubt = Doubt::Memory;
                    let row = AskedRow {
                        point,
                        key,
                        from,
                        doubt,
                    };
                    (row, letter.partition())
                }),
            });
        }
        if let Some(place) = missing.first() {
            let topic = &config.dead_letter.topic;
            bail!("there is no letter at {place} of {topic}: nothing was done");
        }
        Ok(chosen)
    }

    fn tell(
        &self,
        config: &Config,
        told: &[(&Asked, Outcome)],
        out: &mut Output,
    ) -> anyhow::Result<()> {
        let topic = &config.dead_letter.topic;
        let count = |label: &str| told.iter().filter(|(_, it)| it.label() == label).count();
        let waiting = count("waiting");
        if self.json {
            let letters: Vec<Json> = told
                .iter()
                .map(|(it, outcome)| it.to_json(outcome))
                .collect();
            let json = json!({"topic": topic, "letters": letters});
            writeln!(out, "{json:#}")?;
        } else {
            let counts = LABELS.map(|label| (label, count(label)));
            let counts = counts.iter().filter(|(_, count)| *count > 0);
            let counts: Vec<String> = counts.map(|(it, count)| format!("{count} {it}")).collect();
            let all = letters(told.len() as u64);
            let counts = if counts.is_empty() {
                "nothing to do".to_owned()
            } else {
                counts.join(", ")
            };
            writeln!(out, "{all} of {topic}: {counts}")?;
            for (letter, outcome) in told {
                if let Some(why) = outcome.why() {
                    let place = letter.place;
                    let why = Length::Full.line(why);
                    writeln!(out, "  {place} {}: {why}", outcome.label())?;
                }
            }
            if waiting > 0 {
                writeln!(
                    out,
                    "{}",
                    unanswered(waiting, &config.kafka.group, self.patience)
                )?;
            }
        }
        Ok(())
    }
}

impl Asked {
    fn outcome(&self, receipts: Option<&Receipts>) -> Outcome {
        let row = match &self.row {
            Ok((row, _)) => row,
            Err(failure) => return Outcome::Refused(failure.message.clone()),
        };
        let Some(receipt) = receipts.and_then(|receipts| receipts.of(&row.point)) else {
            return Outcome::Waiting;
        };
        match receipt {
            Receipt::Written { offset }
            | Receipt::Deleted { offset }
            | Receipt::Unchanged { offset }
                if *offset > self.offset.0 =>
            {
                Outcome::Superseded
            }
            Receipt::Written { .. } | Receipt::Deleted { .. } => Outcome::Applied,
            Receipt::Unchanged { .. } => Outcome::Unchanged,
            Receipt::Overtaken => Outcome::Superseded,
            Receipt::Refused { message, .. } => Outcome::Refused(message.clone()),
            Receipt::Unknown { message } => Outcome::Unknown(message.clone()),
        }
    }

    fn to_json(&self, outcome: &Outcome) -> Json {
        let row = self.row.as_ref().ok();
        json!({
            "place": self.place.to_string(),
            "partition": row.map(|(_, partition)| partition.to_string()),
            "offset": self.offset.0,
            "key": row.map(|(row, _)| row.key.as_str()),
            "outcome": outcome.label(),
            "why": outcome.why(),
        })
    }
}

/// In the order in which they are counted.
const LABELS: [&str; 6] = [
    "applied",
    "unchanged",
    "superseded",
    "refused",
    "unknown",
    "waiting",
];

impl Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
            Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
            Self::Waiting => "waiting",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Refused(why) | Self::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// Whether nobody need look at the letter any more.
    fn is_done(&self) -> bool {
        matches!(self, Self::Applied | Self::Unchanged | Self::Superseded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{PointId, RowKey};

    fn outcome(receipt: Option<Receipt>) -> Outcome {
        let row = AskedRow {
            point: PointId::Integer(17),
            key: RowKey::single_integer(17),
            from: Offset(40),
            doubt: Doubt::Memory,
        };
        let partition = TopicPartition {
            topic: "t".into(),
            partition: 0,
        };
        let letter = Asked {
            place: Place {
                partition: 0,
                offset: Offset(1),
            },
            offset: Offset(40),
            collection: "products".to_owned(),
            row: Ok((row, partition)),
        };
        letter.outcome(Some(&Receipts::single(PointId::Integer(17), receipt)))
    }

    #[test]
    fn a_letter_is_applied_by_its_own_record_and_superseded_by_a_later_one() {
        let written = |offset| outcome(Some(Receipt::Written { offset }));
        assert_eq!(written(40), Outcome::Applied);
        assert_eq!(written(41), Outcome::Superseded);
        let deleted = Receipt::Deleted { offset: 57 };
        assert_eq!(outcome(Some(deleted)), Outcome::Superseded);
        assert_eq!(outcome(Some(Receipt::Overtaken)), Outcome::Superseded);
        let unchanged = Receipt::Unchanged { offset: 40 };
        assert_eq!(outcome(Some(unchanged)), Outcome::Unchanged);
    }

    #[test]
    fn what_is_refused_unknown_or_unanswered_stays_a_letter() {
        let refused = Receipt::Refused {
            stage: "decode".to_owned(),
            reason: "not_json".to_owned(),
            message: "no JSON".to_owned(),
        };
        let unknown = Receipt::Unknown {
            message: "Kafka has it no longer".to_owned(),
        };
        for receipt in [Some(refused), Some(unknown), None] {
            assert!(!outcome(receipt).is_done());
        }
    }
}
