//! PostgreSQL with logical decoding.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::Result;

use crate::process::{Process, Program, free_port};
use crate::workspace::{Workspace, text};

/// A running server with one superuser, `postgres`, who needs no password on the loopback address.
pub(crate) struct Postgres {
    programs: String,
    port: u16,
    process: Process,
}

impl Postgres {
    /// Makes a new database cluster and starts its server.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let programs = workspace.server("postgres")?.to_owned();
        let home = workspace.path("postgres");
        fs::create_dir(&home)?;
        // PostgreSQL refuses to run as root; its package brings a user for it.
        let root = fs::metadata(&home)?.uid() == 0;
        let user = root.then_some("postgres");
        if root {
            Program::new("chown", &["chown", "postgres", &text(&home)?]).run()?;
        }

        let data = text(&home.join("data"))?;
        let initdb = format!("{programs}/initdb");
        let command = [
            &*initdb,
            "-D",
            &data,
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ];
        Program {
            user,
            ..Program::new("initdb", &command)
        }
        .run()?;

        let (server, port) = (format!("{programs}/postgres"), free_port()?);
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "wal_level=logical".to_owned(),
            "timezone=UTC".to_owned(),
            // The data need not survive the machine.
            "fsync=off".to_owned(),
        ];
        let mut command = vec![&*server, "-D", &data];
        command.extend(settings.iter().flat_map(|setting| ["-c", setting]));
        // SIGINT is its fast shutdown: it does not wait for Debezium to disconnect.
        let process = Program {
            user,
            stop_signal: "INT",
            ..Program::new("postgres", &command)
        }
        .start(&workspace.logs())?;

        let mut postgres = Self {
            programs,
            port,
            process,
        };
        let psql = format!("{}/psql", postgres.programs);
        let url = postgres.url();
        let probe = [&*psql, "-X", "-c", "SELECT 1", &url];
        postgres
            .process
            .wait_until_ready(Duration::from_mins(1), || {
                Program::new("psql", &probe).run().is_ok()
            })?;
        Ok(postgres)
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL to its end and returns what it printed, a row a line.
    pub(crate) fn query(&self, sql: &str) -> Result<String> {
        let (psql, url) = (format!("{}/psql", self.programs), self.url());
        Program::new(
            "psql",
            &[
                &psql,
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                sql,
                &url,
            ],
        )
        .run()
    }

    /// Opens a session that reads SQL from its standard input.
    pub(crate) fn session(&self, workspace: &Workspace) -> Result<Process> {
        let (psql, url) = (format!("{}/psql", self.programs), self.url());
        let command = [
            &*psql,
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            &url,
        ];
        Program {
            piped: true,
            ..Program::new("psql", &command)
        }
        .start(&workspace.logs())
    }

    fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }
}
