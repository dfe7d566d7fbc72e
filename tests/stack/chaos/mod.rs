//! Nothing is lost and nothing comes back on real servers either, while they and the members are killed again and again.
//!
//! `make chaos-stack` runs it for `VECTIDE_CHAOS_MINUTES`, with the faults of `VECTIDE_CHAOS_SEED`. `tests/faults` has far more kinds of
//! faults, on stand-ins: what only the real ones do (a broker that recovers its log, a connector that tells changes twice) is here.

mod schedule;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::connect::Dialect;
use crate::group::Group;
use crate::index::Index;
use crate::letters;
use crate::load::Load;
use crate::servers::Servers;
use crate::stand_ins::StandIns;
use crate::table;
use crate::topic::Capture;
use crate::wait::until;
use crate::workspace::in_workspace;

use schedule::schedule;
use world::World;

/// Rows in the table before the connectors look at it.
const ROWS: usize = 500;
/// Beside the load's own pause between two transactions.
const PAUSE: Duration = Duration::from_millis(25);
/// How often what runs is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long all may take until the groups have committed everything, once nothing fails any more.
const RECOVERY: Duration = Duration::from_mins(10);

fn from_environment(name: &str, default: u64) -> Result<u64> {
    let Ok(text) = env::var(name) else {
        return Ok(default);
    };
    text.parse()
        .with_context(|| format!("{name} must be a whole number, not {text:?}"))
}

#[test]
#[ignore = "needs servers and minutes: make chaos-stack"]
fn index_and_table_are_equal_after_servers_and_members_were_killed_for_minutes() -> Result<()> {
    let seed = from_environment("VECTIDE_CHAOS_SEED", 1)?;
    let length = Duration::from_mins(from_environment("VECTIDE_CHAOS_MINUTES", 10)?);
    in_workspace(|workspace| {
        let mut servers = Servers::start(workspace)?;
        let stand_ins = StandIns::start(workspace)?;
        let mut load = Load::open(&servers.postgres, workspace, seed)?;
        table::create(&servers.postgres)?;
        load.fill(ROWS)?;
        for dialect in Dialect::ALL {
            servers
                .connect
                .register(workspace, &servers.postgres, dialect)?;
        }
        let mut world = World::start(workspace, servers, stand_ins)?;

        let began = Instant::now();
        let mut looked = began;
        let mut faults: BTreeMap<String, usize> = BTreeMap::new();
        let mut acts = schedule(seed, length).into_iter().peekable();
        while began.elapsed() < length {
            load.run(1)?;
            sleep(PAUSE);
            while let Some(act) = acts.next_if(|act| act.at <= began.elapsed()) {
                println!(
                    "{:>6.1} s: {act} {}",
                    act.at.as_secs_f64(),
                    if act.begins { "begins" } else { "ends" }
                );
                world.act(act)?;
                *faults.entry(act.to_string()).or_default() += usize::from(act.begins);
            }
            if looked.elapsed() > LOOK {
                world.look()?;
                looked = Instant::now();
            }
        }
        // Those that would have ended in the last moment.
        for act in acts {
            world.act(act)?;
        }
        let healed = Instant::now();
        world.servers.kafka.wait_until_ready()?;

        let table = table::read(&world.servers.postgres)?;
        let mut total = 0;
        for dialect in Dialect::ALL {
            let group = Group { dialect };
            let capture = until("the topic to tell the table's state", RECOVERY, || {
                world.look()?;
                let kafka = &world.servers.kafka;
                Ok(Capture::wait_until_equal_in_the_end(kafka, dialect, &table).ok())
            })?;
            until("the group to commit everything", RECOVERY, || {
                world.look()?;
                Ok((group.lag(&world.servers.kafka)? == Some(0)).then_some(()))
            })?;
            let index = Index::connect(&world.stand_ins.qdrant_url(), group.collection())?;
            index.wait_until_equal(&table, || Ok(true))?;
            let letters = letters::read(&world.servers.kafka, &group.dead_letters())?;
            ensure!(letters.is_none_or(|letters| letters.is_empty()));
            println!(
                "{}: {} rows, {} events ({} deletes told twice), no difference",
                group.collection(),
                table.len(),
                capture.records(),
                capture.repeated_deletes
            );
            total += capture.records();
        }
        let count: usize = faults.values().sum();
        println!(
            "seed {seed}, {} s: {total} events of {} transactions, {count} faults {faults:?}, failed connectors started again {} times; \
             equal {:.1} s after the last",
            length.as_secs(),
            load.transactions,
            world.mended,
            healed.elapsed().as_secs_f64()
        );
        world.stop_members()
    })
}
