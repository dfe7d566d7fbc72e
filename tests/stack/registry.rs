//! Apicurio's schema registry, which keeps all in memory.

use std::time::Duration;

use anyhow::Result;

use crate::http;
use crate::java::Java;
use crate::process::{Process, free_port};
use crate::workspace::Workspace;

/// A running registry.
pub(crate) struct Registry {
    process: Process,
    port: u16,
}

impl Registry {
    /// Starts one, and waits until it answers.
    pub(crate) fn start(workspace: &Workspace, java: &Java) -> Result<Self> {
        let port = free_port()?;
        let settings = [
            format!("quarkus.http.port={port}"),
            "quarkus.http.host=127.0.0.1".to_owned(),
            "quarkus.log.level=WARN".to_owned(),
        ];
        let jar = workspace.server("registry")?;
        let mut process = java.start_jar(workspace, "registry", jar, &settings)?;
        let url = format!("http://127.0.0.1:{port}/apis/ccompat/v7/schemas/types");
        process.wait_until_ready(Duration::from_mins(2), || {
            http::get(&url).is_ok_and(|answer| answer.status == 200)
        })?;
        Ok(Self { process, port })
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Takes it away, or gives it back.
    pub(crate) fn freeze(&mut self, frozen: bool) -> Result<()> {
        self.process.freeze(frozen)
    }
}
