//! A session that reads: it changes nothing, keeps no transaction open, and is slow on purpose.

use std::{collections::HashMap, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::debug;

use crate::{
    config::{PostgresConfig, PostgresTls},
    record::{Row, RowKey},
};

use super::{
    catalogue::{self, Catalogue, Column, TableName, Type},
    renderer::{Printed, Renderer, Sample},
    statement::{self, KeyLiterals, Rows},
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Rows that are asked for by their keys in one statement.
const KEYS: usize = 200;

/// Why the database can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A key of the configuration is missing.
    #[error("{0} is not set: the audit needs to know which database to read")]
    NotConfigured(&'static str),
    /// The password can't be had.
    #[error("postgres.password can't be read")]
    Secret(#[from] crate::config::SecretError),
    /// The authorities' certificates can't be read.
    #[error("postgres.ca_file: {0}")]
    Authorities(String),
    /// The server can't be reached, or does not let the role in.
    #[error("can't connect to PostgreSQL at {at}: {}{hint}", told(.source))]
    Connect {
        /// Host and port.
        at: String,
        /// What the configuration has to do with it, where that may be it.
        hint: &'static str,
        /// What the client or the server said.
        source: tokio_postgres::Error,
    },
    /// A statement failed.
    #[error("PostgreSQL can't tell {what}: {}", told(.source))]
    Statement {
        /// What was asked for.
        what: String,
        /// What the client or the server said.
        source: tokio_postgres::Error,
    },
    /// There is no such table, or the role may not know of it.
    #[error(
        "the database has no table {0}: name the topic's table in postgres.tables, such as \"public.products\""
    )]
    NoTable(TableName),
}

/// What the server says, else what went wrong before it could.
fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// What to correct where no encrypted connection comes about. The client has no error of its own for it: neither
/// the server nor the operating system has said anything then.
fn hint(tls: PostgresTls, error: &tokio_postgres::Error) -> &'static str {
    let is_of_handshake = error.to_string().contains("TLS");
    if tls == PostgresTls::VerifyFull && is_of_handshake {
        "; postgres.ca_file names the authority that has signed its certificate, postgres.tls = \"disable\" goes without encryption"
    } else {
        ""
    }
}

/// A connection to the database.
#[derive(Debug)]
pub struct Session {
    client: Client,
    page_rows: u32,
    pace: Pace,
}

/// Keeps to so many rows a second.
#[derive(Debug)]
struct Pace {
    rows_per_second: u32,
    /// When the next statement may begin.
    next: Instant,
}

impl Pace {
    /// So many rows were read.
    fn spend(&mut self, rows: usize) {
        let cost = Duration::from_secs_f64(rows as f64 / f64::from(self.rows_per_second));
        self.next = self.next.max(Instant::now()) + cost;
    }
}

impl Session {
    /// Connects, and sees to it that nothing can be written, and values print in one way.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, SessionError> {
        let missing = SessionError::NotConfigured;
        let host = config.host.as_deref().ok_or(missing("postgres.host"))?;
        let database = config.database.as_deref();
        let database = database.ok_or(missing("postgres.database"))?;
        let user = config.user.as_deref().ok_or(missing("postgres.user"))?;
        let mut settings = tokio_postgres::Config::new();
        settings
            .host(host)
            .port(config.port)
            .dbname(database)
            .user(user)
            .application_name("vectide audit")
            .connect_timeout(CONNECT);
        if let Some(password) = &config.password {
            settings.password(password.resolve()?.expose());
        }
        let connected = match config.tls {
            PostgresTls::Disable => {
                let connected = settings.ssl_mode(SslMode::Disable).connect(NoTls).await;
                connected.map(|(client, connection)| (client, tokio::spawn(connection)))
            }
            PostgresTls::VerifyFull => {
                let tls = MakeRustlsConnect::new(tls(config)?);
                let connected = settings.ssl_mode(SslMode::Require).connect(tls).await;
                connected.map(|(client, connection)| (client, tokio::spawn(connection)))
            }
        };
        let (client, connection) = connected.map_err(|source| SessionError::Connect {
            at: format!("{host}:{}", config.port),
            hint: hint(config.tls, &source),
            source,
        })?;
        tokio::spawn(async move {
            if let Ok(Err(error)) = connection.await {
                debug!("the connection to PostgreSQL ended: {error}");
            }
        });
        let session = Self {
            client,
            page_rows: config.page_rows,
            pace: Pace {
                rows_per_second: config.rows_per_second,
                next: Instant::now(),
            },
        };
        // Without `row_security` rows that the role may not see would be missing silently: so they fail.
        let settings = format!(
            "SET default_transaction_read_only = on; SET statement_timeout = {}; SET row_security = off;
            SET standard_conforming_strings = on; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'iso_8601';
            SET TimeZone = 'UTC'; SET bytea_output = 'hex'; SET extra_float_digits = 1; SET lc_monetary = 'C';
            SET client_encoding = 'UTF8'; SET search_path = ''",
            config.statement_timeout.as_millis()
        );
        session.ask("its settings", &settings).await?;
        Ok(session)
    }

    /// What the database says of a table.
    pub async fn catalogue(&self, table: TableName) -> Result<Catalogue, SessionError> {
        let name = statement::literal(&statement::qualified(&table));
        let exists = format!("SELECT pg_catalog.to_regclass({name})");
        let exists = self.ask("whether there is a table", &exists).await?;
        if exists.iter().flatten().all(Option::is_none) {
            return Err(SessionError::NoTable(table));
        }
        let what = format!("what the columns of {table} are");
        let columns = self.ask(&what, &catalogue::columns(&name)).await?;
        let columns = columns.into_iter().filter_map(|row| {
            let mut row = row.into_iter();
            let (name, of, element) = (row.next()??, row.next()??, row.next()?);
            let has_modifier = row.next()??;
            Some(Column {
                name,
                of: Type {
                    name: of.into(),
                    element: element.map(Into::into),
                    has_modifier: has_modifier == "t",
                },
            })
        });
        let columns = columns.collect();
        let key = self.ask(&what, &catalogue::primary_key(&name)).await?;
        Ok(Catalogue {
            table,
            columns,
            primary_key: key.into_iter().flatten().flatten().collect(),
        })
    }

    /// Compares rows of the topic with those of the table, and learns from that how the connector
    /// writes them. Returns how many there were to compare.
    pub async fn learn(
        &mut self,
        table: &TableName,
        sample: &Sample,
        renderer: &mut Renderer,
    ) -> Result<u64, SessionError> {
        let rows: HashMap<&RowKey, &Row> =
            sample.rows.iter().map(|(key, row)| (key, row)).collect();
        let mut learnt = 0;
        let keys: Vec<RowKey> = rows.keys().copied().cloned().collect();
        for keys in keys.chunks(KEYS) {
            for printed in self.printed_with(table, keys, renderer).await? {
                let key = renderer.key(&printed);
                if let Some(row) = key.and_then(|key| rows.get(&key)) {
                    renderer.learn(row, &printed);
                    learnt += 1;
                }
            }
        }
        renderer.conclude();
        Ok(learnt)
    }

    /// The rows behind a key, up to a page; empty at the end of the table. Returns where to go on.
    pub async fn page(
        &mut self,
        table: &TableName,
        renderer: &Renderer,
        after: Option<&KeyLiterals>,
    ) -> Result<(Vec<(RowKey, Row)>, Option<KeyLiterals>), SessionError> {
        let statement = rows(table, renderer).page(after, self.page_rows);
        let printed = self.rows(table, &statement).await?;
        let last = printed.last().and_then(|last| renderer.printed_key(last));
        Ok((rendered(&printed, renderer), last))
    }

    /// The rows with these keys, as far as there are some.
    pub async fn with(
        &mut self,
        table: &TableName,
        renderer: &Renderer,
        keys: &[RowKey],
    ) -> Result<HashMap<RowKey, Row>, SessionError> {
        let mut found = HashMap::new();
        for keys in keys.chunks(KEYS) {
            let printed = self.printed_with(table, keys, renderer).await?;
            found.extend(rendered(&printed, renderer));
        }
        Ok(found)
    }

    async fn printed_with(
        &mut self,
        table: &TableName,
        keys: &[RowKey],
        renderer: &Renderer,
    ) -> Result<Vec<Printed>, SessionError> {
        let keys: Vec<KeyLiterals> = keys.iter().filter_map(|it| renderer.literals(it)).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let statement = rows(table, renderer).with(&keys);
        self.rows(table, &statement).await
    }

    async fn rows(
        &mut self,
        table: &TableName,
        statement: &str,
    ) -> Result<Vec<Printed>, SessionError> {
        tokio::time::sleep_until(self.pace.next).await;
        let rows = self.ask(&format!("the rows of {table}"), statement).await?;
        self.pace.spend(rows.len());
        Ok(rows)
    }

    /// Asks, and returns what is printed. A statement alone is a transaction of its own.
    async fn ask(&self, what: &str, statement: &str) -> Result<Vec<Printed>, SessionError> {
        let answer = self.client.simple_query(statement).await;
        let answer = answer.map_err(|source| SessionError::Statement {
            what: what.to_owned(),
            source,
        })?;
        let rows = answer.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let columns = 0..row.len();
                Some(columns.map(|at| row.get(at).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }
}

fn rows<'a>(table: &'a TableName, renderer: &'a Renderer) -> Rows<'a> {
    Rows {
        table,
        columns: renderer.selected(),
        key: renderer.key_columns(),
    }
}

fn rendered(printed: &[Printed], renderer: &Renderer) -> Vec<(RowKey, Row)> {
    let rows = printed
        .iter()
        .filter_map(|printed| Some((renderer.key(printed)?, renderer.row(printed))));
    rows.collect()
}

fn tls(config: &PostgresConfig) -> Result<ClientConfig, SessionError> {
    let refused = |error: String| SessionError::Authorities(error);
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file);
            let certificates = certificates.map_err(|error| refused(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| refused(error.to_string()))?;
                let added = roots.add(certificate);
                added.map_err(|error| refused(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(refused(format!("{} has no certificate", file.display())));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| refused(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
