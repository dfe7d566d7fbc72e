//! The whole path on real servers: PostgreSQL with logical decoding, Kafka, and Kafka Connect with Debezium, started without containers;
//! Vectide's members, and its stand-ins for Qdrant and the embedding endpoint, as processes of their own.
//!
//! `make test-stack` runs them. They need Debian or Ubuntu, 2 GB of memory, and at their first run a network (see `scripts/fetch-stack.sh`).
//!
//! - `capture`: the topics tell what happened to the table; when they do and the index does not, the fault is Vectide's.
//! - `members`: the index equals the table while members come, stop and are killed.
//! - `misfits`: records too large for somebody, or no changes at all.
//! - `avro`: records in Avro, and a registry that goes away.
//! - `audit`: the table itself, compared with the index by `vectide audit`.
//! - `checks`: `vectide check`.
//! - `golden`: `vectide capture`, and the records that `schemas/golden` keeps of it.

#![allow(clippy::print_stdout, reason = "a summary for whoever runs them")]

mod audit;
mod avro;
mod capture;
mod checks;
mod connect;
mod document;
mod golden;
mod group;
mod http;
mod index;
mod java;
mod kafka;
mod letters;
mod load;
mod members;
mod misfits;
mod postgres;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/records.rs"]
mod records;
mod registry;
mod runtime;
mod servers;
mod stand_ins;
mod table;
mod topic;
#[path = "../support/wait.rs"]
mod wait;
mod workspace;

/// The program under test.
const VECTIDE: &str = env!("CARGO_BIN_EXE_vectide");
