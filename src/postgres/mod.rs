//! PostgreSQL itself, as the audit reads it: a table's rows in pages, in the form in which the decoder
//! has them.
//!
//! How a connector writes a value depends on its settings, on the converter and on transforms. None of
//! that is configured here, and none is guessed: the table's `Form`s are *learnt* by
//! comparing some records of the topic with the rows that they are about (`Renderer::learn`). A value
//! that could have been written in two ways is [unavailable](crate::record::Value::Unavailable), as
//! is one of which no way is known, and is not compared.
//!
//! Statements are made by pure functions (`statement`), forms too (`form`, `moment`, `array`). Only
//! `session` does I/O: it reads, a statement a transaction, at a limited rate.

mod array;
mod catalogue;
mod form;
mod moment;
mod renderer;
mod session;
mod statement;

pub use catalogue::{Catalogue, TableName};
pub use renderer::{KeyError, Renderer, Sample, Unsure};
pub use session::{Session, SessionError};
pub use statement::KeyLiterals;
