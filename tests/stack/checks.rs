//! `vectide check`, before a member is started.

use anyhow::{Result, ensure};

use crate::checking::check;
use crate::connect::Dialect;
use crate::group::Group;
use crate::java::Java;
use crate::kafka::Kafka;
use crate::process::free_port;
use crate::stand_ins::StandIns;
use crate::workspace::in_workspace;

#[test]
#[ignore = "needs servers: make test-stack"]
fn a_check_finds_every_server_and_says_which_is_gone() -> Result<()> {
    in_workspace(|workspace| {
        let group = Group {
            dialect: Dialect::Bare,
        };
        let kafka = Kafka::start(workspace, &Java::find(workspace)?)?;
        let stand_ins = StandIns::start(workspace)?;
        kafka.create_topic(&group.dialect.topic(), 6)?;
        let admin = free_port()?;
        let file = group.configure("check", workspace, &kafka, &stand_ins, admin)?;

        let (status, lines) = check(&file)?;
        ensure!(
            status == Some(0) && !lines.contains('✗'),
            "{status:?}\n{lines}"
        );
        for key in ["kafka.brokers", "kafka.topics", "index.url", "embed.url"] {
            ensure!(lines.contains(&format!("✓ {key}")), "{key}:\n{lines}");
        }
        let session = "✓ kafka.group_protocol: the brokers miss a member that was killed after 45s";
        ensure!(lines.contains(session), "{lines}");
        println!("{lines}");

        drop(kafka);
        let (status, lines) = check(&file)?;
        ensure!(status == Some(1), "{status:?}\n{lines}");
        ensure!(lines.contains("✗ kafka.brokers"), "{lines}");
        ensure!(lines.contains("✓ embed.url"), "{lines}");
        println!("{lines}");
        Ok(())
    })
}
