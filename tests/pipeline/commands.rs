//! Commands, run as the command line does, beside the members of the group.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use clap::Parser;
use vectide::{
    app::App,
    cli::{Cli, ExitStatus, Output, describe, exit_status},
    config::Config,
    document::PointIds,
    index,
    record::RowKey,
    stand_ins::StandIns,
};

use crate::shop::{Shop, TOPIC};

/// What a command writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shop {
    /// What the command line needs to find the servers.
    fn addressed(&self) -> Config {
        let mut config = self.config.clone();
        let endpoints = self.endpoints();
        config.kafka.brokers = endpoints.brokers;
        config.index.url = endpoints.index_url;
        config.embed.url = endpoints.embed_url;
        config
    }

    /// A member whose configuration has the servers' addresses, as its points will say.
    pub(crate) async fn addressed_member(&mut self) -> App {
        self.config = self.addressed();
        App::start_with(&self.config, StandIns::default(), self.endpoints())
            .await
            .unwrap()
    }

    /// Runs a command, and returns how it ended and what it said.
    pub(crate) async fn vectide(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("vectide.toml");
        std::fs::write(&file, toml::to_string(&self.addressed()).unwrap()).unwrap();
        let begin = ["vectide", "--config", file.to_str().unwrap()];
        let cli = Cli::try_parse_from(begin.iter().chain(arguments)).unwrap();
        let written = Written::default();
        let ended = cli.run(&mut Output::to(written.clone())).await;
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        match ended {
            Ok(status) => (status, text),
            Err(error) => (exit_status(&error), describe(&error).unwrap()),
        }
    }

    pub(crate) fn qdrant_client(&self) -> qdrant_client::Qdrant {
        qdrant_client::Qdrant::from_url(&self.qdrant.url())
            .skip_compatibility_check()
            .build()
            .unwrap()
    }

    pub(crate) fn point_of(&self, key: &RowKey) -> qdrant_client::qdrant::PointId {
        let ids = PointIds(self.config.document.point_id);
        index::to_point_id(ids.of(TOPIC, key).unwrap())
    }
}
