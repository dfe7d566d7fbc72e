//! `vectide health`: whether a member on this machine answers, for what has neither a shell nor curl.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;

use super::{ExitStatus, Options, Output};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ask the member that runs here whether it is well: exit code 0 if it is, 1 if not
///
/// For a container's health check. Asks /livez at admin.address: whether the process can go on. An outage
/// of another server is no reason to replace it.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Ask /readyz in place of /livez: whether every lane can do its work, which an outage changes
    #[arg(long)]
    ready: bool,
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let config = options.load_config_for(|key| key.starts_with("admin."))?;
        if !config.admin.enabled {
            bail!("admin.enabled is false: nothing answers");
        }
        let route = if self.ready { "readyz" } else { "livez" };
        let url = format!("http://{}/{route}", reached(config.admin.address));
        // It is on this machine, whatever proxy the environment names.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        let answer = client.get(&url).send().await;
        let answer = answer.with_context(|| format!("nothing answers at {url}"))?;
        let is_well = answer.status().is_success();
        let said = answer.text().await?;
        write!(out, "{said}")?;
        out.flush()?;
        Ok(if is_well {
            ExitStatus::Success
        } else {
            ExitStatus::Failure
        })
    }
}

/// Where a server that listens at `address` is reached: one that listens everywhere, at the loopback address.
fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_reached_on_this_machine() {
        let reached = |address: &str| reached(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(reached("[::]:9464"), "[::1]:9464");
        assert_eq!(reached("10.1.2.3:80"), "10.1.2.3:80");
    }
}
