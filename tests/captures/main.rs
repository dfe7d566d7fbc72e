//! The measure of reading Debezium: captures of real connectors, replayed record by record into
//! the whole program on the embedded servers, must leave in the index what their tables held at the
//! end: the same keys, the same values, the right types.
//!
//! The captures are not in the repository. Without them (see [`fixtures::folder`]) the tests say so
//! and pass.

#![cfg(feature = "embedded")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says why"
)]

mod capture;
mod compare;
mod delivery;
mod expected;
mod fixtures;
mod kills;
mod order;
mod replay;
mod story;
