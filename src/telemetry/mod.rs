//! Telemetry: what operators see.

mod health;

pub use health::{Health, Lane, LaneState};
