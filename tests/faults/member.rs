//! One member of the group: a process of `vectide run`, which reaches every server through a proxy of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::runtime::Handle;

use crate::{
    VECTIDE,
    cluster::Cluster,
    configuration::{Addresses, Pace, configuration},
    process::{Process, Program},
    proxy::{Proxy, Weather},
    schedule::Slot,
};

/// How long a process may take to say its first word on a busy machine.
const START: Duration = Duration::from_mins(1);

/// A member promises to stop within its shutdown timeout, and has this long on a busy machine.
const STOP: Duration = Duration::from_secs(30);

/// A place in the group, with or without a process.
pub(crate) struct Member {
    slot: Slot,
    folder: PathBuf,
    pub(crate) kafka: Proxy,
    pub(crate) index: Proxy,
    pub(crate) embed: Proxy,
    process: Option<Process>,
    /// What the last process prints.
    log: PathBuf,
    /// It was asked to stop.
    is_leaving: bool,
    starts: usize,
}

impl Member {
    pub(crate) fn new(
        runtime: &Handle,
        cluster: &Cluster,
        folder: &Path,
        slot: Slot,
        pace: Pace,
    ) -> Result<Self> {
        let brokers = cluster.broker_ports()?;
        let (kafka, index, embed) = runtime.block_on(async {
            anyhow::Ok((
                Proxy::kafka(&brokers).await?,
                Proxy::opaque(cluster.index_port()).await?,
                Proxy::opaque(cluster.embed_port()).await?,
            ))
        })?;
        let member = Self {
            slot,
            folder: folder.to_owned(),
            kafka,
            index,
            embed,
            process: None,
            log: PathBuf::new(),
            is_leaving: false,
            starts: 0,
        };
        let addresses = Addresses {
            kafka: member.kafka.addresses(),
            index: member.index.addresses(),
            embed: format!("127.0.0.1:{}", cluster.embed_port()),
            embed_proxy: Some(member.embed.addresses()),
            registry: cluster.registry_url()?.to_owned(),
        };
        fs::write(member.file(), configuration(&addresses, pace))?;
        Ok(member)
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("member-{}.toml", self.slot))
    }

    /// Starts a process, where there is none, or one that was asked to stop.
    pub(crate) fn start(&mut self) -> Result<()> {
        if self.is_leaving {
            self.await_end()?;
        }
        if self.process.is_some() {
            return Ok(());
        }
        let name = format!("member-{}-{}", self.slot, self.starts);
        self.starts += 1;
        let file = self.file();
        let file = file.to_str().context("no UTF-8 in the folder")?;
        let command = [VECTIDE, "run", "--config", file];
        self.log = self.folder.join(format!("{name}.log"));
        self.process = Some(Program::new(&name, &command).start(&self.folder)?);
        Ok(())
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill(),
            None => Ok(()),
        }
    }

    pub(crate) fn freeze(&mut self, frozen: bool) -> Result<()> {
        match &mut self.process {
            // It may have ended by now.
            Some(process) if !self.is_leaving => process.freeze(frozen),
            _ => Ok(()),
        }
    }

    /// Asks it to leave the group and to end.
    pub(crate) fn ask_to_leave(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) if !self.is_leaving => {
                self.is_leaving = true;
                // It listens for signals before it says a word; one that came sooner would kill it.
                process.wait_until_ready(START, || {
                    fs::metadata(&self.log).is_ok_and(|log| log.len() > 0)
                })?;
                process.ask_to_stop()
            }
            _ => Ok(()),
        }
    }

    /// Waits until one that was asked to stop has ended, which it must have done in good order.
    pub(crate) fn await_end(&mut self) -> Result<()> {
        self.is_leaving = false;
        if let Some(mut process) = self.process.take() {
            let status = process.wait_for_exit(STOP)?;
            ensure!(
                status.success(),
                "member {} was asked to stop, and ended with {status}; the end of its log:\n{}",
                self.slot,
                process.log_tail()
            );
        }
        Ok(())
    }

    /// Fails when its process ended without being asked to.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) if !self.is_leaving => process.expect_running(),
            _ => Ok(()),
        }
    }

    /// All its connections are well.
    pub(crate) fn heal(&mut self) -> Result<()> {
        for proxy in [&self.kafka, &self.index, &self.embed] {
            proxy.set(Weather::Fair);
        }
        self.freeze(false)
    }
}
