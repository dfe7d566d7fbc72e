//! Members that keep their name over a restart (`kafka.instance_id`).

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::connect::Dialect;
use crate::group::{Further, Group, Member};
use crate::index::Index;
use crate::java::Java;
use crate::kafka::Kafka;
use crate::product;
use crate::stand_ins::StandIns;
use crate::table::Rows;
use crate::wait::until;
use crate::workspace::{Workspace, in_workspace_with};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Partitions of the topic.
const PARTITIONS: i32 = 6;

#[test]
#[ignore = "needs servers: make test-stack"]
fn a_member_that_keeps_its_name_comes_back_without_a_rebalance_and_a_twin_is_told() -> Result<()> {
    in_workspace_with(&["kafka"], |workspace| {
        let kafka = Kafka::start(workspace, &Java::find(workspace)?)?;
        let stand_ins = StandIns::start(workspace)?;
        for dialect in Dialect::ALL {
            restart_and_twin(workspace, &kafka, &stand_ins, Group { dialect })?;
        }
        Ok(())
    })
}

/// Each dialect's group shares its partitions in another way; the records are bare JSON in both.
fn restart_and_twin(
    workspace: &Workspace,
    kafka: &Kafka,
    stand_ins: &StandIns,
    group: Group,
) -> Result<()> {
    let topic = group.dialect.topic();
    kafka.create_topic(&topic, PARTITIONS)?;
    let start = |name: &str, instance: &str| {
        let instance = format!("instance_id = \"{instance}\"");
        let further = Further {
            // Far longer than a restart takes.
            session_timeout: Some("45s"),
            kafka: &instance,
            ..Further::default()
        };
        let name = format!("{}-{name}", group.dialect.prefix());
        group.start_member_with(&name, workspace, kafka, stand_ins, further)
    };
    let (mut staying, mut restarted) = (start("staying", "a")?, start("restarted", "b")?);
    let share = wait_until_shared(&mut staying, &mut restarted)?;
    let mut rows = Rows::new();
    let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
    let create = |ids: std::ops::Range<i64>, rows: &mut Rows| -> Result<()> {
        for id in ids {
            let (id, row) = product::create(kafka, &topic, id)?;
            rows.insert(id, row);
        }
        Ok(())
    };
    create(1..21, &mut rows)?;
    index.wait_until_equal(&rows, || Ok(group.lag(kafka)? == Some(0)))?;

    let before = rebalances(&staying)?;
    restarted.stop(PATIENCE)?;
    // Somebody's, but nobody reads them until the member is back.
    create(21..41, &mut rows)?;
    let mut again = start("again", "b")?;
    index.wait_until_equal(&rows, || {
        staying.expect_running()?;
        Ok(group.lag(kafka)? == Some(0))
    })?;
    let after = (
        rebalances(&staying)?,
        assigned(&staying)?,
        assigned(&again)?,
    );
    println!("{}: {before} rebalances, then {after:?}", group.name());
    ensure!(after == (before, share, f64::from(PARTITIONS) - share));

    // Another process takes the name: one of the two ends, and says why.
    let mut twin = start("twin", "b")?;
    let line = until("one of two of a name to end", PATIENCE, || {
        for member in [&mut again, &mut twin] {
            if member.has_ended()? {
                return Ok(Some(member.last_words("kafka.instance_id")));
            }
        }
        Ok(None)
    })?;
    println!("{}: {line}", group.name());
    ensure!(line.contains("kafka.instance_id"), "{line}");
    // The work goes on with the other one.
    create(41..61, &mut rows)?;
    index.wait_until_equal(&rows, || Ok(group.lag(kafka)? == Some(0)))?;
    staying.stop(PATIENCE)
}

/// Waits until both have a part of the partitions, and says how many the first has.
fn wait_until_shared(one: &mut Member, other: &mut Member) -> Result<f64> {
    until("two members to share the partitions", PATIENCE, || {
        one.expect_running()?;
        other.expect_running()?;
        // At first nothing listens there.
        let (Ok(first), Ok(second)) = (assigned(one), assigned(other)) else {
            return Ok(None);
        };
        let is_shared = first.min(second) > 0.0 && first + second >= f64::from(PARTITIONS);
        Ok(is_shared.then_some(first))
    })
}

fn assigned(member: &Member) -> Result<f64> {
    member.metric("vectide_kafka_partitions_assigned")
}

/// How often the member gave partitions away or got some.
fn rebalances(member: &Member) -> Result<f64> {
    member.sum("vectide_kafka_rebalances_total{")
}
