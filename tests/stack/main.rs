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
//! - `logins`: brokers that want to know who comes, and what is said where they don't let Vectide in.
//! - `rights`: brokers that let it in, and don't allow what it needs.
//! - `static_members`: members that keep their name over a restart.
//! - `takeover`: a member is killed under load, with the defaults of everything.
//! - `monitoring`: a real Prometheus, with the deployment's rules.
//! - `chaos`: everything is killed again and again, for minutes; `make chaos-stack` runs it.
//! - `golden`: `vectide capture`, and the records that `schemas/golden` keeps of it.

#![allow(clippy::print_stdout, reason = "a summary for whoever runs them")]

mod audit;
mod avro;
mod capture;
mod certificates;
mod chaos;
mod checking;
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
mod logins;
mod members;
mod misfits;
mod monitoring;
mod postgres;
#[path = "../support/process.rs"]
mod process;
mod product;
mod prometheus;
#[path = "../support/records.rs"]
mod records;
mod registry;
mod rights;
mod runtime;
mod secure;
mod servers;
mod stand_ins;
mod static_members;
mod stream;
mod table;
mod takeover;
mod topic;
#[path = "../support/wait.rs"]
mod wait;
mod workspace;

/// The program under test.
const VECTIDE: &str = env!("CARGO_BIN_EXE_vectide");
