//! The in-process stand-ins for Kafka, Qdrant and the embedding endpoint, where the configuration
//! says `embedded`. The pipeline can't tell them from the real ones: same clients, same wire.

use crate::config::Config;

/// Where the three servers are, embedded or not.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Kafka's bootstrap servers.
    pub brokers: String,
    /// Qdrant's gRPC URL.
    pub index_url: String,
    /// The base URL of the embedding endpoint.
    pub embed_url: String,
}

impl Endpoints {
    fn configured(config: &Config) -> Self {
        Self {
            brokers: config.kafka.brokers.clone(),
            index_url: config.index.url.clone(),
            embed_url: config.embed.url.clone(),
        }
    }
}

#[cfg(not(feature = "embedded"))]
pub use absent::StandIns;
#[cfg(feature = "embedded")]
pub use present::StandIns;

#[cfg(feature = "embedded")]
mod present {
    use std::net::{Ipv4Addr, SocketAddr};

    use anyhow::Context;
    use tracing::info;
    use vectide_embedded::{
        embeddings::{EmbeddedEmbeddings, EmbeddingsOptions},
        kafka::{EmbeddedKafka, KafkaOptions},
        qdrant::{EmbeddedQdrant, QdrantOptions, Storage},
    };

    use super::Endpoints;
    use crate::config::{Config, Embedded};

    /// Partitions of a topic made in the embedded Kafka.
    const PARTITIONS: i32 = 4;

    const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// The stand-ins that run in this process. Dropping them stops them.
    #[derive(Default)]
    pub struct StandIns {
        kafka: Option<EmbeddedKafka>,
        qdrant: Option<EmbeddedQdrant>,
        embeddings: Option<EmbeddedEmbeddings>,
    }

    impl StandIns {
        /// Starts those that the configuration asks for, and says where everything is.
        pub async fn start(config: &Config) -> anyhow::Result<(Self, Endpoints)> {
            let mut endpoints = Endpoints::configured(config);
            let mut stand_ins = Self::default();
            if config.kafka.is_embedded() {
                let kafka = start_kafka(config).await?;
                kafka.bootstrap_servers().clone_into(&mut endpoints.brokers);
                info!(brokers = endpoints.brokers, "embedded Kafka");
                stand_ins.kafka = Some(kafka);
            }
            if let Some(embedded) = config.index.embedded() {
                let storage = match embedded {
                    Embedded::InMemory => Storage::Memory,
                    Embedded::Folder(folder) => Storage::Folder(folder.to_owned()),
                };
                let options = QdrantOptions {
                    address: ANY_PORT,
                    storage,
                };
                let qdrant = EmbeddedQdrant::start(options)
                    .await
                    .context("can't start the embedded Qdrant")?;
                endpoints.index_url = qdrant.url();
                info!(url = endpoints.index_url, "embedded Qdrant");
                stand_ins.qdrant = Some(qdrant);
            }
            if config.embed.is_embedded() {
                let embeddings = EmbeddedEmbeddings::start(EmbeddingsOptions {
                    address: ANY_PORT,
                    ..EmbeddingsOptions::default()
                })
                .await
                .context("can't start the embedded embedding endpoint")?;
                endpoints.embed_url = embeddings.url();
                info!(url = endpoints.embed_url, "embedded embedding endpoint");
                stand_ins.embeddings = Some(embeddings);
            }
            Ok((stand_ins, endpoints))
        }

        /// The embedded Kafka, if it runs.
        pub fn kafka(&self) -> Option<&EmbeddedKafka> {
            self.kafka.as_ref()
        }

        /// The embedded embedding endpoint, if it runs.
        pub fn embeddings(&self) -> Option<&EmbeddedEmbeddings> {
            self.embeddings.as_ref()
        }

        /// Stops them in order, so that nothing is lost that was written to a folder.
        pub async fn stop(self) {
            if let Some(embeddings) = self.embeddings {
                embeddings.shutdown().await;
            }
            if let Some(qdrant) = self.qdrant {
                qdrant.shutdown().await;
            }
            drop(self.kafka);
        }
    }

    /// The mock cluster is asked through blocking calls.
    ///
    /// The dead-letter topic is made here, too: the mock doesn't know how to make one on request.
    async fn start_kafka(config: &Config) -> anyhow::Result<EmbeddedKafka> {
        let topics: Vec<String> = config
            .kafka
            .topics
            .iter()
            .chain([&config.dead_letter.topic])
            .filter(|topic| !topic.starts_with('^'))
            .cloned()
            .collect();
        tokio::task::spawn_blocking(move || {
            let kafka = EmbeddedKafka::start(KafkaOptions::default())?;
            for topic in topics {
                kafka.create_topic(&topic, PARTITIONS)?;
            }
            anyhow::Ok(kafka)
        })
        .await?
        .context("can't start the embedded Kafka")
    }
}

#[cfg(not(feature = "embedded"))]
mod absent {
    use super::Endpoints;
    use crate::config::Config;

    /// Stands for the stand-ins in a build without them.
    #[derive(Debug, Default)]
    pub struct StandIns;

    impl StandIns {
        /// Refuses a configuration that asks for a stand-in.
        #[expect(clippy::unused_async, reason = "the same as in a build with them")]
        pub async fn start(config: &Config) -> anyhow::Result<(Self, Endpoints)> {
            let asked = [
                ("kafka.brokers", config.kafka.is_embedded()),
                ("index.url", config.index.embedded().is_some()),
                ("embed.url", config.embed.is_embedded()),
            ];
            if let Some((key, _)) = asked.iter().find(|(_, embedded)| *embedded) {
                anyhow::bail!(
                    "{key} asks for the embedded stand-in, which this build does not have; name a server, or build with the feature `embedded`"
                );
            }
            Ok((Self, Endpoints::configured(config)))
        }

        /// There is nothing to stop.
        #[expect(clippy::unused_async, reason = "the same as in a build with them")]
        pub async fn stop(self) {}
    }
}
