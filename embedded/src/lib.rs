//! Stand-ins for the systems around Vectide, in process, speaking the real protocols.
//!
//! - [`kafka`]: librdkafka's mock cluster, reachable over TCP like any broker.
//! - [`qdrant`]: Qdrant's gRPC services on top of Qdrant's own engine.
//! - [`embeddings`]: an OpenAI-compatible embedding endpoint whose vectors are hashed words.
//! - [`registry`]: a schema registry with Confluent's REST API.
//!
//! The pipeline can't tell them from the real ones: same clients, same wire. They serve the
//! demonstration, the tests, and whoever wants to try things out; they are no servers for
//! production.

pub mod control;
pub mod embeddings;
pub mod kafka;
pub mod qdrant;
pub mod registry;
