//! `vectide embedded`: a stand-in as a process of its own.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use vectide_embedded::{
    control::ControlServer,
    embeddings::{EmbeddedEmbeddings, EmbeddingsOptions},
    kafka::{self, EmbeddedKafka, KafkaOptions},
    qdrant::{self, EmbeddedQdrant, QdrantOptions, Storage},
    registry::{EmbeddedRegistry, RegistryOptions},
};

use super::{ExitStatus, Options, Output, run::Signals};
use crate::{config::LogConfig, telemetry};

/// Run a stand-in for Kafka, Qdrant, an embedding provider or a schema registry, for trying things out
///
/// Prints one line, what to put into kafka.brokers, index.url, embed.url or registry.urls, once it
/// accepts connections; then runs until SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    Kafka(Kafka),
    Qdrant(Qdrant),
    Embeddings(Embeddings),
    Registry(Registry),
}

/// A Kafka cluster: librdkafka's mock brokers
///
/// Keeps the last 5 MiB of a partition, and nothing when it ends. The ports are any free ones.
/// With --control, PUT /control takes {"down": [1]}, {"round_trip_ms": 200} or
/// {"coordinators": {"vectide": 2}}, and GET /control shows what is in effect.
#[derive(Debug, Args)]
struct Kafka {
    /// How many brokers
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=16))]
    brokers: i32,
    /// A topic to create, and its partitions [default: 4]; may be given several times
    #[arg(long = "topic", value_name = "NAME[:PARTITIONS]")]
    topics: Vec<Topic>,
    #[command(flatten)]
    control: Control,
}

/// A Qdrant: its gRPC services on its own engine
///
/// With --control, PUT /control takes {"delay_ms": 200}, {"refuse": true}, {"lose_answers": 3} or
/// {"fail": {"calls": 3, "code": 13}} (a gRPC status code; "fail_writes" spares what reads), and
/// GET /control shows what is in effect.
#[derive(Debug, Args)]
struct Qdrant {
    /// Where to listen; port 0 is any free one
    #[arg(long, default_value_t = loopback(6334), value_name = "IP:PORT")]
    address: SocketAddr,
    /// The folder that keeps the points; without it, they are gone with the process
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    #[command(flatten)]
    control: Control,
}

/// How a stand-in that does not speak HTTP itself is told to fail.
#[derive(Debug, Args)]
struct Control {
    /// Where to take faults over HTTP, port 0 is any free one; its URL is printed in a second line
    #[arg(long, value_name = "IP:PORT")]
    control: Option<SocketAddr>,
}

/// An OpenAI-compatible embedding endpoint, whose vectors are hashed words
///
/// It can be made slow, or fail: PUT /control takes {"stall": true}, {"latency_ms": 200} or
/// {"fail": {"status": 429}}, and GET /control shows what is in effect.
#[derive(Debug, Args)]
struct Embeddings {
    /// Where to listen; port 0 is any free one
    #[arg(long, default_value_t = loopback(8080), value_name = "IP:PORT")]
    address: SocketAddr,
}

/// A schema registry with Confluent's REST API, empty at first
///
/// Keeps schemas in memory. It can be made slow, or fail: PUT /control takes {"stall": true},
/// {"latency_ms": 200} or {"fail": 503}, and GET /control shows what is in effect.
#[derive(Debug, Args)]
struct Registry {
    /// Where to listen; port 0 is any free one
    #[arg(long, default_value_t = loopback(8081), value_name = "IP:PORT")]
    address: SocketAddr,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A topic as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Topic {
    name: String,
    partitions: i32,
}

impl FromStr for Topic {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, partitions) = match text.rsplit_once(':') {
            None => (text, Some(4)),
            Some((name, partitions)) => (name, partitions.parse().ok()),
        };
        match partitions {
            _ if name.is_empty() => Err("the topic has no name"),
            Some(partitions @ 1..=10_000) => Ok(Self {
                name: name.to_owned(),
                partitions,
            }),
            _ => Err("the partitions must be a number from 1 to 10000"),
        }
    }
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        telemetry::init_logging(&LogConfig {
            level: options
                .log_level
                .clone()
                .unwrap_or("warn,qdrant_edge=error".to_owned()),
            ..LogConfig::default()
        })?;
        // Before the address is known to anyone who could send one.
        let mut signals = Signals::listen()?;
        match self.which {
            Which::Kafka(options) => {
                let control = options.control.control;
                let kafka = Arc::new(start_kafka(options).await?);
                announce(out, kafka.bootstrap_servers())?;
                let _control = match control {
                    Some(address) => {
                        let control = kafka::serve_control(kafka.clone(), address).await;
                        Some(announce_control(out, address, control)?)
                    }
                    None => None,
                };
                signals.next().await;
            }
            Which::Qdrant(Qdrant {
                address,
                storage,
                control,
            }) => {
                let storage = storage.map_or(Storage::Memory, Storage::Folder);
                let qdrant = EmbeddedQdrant::start(QdrantOptions { address, storage }).await?;
                announce(out, &qdrant.url())?;
                let _control = match control.control {
                    Some(address) => {
                        let control = qdrant::serve_control(qdrant.faults(), address).await;
                        Some(announce_control(out, address, control)?)
                    }
                    None => None,
                };
                signals.next().await;
                qdrant.shutdown().await;
            }
            Which::Embeddings(Embeddings { address }) => {
                let options = EmbeddingsOptions {
                    address,
                    ..EmbeddingsOptions::default()
                };
                let embeddings = EmbeddedEmbeddings::start(options).await?;
                announce(out, &embeddings.url())?;
                signals.next().await;
                embeddings.shutdown().await;
            }
            Which::Registry(Registry { address }) => {
                let registry = EmbeddedRegistry::start(RegistryOptions { address }).await?;
                announce(out, &registry.url())?;
                signals.next().await;
                registry.shutdown().await;
            }
        }
        Ok(ExitStatus::Success)
    }
}

/// Scripts wait for this line.
fn announce(out: &mut Output, address: &str) -> anyhow::Result<()> {
    writeln!(out, "{address}")?;
    out.flush()?;
    Ok(())
}

fn announce_control(
    out: &mut Output,
    address: SocketAddr,
    control: io::Result<ControlServer>,
) -> anyhow::Result<ControlServer> {
    let control = control.with_context(|| format!("cannot listen on {address}"))?;
    announce(out, &control.url())?;
    Ok(control)
}

async fn start_kafka(options: Kafka) -> anyhow::Result<EmbeddedKafka> {
    // The cluster is asked through blocking calls.
    tokio::task::spawn_blocking(move || {
        let Kafka {
            brokers, topics, ..
        } = options;
        let kafka = EmbeddedKafka::start(KafkaOptions { brokers })?;
        for Topic { name, partitions } in topics {
            kafka
                .create_topic(&name, partitions)
                .with_context(|| format!("cannot create the topic {name}"))?;
        }
        Ok(kafka)
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_say_how_many_partitions_it_has() {
        let topic = |name: &str, partitions| {
            Ok(Topic {
                name: name.to_owned(),
                partitions,
            })
        };
        assert_eq!("shop.products:7".parse(), topic("shop.products", 7));
        assert_eq!("shop.products".parse(), topic("shop.products", 4));
        for wrong in ["", ":3", "shop:", "shop:0", "shop:-1", "shop:many"] {
            assert!(wrong.parse::<Topic>().is_err(), "{wrong}");
        }
    }
}
