//! What operators do while members run: dead letters are replayed, and an index that somebody damaged is audited and repaired.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::AddAssign,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use serde::Deserialize;
use tokio::runtime::Handle;

use crate::{
    VECTIDE,
    cluster::{Cluster, Table},
    configuration::{Addresses, Pace, configuration},
    index::{self, Damage},
    oracle::point_id,
    process::{Process, Program},
};

/// How many points are damaged before an audit.
const DAMAGED: usize = 3;

/// How long a command may take that waits for members and servers that are well.
const PATIENCE: Duration = Duration::from_mins(3);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// `vectide audit --repair`, after some points were damaged.
    Audit,
    /// `vectide dlq replay --all`.
    Replay,
}

/// Where requests come from, and what came of them.
pub(crate) struct Rechecks {
    runtime: Handle,
    folder: PathBuf,
    file: PathBuf,
    index_port: u16,
    random: Rng,
    under_way: Vec<Command>,
    started: usize,
    /// Rows by topic whose points were damaged, and that no audit says to have repaired since.
    damaged: BTreeMap<&'static str, BTreeSet<i64>>,
    counts: Counts,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) audits: usize,
    pub(crate) replays: usize,
    pub(crate) damaged: usize,
    /// Rows of which an audit said that they were repaired, or had changed meanwhile.
    pub(crate) repaired: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.audits += other.audits;
        self.replays += other.replays;
        self.damaged += other.damaged;
        self.repaired += other.repaired;
    }
}

/// A command under way.
struct Command {
    request: Request,
    process: Process,
    output: PathBuf,
}

/// How a command ended.
enum Outcome {
    /// With an error, or with letters that stay; the end of its log.
    Failed(String),
    Replayed,
    /// What differs and was not repaired: topic and row.
    Audited(Vec<(String, i64)>),
}

/// What `vectide audit --json` prints, as far as it matters.
#[derive(Debug, Deserialize)]
struct Audited {
    topics: Vec<AuditedTopic>,
}

#[derive(Debug, Deserialize)]
struct AuditedTopic {
    topic: String,
    findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    key: String,
    repair: Option<Repair>,
}

#[derive(Debug, Deserialize)]
struct Repair {
    outcome: String,
}

impl Rechecks {
    pub(crate) fn new(
        runtime: &Handle,
        cluster: &Cluster,
        folder: &Path,
        seed: u64,
    ) -> Result<Self> {
        let host = |port| format!("127.0.0.1:{port}");
        let addresses = Addresses {
            kafka: cluster.brokers().to_owned(),
            index: host(cluster.index_port()),
            embed: host(cluster.embed_port()),
            embed_proxy: None,
            registry: cluster.registry_url()?.to_owned(),
        };
        let file = folder.join("commands.toml");
        fs::write(&file, configuration(&addresses, Pace::Quick))?;
        Ok(Self {
            runtime: runtime.clone(),
            folder: folder.to_owned(),
            file,
            index_port: cluster.index_port(),
            random: Rng::with_seed(seed ^ 0xaad1_7000),
            under_way: Vec::new(),
            started: 0,
            damaged: BTreeMap::new(),
            counts: Counts::default(),
        })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Rows of a table of whose points nothing can be expected now.
    pub(crate) fn damaged(&self, table: &Table) -> BTreeSet<i64> {
        let damaged = self.damaged.get(table.topic);
        damaged.cloned().unwrap_or_default()
    }

    /// Damages some of these rows' points, and has the index audited; unless an audit is under way, of which could not be told what
    /// it repaired of that.
    pub(crate) fn audit(&mut self, table: &'static Table, rows: &[i64]) -> Result<()> {
        self.take_those_that_ended()?;
        let is_audit = |it: &Command| it.request == Request::Audit;
        if self.under_way.iter().any(is_audit) {
            return Ok(());
        }
        for _ in 0..DAMAGED {
            if let Some(id) = self.random.choice(rows) {
                let damage = self.random.choice(Damage::ALL);
                // It may be done although Qdrant doesn't say so.
                if self
                    .damage(table, *id, damage.unwrap_or(Damage::Point))
                    .is_err()
                {
                    break;
                }
            }
        }
        self.start(Request::Audit)
    }

    /// Damages one row's point.
    pub(crate) fn damage(&mut self, table: &'static Table, id: i64, damage: Damage) -> Result<()> {
        self.damaged.entry(table.topic).or_default().insert(id);
        self.counts.damaged += 1;
        let point = point_id(table.topic, id);
        let done = index::damage(self.index_port, table, &point, damage);
        self.runtime.block_on(done)
    }

    /// Has something done, without waiting for it.
    pub(crate) fn start(&mut self, request: Request) -> Result<()> {
        let (name, arguments) = match request {
            Request::Audit => {
                self.counts.audits += 1;
                ("audit", ["audit", "--repair"].as_slice())
            }
            Request::Replay => {
                self.counts.replays += 1;
                ("replay", ["dlq", "replay", "--all"].as_slice())
            }
        };
        let name = format!("{name}-{}", self.started);
        self.started += 1;
        let file = self.file.to_str().context("no UTF-8 in the folder")?;
        let output = self.folder.join(format!("{name}.json"));
        let into = output.to_str().context("no UTF-8 in the folder")?;
        // What it prints for programs apart from what it says to people.
        let script = r#"into=$1; shift; exec "$@" > "$into""#;
        let command = [
            &["sh", "-c", script, "sh", into, VECTIDE],
            arguments,
            &["--json", "--config", file],
        ]
        .concat();
        let process = Program::new(&name, &command).start(&self.folder)?;
        self.under_way.push(Command {
            request,
            process,
            output,
        });
        Ok(())
    }

    fn take_those_that_ended(&mut self) -> Result<()> {
        for mut command in std::mem::take(&mut self.under_way) {
            if command.process.has_ended()?.is_some() {
                self.take(command)?;
            } else {
                self.under_way.push(command);
            }
        }
        Ok(())
    }

    /// Waits until all that was started has ended.
    pub(crate) fn finish(&mut self) -> Result<()> {
        for command in std::mem::take(&mut self.under_way) {
            self.take(command)?;
        }
        Ok(())
    }

    /// Waits until it has ended. It may fail for any outage, but must say so in good order.
    fn take(&mut self, mut command: Command) -> Result<Outcome> {
        let status = command.process.wait_for_exit(PATIENCE)?;
        let (request, code) = (command.request, status.code());
        // Success; failure, or letters that stay; index and table differ.
        if !matches!(code, Some(0 | 1 | 3)) {
            bail!(
                "{request:?} ended with {status}; the end of its log:\n{}",
                command.process.log_tail()
            );
        }
        match (request, code) {
            (_, Some(1)) => Ok(Outcome::Failed(command.process.log_tail())),
            (Request::Replay, _) => Ok(Outcome::Replayed),
            (Request::Audit, _) => {
                let text = fs::read_to_string(&command.output)?;
                let audited: Audited = serde_json::from_str(&text)
                    .with_context(|| format!("an audit that ends with {status} says {text}"))?;
                self.on_audited(audited).map(Outcome::Audited)
            }
        }
    }

    /// Of what an audit says to be mended, everything is expected again. Returns the rest.
    fn on_audited(&mut self, audited: Audited) -> Result<Vec<(String, i64)>> {
        let mut rest = Vec::new();
        for AuditedTopic { topic, findings } in audited.topics {
            for Finding { key, repair } in findings {
                let [id] =
                    serde_json::from_str(&key).with_context(|| format!("{key} is no key"))?;
                if !repair.is_some_and(|it| it.is_mended()) {
                    rest.push((topic.clone(), id));
                    continue;
                }
                let damaged = self.damaged.get_mut(topic.as_str());
                if damaged.is_some_and(|it| it.remove(&id)) {
                    self.counts.repaired += 1;
                }
            }
        }
        Ok(rest)
    }

    /// Has the index repaired while all is well, after which everything is expected of every row, but for those whose last record
    /// nobody can read. An audit may also leave vectors whose text is refused.
    pub(crate) fn repair_all(
        &mut self,
        is_refused: impl Fn(&str, i64) -> bool,
        is_spoiled: impl Fn(&str, i64) -> bool,
    ) -> Result<()> {
        self.finish()?;
        self.start(Request::Audit)?;
        let audit = self.under_way.pop().context("nothing was started")?;
        match self.take(audit)? {
            Outcome::Audited(mut left) => {
                left.retain(|(topic, id)| !is_refused(topic, *id));
                ensure!(left.is_empty(), "an audit does not repair {left:?}");
            }
            Outcome::Failed(why) => bail!("an audit fails although all is well: {why}"),
            Outcome::Replayed => bail!("an audit is no replay"),
        }
        for (topic, rows) in &mut self.damaged {
            rows.retain(|id| is_spoiled(topic, *id));
        }
        Ok(())
    }

    /// Has all letters replayed while all is well.
    pub(crate) fn replay_all(&mut self) -> Result<()> {
        self.finish()?;
        self.start(Request::Replay)?;
        self.finish()
    }
}

impl Repair {
    fn is_mended(&self) -> bool {
        matches!(
            self.outcome.as_str(),
            "written" | "deleted" | "unchanged" | "overtaken"
        )
    }
}
