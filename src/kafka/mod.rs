//! What every Kafka client here needs: the group's consumer, the producer of dead letters, and those
//! that ask. In comes the configuration, out go a client's [settings](client_config). What the
//! client asks for and says later is answered here too: a fresh token for OAUTHBEARER, and what to
//! correct when no encrypted connection comes about.

pub(crate) mod encryption;
pub(crate) mod oauth;
mod settings;

pub use settings::client_config;

/// What was said, without the client's note of how long that took and how often it was.
pub(crate) fn once(reason: &str) -> &str {
    reason.split(" (after ").next().unwrap_or(reason)
}
