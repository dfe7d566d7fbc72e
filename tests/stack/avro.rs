//! Records in Avro: Debezium's, with their schemas in Apicurio's registry, and what happens while that is away.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::connect::{AvroIds, Dialect};
use crate::group::Group;
use crate::index::Index;
use crate::java::Java;
use crate::letters;
use crate::load::Load;
use crate::registry::Registry;
use crate::servers::Servers;
use crate::stand_ins::StandIns;
use crate::table;
use crate::wait::until;
use crate::workspace::in_workspace;

/// Rows in the table before the connector looks at it.
const ROWS: usize = 500;
/// Transactions in each part of the load.
const PART: usize = 100;
/// How long each step may take.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
#[ignore = "needs servers: make test-stack"]
fn the_index_equals_the_table_from_avro_too_once_the_registry_is_back() -> Result<()> {
    in_workspace(|workspace| {
        let mut servers = Servers::start(workspace)?;
        let mut registry = Registry::start(workspace, &Java::find(workspace)?)?;
        let stand_ins = StandIns::start(workspace)?;
        let mut load = Load::open(&servers.postgres, workspace, 5)?;
        table::create(&servers.postgres)?;
        load.fill(ROWS)?;
        let groups = [AvroIds::InFront, AvroIds::InHeaders].map(|ids| Group {
            dialect: Dialect::Avro(registry.port(), ids),
        });
        for group in groups {
            servers
                .connect
                .register(workspace, &servers.postgres, group.dialect)?;
        }
        load.run(PART)?;
        let Servers {
            kafka, postgres, ..
        } = &servers;
        for group in groups {
            until("the connector to write", PATIENCE, || {
                Ok(group
                    .lag(kafka)?
                    .filter(|lag| *lag >= i64::try_from(ROWS).unwrap_or(i64::MAX)))
            })?;
        }

        // Members that come while the registry is away have records, and not their schemas.
        registry.freeze(true)?;
        let mut members = Vec::new();
        for group in groups {
            let member =
                group.start_member(group.dialect.prefix(), workspace, kafka, &stand_ins)?;
            members.push((group, member));
        }
        for (group, member) in &mut members {
            let line = member.wait_for_lane("registry waiting")?;
            println!("{}: {line}", group.name());
            ensure!(line.contains("can't be reached"), "{line}");
            ensure!(group.lag(kafka)?.is_some_and(|lag| lag > 0));
            ensure!(letters::read(kafka, &group.dead_letters())?.is_none());
        }
        registry.freeze(false)?;
        load.run(PART)?;

        let table = table::read(postgres)?;
        for (group, member) in &mut members {
            let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
            index.wait_until_equal(&table, || {
                member.expect_running()?;
                Ok(group.lag(kafka)? == Some(0))
            })?;
            member.wait_for_lane("registry ready")?;
            println!(
                "{}: {} rows, no difference",
                group.collection(),
                table.len()
            );
        }

        // The real registry's word for a schema that it does not have.
        let [group, _] = groups;
        kafka.produce(
            &group.dialect.topic(),
            b"\0\0\x0f\x42\x40\x02",
            b"\0\0\x0f\x42\x40\x02",
        )?;
        let reasons = until("a dead letter", PATIENCE, || {
            let letters = letters::read(kafka, &group.dead_letters())?.unwrap_or_default();
            Ok(letters.into_iter().next().map(|(_, reasons)| reasons))
        })?;
        println!("{reasons:?}");
        ensure!(
            reasons
                .get("exception.class.name")
                .is_some_and(|name| name == "unknown_schema")
        );
        for (_, member) in members {
            member.stop(Duration::from_secs(10))?;
        }
        Ok(())
    })
}
