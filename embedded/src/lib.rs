//! Stand-ins.

pub mod embeddings;
pub mod kafka;
