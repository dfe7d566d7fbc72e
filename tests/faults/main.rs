//! Nothing lost, nothing resurrected, whatever fails: members as real processes, against the stand-ins as processes of their own, behind
//! proxies, while a seeded schedule lets a table change and breaks one thing after the other.
//!
//! - `workload`: what happens to a table, `format`: how its connector writes that; `schedule`: what goes wrong, and when. All of it follows
//!   from the seed.
//! - `cluster`, `member`, `proxy`: the processes, and what lies between them; `faults`: how each fault is made.
//! - `configuration`: what members and commands are told. `rechecks`: the commands that are given while members run.
//! - `topic`, `index`: what the suite itself writes, reads and damages, past every fault.
//! - `oracle`: what was promised, against what there is.
//! - `run`, `report`: one seed, and what it came to.
//! - `directed`: single faults, each at the worst moment. `load`: a large table under load, with members as they are by default.
//! - `guarantees`: that the page on them names tests that exist.
//!
//! `make test` runs a few seeds, `make chaos` as many as one likes: `VECTIDE_CHAOS_SEEDS` of them from `VECTIDE_CHAOS_START` on, for
//! `VECTIDE_CHAOS_SECONDS` each, `VECTIDE_CHAOS_AT_ONCE` side by side.

#![cfg(feature = "embedded")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a seed says what it came to"
)]

mod cluster;
mod configuration;
mod directed;
mod faults;
mod format;
mod guarantees;
mod index;
mod load;
mod member;
mod oracle;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "what is shared is not all used by everybody")]
mod process;
mod proxy;
mod rechecks;
#[path = "../support/records.rs"]
#[allow(dead_code, reason = "what is shared is not all used by everybody")]
mod records;
mod report;
mod run;
mod schedule;
mod seeds;
mod topic;
#[path = "../support/wait.rs"]
mod wait;
mod workload;

/// The program under test.
const VECTIDE: &str = env!("CARGO_BIN_EXE_vectide");
