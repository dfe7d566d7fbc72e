//! Vectide keeps a Qdrant collection equal to a database table.

pub mod commit;
pub mod decode;
pub mod error;
pub mod record;
pub mod telemetry;
