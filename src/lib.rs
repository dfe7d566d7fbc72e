//! Vectide keeps a Qdrant collection equal to a database table.

pub mod admin;
pub mod app;
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
pub mod pipeline;
pub mod reconcile;
pub mod record;
pub mod source;
pub mod stand_ins;
pub mod telemetry;
pub mod window;
