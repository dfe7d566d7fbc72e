//! `[postgres]`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{human_duration, secret::SecretRef, validate::Report};

/// The database that the tables are in. Only `vectide audit --source postgres` connects to it, and
/// reads; a role with SELECT on the tables is enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// The server's name or address. A standby will do, if it lags by less than the audit settles.
    pub host: Option<String>,
    /// The server's port.
    pub port: u16,
    /// The database's name.
    pub database: Option<String>,
    /// The role to log in as.
    pub user: Option<String>,
    /// The role's password.
    pub password: Option<SecretRef>,
    /// Whether the connection is encrypted, and what of the server's certificate is checked.
    pub tls: PostgresTls,
    /// PEM file of the authorities that may sign the server's certificate; the system's own when
    /// absent.
    pub ca_file: Option<PathBuf>,
    /// Topics' tables, as `schema.table`, where the last two parts of a topic's name are not schema and
    /// table.
    pub tables: BTreeMap<String, String>,
    /// How many rows a second are read, at most, so that the database's users notice nothing.
    pub rows_per_second: u32,
    /// How many rows are read by one statement. Each is a transaction of its own, so that none holds
    /// back vacuum.
    pub page_rows: u32,
    /// How long one statement may take: the server breaks it off.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub statement_timeout: Duration,
}

/// How the connection to PostgreSQL is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PostgresTls {
    /// Not at all.
    Disable,
    /// Encrypted; the certificate must be signed by a known authority, and be the host's.
    #[default]
    VerifyFull,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            host: None,
            port: 5432,
            database: None,
            user: None,
            password: None,
            tls: PostgresTls::default(),
            ca_file: None,
            tables: BTreeMap::new(),
            rows_per_second: 5_000,
            page_rows: 1_000,
            statement_timeout: Duration::from_secs(30),
        }
    }
}

impl PostgresConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        for (name, value) in [
            ("host", &self.host),
            ("database", &self.database),
            ("user", &self.user),
        ] {
            if let Some(value) = value {
                report.not_blank(&format!("postgres.{name}"), value);
            }
        }
        if let Some(host) = &self.host {
            report.refuse_if(
                host.contains("://"),
                "postgres.host",
                "is a URL; the parts of it have keys of their own: host, port, database, user",
            );
        }
        report.refuse_if(self.port == 0, "postgres.port", "must not be 0");
        report.refuse_if(
            self.ca_file.is_some() && self.tls == PostgresTls::Disable,
            "postgres.ca_file",
            "has no effect with postgres.tls = \"disable\"",
        );
        for (topic, table) in &self.tables {
            let is_table = table
                .split_once('.')
                .is_some_and(|(schema, name)| !schema.is_empty() && !name.is_empty());
            report.refuse_if(
                !is_table,
                format!("postgres.tables.{topic}"),
                format!(
                    "{table:?} names no table: write schema.table, such as \"public.products\""
                ),
            );
        }
        report.within(
            "postgres.rows_per_second",
            &self.rows_per_second,
            &(1..=1_000_000),
        );
        report.within("postgres.page_rows", &self.page_rows, &(1..=10_000));
        report.refuse_if(
            self.statement_timeout < Duration::from_millis(1),
            "postgres.statement_timeout",
            "must be a millisecond at least",
        );
    }
}
