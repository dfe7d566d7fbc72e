//! Vectide's stand-ins for Qdrant and the embedding endpoint, each as a process of its own.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::VECTIDE;
use crate::http;
use crate::process::{Process, Program, free_port};
use crate::workspace::{Workspace, text};

/// The stand-ins' processes.
pub(crate) struct StandIns {
    qdrant_port: u16,
    embeddings_port: u16,
    _qdrant: Process,
    _embeddings: Process,
}

impl StandIns {
    /// Starts both and waits until they listen.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let (qdrant_port, embeddings_port) = (free_port()?, free_port()?);
        let storage = text(&workspace.path("qdrant"))?;
        Ok(Self {
            qdrant_port,
            embeddings_port,
            _qdrant: start(workspace, "qdrant", qdrant_port, &["--storage", &storage])?,
            _embeddings: start(workspace, "embeddings", embeddings_port, &[])?,
        })
    }

    /// Where Qdrant's gRPC services are.
    pub(crate) fn qdrant_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.qdrant_port)
    }

    /// The base URL of the embedding endpoint.
    pub(crate) fn embeddings_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.embeddings_port)
    }

    /// Makes the embedding endpoint behave in this way from now on; `{}` is the ideal provider.
    pub(crate) fn behave(&self, behaviour: &Value) -> Result<()> {
        let control = format!("http://127.0.0.1:{}/control", self.embeddings_port);
        http::put(&control, behaviour)
    }
}

fn start(workspace: &Workspace, name: &str, port: u16, more: &[&str]) -> Result<Process> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let address_text = address.to_string();
    let mut command = vec![VECTIDE, "embedded", name, "--address", &address_text];
    command.extend(more);
    let mut process = Program::new(name, &command).start(&workspace.logs())?;
    process.wait_until_ready(Duration::from_mins(1), || {
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    })?;
    Ok(process)
}
