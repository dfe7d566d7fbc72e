//! Members come, stop and are killed, under load.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::connect::Dialect;
use crate::group::{Group, Member};
use crate::index::Index;
use crate::load::Load;
use crate::servers::Servers;
use crate::stand_ins::StandIns;
use crate::table;
use crate::topic::Capture;
use crate::wait::until;
use crate::workspace::in_workspace;

/// Rows in the table before the first connector looks at it.
const ROWS: usize = 3_000;
/// Transactions in each part of the load.
const PART: usize = 300;
/// Partitions of each topic, as the deployment's connector makes them.
const PARTITIONS: f64 = 6.0;
/// How long a member may take to stop in good order.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// How long the partitions of a member that was killed may be nobody's, on a busy machine.
const TAKEOVER: Duration = Duration::from_mins(1);

#[test]
#[ignore = "needs servers: make test-stack"]
fn the_index_equals_the_table_while_members_come_stop_and_are_killed() -> Result<()> {
    in_workspace(|workspace| {
        let began = Instant::now();
        let mut servers = Servers::start(workspace)?;
        let stand_ins = StandIns::start(workspace)?;
        let mut load = Load::open(&servers.postgres, workspace, 2)?;
        table::create(&servers.postgres)?;
        load.fill(ROWS)?;

        // The members are there before their topics are.
        let [shop, bare] = Dialect::ALL.map(|dialect| Group { dialect });
        let start =
            |group: Group, name| group.start_member(name, workspace, &servers.kafka, &stand_ins);
        let mut first = start(shop, "shop-1")?;
        let second = start(shop, "shop-2")?;
        let alone = start(bare, "bare-1")?;
        let mut leaving = start(bare, "bare-2")?;
        for dialect in Dialect::ALL {
            servers
                .connect
                .register(workspace, &servers.postgres, dialect)?;
        }
        load.run(PART)?;
        wait_until_shared(&first, &second)?;
        wait_until_shared(&alone, &leaving)?;
        stop_under(&mut load, &mut leaving)?;

        let stopped = stop_under(&mut load, &mut first)?;
        let third = start(shop, "shop-3")?;
        load.run(PART)?;
        wait_until_shared(&second, &third)?;

        // No vector comes while the load goes on, over several rounds of commits: a record committed before it is written would be
        // lost with the kill.
        stand_ins.behave(&json!({"stall": true}))?;
        load.fill(PART)?;
        load.run(PART)?;
        until(
            "the second member to have work in hand",
            Duration::from_secs(30),
            || Ok((second.metric("vectide_pending_keys")? > 0.0).then_some(())),
        )?;
        second.kill()?;
        let killed = Instant::now();
        while assigned(&third)? < PARTITIONS {
            if killed.elapsed() > TAKEOVER {
                bail!("the killed member's partitions are still nobody's");
            }
            load.run(5)?;
        }
        let taken_over = killed.elapsed();
        stand_ins.behave(&json!({}))?;
        load.run(PART)?;
        let loaded = Instant::now();

        let table = table::read(&servers.postgres)?;
        let mut members = [(shop, third), (bare, alone)];
        let mut total = 0;
        for (group, member) in &mut members {
            let capture = Capture::wait_until_equal(&servers.kafka, group.dialect, &table)?;
            let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
            index.wait_until_equal(&table, || {
                member.expect_running()?;
                Ok(group.lag(&servers.kafka)? == Some(0))
            })?;
            let assigned = assigned(member)?;
            if assigned < PARTITIONS {
                bail!(
                    "the last member of {} has {assigned} partitions",
                    group.name()
                );
            }
            println!(
                "{}: {} rows, {} events, no difference",
                group.collection(),
                table.len(),
                capture.records()
            );
            total += capture.records();
        }
        println!(
            "{total} events of {} transactions; the stopped member took {:.1} s; the killed one's partitions were taken \
             over after {:.1} s; equal {:.1} s after the load's end; {} s in all",
            load.transactions,
            stopped.as_secs_f64(),
            taken_over.as_secs_f64(),
            loaded.elapsed().as_secs_f64(),
            began.elapsed().as_secs()
        );
        for (_, member) in members {
            member.stop(SHUTDOWN)?;
        }
        Ok(())
    })
}

/// Stops a member while the load goes on, and returns how long it took.
fn stop_under(load: &mut Load, member: &mut Member) -> Result<Duration> {
    let asked = Instant::now();
    member.ask_to_stop()?;
    while !member.has_stopped()? {
        if asked.elapsed() > SHUTDOWN {
            bail!("the member did not stop within {} s", SHUTDOWN.as_secs());
        }
        load.run(5)?;
    }
    Ok(asked.elapsed())
}

/// Waits until each of two members has a part of the partitions, and none is nobody's.
fn wait_until_shared(one: &Member, other: &Member) -> Result<()> {
    let mut seen = (0.0, 0.0);
    until(
        "two members to share the partitions",
        Duration::from_mins(1),
        || {
            seen = (assigned(one)?, assigned(other)?);
            Ok((seen.0.min(seen.1) > 0.0 && seen.0 + seen.1 == PARTITIONS).then_some(()))
        },
    )
    .map_err(|error| error.context(format!("they have {seen:?}")))
}

fn assigned(member: &Member) -> Result<f64> {
    member.metric("vectide_kafka_partitions_assigned")
}
