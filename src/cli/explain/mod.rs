//! `vectide explain`: the story of one row.
//!
//! The key (`key`) is looked for in Kafka from the end backwards (`look`), as far as `bounds` let
//! it, in the partition that has it (`partition`). What its last record says is compared with the
//! point (`verdict`, `difference`), and the story is told (`report`, `show`, and
//! its last line, `sentence`).

mod bounds;
mod difference;
mod key;
mod look;
mod partition;
mod report;
mod sentence;
mod show;
mod verdict;

use std::io::Write;

use anyhow::bail;
use clap::Args;

use super::{
    ExitStatus, Options, Output,
    failure::Misused,
    inspect::{Interpreter, Length, News, Outcome, Schemas, Understood},
    table::{refuse_stand_in, sections_of},
};
use crate::{
    clock::now_ms,
    config::{Config, TruncatePolicy},
    document::{PointIds, unavailable_value},
    index::{self, FoundPoint, Searcher},
    kafka,
    record::{Desired, RawRecord, RowKey, TopicPartition},
    source::LookBack,
};

use bounds::{Bound, Bounds};
pub(super) use difference::Ignored;

pub(super) use key::KeyArgument;
use look::{Looked, Looker};
use report::Report;
use verdict::{Last, Verdict};

const EXAMPLES: &str = "\
Examples:
  vectide explain 17
  vectide explain B-204 --topic shop.public.products
  vectide explain '[\"B-204\",3]' --scan 1000000 --scan 2m
  vectide explain 17 --json | jq .verdict";

/// Tell the story of one row: its point, its last records in Kafka, what is pending, what would be done
///
/// Shows the point as it is stored, with when and of which record it was written; what the last
/// records of the key in Kafka say; whether the group has come so far; and what `vectide run` would
/// do about the last record if it were read now, and why, with the fields that differ. Joins no
/// group, commits nothing, writes nothing, and buys no embedding.
///
/// Ends with 3 when index and table differ and nothing is pending that would make them equal.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Command {
    /// The row's key: one value, as 17 or B-204; a JSON array of the key's columns in their order;
    /// or the record's key in Kafka, as {"id":17}. A whole number is taken for a text where the
    /// topic's keys are texts; "17" always is one
    #[arg(allow_hyphen_values = true)]
    key: KeyArgument,
    /// The table's topic, where kafka.topics has several
    #[arg(long)]
    topic: Option<String>,
    /// How far to look back in Kafka, by a number of records, bytes (64MiB) or time (30s), whichever
    /// comes first; may be given once for each [default: 100000, 256MiB and 20s]
    #[arg(long, value_name = "BOUND")]
    scan: Vec<Bound>,
    /// How many of the key's last records to show
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    records: u16,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// Show long values in full; JSON has them anyway
    #[arg(long)]
    full: bool,
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let names_topic = self.topic.is_some();
        let config = options.load_config_for(|key| is_needed(key, names_topic))?;
        options.log_if_asked(&config)?;
        let report = self.explain(&config).await?;
        if self.json {
            writeln!(out, "{:#}", report.to_json())?;
        } else {
            let length = if self.full { Length::Full } else { Length::Cut };
            write!(out, "{}", report.to_text(length)?)?;
        }
        out.flush()?;
        Ok(if report.is_pending() || !report.verdict.differs() {
            ExitStatus::Success
        } else {
            ExitStatus::Differs
        })
    }

    async fn explain(&self, config: &Config) -> anyhow::Result<Report> {
        let look = self.open(config).await?;
        let table = sections_of(config, look.topic())?;
        let embedded = config.index.embedded().is_some();
        refuse_stand_in("index.url", embedded, "http://localhost:6334")?;
        let client = index::connect_client(&config.index, &config.index.url)?;
        let searcher = Searcher::new(client, table.collection, &config.index.vector);
        searcher.ask().await?;

        let mut interpreter = Interpreter::new(config)?;
        let mut schemas = Schemas::new(&config.registry)?;
        let looking = Looker {
            interpreter: &mut interpreter,
            schemas: &mut schemas,
            argument: &self.key,
            wanted: usize::from(self.records),
            bounds: Bounds::of(&self.scan),
        };
        let looked = looking.look(look).await?;
        let id = PointIds(table.document.point_id).of(&looked.topic, &looked.key)?;
        let point = searcher.point(id).await?;
        if looked.records.is_empty() && point.is_none() {
            bail!(unknown(&looked, searcher.collection()));
        }
        let truncated = match table.rows.truncate {
            TruncatePolicy::Apply => searcher.truncated(&looked.topic).await?,
            TruncatePolicy::Ignore | TruncatePolicy::Block => None,
        };
        let mut records = Vec::new();
        for raw in &looked.records {
            records.push(match schemas.teach(&mut interpreter, raw).await {
                Ok(()) => interpreter.understand(raw),
                Err(failure) => interpreter.unreadable(raw, failure),
            });
        }
        complete(
            &mut interpreter,
            &looked.records,
            &mut records,
            point.as_ref(),
        );
        let embed = &config.embed;
        let fingerprint = embed.fingerprint();
        let verdict = match records.last() {
            None => Verdict::NoRecord,
            Some(last) => verdict::judge(
                &last_of(last),
                point.as_ref(),
                truncated.as_ref(),
                &fingerprint,
                &Ignored::of(table.document),
            ),
        };
        Ok(Report {
            group: config.kafka.group.clone(),
            collection: searcher.collection().to_owned(),
            id,
            point,
            fingerprint,
            looked,
            records,
            verdict,
            now_ms: now_ms(),
        })
    }

    /// The topic; the client's calls block.
    async fn open(&self, config: &Config) -> anyhow::Result<LookBack> {
        refuse_stand_in(
            "kafka.brokers",
            config.kafka.is_embedded(),
            "localhost:9092",
        )?;
        let base = kafka::client_config(&config.kafka, &config.kafka.brokers)?;
        let group = config.kafka.group.clone();
        let topics = match &self.topic {
            Some(topic) => vec![topic.clone()],
            None => config.kafka.topics.clone(),
        };
        let open = move || LookBack::open(&base, &group, &topics);
        let opened = tokio::task::spawn_blocking(open).await?;
        opened.map_err(|failure| match failure.reason {
            "several_topics" => Misused(failure.message).into(),
            _ => failure.into(),
        })
    }
}

/// Whether the rules of a key of the configuration must be kept.
fn is_needed(key: &str, names_topic: bool) -> bool {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    let is_about_topics =
        key == "kafka.topics" || (section.starts_with("tables[") && rest == "topics");
    let is_about_running = matches!(section, "commit" | "dead_letter" | "pipeline" | "admin");
    let is_given_elsewhere = names_topic && is_about_topics;
    !is_about_running && !is_given_elsewhere
}

/// Completes rows that lack what did not change, from the point and from record to record.
fn complete(
    interpreter: &mut Interpreter,
    raws: &[RawRecord],
    records: &mut [Understood],
    point: Option<&FoundPoint>,
) {
    let mut known = verdict::known_values(point);
    for (raw, record) in raws.iter().zip(records) {
        let key: Option<RowKey> = record.key.as_ref().ok().cloned();
        let News::Row(news) = &mut record.news else {
            known = None;
            continue;
        };
        if let Outcome::Incomplete(columns) = &news.outcome {
            news.outcome = match (&known, key) {
                (Some((payload, source_columns)), Some(key)) => {
                    interpreter.complete(raw, &key, &mut news.row, payload, source_columns)
                }
                _ => Outcome::Refused(unavailable_value(columns.first().map_or("", |it| it))),
            };
        }
        if let Outcome::Document(document) = &news.outcome {
            known = Some((document.payload.clone(), document.source_columns.clone()));
        }
    }
}

/// What the last record says, ready to be judged.
fn last_of(record: &Understood) -> Last {
    let desired = match (record.failure(), &record.news) {
        (Some(failure), _) => Err(failure.clone()),
        (None, News::Row(news)) => match &news.outcome {
            Outcome::Document(document) => Ok(Desired::Row(document.clone())),
            Outcome::Refused(failure) => Err(failure.clone()),
            Outcome::Incomplete(columns) => {
                Err(unavailable_value(columns.first().map_or("", |it| it)))
            }
        },
        // Of what carries no row there is no record with a row's key.
        (None, _) => Ok(Desired::Gone),
    };
    Last {
        partition: TopicPartition {
            topic: record.place.topic.clone(),
            partition: record.place.partition,
        },
        position: record.position_or_place(),
        desired,
        is_new: matches!(&record.news, News::Row(news) if news.is_new),
    }
}

/// Why there is nothing to tell.
fn unknown(looked: &Looked, collection: &str) -> String {
    let Looked { topic, key, .. } = looked;
    let no_point = format!("the collection {collection} has no point for it");
    if looked.is_empty() {
        return format!("no row {key}: the topic {topic} is empty, and {no_point}");
    }
    let further = match &looked.other_key {
        _ if !looked.is_complete() => "; look further back with --scan".to_owned(),
        Some(other) => format!("; keys there look like {other}"),
        None => String::new(),
    };
    let how_far = show::how_far(looked);
    format!("no row {key}: {topic} has no record of it ({how_far}), and {no_point}{further}")
}
