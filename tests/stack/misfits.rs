//! Records too large for somebody, and records that are no changes: the group goes on, and nothing is lost.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::json;

use crate::connect::{Dialect, MAX_RECORD};
use crate::group::Group;
use crate::index::Index;
use crate::kafka::Kafka;
use crate::letters::{self, Letter, Reasons};
use crate::load::Load;
use crate::postgres::Postgres;
use crate::servers::Servers;
use crate::stand_ins::StandIns;
use crate::table::{self, VECTOR};
use crate::wait::until;
use crate::workspace::in_workspace;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
#[ignore = "needs servers: make test-stack"]
fn a_record_of_10_mb_or_without_a_change_stops_nobody() -> Result<()> {
    in_workspace(|workspace| {
        let group = Group {
            dialect: Dialect::Bare,
        };
        let (topic, dead) = (group.dialect.topic(), group.dead_letters());
        let mut servers = Servers::start(workspace)?;
        let stand_ins = StandIns::start(workspace)?;
        let mut load = Load::open(&servers.postgres, workspace, 3)?;
        table::create(&servers.postgres)?;
        load.fill(200)?;
        servers
            .connect
            .register(workspace, &servers.postgres, group.dialect)?;
        let Servers {
            kafka, postgres, ..
        } = &servers;
        let mut member = group.start_member("misfits", workspace, kafka, &stand_ins)?;
        let index = Index::connect(&stand_ins.qdrant_url(), group.collection())?;
        let is_settled = || Ok(group.lag(kafka)? == Some(0));

        // Nobody minds the size: the row is embedded and written like any other.
        describe_at_length(postgres, 1)?;
        load.run(20)?;
        let before = table::read(postgres)?;
        index.wait_until_equal(&before, is_settled)?;

        // What is no change goes to a topic that Vectide makes for it: the broker makes none by itself.
        ensure!(letters::read(kafka, &dead)?.is_none());
        kafka.produce(&topic, br#"{"id":3}"#, b"price: \xff")?;
        let [(letter, reasons)] = wait_for_letters(kafka, &dead)?;
        expect_whole(kafka, &letter, &reasons, ("decode", "undecodable_value"))?;
        ensure!(letter.value.as_deref() == Some(b"price: \xff".as_slice()));
        load.run(20)?;
        index.wait_until_equal(&table::read(postgres)?, is_settled)?;

        // Too long for the provider, and then too large for the dead-letter topic: its lane says what to do, everything else goes on, and
        // the offset does not move past the record.
        stand_ins.behave(&json!({"max_tokens_per_input": 8_192}))?;
        describe_at_length(postgres, 2)?;
        load.run(20)?;
        let (status, advice) = until("a lane to be blocked", PATIENCE, || {
            member.expect_running()?;
            let readiness = member.readiness()?;
            let blocked = readiness.body.lines().find(|line| line.contains("blocked"));
            Ok(blocked.map(|line| (readiness.status, line.to_owned())))
        })?;
        println!("{status}: {advice}");
        ensure!(status == 503 && advice.contains("raise the topic's max.message.bytes"));
        let mut expected = table::read(postgres)?;
        let vector_before = before.get(&2).and_then(|row| row.get(VECTOR)).cloned();
        expected
            .get_mut(&2)
            .context("no product 2")?
            .insert(VECTOR, vector_before.context("no vector")?);
        index.wait_until_equal(&expected, || Ok(true))?;
        ensure!(group.lag(kafka)?.is_some_and(|lag| lag > 0));

        // The advice helps.
        kafka.set(&dead, "max.message.bytes", MAX_RECORD)?;
        let [_, (letter, reasons)] = wait_for_letters(kafka, &dead)?;
        expect_whole(kafka, &letter, &reasons, ("embed", "http_400"))?;
        let bytes = letter.value.map_or(0, |value| value.len());
        ensure!(bytes > 10_000_000, "only {bytes} bytes");
        until("the group to go on", PATIENCE, || {
            Ok((is_settled()? && member.readiness()?.status == 200).then_some(()))
        })?;

        // So does a shorter text.
        postgres.query("UPDATE products SET description = 'A tent.' WHERE id = 2")?;
        index.wait_until_equal(&table::read(postgres)?, is_settled)?;
        member.stop(Duration::from_secs(10))
    })
}

/// Gives a product a description of 10 MB, of words that hardly compress.
fn describe_at_length(postgres: &Postgres, product: i64) -> Result<()> {
    postgres.query(&format!(
        "UPDATE products SET description = \
         (SELECT string_agg(md5((n * {product})::text), ' ') FROM generate_series(1, 320000) n) \
         WHERE id = {product}"
    ))?;
    Ok(())
}

/// Waits until the topic has `N` letters, and fails when it has more.
fn wait_for_letters<const N: usize>(kafka: &Kafka, topic: &str) -> Result<[(Letter, Reasons); N]> {
    let letters: Vec<_> = until(&format!("{N} dead letters"), PATIENCE, || {
        let letters = letters::read(kafka, topic)?.unwrap_or_default();
        Ok((letters.len() >= N).then_some(letters))
    })?;
    letters.try_into().map_err(|letters: Vec<(_, Reasons)>| {
        let reasons: Vec<_> = letters.into_iter().map(|(_, reasons)| reasons).collect();
        anyhow!("more than {N} dead letters: {reasons:?}")
    })
}

/// The letter is the record as it came, and says where and why it failed.
fn expect_whole(
    kafka: &Kafka,
    letter: &Letter,
    reasons: &Reasons,
    (stage, class): (&str, &str),
) -> Result<()> {
    let reason = |name: &str| reasons.get(name).map(String::as_str);
    println!(
        "dead letter: {:?} ({:?}): {:?}",
        reason("stage"),
        reason("exception.class.name"),
        reason("exception.message")
    );
    ensure!(reason("stage") == Some(stage));
    ensure!(reason("exception.class.name") == Some(class));
    ensure!(*letter == letters::original(kafka, reasons)?);
    Ok(())
}
