//! What Prometheus makes of a member's metrics, by the deployment's rules.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::connect::Dialect;
use crate::group::Group;
use crate::index::Index;
use crate::java::Java;
use crate::kafka::Kafka;
use crate::product;
use crate::prometheus::Prometheus;
use crate::stand_ins::StandIns;
use crate::table::Rows;
use crate::wait::until;
use crate::workspace::in_workspace_with;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
#[ignore = "needs servers: make test-stack"]
fn no_alert_fires_while_all_is_well_and_a_blocked_lane_fires_one_until_it_is_mended() -> Result<()>
{
    in_workspace_with(&["kafka", "prometheus"], |workspace| {
        let kafka = Kafka::start(workspace, &Java::find(workspace)?)?;
        let stand_ins = StandIns::start(workspace)?;
        let group = Group {
            dialect: Dialect::Bare,
        };
        let topic = group.dialect.topic();
        kafka.create_topic(&topic, 6)?;
        let mut member = group.start_member("watched", workspace, &kafka, &stand_ins)?;
        let mut prometheus = Prometheus::start(workspace, member.admin(), "2s")?;
        let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
        let mut rows = Rows::from([product::create(&kafka, &topic, 1)?]);
        let is_settled = || Ok(group.lag(&kafka)? == Some(0));
        index.wait_until_equal(&rows, is_settled)?;

        let mut wait_for = |prometheus: &mut Prometheus, expression: &str, wanted: f64| {
            let mut seen = None;
            until(expression, PATIENCE, || {
                member.expect_running()?;
                seen = prometheus.value(expression)?;
                Ok((seen == Some(wanted)).then_some(()))
            })
            .map_err(|error| error.context(format!("it is {seen:?}")))
        };
        wait_for(&mut prometheus, "up{job=\"vectide\"}", 1.0)?;
        wait_for(&mut prometheus, "job:vectide_kafka_lag_records:sum", 0.0)?;
        wait_for(
            &mut prometheus,
            "job:vectide_kafka_partitions_unassigned:sum",
            0.0,
        )?;
        let blocked = "job_lane:vectide_lane_blocked:max{lane=\"embed\"}";
        wait_for(&mut prometheus, blocked, 0.0)?;
        // By now each rule has been looked at with all its series there.
        let alerts = prometheus.alerts()?;
        ensure!(
            alerts.iter().all(|(_, state, _)| state != "firing"),
            "{alerts:?}"
        );

        stand_ins.behave(&json!({"fail": {"status": 401}}))?;
        let (id, row) = product::create(&kafka, &topic, 2)?;
        rows.insert(id, row);
        wait_for(&mut prometheus, blocked, 1.0)?;
        until("the alert to fire", PATIENCE, || {
            let alerts = prometheus.alerts()?;
            let is_it = |(name, state, lane): &(String, String, String)| {
                (&**name, &**state, &**lane) == ("VectideLaneBlocked", "firing", "embed")
            };
            Ok(alerts.iter().any(is_it).then_some(()))
        })?;

        stand_ins.behave(&json!({}))?;
        index.wait_until_equal(&rows, is_settled)?;
        wait_for(&mut prometheus, blocked, 0.0)?;
        until("the alert to be over", PATIENCE, || {
            let alerts = prometheus.alerts()?;
            let fires = alerts.iter().any(|(_, state, _)| state == "firing");
            Ok((!fires).then_some(()))
        })?;
        member.stop(Duration::from_secs(10))
    })
}
