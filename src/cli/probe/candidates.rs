//! Whom to measure, by configuration.

use std::{path::PathBuf, str::FromStr};

use anyhow::Context;
use reqwest::Url;

use crate::{
    cli::{Options, failure::Misused, table::refuse_stand_in},
    config::{Config, ConfigFile, Sources},
    cost::{Price, PriceTable},
    embed::Settings,
};

/// A provider by the name that the report calls it, and the file that configures it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    name: String,
    file: PathBuf,
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once('=') {
            Some((name, file)) if !name.trim().is_empty() && !file.is_empty() => Ok(Self {
                name: name.trim().to_owned(),
                file: file.into(),
            }),
            _ => Err("write NAME=FILE"),
        }
    }
}

/// A provider that can be measured.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) price: Option<Price>,
    is_local: bool,
}

impl Candidate {
    /// Whether nobody is paid for its tokens, as far as is known. A gateway on this machine that passes on
    /// requests for a model that is sold is paid for.
    pub(super) fn is_free(&self) -> bool {
        self.price
            .map_or(self.is_local, |price| price == Price::default())
    }

    fn new(name: String, config: &Config, prices: &PriceTable) -> anyhow::Result<Self> {
        let embed = &config.embed;
        refuse_stand_in("embed.url", embed.is_embedded(), "http://localhost:8080/v1")?;
        let settings = Settings::new(embed, &embed.url)?;
        let url = Url::parse(&embed.url).context("embed.url")?;
        let host = url.host_str().unwrap_or_default();
        let price = prices.find(&embed.model, host).map(|model| model.price);
        Ok(Self {
            name,
            is_local: matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
            settings,
            price,
        })
    }
}

/// The providers that are named; or the one of the configuration at hand.
pub(super) fn load(
    named: &[Named],
    options: &Options,
    prices: &PriceTable,
) -> anyhow::Result<Vec<Candidate>> {
    let needs = |key: &str| key.starts_with("embed.");
    if named.is_empty() {
        let config = options.load_config_for(needs)?;
        let name = config.embed.model.clone();
        return Ok(vec![Candidate::new(name, &config, prices)?]);
    }
    let mut candidates: Vec<Candidate> = Vec::with_capacity(named.len());
    for Named { name, file } in named {
        if candidates.iter().any(|it| it.name == *name) {
            return Err(Misused(format!("--provider names {name} twice")).into());
        }
        // The environment would be the same for all of them.
        let sources = Sources {
            file: ConfigFile::Named(file.clone()),
            ..Sources::default()
        };
        let config = sources.load_for(needs)?;
        let candidate = Candidate::new(name.clone(), &config, prices);
        candidates.push(candidate.with_context(|| format!("provider {name}"))?);
    }
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_has_a_name_and_a_file() {
        let named = "open ai=a=b.toml".parse::<Named>();
        let named = named.map(|it| (it.name, it.file));
        assert_eq!(named, Ok(("open ai".to_owned(), PathBuf::from("a=b.toml"))));
        for wrong in ["openai.toml", "=file", " =file", "name="] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong}");
        }
    }
}
