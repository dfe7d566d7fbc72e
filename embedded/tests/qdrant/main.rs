//! The embedded Qdrant, seen by an ordinary client over TCP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod aliases;
mod batches;
mod collections;
mod errors;
mod faults;
mod filters;
mod kill;
mod pages;
mod payloads;
mod reopening;
mod search;
mod support;
mod upserts;
