//! `[admin]`.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The HTTP endpoint for probes, metrics and status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Whether to serve it.
    pub enabled: bool,
    /// The address to listen on, as IP and port. It has no login: bind it where only your
    /// monitoring reaches it.
    #[schemars(with = "String")]
    pub address: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
        }
    }
}
