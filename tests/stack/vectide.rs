//! Vectide itself, and its stand-ins for Qdrant and the embedding endpoint, each as a process of its own.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::connect::Dialect;
use crate::kafka::Kafka;
use crate::process::{Process, Program, free_port};
use crate::workspace::{Workspace, text};

/// The program under test.
const VECTIDE: &str = env!("CARGO_BIN_EXE_vectide");

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
            _qdrant: stand_in(workspace, "qdrant", qdrant_port, &["--storage", &storage])?,
            _embeddings: stand_in(workspace, "embeddings", embeddings_port, &[])?,
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
}

fn stand_in(workspace: &Workspace, name: &str, port: u16, more: &[&str]) -> Result<Process> {
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

/// A consumer group that keeps one collection equal to the product table.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    /// Which of the two topics it reads.
    pub(crate) dialect: Dialect,
}

impl Group {
    /// The group's name on Kafka.
    pub(crate) fn name(self) -> String {
        format!("vectide-{}", self.dialect.prefix())
    }

    /// The collection's name.
    pub(crate) fn collection(self) -> String {
        format!("products_{}", self.dialect.prefix())
    }

    /// Starts a member of it; `name` names its log.
    pub(crate) fn start_member(
        self,
        name: &str,
        workspace: &Workspace,
        kafka: &Kafka,
        stand_ins: &StandIns,
    ) -> Result<Member> {
        let configuration = format!(
            "[kafka]\n\
             brokers = \"{brokers}\"\n\
             group = \"{group}\"\n\
             topics = [\"{topic}\"]\n\
             \n\
             [window]\n\
             quiet = \"500ms\"\n\
             max_hold = \"2s\"\n\
             \n\
             [document.columns]\n\
             product = \"title\"\n\
             category = \"category\"\n\
             description = \"description\"\n\
             \n\
             [embed]\n\
             url = \"{embeddings}\"\n\
             model = \"hashed-words\"\n\
             dimensions = 64\n\
             \n\
             [index]\n\
             url = \"{qdrant}\"\n\
             collection = \"{collection}\"\n\
             \n\
             [admin]\n\
             address = \"127.0.0.1:{admin}\"\n",
            brokers = kafka.brokers(),
            group = self.name(),
            topic = self.dialect.topic(),
            embeddings = stand_ins.embeddings_url(),
            qdrant = stand_ins.qdrant_url(),
            collection = self.collection(),
            admin = free_port()?,
        );
        let file = workspace.write(&format!("{name}.toml"), &configuration)?;
        let process =
            Program::new(name, &[VECTIDE, "run", "--config", &file]).start(&workspace.logs())?;
        Ok(Member { process })
    }
}

/// A running `vectide run`.
pub(crate) struct Member {
    process: Process,
}

impl Member {
    /// Sends SIGTERM and returns at once, so that the load can go on while it drains.
    pub(crate) fn ask_to_stop(&mut self) -> Result<()> {
        self.process.ask_to_stop()
    }

    /// Waits for the end of the drain; it must end by itself, and well.
    pub(crate) fn wait_for_exit(&mut self) -> Result<()> {
        let status = self.process.wait_for_exit(Duration::from_secs(30))?;
        if !status.success() {
            bail!(
                "the member did not stop in good order ({status}); the end of its log:\n{}",
                self.process.log_tail()
            );
        }
        Ok(())
    }

    /// Fails when it has ended by itself.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        self.process.expect_running()
    }
}
