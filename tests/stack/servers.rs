//! The servers of one test, started in the order in which they need each other.

use anyhow::Result;

use crate::connect::Connect;
use crate::java::Java;
use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::workspace::Workspace;

/// PostgreSQL, Kafka, and Kafka Connect with Debezium. They are stopped in the order of the fields, users before what they use.
pub(crate) struct Servers {
    /// Where the connectors are registered.
    pub(crate) connect: Connect,
    /// The broker.
    pub(crate) kafka: Kafka,
    /// The database.
    pub(crate) postgres: Postgres,
    /// What starts those that are Java programs.
    pub(crate) java: Java,
}

impl Servers {
    /// Starts them all.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let java = Java::find(workspace)?;
        let postgres = Postgres::start(workspace)?;
        let kafka = Kafka::start(workspace, &java)?;
        let connect = Connect::start(workspace, &java, &kafka)?;
        Ok(Self {
            connect,
            kafka,
            postgres,
            java,
        })
    }
}
