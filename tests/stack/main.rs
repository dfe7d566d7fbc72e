//! The whole path on real servers: PostgreSQL with logical decoding, Kafka, and Kafka Connect with Debezium, started without containers;
//! Vectide's members, and its stand-ins for Qdrant and the embedding endpoint, as processes of their own.
//!
//! `make test-stack` runs them. They need Debian or Ubuntu, 2 GB of memory, and at their first run a network (see `scripts/fetch-stack.sh`).

#![allow(clippy::print_stdout, reason = "a summary for whoever runs them")]

mod connect;
mod index;
mod java;
mod kafka;
mod load;
mod postgres;
mod process;
mod servers;
mod table;
mod topic;
mod vectide;
mod wait;
mod workspace;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use connect::Dialect;
use index::Index;
use load::Load;
use servers::Servers;
use table::Differences;
use topic::Capture;
use vectide::{Group, StandIns};
use wait::until;
use workspace::Workspace;

/// Rows in the table before the first connector looks at it.
const ROWS: usize = 3_000;
/// Transactions in each of the three parts of the load.
const PART: usize = 400;
const DIALECTS: [Dialect; 2] = [Dialect::WithSchemas, Dialect::Bare];

/// Runs a scenario in a workspace of its own; the workspace goes when it succeeds, and its logs stay when it fails.
fn in_workspace(scenario: impl FnOnce(&Workspace) -> Result<()>) -> Result<()> {
    let workspace = Workspace::create()?;
    scenario(&workspace)?;
    workspace.remove();
    Ok(())
}

#[test]
#[ignore = "needs servers: make test-stack"]
fn the_topics_tell_every_change_of_the_table() -> Result<()> {
    in_workspace(|workspace| {
        let began = Instant::now();
        let mut servers = Servers::start(workspace)?;
        let up = began.elapsed();
        let mut load = Load::open(&servers.postgres, workspace, 1)?;
        table::create(&servers.postgres)?;
        load.fill(ROWS)?;
        for dialect in DIALECTS {
            servers
                .connect
                .register(workspace, &servers.postgres, dialect)?;
        }
        load.run(PART)?;

        let table = table::read(&servers.postgres)?;
        for dialect in DIALECTS {
            let capture = wait_for_topic(&servers, dialect, &table)?;
            for operation in ["r", "c", "u", "d", "tombstone"] {
                if !capture.operations.contains_key(operation) {
                    bail!("no {operation} among {:?}", capture.operations);
                }
            }
            if capture.partitions < 2 {
                bail!(
                    "every record of {} is in one partition: two members could not share it",
                    dialect.topic()
                );
            }
            println!(
                "{}: {} rows, {} records {:?}",
                dialect.topic(),
                table.len(),
                capture.records(),
                capture.operations
            );
        }
        println!(
            "servers up in {} s, {} s in all",
            up.as_secs(),
            began.elapsed().as_secs()
        );
        Ok(())
    })
}

#[test]
#[ignore = "needs servers: make test-stack"]
fn the_index_equals_the_table_while_members_come_and_go() -> Result<()> {
    in_workspace(|workspace| {
        let began = Instant::now();
        let mut servers = Servers::start(workspace)?;
        let stand_ins = StandIns::start(workspace)?;
        let mut load = Load::open(&servers.postgres, workspace, 2)?;
        table::create(&servers.postgres)?;
        load.fill(ROWS)?;

        // The members are there before their topics are.
        let [shop, bare] = DIALECTS.map(|dialect| Group { dialect });
        let start =
            |group: Group, name| group.start_member(name, workspace, &servers.kafka, &stand_ins);
        let mut first = start(shop, "shop-1")?;
        let mut second = start(shop, "shop-2")?;
        let mut alone = start(bare, "bare-1")?;
        for dialect in DIALECTS {
            servers
                .connect
                .register(workspace, &servers.postgres, dialect)?;
        }

        load.run(PART)?;
        first.ask_to_stop()?;
        load.run(PART)?;
        first.wait_for_exit()?;
        let mut third = start(shop, "shop-3")?;
        load.run(PART)?;
        let loaded = Instant::now();

        let table = table::read(&servers.postgres)?;
        let mut total = 0;
        for group in [shop, bare] {
            let capture = wait_for_topic(&servers, group.dialect, &table)?;
            let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
            let mut differences = Differences::default();
            let equal = until(
                "the index to equal the table",
                Duration::from_mins(3),
                || {
                    for member in [&mut second, &mut third, &mut alone] {
                        member.expect_running()?;
                    }
                    if servers.kafka.lag(&group.dialect.topic(), &group.name())? != Some(0) {
                        return Ok(None);
                    }
                    differences = Differences::between(&table, &index.read()?);
                    Ok((differences.count() == 0).then_some(()))
                },
            );
            let lag = servers.kafka.lag(&group.dialect.topic(), &group.name())?;
            if let Err(error) = equal {
                return Err(error.context(format!(
                    "{}: lag {lag:?}, {differences}",
                    group.collection()
                )));
            }
            println!(
                "{}: {} rows, {} events, {differences}",
                group.collection(),
                table.len(),
                capture.records()
            );
            total += capture.records();
        }
        println!(
            "{total} events of {} transactions; equal {:.1} s after the load's end; {} s in all",
            load.transactions,
            loaded.elapsed().as_secs_f64(),
            began.elapsed().as_secs()
        );
        for mut member in [second, third, alone] {
            member.ask_to_stop()?;
            member.wait_for_exit()?;
        }
        Ok(())
    })
}

/// Waits until the topic, read from its beginning, comes out at the table.
fn wait_for_topic(servers: &Servers, dialect: Dialect, table: &table::Rows) -> Result<Capture> {
    let mut differences = Differences::default();
    let capture = until(
        &format!("{} to tell the table's state", dialect.topic()),
        Duration::from_mins(2),
        || {
            let capture = Capture::read(&servers.kafka, dialect)?;
            differences = Differences::between(table, &capture.rows);
            Ok((differences.count() == 0).then_some(capture))
        },
    );
    capture.map_err(|error| error.context(format!("{}: {differences}", dialect.topic())))
}
