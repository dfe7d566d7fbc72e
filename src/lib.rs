//! Vectide keeps a Qdrant collection equal to a database table.

pub mod commit;
pub mod config;
pub mod decode;
pub mod document;
pub mod embed;
pub mod error;
pub mod reconcile;
pub mod record;
pub mod telemetry;
pub mod window;
