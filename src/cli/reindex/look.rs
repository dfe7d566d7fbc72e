//! Looking at both indexes, and at how far their groups are.

use std::sync::Arc;

use anyhow::Context;

use crate::{
    cli::{
        failure::Misused,
        table::{only_collection, refuse_stand_in},
    },
    config::{Config, TableSections},
    cost::PriceTable,
    document::DocumentBuilder,
    index::{self, Client, Searcher, Survey, alias},
    kafka,
    record::{KnownPoint, Payload, Row, RowKey, Value},
    source,
    tokens::Tokenizer,
};

use super::standing::{Left, Side, Standing};

/// How many of a row's neighbours are compared, as in `vectide probe`.
const NEIGHBOURS: u64 = 10;

/// The two configurations, once they are known to be of the same table.
pub(super) struct Pair<'a> {
    pub(super) client: Client,
    current: Index<'a>,
    next: Index<'a>,
    alias: &'a str,
}

struct Index<'a> {
    config: &'a Config,
    table: TableSections<'a>,
    survey: Survey,
}

impl<'a> Index<'a> {
    fn new(config: &'a Config, client: &Client) -> anyhow::Result<Self> {
        let table = only_collection(config)?;
        Ok(Self {
            config,
            survey: Survey::new(client.clone(), table.collection, &config.index.vector),
            table,
        })
    }

    async fn side(&self) -> anyhow::Result<Side> {
        let config = self.config.kafka.clone();
        let base = kafka::client_config(&config, &config.brokers)?;
        let asked = move || source::lag(&base, &config.group, &config.topics);
        Ok(Side {
            collection: self.table.collection.to_owned(),
            group: self.config.kafka.group.clone(),
            // Before the rows: what comes in between is a difference that is explained.
            lag: tokio::task::spawn_blocking(asked).await??,
            rows: self.survey.rows().await?,
        })
    }
}

impl<'a> Pair<'a> {
    /// Refuses what can't be two indexes of one table, or an alias that somebody writes to.
    pub(super) async fn new(
        current: &'a Config,
        next: &'a Config,
        alias: &'a str,
    ) -> anyhow::Result<Self> {
        for config in [current, next] {
            let (kafka, index) = (config.kafka.is_embedded(), config.index.embedded());
            refuse_stand_in("kafka.brokers", kafka, "localhost:9092")?;
            refuse_stand_in("index.url", index.is_some(), "http://localhost:6334")?;
        }
        let client = index::connect_client(&current.index, &current.index.url)?;
        let pair = Self {
            current: Index::new(current, &client)?,
            next: Index::new(next, &client)?,
            client,
            alias,
        };
        pair.refuse_misfits()?;
        for (name, written) in [("current", pair.current()), ("next", pair.next())] {
            let searcher = Searcher::new(pair.client.clone(), written, &current.index.vector);
            let asked = searcher.ask().await;
            asked.with_context(|| format!("by the {name} configuration"))?;
            let is_alias =
                written == alias || alias::meaning(&pair.client, written).await?.is_some();
            if is_alias {
                return Err(Misused(format!(
                    "\"{written}\" is an alias, and is written to: name the collection itself in index.collection, or members would write into the other one when the alias is moved"
                ))
                .into());
            }
        }
        Ok(pair)
    }

    /// The collection that the current configuration writes to.
    pub(super) fn current(&self) -> &'a str {
        self.current.table.collection
    }

    /// The collection that the next one writes to.
    pub(super) fn next(&self) -> &'a str {
        self.next.table.collection
    }

    fn refuse_misfits(&self) -> Result<(), Misused> {
        let (a, b) = (self.current.config, self.next.config);
        let must_differ = [
            ("kafka.group", a.kafka.group == b.kafka.group),
            ("index.collection", self.current() == self.next()),
        ];
        let must_be_equal = [
            ("kafka.brokers", a.kafka.brokers == b.kafka.brokers),
            ("kafka.topics", a.kafka.topics == b.kafka.topics),
            ("index.url", a.index.url == b.index.url),
            ("index.vector", a.index.vector == b.index.vector),
            (
                "document.point_id",
                self.current.table.document.point_id == self.next.table.document.point_id,
            ),
        ];
        for (key, is_equal) in must_differ {
            if is_equal {
                return Err(Misused(format!("both configurations have the same {key}")));
            }
        }
        for (key, is_equal) in must_be_equal {
            if !is_equal {
                return Err(Misused(format!("the configurations differ in {key}")));
            }
        }
        Ok(())
    }

    /// Looks at both, and at `sample` rows.
    pub(super) async fn look(&self, sample: u64) -> anyhow::Result<Standing> {
        let current = self.current.side().await?;
        let next = self.next.side().await?;
        let sampled = self.current.survey.sample(sample).await?;
        let ids: Vec<_> = sampled.iter().map(|(id, _)| *id).collect();
        let found = self.next.survey.among(&ids).await?;
        let (mut shared, mut compared) = (0, 0);
        for id in &found {
            let of = async |index: &Index<'_>| index.survey.neighbours(*id, NEIGHBOURS).await;
            // Either may have gone in between.
            if let (Ok(here), Ok(there)) = (of(&self.current).await, of(&self.next).await) {
                shared += here.intersection(&there).count();
                compared += here.len();
            }
        }
        let rows = current.rows.saturating_sub(next.rows);
        let left = self.left(sampled.iter().filter_map(|(_, point)| point.as_ref()), rows)?;
        Ok(Standing {
            alias: self.alias.to_owned(),
            meaning: alias::meaning(&self.client, self.alias).await?,
            current,
            next,
            sampled: ids.len(),
            missing: ids.len() - found.len(),
            agreement: (compared > 0).then(|| shared as f64 / compared as f64),
            left,
        })
    }

    /// What `rows` more cost, by the texts that the next configuration makes of the sampled ones; `None`
    /// where their points have not all columns that it takes.
    fn left<'p>(
        &self,
        points: impl Iterator<Item = &'p KnownPoint>,
        rows: u64,
    ) -> anyhow::Result<Option<Left>> {
        let Index { config, table, .. } = &self.next;
        let version = config.window.version_column.as_deref();
        let mut builder = DocumentBuilder::new(table.document, version)?;
        let tokenizer = Tokenizer::for_model(&config.embed.model);
        let chunking = config.embed.chunking();
        let (mut tokens, mut texts) = (0, 0);
        for point in points {
            let key = RowKey::from_canonical(point.stored.key.clone());
            if let Ok(document) = builder.build_with_text(&key, &row(point)) {
                tokens += match &chunking {
                    Some(chunking) => tokenizer.count_split(&document.text, chunking),
                    None => tokenizer.count(&document.text),
                };
                texts += 1;
            }
        }
        if texts == 0 {
            return Ok(None);
        }
        let tokens = u64::try_from(u128::from(tokens) * u128::from(rows) / texts)?;
        let url = reqwest::Url::parse(&config.embed.url).context("embed.url")?;
        let prices = PriceTable::with_file(config.cost.prices.as_deref())?;
        let model = prices.find(&config.embed.model, url.host_str().unwrap_or_default());
        Ok(Some(Left {
            tokens,
            cost: model.map(|model| model.price.of(tokens)),
        }))
    }
}

/// The row as its point has it: the payload, and the columns of the text beside it.
fn row(point: &KnownPoint) -> Row {
    let fields = |payload: &Payload| -> Vec<(Arc<str>, Value)> { payload.fields().to_vec() };
    let mut columns = fields(&point.payload);
    columns.extend(fields(&point.stored.source_columns));
    Row::new(columns)
}
