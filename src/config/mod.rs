//! The configuration: one file a section, with its keys, defaults and rules.
//!
//! [`Sources::load`] reads the TOML file, lays the environment and the command line's options over
//! it, and returns a [`Config`] that may be run with, or every [`Problem`] there is.
//!
//! Every field documents itself to the operator: its doc comment is what the JSON Schema and
//! `docs/configuration.md` say about the key.

mod absent;
mod admin;
mod allowance;
mod byte_size;
mod column_names;
mod commit;
mod cost;
mod dead_letter;
mod document;
mod embed;
mod environment;
mod file;
mod human_duration;
mod index;
mod kafka;
mod kafka_properties;
mod kafka_security;
mod load;
mod log;
mod pipeline;
mod postgres;
mod problem;
mod registry;
mod rows;
mod secret;
mod setting;
mod shape;
mod tables;
mod traces;
mod validate;
mod window;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::kafka::names_or_matches;
pub use self::{
    admin::AdminConfig,
    allowance::{Allowance, AllowanceError},
    byte_size::ByteSize,
    column_names::ColumnNames,
    commit::CommitConfig,
    cost::{BudgetConfig, CostConfig},
    dead_letter::{BreakerConfig, DeadLetterConfig},
    document::{DocumentColumns, DocumentConfig, PayloadConfig, PointIdKind},
    embed::{EmbedConfig, EncodingFormat, OverLong, ProxyConfig},
    environment::{PREFIX, read_dot_env},
    index::{Distance, Embedded, IndexConfig, PayloadIndexKind, ReplayPolicy},
    kafka::{GroupProtocol, KafkaConfig},
    kafka_security::{SaslMechanism, SecurityConfig, SecurityProtocol},
    load::{ConfigFile, DEFAULT_FILE, Flag, Sources},
    log::{LogConfig, LogFormat},
    pipeline::{Parking, PipelineConfig},
    postgres::{PostgresConfig, PostgresTls},
    problem::{Place, Problem, Problems},
    registry::RegistryConfig,
    rows::{RowsConfig, TruncatePolicy},
    secret::{Secret, SecretError, SecretRef},
    shape::json_schema,
    tables::{TableConfig, TableSections},
    traces::TracesConfig,
    window::WindowConfig,
};

/// The value of `kafka.brokers`, `embed.url` and `index.url` that asks for the in-process stand-in.
pub const EMBEDDED: &str = "embedded";

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where change events come from.
    pub kafka: KafkaConfig,
    /// The schema registry that Avro records name their schemas in.
    pub registry: RegistryConfig,
    /// How the connector's rows are to be read, where the records themselves don't say it.
    pub rows: RowsConfig,
    /// How long changes of one key are collected before they are acted on.
    pub window: WindowConfig,
    /// How a row becomes the text that is embedded, the payload and the point's id.
    pub document: DocumentConfig,
    /// What some tables have of their own, in place of the sections at the top level.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableConfig>,
    /// The embedding endpoint: any server that speaks OpenAI's `POST /embeddings`.
    pub embed: EmbedConfig,
    /// What embeddings cost, and what may be spent on them.
    pub cost: CostConfig,
    /// The Qdrant collection that is kept equal to the table.
    pub index: IndexConfig,
    /// The database that the tables are in: only `vectide audit --source postgres` reads it.
    pub postgres: PostgresConfig,
    /// When offsets are committed to Kafka.
    pub commit: CommitConfig,
    /// Where records go that can't be processed.
    pub dead_letter: DeadLetterConfig,
    /// Bounds of the whole pipeline: memory, and time to drain.
    pub pipeline: PipelineConfig,
    /// The HTTP endpoint for probes, metrics, status and control.
    pub admin: AdminConfig,
    /// What is logged, and how it looks.
    pub log: LogConfig,
    /// OpenTelemetry traces of single records, sent to a collector. See `docs/traces.md`.
    pub traces: TracesConfig,
}
