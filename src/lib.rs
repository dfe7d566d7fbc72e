//! Vectide keeps a Qdrant collection equal to a database table.

mod backoff;
pub mod cli;
pub mod commit;
pub mod config;
pub mod dead_letter;
pub mod decode;
pub mod document;
pub mod embed;
pub mod error;
pub mod index;
pub mod reconcile;
pub mod record;
pub mod source;
pub mod telemetry;
pub mod window;
