//! tmp
#![allow(missing_docs, clippy::all, clippy::pedantic, dead_code)]
use crate::telemetry::*;
use std::{net::SocketAddr, sync::Arc};
pub struct Admin(SocketAddr);
impl Admin {
    pub async fn start(
        address: SocketAddr,
        _: Metrics,
        _: Health,
        _: Arc<dyn Fn() -> bool + Send + Sync>,
    ) -> anyhow::Result<Self> {
        Ok(Self(address))
    }
    pub fn address(&self) -> SocketAddr {
        self.0
    }
    pub async fn shutdown(self) {}
}
