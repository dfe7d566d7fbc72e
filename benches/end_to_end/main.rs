//! The whole program, from Kafka to Qdrant: `cargo bench --bench end_to_end`.
//!
//! One topic is filled and read three times:
//!
//! | scenario | the topic | the index | what it takes |
//! |---|---|---|---|
//! | backfill | rows, each once | empty | every text is embedded |
//! | stock flips | changes of stock, at random rows | holds the rows | payloads are patched |
//! | replay | all of it, from the start, by a new group | is right already | nothing |
//!
//! Vectide runs in a process that does nothing else, one for each scenario, so that its time and
//! memory can be told from everybody else's: Kafka, Qdrant, the embedding endpoint and the producer
//! are processes of their own. The records are there before the clock starts, with the assignment
//! of the partitions; it stops when all have settled.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "prints what it measures, and has no readers from outside"
)]

mod figures;
mod member;
mod producer;
mod servers;
mod sizes;
mod usage;

#[allow(dead_code, reason = "the stack starts more than Kafka with it")]
#[path = "../../tests/stack/java.rs"]
mod java;
#[path = "../../tests/stack/kafka.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod kafka;
#[path = "../../tests/support/process.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod process;
#[path = "../../tests/support/records.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod records;
#[path = "../../tests/stack/runtime.rs"]
mod runtime;
#[path = "../../tests/support/wait.rs"]
mod wait;
#[path = "../../tests/stack/workspace.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod workspace;

use anyhow::{Context as _, Result, bail};

use figures::Figures;
use member::Member;
use process::Program;
use producer::Load;
use servers::{Broker, Servers};
use sizes::Sizes;
use workspace::in_workspace_with;

const TOPIC: &str = "shop.shop.products";
const SCENARIOS: [&str; 3] = ["backfill", "stock flips", "replay"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["produce", load @ ..] => Load::from_arguments(load)?.produce(),
        ["member", member @ ..] => Member::from_arguments(member)?.run(),
        options => {
            // Cargo passes `--bench`, and whoever calls it may pass the name of a benchmark.
            let name = options.iter().find(|option| !option.starts_with("--"));
            if name.is_none_or(|name| "end_to_end".contains(name)) {
                measure()
            } else {
                Ok(())
            }
        }
    }
}

fn measure() -> Result<()> {
    let sizes = Sizes::from_environment()?;
    let broker = Broker::choose()?;
    let (servers, sizes): (&[&str], Sizes) = match broker {
        Broker::Real => (&["kafka"], sizes),
        Broker::Mock => (&[], sizes.on_mock()),
    };
    in_workspace_with(servers, |workspace| {
        let servers = Servers::start(broker, workspace, &sizes)?;
        measure_on(&servers, &sizes, broker)
    })
}

fn measure_on(servers: &Servers, sizes: &Sizes, broker: Broker) -> Result<()> {
    println!(
        "{} rows, {} stock flips, {} partitions; {}\n",
        sizes.rows, sizes.flips, sizes.partitions, broker
    );
    println!("{}", Figures::HEADER);
    let [backfill, flips, replay] = SCENARIOS;

    produce(servers, sizes, 0)?;
    let figures = run(servers, sizes, backfill, "first", sizes.rows)?;
    figures.expect_embedded(sizes.rows)?;
    println!("{figures}\n{}", figures.backfill_target());

    produce(servers, sizes, sizes.flips)?;
    let figures = run(servers, sizes, flips, "first", sizes.flips)?;
    figures.expect_embedded(0)?;
    println!("{figures}");

    let figures = run(servers, sizes, replay, "second", sizes.rows + sizes.flips)?;
    figures.expect_embedded(0)?;
    figures.expect_nothing_written()?;
    println!("{figures}\n{}", figures.replay_targets());

    Ok(())
}

/// Fills the topic: with `flips` changes of stock, or with the rows themselves where that is 0.
fn produce(servers: &Servers, sizes: &Sizes, flips: u64) -> Result<()> {
    let load = Load {
        brokers: servers.brokers.clone(),
        rows: sizes.rows,
        flips,
    };
    this_program("producer", "produce", &load.arguments()).map(drop)
}

/// Runs Vectide, as a member of `group`, until `records` have settled.
fn run(
    servers: &Servers,
    sizes: &Sizes,
    scenario: &str,
    group: &str,
    records: u64,
) -> Result<Figures> {
    let member = Member {
        brokers: servers.brokers.clone(),
        index_url: servers.index_url.clone(),
        embed_url: servers.embed_url.clone(),
        group: group.to_owned(),
        partitions: sizes.partitions,
        records,
    };
    let printed = this_program(scenario, "member", &member.arguments())?;
    let line = printed.lines().last().unwrap_or_default();
    let figures: Figures = serde_json::from_str(line)
        .with_context(|| format!("{scenario} printed no figures: {printed}"))?;
    if figures.settled("dead_lettered") > 0 {
        bail!("{scenario} dead-lettered records: {figures:?}");
    }
    Ok(figures.of(scenario))
}

/// Runs this program in another role.
fn this_program(name: &str, role: &str, arguments: &[String]) -> Result<String> {
    let program = std::env::current_exe()?;
    let program = workspace::text(&program)?;
    let mut command = vec![program.as_str(), role];
    command.extend(arguments.iter().map(String::as_str));
    Program::new(name, &command).run()
}
