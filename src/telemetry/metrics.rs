//! The metrics, one file a stage.

mod embed;

pub use embed::EmbedMetrics;
