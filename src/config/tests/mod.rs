//! The configuration as its user meets it: as text.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod environment;
mod example;
mod loading;
mod reference;
mod rules;
mod tables;

use std::path::{Path, PathBuf};

use super::{Config, Sources, file};

/// Loads `text` as the file `vectide.toml` with these variables; problems as the lines that a
/// user reads.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let sources = Sources {
        environment: environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        ..Sources::default()
    };
    let path = PathBuf::from("vectide.toml");
    sources
        .load_over(file::read(Path::new(&path), text), Some(&path), |_| true)
        .map_err(|problems| problems.to_string())
}

/// The least that must be said.
const TOPICS: &str = "[kafka]\ntopics = [\"shop.public.products\"]\n";
