//! `[admin]`.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{secret::SecretRef, validate::Report};

/// The HTTP endpoint for probes, metrics, status and control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Whether to serve it.
    pub enabled: bool,
    /// The address to listen on, as IP and port. Looking needs no login: bind it where only your people
    /// and your monitoring reach it.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The host names by which it may be asked, besides `localhost` and IP addresses: requests that name
    /// another host are refused, so that no web site can look in through a visitor's browser. Empty allows
    /// any name where `address` is none of the loopback's, and none where it is.
    pub hosts: Vec<String>,
    /// Whoever shows this token, of 16 characters at least, may change what the program does: the level of
    /// the log, pausing embeddings, draining. Without it nobody may.
    pub token: Option<SecretRef>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
            hosts: Vec::new(),
            token: None,
        }
    }
}

impl AdminConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        for host in &self.hosts {
            report.refuse_if(
                host.trim().is_empty() || host.contains([':', '/', '*', ' ']),
                "admin.hosts",
                format!("{host:?} is no host's name: give it without scheme and port"),
            );
        }
    }
}
