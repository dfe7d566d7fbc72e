//! `vectide audit`: compares the index with what the topic says of the table, row by row, while
//! `vectide run` goes on; or with [the table itself](postgres).
//!
//! 1. The topic is read from its beginning to the ends that it has now: a [`Table`] of hashes.
//! 2. The group is asked how far it has come. What is behind that is *pending*, and not judged.
//! 3. The points are read, page by page, and [judged](Judge).
//! 4. What came to the topic meanwhile is read: rows with news are not judged. The points of the
//!    others that differed are looked at once more.
//! 5. On request their owners are asked to recheck them: the audit itself writes nothing.

mod judge;
mod postgres;
mod report;
mod table;
mod topic;

use std::{collections::BTreeMap, io::Write, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use rdkafka::ClientConfig;
use tokio_util::sync::CancellationToken;

use super::{
    ExitStatus, Options, Output,
    explain::Ignored,
    recheck::{self, Rows},
    selection::client,
    table::{refuse_stand_in, sections_of},
};
use crate::{
    config::{Config, TableSections, TruncatePolicy},
    decode::RowSettings,
    document::{DocumentBuilder, PointIds},
    index::{self, Bookkeeping, FoundPoint, OfTable, RecheckDesk, Searcher},
    pipeline::RowReader,
    record::{AskedRow, Offset, PointId, RawRecord, RowKey, TopicPartition, TruncateMark},
    registry::{self, Registry},
    source::LookBack,
    telemetry::Health,
};

use judge::{Drift, Judge, Judgement};
use report::{Finding, Report, Told};
use table::{Said, Table};

/// Points that are looked at by their ids in one call.
const IDS: usize = 200;

const EXAMPLES: &str = "\
Examples:
  vectide audit
  vectide audit --topic shop.public.products --json | jq '.topics[].findings[]'
  vectide audit --repair
  vectide audit --source postgres";

/// Compare the index with what the topics say of their tables, and repair it on request
///
/// Reads each topic from its beginning and all of its table's points, while `vectide run` goes on.
/// Tells of rows without a point, of points without a row, and of points with another payload, or with
/// the vector of another text or model. Rows with news that the group has yet to process are left out,
/// and so are points that are as of something later.
///
/// Joins no group, commits nothing, and writes no point. With --repair it asks the members of the group,
/// which must be running, to look again at the rows that differ: they read them from the topic, and
/// write what differs as they write all else.
///
/// With --source postgres the table itself is read, by the section [postgres], in pages, at a limited
/// rate. Values are compared as the connector writes them, which is learnt from its records; columns of
/// which that can't be told are named, and not compared. A difference counts only if it stays while
/// row and topic have no news.
///
/// Ends with 3 when index and table differ and were not repaired.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Command {
    /// Only these topics, of those in kafka.topics; may be given several times
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// What the index is compared with
    #[arg(long, value_enum, default_value_t = Source::Topic)]
    source: Source,
    /// How long a row of PostgreSQL must have stayed as it is before the topic is taken not to tell of it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    settle: Duration,
    /// Ask the members of the group to mend what differs
    #[arg(long)]
    repair: bool,
    /// How long to wait for members that do not answer, and for rows that keep changing
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// How many rows to name; JSON has all
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// What the index is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// What the topic, read from its beginning, says of the table
    Topic,
    /// The table itself
    Postgres,
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let config = options.load_config_for(is_needed)?;
        options.log_if_asked(&config)?;
        let base = client(&config)?;
        let embedded = config.index.embedded().is_some();
        refuse_stand_in("index.url", embedded, "http://localhost:6334")?;
        let topics = match &self.topics[..] {
            [] => &config.kafka.topics,
            topics => topics,
        };
        let mut reports = Vec::new();
        for topic in topic::find(&base, &config.kafka.group, topics).await? {
            let audit = Audit::new(&config, &base, &topic).await?;
            reports.push(self.audit(audit).await?);
        }
        report::write(&reports, &self, &config, out)?;
        out.flush()?;
        Ok(if reports.iter().all(Report::is_mended) {
            ExitStatus::Success
        } else {
            ExitStatus::Differs
        })
    }

    async fn audit(&self, audit: Audit<'_>) -> anyhow::Result<Report> {
        let desk = audit.desk.clone();
        let mut report = match self.source {
            Source::Topic => audit.run().await?,
            Source::Postgres => {
                let patience = postgres::Patience {
                    settle: self.settle,
                    patience: self.patience,
                };
                audit.run_against_postgres(patience).await?
            }
        };
        if self.repair && !report.findings.is_empty() {
            let mut rows = Rows::default();
            for finding in &report.findings {
                if let Some(told) = &finding.told {
                    rows.add(&told.partition, &finding.asked(told));
                }
            }
            report.receipts = Some(recheck::recheck(&desk, rows, self.patience).await?);
        }
        Ok(report)
    }
}

/// Whether the rules of a key of the configuration must be kept.
fn is_needed(key: &str) -> bool {
    let section = key.split_once('.').map_or(key, |(section, _)| section);
    !matches!(section, "commit" | "dead_letter" | "pipeline" | "admin")
}

/// The audit of one topic.
struct Audit<'a> {
    config: &'a Config,
    base: &'a ClientConfig,
    topic: Arc<str>,
    sections: TableSections<'a>,
    registry: Registry,
    reader: RowReader,
    searcher: Searcher,
    desk: RecheckDesk,
    judge: Judge,
}

/// What is known of the topic when the points are looked at.
struct Seen {
    table: Table,
    /// Where the partitions began and ended.
    extents: BTreeMap<i32, (i64, i64)>,
    /// What the group had committed by then.
    committed: BTreeMap<i32, Offset>,
}

impl<'a> Audit<'a> {
    async fn new(config: &'a Config, base: &'a ClientConfig, topic: &str) -> anyhow::Result<Self> {
        let sections = sections_of(config, topic)?;
        let version_column = config.window.version_column.as_deref();
        let documents = DocumentBuilder::of_section(
            &sections.document_key(),
            sections.document,
            version_column,
        )?;
        let rows = RowSettings::new(sections.rows, documents.needed_columns());
        let rows = rows.in_section(sections.rows_key());
        let point_ids = PointIds(sections.document.point_id);
        let settings = registry::Settings::new(&config.registry)?;
        let qdrant = index::connect_client(&config.index, &config.index.url)?;
        let searcher = Searcher::new(qdrant.clone(), sections.collection, &config.index.vector);
        searcher.ask().await?;
        let embed = &config.embed;
        let topic: Arc<str> = topic.into();
        Ok(Self {
            config,
            base,
            registry: Registry::new(&settings, Health::default(), CancellationToken::new())?,
            reader: RowReader::new(rows, documents, point_ids),
            desk: RecheckDesk::new(qdrant, sections.collection),
            sections,
            searcher,
            judge: Judge {
                topic: topic.clone(),
                fingerprint: embed.fingerprint(),
            },
            topic,
        })
    }

    async fn run(mut self) -> anyhow::Result<Report> {
        let truncated = self.truncated().await?;
        let ignored = Ignored::of(self.sections.document);
        let mut table = Table::new(ignored, truncated);
        let look = self.open().await?;
        let extents = look.extents().clone();
        let look = self
            .read(
                look,
                extents.clone(),
                |_| true,
                |raw, news, reader| table.add(raw, news, &mut reader.documents),
            )
            .await?;
        let (_, committed) = topic::committed(look).await?;
        let mut seen = Seen {
            table,
            extents,
            committed,
        };
        let mut report = Report::new(&self.topic, self.searcher.collection());
        let mut suspects = self.suspects(&mut seen, &mut report).await?;
        self.leave_out_news(&mut suspects, &seen).await?;
        self.look_again(suspects, &seen, &mut report).await?;
        self.expect_truncated(truncated).await?;
        Ok(report)
    }

    /// Fails when the table was truncated since it was so.
    async fn expect_truncated(&self, truncated: Option<TruncateMark>) -> anyhow::Result<()> {
        if self.truncated().await? != truncated {
            bail!(
                "the table of {} was truncated while it was audited: audit it again",
                self.topic
            );
        }
        Ok(())
    }

    async fn truncated(&self) -> anyhow::Result<Option<TruncateMark>> {
        Ok(match self.sections.rows.truncate {
            TruncatePolicy::Apply => self.searcher.truncated(&self.topic).await?,
            TruncatePolicy::Ignore | TruncatePolicy::Block => None,
        })
    }

    async fn open(&self) -> anyhow::Result<LookBack> {
        topic::open(self.base, &self.config.kafka.group, &self.topic).await
    }

    /// Reads stretches of the topic, and tells what their records say of the rows that are wanted.
    async fn read(
        &mut self,
        look: LookBack,
        stretches: topic::Stretches,
        is_wanted: impl Fn(&PointId) -> bool,
        mut take: impl FnMut(&RawRecord, crate::pipeline::RowNews, &mut RowReader),
    ) -> anyhow::Result<LookBack> {
        let (reader, registry) = (&mut self.reader, &self.registry);
        // One request may be tried again and again.
        let patience = 3 * self.config.registry.timeout;
        topic::read(look, stretches, async |raw: RawRecord| {
            let read = tokio::time::timeout(patience, reader.read(&raw, registry, &is_wanted));
            let read = read.await.context("the schema registry does not answer")?;
            if let Some(news) = read {
                take(&raw, news, reader);
            }
            Ok(())
        })
        .await
    }

    /// Looks at all points, and returns those that seem to differ, and rows that seem to have none.
    async fn suspects(&self, seen: &mut Seen, report: &mut Report) -> anyhow::Result<Vec<PointId>> {
        let mut suspects = Vec::new();
        for which in [OfTable::WithVector, OfTable::WithoutVector] {
            let mut next = None;
            loop {
                let page = self.searcher.page(&self.topic, which, next).await?;
                for (point, found) in &page.points {
                    if self.is_suspect(*point, found, seen, report) {
                        suspects.push(*point);
                    }
                    seen.table.find(point);
                }
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
        }
        for (point, last) in seen.table.rows() {
            report.rows += u64::from(matches!(last.said, Said::Row { .. }));
            report.unusable += u64::from(last.said == Said::Unusable);
            if seen.is_pending(last.partition, last.offset) {
                report.pending += 1;
            } else if matches!(last.said, Said::Row { .. }) && !last.is_found {
                suspects.push(*point);
            }
        }
        Ok(suspects)
    }

    fn is_suspect(
        &self,
        point: PointId,
        found: &FoundPoint,
        seen: &Seen,
        report: &mut Report,
    ) -> bool {
        let is_row = matches!(found.bookkeeping, Bookkeeping::Row(_));
        let Some(last) = seen.table.get(&point) else {
            // Besides rows there are claims and the like.
            report.points += u64::from(is_row);
            let extra = is_row.then(|| seen.is_extra(found));
            report.untold += u64::from(extra == Some(Extra::CanNotBeTold));
            return extra == Some(Extra::Yes);
        };
        report.points += 1;
        if seen.is_pending(last.partition, last.offset) {
            return false;
        }
        let judgement = self.judge.judge(&seen.table, last, Some(found));
        report.owed += u64::from(judgement == Judgement::Owed);
        report.later += u64::from(judgement == Judgement::Later);
        matches!(judgement, Judgement::Differs(_))
    }

    /// Rows that have had news since are not judged.
    async fn leave_out_news(
        &mut self,
        suspects: &mut Vec<PointId>,
        seen: &Seen,
    ) -> anyhow::Result<()> {
        if suspects.is_empty() {
            return Ok(());
        }
        let look = self.open().await?;
        let since = look.extents().iter().map(|(partition, (low, high))| {
            let known = seen.extents.get(partition).map_or(*low, |(_, end)| *end);
            (*partition, (known.max(*low), *high))
        });
        let since = since.filter(|(_, (from, to))| from < to).collect();
        let mut changed = std::collections::HashSet::new();
        let read = self.read(
            look,
            since,
            |_| true,
            |_, (point, _), _| {
                changed.insert(point);
            },
        );
        read.await?;
        suspects.retain(|point| !changed.contains(point));
        Ok(())
    }

    /// Judges those that are left once more, by the points as they are now.
    async fn look_again(
        &self,
        suspects: Vec<PointId>,
        seen: &Seen,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        for ids in suspects.chunks(IDS) {
            let points = self.searcher.points(ids).await?;
            for id in ids {
                let point = points.get(id);
                let finding = match (seen.table.get(id), point) {
                    (Some(last), _) => match self.judge.judge(&seen.table, last, point) {
                        Judgement::Differs(drift) => Some(Finding {
                            point: *id,
                            key: last.key(),
                            told: Some(self.told(last.partition, last.from)),
                            drift,
                        }),
                        _ => None,
                    },
                    (None, Some(point)) => self.extra(*id, point),
                    (None, None) => None,
                };
                report.findings.extend(finding);
            }
        }
        report.findings.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(())
    }

    fn extra(&self, id: PointId, point: &FoundPoint) -> Option<Finding> {
        let Bookkeeping::Row(row) = &point.bookkeeping else {
            return None;
        };
        Some(Finding {
            point: id,
            key: RowKey::from_canonical(row.stored.key.clone()),
            told: Some(self.told(row.stored.partition, Offset(0))),
            drift: vec![Drift::Extra],
        })
    }

    fn told(&self, partition: i32, from: Offset) -> Told {
        let partition = TopicPartition {
            topic: self.topic.clone(),
            partition,
        };
        Told { partition, from }
    }
}

/// Whether a point without a record in the topic is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    Yes,
    /// It is of a record that came meanwhile.
    No,
    /// Its record may be one that Kafka has no longer.
    CanNotBeTold,
}

impl Seen {
    /// Whether the group has yet to process a record.
    fn is_pending(&self, partition: i32, offset: Offset) -> bool {
        let committed = self.committed.get(&partition);
        committed.is_none_or(|committed| offset >= *committed)
    }

    fn is_extra(&self, point: &FoundPoint) -> Extra {
        let Bookkeeping::Row(row) = &point.bookkeeping else {
            return Extra::No;
        };
        let offset = row.stored.position.offset.0;
        match self.extents.get(&row.stored.partition) {
            Some((_, end)) if offset >= *end => Extra::No,
            Some((begin, _)) if *begin > 0 => Extra::CanNotBeTold,
            Some(_) => Extra::Yes,
            // There is no such partition, so nobody could mend it.
            None => Extra::CanNotBeTold,
        }
    }
}

impl Finding {
    /// What its owner is asked to look at.
    fn asked(&self, told: &Told) -> AskedRow {
        let doubts = self.drift.iter().map(|drift| drift.doubt());
        AskedRow {
            point: self.point,
            key: self.key.clone(),
            from: told.from,
            doubt: doubts.max().unwrap_or(crate::record::Doubt::Payload),
        }
    }
}
