//! The servers that Vectide talks to, each as a process of its own.

use std::{
    env, fmt,
    io::{BufRead as _, BufReader},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{
    TOPIC,
    java::Java,
    kafka::Kafka,
    process::{Process, Program},
    sizes::Sizes,
    workspace::Workspace,
};

const VECTIDE: &str = env!("CARGO_BIN_EXE_vectide");

/// Which Kafka it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    /// A real broker.
    Real,
    /// librdkafka's mock cluster.
    Mock,
}

impl Broker {
    /// As `VECTIDE_BENCH_KAFKA` says (`real` or `mock`), else a real one where there is Java.
    pub(crate) fn choose() -> Result<Self> {
        match env::var("VECTIDE_BENCH_KAFKA").as_deref() {
            Ok("real") => Ok(Self::Real),
            Ok("mock") => Ok(Self::Mock),
            Ok(other) => bail!("VECTIDE_BENCH_KAFKA is real or mock, not {other}"),
            Err(_) if has_java() => Ok(Self::Real),
            Err(_) => Ok(Self::Mock),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "a real Kafka broker",
            Self::Mock => "librdkafka's mock cluster, which keeps 5 MiB of a partition",
        })
    }
}

fn has_java() -> bool {
    let java = env::var("JAVA_HOME").map_or_else(|_| "java".into(), |home| home + "/bin/java");
    Command::new(java)
        .arg("-version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The running servers.
pub(crate) struct Servers {
    pub(crate) brokers: String,
    pub(crate) index_url: String,
    pub(crate) embed_url: String,
    _broker: Option<Kafka>,
    _stand_ins: Vec<Process>,
}

impl Servers {
    /// Starts them, with the topic.
    pub(crate) fn start(broker: Broker, workspace: &Workspace, sizes: &Sizes) -> Result<Self> {
        let mut stand_ins = Vec::new();
        let (brokers, real) = match broker {
            Broker::Real => {
                let java = Java::find(workspace)?;
                let kafka = Kafka::start(workspace, &java)?;
                kafka.create_topic(TOPIC, i32::try_from(sizes.partitions)?)?;
                (kafka.brokers().to_owned(), Some(kafka))
            }
            Broker::Mock => {
                let topic = format!("{TOPIC}:{}", sizes.partitions);
                let arguments = ["kafka", "--topic", &topic];
                let (process, brokers) = stand_in(workspace, &arguments)?;
                stand_ins.push(process);
                (brokers, None)
            }
        };
        let any_port = ["--address", "127.0.0.1:0"];
        let (qdrant, index_url) =
            stand_in(workspace, &[&["qdrant"], any_port.as_slice()].concat())?;
        let (embeddings, embed_url) =
            stand_in(workspace, &[&["embeddings"], any_port.as_slice()].concat())?;
        stand_ins.extend([qdrant, embeddings]);
        Ok(Self {
            brokers,
            index_url,
            embed_url,
            _broker: real,
            _stand_ins: stand_ins,
        })
    }
}

/// Starts a stand-in and reads its address, the one line that it prints.
fn stand_in(workspace: &Workspace, arguments: &[&str]) -> Result<(Process, String)> {
    let command = [&[VECTIDE, "embedded"], arguments].concat();
    let name = arguments.first().copied().unwrap_or_default();
    let mut program = Program::new(name, &command);
    program.piped = true;
    let mut process = program.start(&workspace.logs())?;
    let mut address = String::new();
    if let Some(printed) = process.child().stdout.take() {
        BufReader::new(printed).read_line(&mut address)?;
    }
    if address.is_empty() {
        bail!("{name} printed no address:\n{}", process.log_tail());
    }
    Ok((process, address.trim().to_owned()))
}
