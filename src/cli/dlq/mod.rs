//! `vectide dlq`: looks at dead letters, applies them where they are still news, and puts them away.
//!
//! The topic is read twice: what is done with stands behind what it is about. So memory holds the
//! ranges that are done with and one letter at a time, however large the topic is.

mod filter;
mod groups;
mod replay;
mod show;

use std::{collections::BTreeSet, io::Write};

use anyhow::bail;
use clap::{ArgGroup, Args, Subcommand};

use super::{
    ExitStatus, Options, Output,
    selection::{Records, client, needs},
};
use crate::{
    config::Config,
    dead_letter::{self, Done, Letter, Place},
    error::Failure,
    record::TopicPartition,
    source::{Reading, StartAt, TopicReader},
};

use filter::Filter;
use groups::{Groups, letters};
use replay::Replay;

/// Look at the dead letters, the records that could not be processed, apply them again, put them away
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Show(Show),
    Replay(Replay),
    Drop(Drop),
}

/// List the letters by stage and reason: how many, since when, and one of each
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// Also letters that are done with
    #[arg(long)]
    all: bool,
    /// A line for each letter in place of the groups
    #[arg(long)]
    each: bool,
    /// As one JSON object; with --each one for each letter, a line each
    #[arg(long)]
    json: bool,
}

/// Show one letter whole: what is wrong, and the record as it came
#[derive(Debug, Args)]
struct Show {
    /// Which one, as `vectide dlq list` names it: PARTITION@OFFSET
    place: Place,
    /// As one JSON object; what is no text in base64
    #[arg(long)]
    json: bool,
}

/// Mark letters as done with: they are no longer listed
///
/// Nothing is deleted: a mark is written to the dead-letter topic, and Kafka's retention takes the
/// letters when it is time.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(WHICH))]
#[command(override_usage = "vectide dlq drop [OPTIONS] <PLACES>...
       vectide dlq drop [OPTIONS] <--all|--reason <REASON>|--key <KEY>|…>")]
struct Drop {
    /// Which ones, as PARTITION@OFFSET; without any, those that the options select
    places: Vec<Place>,
    #[command(flatten)]
    filter: Filter,
    /// All letters there are
    #[arg(long, conflicts_with_all = SELECTING)]
    all: bool,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// What selects letters.
const SELECTING: [&str; 7] = [
    "places", "since", "until", "key", "reason", "stage", "table",
];

/// One of these must be there, lest a slip drops everything.
const WHICH: [&str; 8] = [
    "places", "since", "until", "key", "reason", "stage", "table", "all",
];

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let replays = matches!(self.what, What::Replay(_));
        let needs = |key: &str| {
            let is_about_index = replays && key.starts_with("index.");
            needs(key, true) || key.starts_with("dead_letter.") || is_about_index
        };
        let config = options.load_config_for(needs)?;
        options.log_if_asked(&config)?;
        let mut status = ExitStatus::Success;
        match self.what {
            What::List(list) => list.run(&config, out).await?,
            What::Show(show) => show.run(&config, out).await?,
            What::Replay(replay) => status = replay.run(&config, out).await?,
            What::Drop(drop) => drop.run(&config, out).await?,
        }
        out.flush()?;
        Ok(status)
    }
}

impl List {
    async fn run(self, config: &Config, out: &mut Output) -> anyhow::Result<()> {
        let topic = &config.dead_letter.topic;
        let mut groups = Groups::default();
        let done = Letters::read_done(config).await?;
        let mut read = Letters::open(config).await?;
        while let Some(letter) = read.next().await? {
            if !self.filter.matches(&letter) {
                groups.unmatched += 1;
                continue;
            }
            let is_done = done.contains(letter.place);
            groups.done += u64::from(is_done);
            if !self.all && is_done {
                continue;
            }
            if !self.each {
                groups.add(&letter);
            } else if self.json {
                writeln!(out, "{}", show::to_json(&letter))?;
            } else {
                writeln!(out, "{}", show::to_line(&letter))?;
            }
        }
        groups.others = read.others;
        if self.each {
            return Ok(());
        }
        if self.json {
            writeln!(out, "{:#}", groups.to_json(topic))?;
        } else {
            write!(out, "{}", groups.to_text(topic)?)?;
        }
        Ok(())
    }
}

impl Show {
    async fn run(self, config: &Config, out: &mut Output) -> anyhow::Result<()> {
        let base = client(config)?;
        let Place { partition, offset } = self.place;
        let from = TopicPartition {
            topic: config.dead_letter.topic.as_str().into(),
            partition,
        };
        let open = move || TopicReader::open_partition(&base, &from, offset);
        let topic = &config.dead_letter.topic;
        let mut records = match Records::of_kafka(open).await {
            Ok(records) => records,
            Err(error) if is_absent(&error) => bail!(
                "there are no letters: the topic {topic} does not exist, which is made for the first one"
            ),
            Err(error) => return Err(error),
        };
        let raw = records.next().await?;
        let raw = raw.filter(|raw| raw.offset == offset);
        let Some(Ok(letter)) = raw.map(Letter::read) else {
            bail!(
                "there is no letter at {} of {topic}: `vectide dlq list` says what there is",
                self.place,
            );
        };
        if self.json {
            writeln!(out, "{:#}", show::to_json(&letter))?;
        } else {
            write!(out, "{}", show::to_text(&letter)?)?;
        }
        Ok(())
    }
}

impl Drop {
    async fn run(self, config: &Config, out: &mut Output) -> anyhow::Result<()> {
        let done = Letters::read_done(config).await?;
        let mut dropped = Done::default();
        let mut missing: BTreeSet<Place> = self.places.iter().copied().collect();
        let (mut count, mut before) = (0, 0);
        let mut read = Letters::open(config).await?;
        while let Some(letter) = read.next().await? {
            missing.remove(&letter.place);
            let is_named = self.places.is_empty() || self.places.contains(&letter.place);
            if !is_named || !self.filter.matches(&letter) {
                continue;
            }
            if done.contains(letter.place) {
                before += 1;
            } else {
                dropped.insert(letter.place);
                count += 1;
            }
        }
        if let Some(place) = missing.first() {
            let topic = &config.dead_letter.topic;
            bail!("there is no letter at {place} of {topic}: nothing was marked");
        }
        dead_letter::mark_done(&client(config)?, &config.dead_letter, &dropped).await?;
        let topic = &config.dead_letter.topic;
        if self.json {
            let json = serde_json::json!({"topic": topic, "dropped": count, "before": before});
            writeln!(out, "{json:#}")?;
        } else {
            write!(out, "{} of {topic} marked as done with", letters(count))?;
            if before > 0 {
                write!(out, "; {before} had been before")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// The letters of the dead-letter topic, up to where it ended when the reading began.
struct Letters {
    /// `None` where there is no such topic.
    records: Option<Records>,
    marks: Done,
    /// Records that are neither letters nor marks.
    others: u64,
}

impl Letters {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        let base = client(config)?;
        let reading = Reading {
            topics: vec![config.dead_letter.topic.clone()],
            from: StartAt::Beginning,
            follow: false,
        };
        let records = match Records::of_kafka(move || TopicReader::open(&base, &reading)).await {
            Ok(records) => Some(records),
            // Made with its first letter.
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            records,
            marks: Done::default(),
            others: 0,
        })
    }

    /// Which letters are done with.
    async fn read_done(config: &Config) -> anyhow::Result<Done> {
        let mut letters = Self::open(config).await?;
        while letters.next().await?.is_some() {}
        Ok(letters.marks)
    }

    async fn next(&mut self) -> anyhow::Result<Option<Letter>> {
        let Some(records) = &mut self.records else {
            return Ok(None);
        };
        while let Some(raw) = records.next().await? {
            if self.marks.read(&raw) {
                continue;
            }
            match Letter::read(raw) {
                Ok(letter) => return Ok(Some(letter)),
                Err(_) => self.others += 1,
            }
        }
        Ok(None)
    }
}

fn is_absent(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Failure>()
        .is_some_and(|failure| failure.reason == "absent")
}
