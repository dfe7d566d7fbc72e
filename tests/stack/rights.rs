//! A user without rights: what is missing is said, one after the other, until nothing is.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::checking::check;
use crate::connect::Dialect;
use crate::group::{Further, Group};
use crate::index::Index;
use crate::java::Java;
use crate::letters;
use crate::process::free_port;
use crate::product;
use crate::secure::{GUEST, Operation, Resource, SecureKafka};
use crate::stand_ins::StandIns;
use crate::table::Rows;
use crate::wait::until;
use crate::workspace::in_workspace_with;

#[test]
#[ignore = "needs servers: make test-stack"]
fn each_right_that_is_missing_is_named_until_none_is() -> Result<()> {
    in_workspace_with(&["kafka"], |workspace| {
        let servers = SecureKafka::start(workspace, &Java::find(workspace)?)?;
        let stand_ins = StandIns::start(workspace)?;
        let group = Group {
            dialect: Dialect::Bare,
        };
        let (topic, name, dead) = (group.dialect.topic(), group.name(), group.dead_letters());
        servers.kafka.create_topic(&topic, 6)?;
        let row = product::create(&servers.kafka, &topic, 1)?;
        let (user, password) = GUEST;
        let password = workspace.write("guest-password", password)?;
        let security = format!(
            "[kafka.security]\nprotocol = \"sasl_ssl\"\nmechanism = \"SCRAM-SHA-512\"\nusername = \"{user}\"\n\
             password = {{ file = \"{password}\" }}\nca_file = \"{}\"\n",
            servers.authority.certificate
        );
        let further = Further {
            brokers: Some(&servers.sasl),
            sections: &security,
            ..Further::default()
        };
        let (kafka, admin) = (&servers.kafka, free_port()?);
        let file = group.configure_with("rights", workspace, kafka, &stand_ins, admin, further)?;
        let mut member = group.start_member_with("guest", workspace, kafka, &stand_ins, further)?;
        let line = member.wait_for_lane("kafka blocked")?;
        println!("run: {line}");
        ensure!(line.contains("grant READ"), "{line}");

        for (key, advice, operation, resource) in [
            (
                "kafka.topics",
                format!("grant READ on the topic {topic}"),
                Operation::Read,
                Resource::Topic(&topic),
            ),
            (
                "kafka.group",
                format!("grant READ on the group {name}"),
                Operation::Read,
                Resource::Group(&name),
            ),
            (
                "dead_letter.topic",
                "grant CREATE on it, and grant WRITE on it".to_owned(),
                Operation::Create,
                Resource::Topic(&dead),
            ),
        ] {
            // What was granted just now takes a moment to reach the authorizer.
            let line = until(
                &format!("a line about {key}: {advice}"),
                Duration::from_secs(30),
                || {
                    let (status, lines) = check(&file)?;
                    ensure!(status == Some(1), "{lines}");
                    let mut lines = lines.lines();
                    Ok(lines
                        .find(|line| {
                            line.starts_with(&format!("✗ {key}: ")) && line.contains(&advice)
                        })
                        .map(str::to_owned))
                },
            )?;
            println!("{line}");
            servers.allow(user, operation, resource)?;
        }
        until(
            "a check without complaints",
            Duration::from_secs(30),
            || {
                let (status, _) = check(&file)?;
                Ok((status == Some(0)).then_some(()))
            },
        )?;
        // The member that was there all the time has begun to work meanwhile. That a topic which it may make can't be written to, it finds out
        // by its first letter.
        let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
        let rows = Rows::from([row]);
        index.wait_until_equal(&rows, || {
            member.expect_running()?;
            Ok(group.lag(kafka)? == Some(0))
        })?;
        kafka.produce(&topic, br#"{"id":3}"#, b"price: \xff")?;
        let line = member.wait_for_lane("dead_letter blocked")?;
        println!("run: {line}");
        ensure!(
            line.contains(&format!("grant WRITE on the topic `{dead}`")),
            "{line}"
        );
        servers.allow(user, Operation::Write, Resource::Topic(&dead))?;
        member.wait_for_lane("dead_letter ready")?;
        index.wait_until_equal(&rows, || Ok(group.lag(kafka)? == Some(0)))?;
        let letters = letters::read(kafka, &dead)?.unwrap_or_default();
        ensure!(letters.len() == 1, "{} letters", letters.len());
        member.stop(Duration::from_secs(10))
    })
}
