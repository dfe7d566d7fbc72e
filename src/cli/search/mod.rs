//! `vectide search`: the nearest points to words, as a searcher would find them.

mod filter;
mod show;

use std::io::Write;

use anyhow::Context;
use clap::Args;

use super::{
    ExitStatus, Options, Output,
    inspect::Length,
    table::{only_collection, refuse_stand_in, sections_of},
};
use crate::{
    config::Config,
    embed,
    index::{self, FieldFilter, Hit, Searcher},
};

const EXAMPLES: &str = "\
A filter is a field, one of = != < <= > >=, and a value: a number, true, false, or text, which is
put in quotation marks where it looks like one of the others. Ranges are of numbers. All filters
must be true; a.b is the field b of the object a.

Examples:
  vectide search 'waterproof hiking boots'
  vectide search boots --filter 'stock > 0' --filter 'category = outdoor' --limit 5
  vectide search boots --filter \"sku = '204'\" --topic shop.public.products
  vectide search boots --json | jq '.[].payload.title'";

/// Find the points nearest to words, with their scores
///
/// Buys one embedding, of the words, from the configured endpoint, and asks the collection for the
/// nearest points. Shows the score, the row's key, what people know the row by, and the fields that
/// are filtered by. Rows that were deleted, and what Vectide keeps beside the rows, are never found.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Command {
    /// What to search for
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    words: String,
    /// How many points to show
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// What must be true of a payload field, as 'stock > 0'; may be given several times
    #[arg(long, value_name = "FILTER", value_parser = filter::parse)]
    filter: Vec<FieldFilter>,
    /// Only rows of this topic's table, in its collection
    #[arg(long)]
    topic: Option<String>,
    /// The collection, where several are configured
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// As JSON, with the whole payloads: one list
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
        let config = options.load_config_for(is_needed)?;
        options.log_if_asked(&config)?;
        let table = match (&self.topic, &self.collection) {
            (Some(topic), _) => sections_of(&config, topic)?,
            (None, Some(_)) => *config.table_sections().last().context("no table")?,
            (None, None) => only_collection(&config)?,
        };
        let collection = self.collection.as_deref().unwrap_or(table.collection);
        let hits = self.search(&config, collection).await?;
        if self.json {
            writeln!(out, "{:#}", show::to_json(&hits))?;
        } else if hits.is_empty() {
            let of_topic = self.topic.as_ref().map(|topic| format!(" of {topic}"));
            let of_topic = of_topic.unwrap_or_default();
            writeln!(
                out,
                "nothing{of_topic} is found in the collection {collection}"
            )?;
        } else {
            let length = if self.full { Length::Full } else { Length::Cut };
            let text = show::to_text(&hits, table.document, &self.filter, length)?;
            write!(out, "{text}")?;
        }
        out.flush()?;
        Ok(ExitStatus::Success)
    }

    async fn search(&self, config: &Config, collection: &str) -> anyhow::Result<Vec<Hit>> {
        let embedded = config.index.embedded().is_some();
        refuse_stand_in("index.url", embedded, "http://localhost:6334")?;
        let embedded = config.embed.is_embedded();
        refuse_stand_in("embed.url", embedded, "http://localhost:8000/v1")?;
        let settings = embed::Settings::new(&config.embed, &config.embed.url)?;
        let client = index::connect_client(&config.index, &config.index.url)?;
        let searcher = Searcher::new(client, collection, &config.index.vector);
        // Asked first: no vector is bought for a collection that is not there.
        searcher.ask().await?;
        let vector = embed::vector_of(&settings, &self.words).await?;
        let (topic, limit) = (self.topic.as_deref(), u64::from(self.limit));
        let hits = searcher.search(&vector, &self.filter, topic, limit).await?;
        Ok(hits)
    }
}

/// Whether the rules of a key of the configuration must be kept: topics need not be named.
fn is_needed(key: &str) -> bool {
    let section = key.split('.').next().unwrap_or(key);
    matches!(section, "embed" | "index" | "document" | "log") || section.starts_with("tables[")
}
