//! Stand-ins for the systems around Vectide, in process, speaking the real protocols.
//!
//! - [`qdrant`]: Qdrant's gRPC services on top of Qdrant's own engine.

pub mod qdrant;
