//! The process that is measured: Vectide, as `vectide run` would run it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use vectide::{
    app::App,
    config::{Config, EncodingFormat},
    record::Settled,
    stand_ins::{Endpoints, StandIns},
};

use crate::{
    TOPIC,
    figures::Figures,
    usage::{cpu_seconds, peak_bytes},
};

/// How often it is looked whether everything has settled: rarely enough to cost nothing.
const LOOK: Duration = Duration::from_millis(5);
/// How long nothing may settle before the benchmark has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A member of a consumer group, alone in it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) brokers: String,
    pub(crate) index_url: String,
    pub(crate) embed_url: String,
    pub(crate) group: String,
    pub(crate) partitions: u64,
    /// How many records to process.
    pub(crate) records: u64,
}

impl Member {
    pub(crate) fn arguments(&self) -> Vec<String> {
        vec![
            self.brokers.clone(),
            self.index_url.clone(),
            self.embed_url.clone(),
            self.group.clone(),
            self.partitions.to_string(),
            self.records.to_string(),
        ]
    }

    pub(crate) fn from_arguments(arguments: &[&str]) -> Result<Self> {
        let [brokers, index_url, embed_url, group, partitions, records] = arguments else {
            bail!("member: brokers, index, endpoint, group, partitions, records");
        };
        Ok(Self {
            brokers: (*brokers).to_owned(),
            index_url: (*index_url).to_owned(),
            embed_url: (*embed_url).to_owned(),
            group: (*group).to_owned(),
            partitions: partitions.parse()?,
            records: records.parse()?,
        })
    }

    /// Processes the records and prints the figures, as JSON in one line.
    pub(crate) fn run(&self) -> Result<()> {
        let figures = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(self.process())?;
        println!("{}", serde_json::to_string(&figures)?);
        Ok(())
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        config.kafka.topics = vec![TOPIC.to_owned()];
        config.kafka.group.clone_from(&self.group);
        // It isn't waiting that is measured.
        config.window.quiet = Duration::ZERO;
        config.embed.requests_per_minute = None;
        config.embed.dimensions = 1_536;
        config.embed.encoding_format = EncodingFormat::Base64;
        config.embed.batch_inputs = 128;
        config.admin.enabled = false;
        config
    }

    async fn process(&self) -> Result<Figures> {
        let endpoints = Endpoints {
            brokers: self.brokers.clone(),
            index_url: self.index_url.clone(),
            embed_url: self.embed_url.clone(),
        };
        let app = App::start_with(&self.config(), StandIns::default(), endpoints).await?;
        let begun = Instant::now();
        while u64::try_from(app.metrics().kafka.assigned.get()) != Ok(self.partitions) {
            if begun.elapsed() > PATIENCE {
                bail!("the partitions are never assigned");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (begun, cpu) = (Instant::now(), cpu_seconds()?);
        let mut last = (0, begun);
        loop {
            let settled = settled(&app).into_iter().map(|(_, count)| count).sum();
            if settled >= self.records {
                break;
            }
            if settled > last.0 {
                last = (settled, Instant::now());
            } else if last.1.elapsed() > PATIENCE {
                bail!(
                    "only {settled} of {} records settle; lanes: {:?}",
                    self.records,
                    app.health().lanes()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        let figures = Figures {
            scenario: String::new(),
            records: self.records,
            seconds: begun.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds()? - cpu,
            peak_bytes: peak_bytes()?,
            embedded: app.metrics().embed.inputs.get(),
            settled: settled(&app),
        };
        app.stop().await?;
        Ok(figures)
    }
}

fn settled(app: &App) -> Vec<(String, u64)> {
    let settled = &app.metrics().pipeline.settled;
    Settled::ALL
        .into_iter()
        .map(|way| {
            let count = settled.with_label_values(&[way.label()]).get();
            (way.label().to_owned(), count)
        })
        .collect()
}
