//! The audit against PostgreSQL: the table itself says what the index should hold.
//!
//! 1. The last records of the topic are compared with their rows: from that it is
//!    [learnt](Renderer) how the connector writes values.
//! 2. The table is read in pages: of each row its hashes. Then all points are read, and compared. What
//!    seems to differ is looked at again, for what was read at two times may have changed in between:
//! 3. The row is read anew, then what the topic says of it up to where it ends by now, then what the group
//!    has committed, and then the point. Where topic and row say the same, and the group has passed
//!    that record, the point differs if it does so the next time as well, and there was no other record
//!    in between. Where the topic says something else, the connector may be on its way: that counts
//!    once both have stayed so for a time.
//!
//! So no row is reported that is in flight between database and index.

mod suspect;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{
    Audit, IDS, Judgement,
    report::{Finding, OfPostgres, Report, Told},
    table::{Said, Table},
    topic,
};
use crate::{
    cli::explain::Ignored,
    document::PointIds,
    index::{Bookkeeping, FoundPoint, OfTable},
    pipeline::{RowNews, RowReader},
    postgres::{Renderer, Sample, Session, TableName},
    record::{Offset, PointId, RawRecord, Row, RowKey, RowState},
};

use suspect::{Facts, Look, Suspect, says_the_same};

/// Records that are learnt from, of all partitions together, to begin with.
const SAMPLE: i64 = 2_000;

/// Fewer rows are not learnt from, as long as the topic has more records.
const ENOUGH: usize = 200;

/// Between two looks at what seems to differ.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long is waited for what may change yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a record of a row that the topic does not tell of.
    pub(super) settle: Duration,
    /// For rows that keep changing, beyond that.
    pub(super) patience: Duration,
}

/// The table, as it is read.
struct Database {
    session: Session,
    table: TableName,
    renderer: Renderer,
}

impl Audit<'_> {
    /// Compares the index with the table.
    pub(super) async fn run_against_postgres(
        mut self,
        patience: Patience,
    ) -> anyhow::Result<Report> {
        let truncated = self.truncated().await?;
        let mut report = Report::new(&self.topic, self.searcher.collection());
        let mut database = self.open_database().await?;
        let mut of_postgres = OfPostgres {
            unsure: database.renderer.unsure(),
            ..OfPostgres::default()
        };
        let mut hashes = Table::new(Ignored::of(self.sections.document), truncated);
        let rows = self
            .read_table(&mut database, &mut hashes, &mut report, &mut of_postgres)
            .await?;
        let suspects = self.compare_all(&rows, &hashes, &mut report).await?;
        drop(rows);
        of_postgres.unsettled = self
            .settle(suspects, &mut database, &mut hashes, &mut report, patience)
            .await?;
        self.expect_truncated(truncated).await?;
        report.findings.sort_by(|a, b| a.key.cmp(&b.key));
        report.postgres = Some(of_postgres);
        Ok(report)
    }

    async fn open_database(&mut self) -> anyhow::Result<Database> {
        let config = &self.config.postgres;
        let table = match config.tables.get(&*self.topic) {
            Some(name) => TableName::parse(name),
            None => TableName::of_topic(&self.topic),
        };
        let table = table.with_context(|| {
            format!(
                "the name of the topic {} does not say which table it is of: name it in postgres.tables, such as \"public.products\"",
                self.topic
            )
        })?;
        let mut session = Session::connect(config).await?;
        let catalogue = session.catalogue(table).await?;
        let sample = self.sample().await?;
        let key_columns = &self.sections.rows.key_columns;
        let mut renderer = Renderer::new(&catalogue, &sample, key_columns)?;
        let table = catalogue.table;
        session.learn(&table, &sample, &mut renderer).await?;
        Ok(Database {
            session,
            table,
            renderer,
        })
    }

    /// The last rows that the topic tells of.
    async fn sample(&mut self) -> anyhow::Result<Sample> {
        let mut records = SAMPLE;
        loop {
            let look = self.open().await?;
            let partitions = i64::try_from(look.extents().len().max(1))?;
            let (mut stretches, mut is_all) = (topic::Stretches::new(), true);
            for (partition, (low, high)) in look.extents() {
                let from = (*low).max(high - records / partitions);
                is_all &= from == *low;
                if from < *high {
                    stretches.insert(*partition, (from, *high));
                }
            }
            let mut rows: HashMap<PointId, ((i64, Offset), RowKey, Row)> = HashMap::new();
            let take = |raw: &RawRecord, (point, news): RowNews, _: &mut RowReader| {
                rows.remove(&point);
                if let Ok(change) = news
                    && let RowState::Present(row) = change.state
                {
                    let at = (raw.timestamp_ms.unwrap_or_default(), raw.offset);
                    rows.insert(point, (at, change.key, row));
                }
            };
            self.read(look, stretches, |_| true, take).await?;
            if is_all || rows.len() >= ENOUGH {
                let mut rows: Vec<_> = rows.into_values().collect();
                rows.sort_by_key(|(at, _, _)| *at);
                let rows = rows.into_iter().map(|(_, key, row)| (key, row));
                return Ok(Sample {
                    rows: rows.collect(),
                });
            }
            records = records.saturating_mul(10);
        }
    }

    /// Reads the whole table: of each row its hashes.
    async fn read_table(
        &mut self,
        database: &mut Database,
        hashes: &mut Table,
        report: &mut Report,
        of_postgres: &mut OfPostgres,
    ) -> anyhow::Result<HashMap<PointId, (Said, RowKey)>> {
        let mut rows = HashMap::new();
        let mut after = None;
        loop {
            let Database {
                session,
                table,
                renderer,
            } = &mut *database;
            let (page, last) = session.page(table, renderer, after.as_ref()).await?;
            for (key, row) in page {
                let documents = &mut self.reader.documents;
                let unsure = &of_postgres.unsure;
                let is_partly = documents
                    .unavailable(&row)
                    .any(|column| unsure.iter().all(|it| *it.column != **column));
                of_postgres.partly += u64::from(is_partly);
                let said = hashes.said_of(&key, Some(&row), documents);
                report.rows += 1;
                report.unusable += u64::from(said == Said::Unusable);
                rows.insert(self.point_of(&key)?, (said, key));
            }
            after = match last {
                Some(last) => Some(last),
                None => return Ok(rows),
            };
        }
    }

    fn point_of(&self, key: &RowKey) -> anyhow::Result<PointId> {
        Ok(PointIds(self.sections.document.point_id).of(&self.topic, key)?)
    }

    /// Compares all points with the rows, and returns what seems to differ.
    async fn compare_all(
        &self,
        rows: &HashMap<PointId, (Said, RowKey)>,
        hashes: &Table,
        report: &mut Report,
    ) -> anyhow::Result<HashMap<PointId, Suspect>> {
        let mut suspects = HashMap::new();
        let mut found = std::collections::HashSet::new();
        for which in [OfTable::WithVector, OfTable::WithoutVector] {
            let mut next = None;
            loop {
                let page = self.searcher.page(&self.topic, which, next).await?;
                for (id, point) in &page.points {
                    let stored = match &point.bookkeeping {
                        Bookkeeping::Row(row) => Some(&row.stored),
                        _ => None,
                    };
                    let Some((said, key)) = rows.get(id) else {
                        // Besides rows there are claims and the like.
                        if let Some(stored) = stored {
                            report.points += 1;
                            let key = RowKey::from_canonical(stored.key.clone());
                            suspects.insert(*id, Suspect::new(key));
                        }
                        continue;
                    };
                    found.insert(*id);
                    report.points += 1;
                    match self.judge.compare(hashes, *said, Some(point)) {
                        Judgement::Owed => report.owed += 1,
                        Judgement::Differs(_) | Judgement::Later => {
                            suspects.insert(*id, Suspect::new(key.clone()));
                        }
                        Judgement::Equal | Judgement::Unusable => {}
                    }
                }
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
        }
        for (id, (said, key)) in rows {
            if matches!(said, Said::Row { .. }) && !found.contains(id) {
                suspects.insert(*id, Suspect::new(key.clone()));
            }
        }
        Ok(suspects)
    }

    /// Looks at suspects until each is cleared or found to differ. Returns how many did not settle.
    async fn settle(
        &mut self,
        mut suspects: HashMap<PointId, Suspect>,
        database: &mut Database,
        hashes: &mut Table,
        report: &mut Report,
        Patience { settle, patience }: Patience,
    ) -> anyhow::Result<u64> {
        let deadline = Instant::now() + settle + patience;
        let mut read: topic::Stretches = BTreeMap::new();
        while !suspects.is_empty() {
            let rows = self.read_rows(&suspects, database).await?;
            let committed = self
                .read_topic(&suspects, database, hashes, &mut read)
                .await?;
            let ids: Vec<PointId> = suspects.keys().copied().collect();
            let mut points = HashMap::new();
            for ids in ids.chunks(IDS) {
                points.extend(self.searcher.points(ids).await?);
            }
            for id in ids {
                let Some(mut suspect) = suspects.remove(&id) else {
                    continue;
                };
                // A copy of a point, under an id that is not its row's, has no row.
                let is_of_row = self.point_of(&suspect.key).is_ok_and(|own| own == id);
                let row = rows.get(&suspect.key).filter(|_| is_of_row);
                let point = points.get(&id);
                let said = hashes.said_of(&suspect.key, row, &mut self.reader.documents);
                let (facts, told) = self.facts(id, said, point, hashes, &committed, &read);
                match suspect.look(facts, Instant::now(), settle) {
                    Look::Unsettled => drop(suspects.insert(id, suspect)),
                    Look::Cleared => {}
                    Look::Owed => report.owed += 1,
                    Look::Unusable => report.unusable += u64::from(said != Said::Unusable),
                    Look::Differs(drift, is_told) => report.findings.push(Finding {
                        point: id,
                        key: suspect.key,
                        told: told.filter(|_| is_told),
                        drift,
                    }),
                }
            }
            if Instant::now() > deadline {
                break;
            }
            if !suspects.is_empty() {
                tokio::time::sleep(INTERVAL).await;
            }
        }
        Ok(u64::try_from(suspects.len())?)
    }

    /// The rows of suspects as they are now.
    async fn read_rows(
        &self,
        suspects: &HashMap<PointId, Suspect>,
        database: &mut Database,
    ) -> anyhow::Result<HashMap<RowKey, Row>> {
        let keys: Vec<RowKey> = suspects.values().map(|it| it.key.clone()).collect();
        let Database {
            session,
            table,
            renderer,
        } = database;
        Ok(session.with(table, renderer, &keys).await?)
    }

    /// Reads what the topic says of suspects up to where it ends now, and returns what the group had
    /// committed after that. `read` is how far it was read before.
    async fn read_topic(
        &mut self,
        suspects: &HashMap<PointId, Suspect>,
        database: &Database,
        hashes: &mut Table,
        read: &mut topic::Stretches,
    ) -> anyhow::Result<BTreeMap<i32, Offset>> {
        let look = self.open().await?;
        let extents = look.extents().clone();
        let stretches = extents.iter().map(|(partition, (low, high))| {
            let from = read.get(partition).map_or(*low, |(_, to)| *to);
            (*partition, (from.max(*low), *high))
        });
        let stretches = stretches.filter(|(_, (from, to))| from < to).collect();
        let is_wanted = |point: &PointId| suspects.contains_key(point);
        let take = |raw: &RawRecord, (point, mut news): RowNews, reader: &mut RowReader| {
            if let Ok(change) = &mut news
                && let RowState::Present(row) = &mut change.state
            {
                *row = database.renderer.without_unsure(std::mem::take(row));
            }
            hashes.add(raw, (point, news), &mut reader.documents);
        };
        let look = self.read(look, stretches, is_wanted, take).await?;
        // A partition keeps the beginning that it had when it was read first.
        for (partition, (low, high)) in extents {
            read.entry(partition).or_insert((low, high)).1 = high;
        }
        Ok(topic::committed(look).await?.1)
    }

    /// What is known of a suspect, and where the topic tells of it.
    fn facts(
        &self,
        id: PointId,
        row: Said,
        point: Option<&FoundPoint>,
        hashes: &Table,
        committed: &BTreeMap<i32, Offset>,
        read: &topic::Stretches,
    ) -> (Facts, Option<Told>) {
        let last = hashes.get(&id);
        let told = match (last, point.map(|it| &it.bookkeeping)) {
            (Some(last), _) => Some((last.partition, last.from)),
            // Where the partition was never cut, no record is a record of no row.
            (None, Some(Bookkeeping::Row(row))) => {
                let partition = row.stored.partition;
                let begin = read.get(&partition).map(|(begin, _)| *begin);
                (begin == Some(0)).then_some((partition, Offset(0)))
            }
            (None, _) => None,
        };
        let by_row = self.judge.compare(hashes, row, point);
        let differs_by_row = matches!(by_row, Judgement::Differs(_));
        let by_record = last.map(|last| self.judge.judge(hashes, last, point));
        // Of what only one of the two can tell nothing follows for the other.
        let is_told = told.is_some()
            && says_the_same(row, last)
            && !(differs_by_row && by_record == Some(Judgement::Equal));
        let judgement = match by_record {
            Some(Judgement::Unusable) => Judgement::Unusable,
            Some(by_record) if is_told => by_record,
            _ => by_row,
        };
        let facts = Facts {
            row,
            record: last.map(|last| (last.partition, last.offset)),
            is_told,
            is_passed: last.is_none_or(|last| {
                let committed = committed.get(&last.partition);
                committed.is_some_and(|committed| last.offset < *committed)
            }),
            judgement,
        };
        let told = told.map(|(partition, from)| self.told(partition, from));
        (facts, told)
    }
}
