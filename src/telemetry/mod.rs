//! Telemetry: what operators see.

mod health;
pub mod metrics;

pub use health::{Health, Lane, LaneState};
