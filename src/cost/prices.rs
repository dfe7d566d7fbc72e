//! The price table: shipped with the program, and overridden by a file of the same form.

use std::{fs, io, ops::Range, path::Path};

use serde::Deserialize;
use toml::Spanned;

use super::money::{Price, PriceError};

const SHIPPED: &str = include_str!("../../schemas/prices.toml");

/// What models cost.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    dated: String,
    models: Vec<Model>,
}

/// A model that is sold, or that costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Who serves it, as people call them.
    pub provider: String,
    /// Its name, as a request has it.
    pub name: String,
    /// What a token costs.
    pub price: Price,
    /// The length of its vectors, unless another is asked for.
    pub dimensions: Option<u32>,
    /// The only host at which it has this price.
    pub host: Option<String>,
}

/// A table that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceTableError {
    /// The file can't be read.
    #[error("the price table {file} can't be read")]
    Read {
        /// As configured.
        file: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// What it says is no table of prices.
    #[error("the price table {file}, line {line}: {message}")]
    Wrong {
        /// As configured.
        file: String,
        /// Where, from 1 on.
        line: usize,
        /// What is wrong there.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    dated: String,
    #[serde(default)]
    models: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    name: Spanned<String>,
    usd_per_million_tokens: Spanned<f64>,
    dimensions: Option<u32>,
    host: Option<String>,
}

impl PriceTable {
    /// The one that came with the program.
    pub fn shipped() -> Self {
        Self::parse("that was shipped", SHIPPED).expect("a test reads it")
    }

    /// The shipped one, and before it what `file` says, if one is named.
    pub fn with_file(file: Option<&Path>) -> Result<Self, PriceTableError> {
        let mut table = Self::shipped();
        let Some(path) = file else { return Ok(table) };
        let file = path.display().to_string();
        let text = fs::read(path).and_then(|bytes| {
            String::from_utf8(bytes)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
        });
        let own = match text {
            Ok(text) => Self::parse(&file, &text)?,
            Err(error) => return Err(PriceTableError::Read { file, error }),
        };
        table.models.retain(|model| {
            let is_same = |it: &Model| it.name == model.name && it.host == model.host;
            !own.models.iter().any(is_same)
        });
        table.models.splice(0..0, own.models);
        table.dated = own.dated;
        Ok(table)
    }

    /// Reads a table; `file` is what messages call it.
    pub fn parse(file: &str, text: &str) -> Result<Self, PriceTableError> {
        let wrong = |at: Option<Range<usize>>, message: String| PriceTableError::Wrong {
            file: file.to_owned(),
            line: line_of(text, at.map_or(0, |at| at.start)),
            message,
        };
        let table: Table = toml::from_str(text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            wrong(error.span(), message)
        })?;
        let mut models: Vec<Model> = Vec::with_capacity(table.models.len());
        for entry in table.models {
            let at = entry.usd_per_million_tokens.span();
            let price = Price::per_million(entry.usd_per_million_tokens.into_inner());
            let price = price.map_err(|error: PriceError| wrong(Some(at), error.to_string()))?;
            let at = entry.name.span();
            let model = Model {
                provider: entry.provider,
                name: entry.name.into_inner(),
                price,
                dimensions: entry.dimensions,
                host: entry.host,
            };
            if model.name.trim().is_empty() {
                return Err(wrong(Some(at), "a model needs a name".to_owned()));
            }
            let is_same = |it: &Model| it.name == model.name && it.host == model.host;
            if models.iter().any(is_same) {
                let message = format!("\"{}\" has a price already", model.name);
                return Err(wrong(Some(at), message));
            }
            models.push(model);
        }
        Ok(Self {
            dated: table.dated,
            models,
        })
    }

    /// As of when the prices are.
    pub fn dated(&self) -> &str {
        &self.dated
    }

    /// All models, those of a file of one's own first.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// A model by its name, with or without an owner in front, bought at the host of `endpoint`, a URL.
    pub fn find(&self, name: &str, endpoint: &str) -> Option<&Model> {
        let host = host_of(endpoint);
        let bare = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let named = |model: &&Model| model.name == name || bare(&model.name) == bare(name);
        let of_host = |model: &&Model| model.host.as_deref() == Some(host);
        let anywhere = |model: &&Model| model.host.is_none();
        let mut named = self.models.iter().filter(named);
        let own = named.clone().find(of_host);
        own.or_else(|| named.find(anywhere))
    }
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default()
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at);
    1 + before.filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    const ONE: &str = r#"
dated = "2026-05"

[[models]]
provider = "OpenAI"
name = "text-embedding-3-small"
usd_per_million_tokens = 0.02
"#;

    fn dollars(per_million: f64) -> Price {
        Price::per_million(per_million).unwrap()
    }

    fn error(text: &str) -> String {
        PriceTable::parse("p.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_table_has_the_models_that_people_use() {
        let table = PriceTable::shipped();
        let price = |name| {
            let model = table.find(name, "https://api.example.com/v1").unwrap();
            model.price
        };
        assert_eq!(price("text-embedding-3-small"), dollars(0.02));
        assert_eq!(price("openai/text-embedding-3-large"), dollars(0.13));
        assert_eq!(price("BAAI/bge-m3"), dollars(0.0));
        assert!(
            table
                .find("gpt-9-embed", "https://api.openai.com/v1")
                .is_none()
        );
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_where() {
        assert_eq!(
            error(&ONE.replace("0.02", "-0.02")),
            "the price table p.toml, line 7: a price must not be negative"
        );
        let unknown = error(&ONE.replace("name =", "nmae ="));
        assert!(
            unknown.starts_with("the price table p.toml, line 6: unknown field `nmae`"),
            "{unknown}"
        );
        let twice = format!("{ONE}{}", ONE.replace("dated = \"2026-05\"", ""));
        assert!(error(&twice).ends_with("has a price already"), "{twice}");
        assert!(error("dated = 5").contains("line 1"));
        for message in [unknown, error("=")] {
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[test]
    fn a_file_of_ones_own_counts_before_what_was_shipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.toml");
        fs::write(&path, ONE.replace("0.02", "0.42")).unwrap();
        let table = PriceTable::with_file(Some(&path)).unwrap();
        let model = table.find("text-embedding-3-small", "").unwrap();
        assert_eq!(model.price, dollars(0.42));
        assert_eq!(table.models().len(), PriceTable::shipped().models().len());
        fs::write(&path, b"\xff").unwrap();
        let error = PriceTable::with_file(Some(&path)).unwrap_err();
        assert!(matches!(error, PriceTableError::Read { .. }), "{error}");
    }

    #[test]
    fn the_same_model_may_cost_more_elsewhere() {
        let host = "host = \"api.other.example\"\n";
        let other = ONE
            .replace("dated = \"2026-05\"", "")
            .replace("0.02", "0.05");
        let table = PriceTable::parse("p", &format!("{ONE}{other}{host}")).unwrap();
        let price = |endpoint| {
            let model = table.find("text-embedding-3-small", endpoint).unwrap();
            model.price
        };
        assert_eq!(price("https://api.other.example:8443/v1"), dollars(0.05));
        assert_eq!(price("https://api.openai.com/v1"), dollars(0.02));
    }
}
