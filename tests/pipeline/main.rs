//! The whole program on the embedded servers, through its public entry point.

#![cfg(feature = "embedded")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod audit;
mod avro;
mod bad_input;
mod chunks;
mod commands;
mod control;
mod cost;
mod delivery;
mod dlq_replay;
mod explain;
mod gate;
mod lag;
mod letters;
mod outages;
mod parking;
mod reindex;
mod replay;
mod secrets;
mod share;
mod shop;
mod tables;
mod tls;
mod traces;
mod truncate;
mod unavailable;
