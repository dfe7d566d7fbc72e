//! What Debezium makes of the table's changes.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::connect::Dialect;
use crate::load::Load;
use crate::servers::Servers;
use crate::table;
use crate::topic::Capture;
use crate::workspace::in_workspace;

/// Rows in the table before the first connector looks at it.
const ROWS: usize = 3_000;
/// Transactions after that.
const TRANSACTIONS: usize = 400;

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
        for dialect in Dialect::ALL {
            servers
                .connect
                .register(workspace, &servers.postgres, dialect)?;
        }
        load.run(TRANSACTIONS)?;

        let table = table::read(&servers.postgres)?;
        for dialect in Dialect::ALL {
            let capture = Capture::wait_until_equal(&servers.kafka, dialect, &table)?;
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
