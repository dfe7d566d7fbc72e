//! The whole program on the embedded servers, through its public entry point.

#![cfg(feature = "embedded")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod avro;
mod bad_input;
mod cost;
mod delivery;
mod explain;
mod gate;
mod letters;
mod outages;
mod parking;
mod replay;
mod shop;
mod tables;
mod truncate;
mod unavailable;
