//! Which records a command looks at: options that `capture` and `inspect` share, and the records
//! themselves, read on a thread of their own.

use std::{path::Path, str::FromStr, time::SystemTime};

use anyhow::Context;
use clap::Args;
use rdkafka::ClientConfig;
use tokio::sync::mpsc;

use crate::{
    capture::CaptureReader,
    config::Config,
    error::Failure,
    kafka,
    record::RawRecord,
    source::{Polled, Reading, StartAt, TopicReader},
};

use super::table::refuse_stand_in;

/// Records that may be read ahead.
const AHEAD: usize = 64;

/// Which records of Kafka.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// A topic, or a pattern that begins with ^; may be given several times [default: kafka.topics]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Where to begin in each partition: beginning, end, -N for its last N records, or a time, as
    /// 2026-01-31T12:00:00Z or in milliseconds since 1970
    #[arg(
        long,
        value_name = "WHERE",
        default_value = "beginning",
        allow_hyphen_values = true
    )]
    from: From,
    /// End after this many records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Go on at the ends of the partitions, until SIGINT or SIGTERM
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct From(StartAt);

impl FromStr for From {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str =
            "write beginning, end, -N, 2026-01-31T12:00:00Z, or milliseconds since 1970";
        Ok(Self(match text {
            "beginning" => StartAt::Beginning,
            "end" => StartAt::End,
            _ => {
                if let Some(count) = text.strip_prefix('-') {
                    StartAt::Last(count.parse().map_err(|_| WRONG)?)
                } else if let Ok(time) = text.parse() {
                    StartAt::Time(time)
                } else {
                    let time = humantime::parse_rfc3339_weak(text).map_err(|_| WRONG)?;
                    let since = time.duration_since(SystemTime::UNIX_EPOCH);
                    let since = since.map_err(|_| WRONG)?.as_millis();
                    StartAt::Time(i64::try_from(since).map_err(|_| WRONG)?)
                }
            }
        }))
    }
}

impl Selection {
    /// Whether topics are named on the command line, so that the configuration need not.
    pub(super) fn names_topics(&self) -> bool {
        !self.topics.is_empty()
    }

    /// How many records there may be.
    pub(super) fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    /// Whether new records are waited for.
    pub(super) fn follows(&self) -> bool {
        self.follow
    }

    /// Begins to read the topics.
    pub(super) async fn read(&self, config: &Config) -> anyhow::Result<Records> {
        let topics = if self.names_topics() {
            &self.topics
        } else {
            &config.kafka.topics
        };
        let reading = Reading {
            topics: topics.clone(),
            from: self.from.0,
            follow: self.follow,
        };
        let base = client(config)?;
        Records::of_kafka(move || TopicReader::open(&base, &reading)).await
    }
}

/// What every client of the cluster shares.
pub(super) fn client(config: &Config) -> anyhow::Result<ClientConfig> {
    refuse_stand_in(
        "kafka.brokers",
        config.kafka.is_embedded(),
        "localhost:9092",
    )?;
    Ok(kafka::client_config(&config.kafka, &config.kafka.brokers)?)
}

/// Records as they are read.
pub(super) struct Records {
    queue: mpsc::Receiver<anyhow::Result<RawRecord>>,
}

impl Records {
    /// Those of a captured file; `-` is standard input.
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let reader = CaptureReader::open(path)?;
        Self::read(move |to| {
            for record in reader {
                let has_failed = record.is_err();
                if to.blocking_send(record.map_err(Into::into)).is_err() || has_failed {
                    break;
                }
            }
        })
    }

    /// Those of a reader, which is opened where it may block.
    pub(super) async fn of_kafka(
        open: impl FnOnce() -> Result<TopicReader, Failure> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut reader = tokio::task::spawn_blocking(open).await??;
        Self::read(move |to| {
            while !to.is_closed() {
                match reader.poll() {
                    Ok(Polled::Record(raw)) => to.blocking_send(Ok(raw)).unwrap_or_default(),
                    Ok(Polled::Nothing) => {}
                    Ok(Polled::End) => break,
                    Err(failure) => {
                        let _ = to.blocking_send(Err(failure.into()));
                        break;
                    }
                }
            }
        })
    }

    fn read(
        read: impl FnOnce(&mpsc::Sender<anyhow::Result<RawRecord>>) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (to, queue) = mpsc::channel(AHEAD);
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || read(&to))
            .context("can't start a thread")?;
        Ok(Self { queue })
    }

    /// The next one; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<RawRecord>> {
        self.queue.recv().await.transpose()
    }

    /// Whether the next one would have to be waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }
}

/// `1 record`, `3 records`.
pub(super) fn counted(records: u64) -> String {
    let plural = if records == 1 { "" } else { "s" };
    format!("{records} record{plural}")
}

/// Whether a command that only reads records, by topics that are named elsewhere or not, needs the
/// rules of this key to be kept.
pub(super) fn needs(key: &str, has_topics: bool) -> bool {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    let is_table = section.starts_with("tables[");
    let is_about_topics = key == "kafka.topics" || (is_table && rest == "topics");
    let is_about_writing = matches!(
        section,
        "embed" | "cost" | "index" | "commit" | "dead_letter" | "pipeline" | "admin"
    ) || (is_table && rest == "collection");
    let is_given_elsewhere = has_topics && is_about_topics;
    !is_about_writing && !is_given_elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_begin_has_four_forms() {
        let from = |text: &str| text.parse::<From>().map(|from| from.0);
        assert_eq!(from("beginning"), Ok(StartAt::Beginning));
        assert_eq!(from("end"), Ok(StartAt::End));
        assert_eq!(from("-20"), Ok(StartAt::Last(20)));
        assert_eq!(from("1700000000000"), Ok(StartAt::Time(1_700_000_000_000)));
        assert_eq!(
            from("2023-11-14T22:13:20Z"),
            Ok(StartAt::Time(1_700_000_000_000))
        );
        assert_eq!(
            from("2023-11-14 22:13:20"),
            Ok(StartAt::Time(1_700_000_000_000))
        );
        for wrong in ["", "-", "--5", "-x", "start", "1960-01-01T00:00:00Z"] {
            assert!(from(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_concerns_reading_and_understanding_is_needed() {
        for key in ["kafka.brokers", "document.template", "tables[0].rows.types"] {
            assert!(needs(key, true), "{key}");
        }
        for key in ["embed.url", "dead_letter.topic", "tables[0].collection"] {
            assert!(!needs(key, false), "{key}");
        }
        for key in ["kafka.topics", "tables[1].topics"] {
            assert!(needs(key, false), "{key}");
            assert!(!needs(key, true), "{key}");
        }
    }
}
