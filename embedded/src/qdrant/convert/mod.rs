//! From Qdrant's protobuf messages to the engine's types, and back.
//!
//! One file a family of messages. A message that can't be converted is refused by name; nothing a
//! client asked for is dropped in silence, except tuning that doesn't change any answer.

pub(super) mod config;
pub(super) mod filter;
pub(super) mod id;
pub(super) mod index;
pub(super) mod operation;
pub(super) mod payload;
pub(super) mod read;
pub(super) mod vector;
