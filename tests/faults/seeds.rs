//! The seeds: a few in every run of the tests, any number in a long one.

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::runtime::Runtime;

use crate::{
    cluster::StandInEnded,
    report::{self, Summary},
    run,
};

/// The seeds of a short run, which between them have most kinds of faults.
const SEEDS: u64 = 3;

/// How long a seed's faults go on.
const SECONDS: u64 = 12;

fn from_environment(name: &str, default: u64) -> u64 {
    let Ok(text) = env::var(name) else {
        return default;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name} must be a whole number, not {text:?}"))
}

#[test]
fn index_and_table_are_equal_after_every_fault() {
    let seeds = from_environment("VECTIDE_CHAOS_SEEDS", SEEDS);
    let start = from_environment("VECTIDE_CHAOS_START", 1);
    let at_once = from_environment("VECTIDE_CHAOS_AT_ONCE", 3);
    let length = Duration::from_secs(from_environment("VECTIDE_CHAOS_SECONDS", SECONDS));
    let runtime = Runtime::new().unwrap();
    let next = AtomicU64::new(start);
    let failed = Mutex::new(Vec::new());
    let summary: Mutex<Summary> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..at_once.min(seeds) {
            // Threads of their own, because a process ends with the thread that started it.
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= start + seeds {
                        return;
                    }
                    let mut result = run::seed(runtime.handle(), seed, length);
                    if let Err(error) = &result
                        && error.is::<StandInEnded>()
                    {
                        println!("seed {seed}: once more: {error:#}");
                        result = run::seed(runtime.handle(), seed, length);
                    }
                    match result {
                        Ok(report) => {
                            println!("{report}");
                            summary.lock().unwrap().add(&report);
                            if !report.breaches.is_empty() {
                                failed.lock().unwrap().push(seed);
                            }
                        }
                        Err(error) => {
                            let again = report::command(seed, length);
                            println!("seed {seed}: FAILED: {error:#}\n  again: {again}");
                            failed.lock().unwrap().push(seed);
                        }
                    }
                }
            });
        }
    });
    println!("{}", summary.into_inner().unwrap());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds {failed:?} failed, see above");
}
