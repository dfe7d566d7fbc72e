//! A consumer group of Vectide, and its members.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::VECTIDE;
use crate::connect::Dialect;
use crate::http::{self, Answer};
use crate::kafka::Kafka;
use crate::process::{Process, Program, free_port};
use crate::stand_ins::StandIns;
use crate::wait::until;
use crate::workspace::Workspace;

/// How long a lane may take to change.
const PATIENCE: Duration = Duration::from_mins(1);

/// The length of the vectors.
pub(crate) const DIMENSIONS: usize = 64;

/// A consumer group that keeps one collection equal to the product table.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    /// Which of the two topics it reads.
    pub(crate) dialect: Dialect,
}

impl Group {
    /// The group's name on Kafka.
    pub(crate) fn name(self) -> String {
        format!("vectide-{}", self.dialect.prefix())
    }

    /// How its members share the partitions: each way is tried.
    fn protocol(self) -> &'static str {
        match self.dialect {
            Dialect::Bare => "consumer",
            _ => "classic",
        }
    }

    /// The collection's name.
    pub(crate) fn collection(self) -> String {
        format!("products_{}", self.dialect.prefix())
    }

    /// The topic of its dead letters.
    pub(crate) fn dead_letters(self) -> String {
        format!("{}.dead-letters", self.dialect.prefix())
    }

    /// How many records of its topic the group has not committed; `None` where the topic is not there yet.
    pub(crate) fn lag(self, kafka: &Kafka) -> Result<Option<i64>> {
        kafka.lag(&self.dialect.topic(), &self.name())
    }

    /// Starts a member; `name` names its configuration and its log.
    pub(crate) fn start_member(
        self,
        name: &str,
        workspace: &Workspace,
        kafka: &Kafka,
        stand_ins: &StandIns,
    ) -> Result<Member> {
        self.start_member_with(name, workspace, kafka, stand_ins, Further::default())
    }

    /// The same with settings of its own.
    pub(crate) fn start_member_with(
        self,
        name: &str,
        workspace: &Workspace,
        kafka: &Kafka,
        stand_ins: &StandIns,
        further: Further<'_>,
    ) -> Result<Member> {
        let admin = free_port()?;
        let file = self.configure_with(name, workspace, kafka, stand_ins, admin, further)?;
        Member::start(name, &file, workspace, admin)
    }

    /// Starts a member that is told where everything is, and has everything else as it is by default.
    pub(crate) fn start_plain_member(
        self,
        name: &str,
        workspace: &Workspace,
        kafka: &Kafka,
        stand_ins: &StandIns,
    ) -> Result<Member> {
        let further = Further {
            session_timeout: None,
            window: "",
            ..Further::default()
        };
        self.start_member_with(name, workspace, kafka, stand_ins, further)
    }

    /// Writes the configuration of a member whose probes and metrics are at the port `admin`, and returns the file's path.
    pub(crate) fn configure(
        self,
        name: &str,
        workspace: &Workspace,
        kafka: &Kafka,
        stand_ins: &StandIns,
        admin: u16,
    ) -> Result<String> {
        let further = Further::default();
        self.configure_with(name, workspace, kafka, stand_ins, admin, further)
    }

    /// The same with settings of its own.
    pub(crate) fn configure_with(
        self,
        name: &str,
        workspace: &Workspace,
        kafka: &Kafka,
        stand_ins: &StandIns,
        admin: u16,
        further: Further<'_>,
    ) -> Result<String> {
        let registry = self.dialect.registry_url().map_or_else(String::new, |url| {
            format!("[registry]\nurls = [\"{url}\"]\ntimeout = \"1s\"\nretry_max = \"1s\"\n\n")
        });
        let session_timeout = further.session_timeout.map_or_else(String::new, |time| {
            format!("session_timeout = \"{time}\"\n")
        });
        let configuration = format!(
            "[kafka]\n\
             brokers = \"{brokers}\"\n\
             group = \"{group}\"\n\
             topics = [\"{topic}\"]\n\
             group_protocol = \"{protocol}\"\n\
             {session_timeout}\
             {kafka_lines}\n\
             \n\
             {registry}\
             {window}\n\
             \n\
             [embed]\n\
             url = \"{embeddings}\"\n\
             model = \"hashed-words\"\n\
             # The stand-in takes texts of any length, until it is told not to.\n\
             max_input_tokens = 0\n\
             dimensions = {DIMENSIONS}\n\
             \n\
             [index]\n\
             url = \"{qdrant}\"\n\
             collection = \"{collection}\"\n\
             \n\
             [dead_letter]\n\
             topic = \"{dead_letters}\"\n\
             \n\
             [admin]\n\
             address = \"127.0.0.1:{admin}\"\n\
             \n\
             {sections}",
            brokers = further.brokers.unwrap_or(kafka.brokers()),
            window = further.window,
            kafka_lines = further.kafka,
            sections = further.sections,
            group = self.name(),
            protocol = self.protocol(),
            topic = self.dialect.topic(),
            embeddings = stand_ins.embeddings_url(),
            qdrant = stand_ins.qdrant_url(),
            collection = self.collection(),
            dead_letters = self.dead_letters(),
        );
        workspace.write(&format!("{name}.toml"), &configuration)
    }
}

/// In what a member's configuration differs from the others'.
#[derive(Clone, Copy)]
pub(crate) struct Further<'a> {
    /// Where it finds the brokers; `None` for the listener that wants no login.
    pub(crate) brokers: Option<&'a str>,
    /// `kafka.session_timeout`; `None` for its default.
    pub(crate) session_timeout: Option<&'a str>,
    /// The section `[window]`; empty for its defaults.
    pub(crate) window: &'a str,
    /// Further lines of `[kafka]`.
    pub(crate) kafka: &'a str,
    /// Further sections.
    pub(crate) sections: &'a str,
}

impl Default for Further<'_> {
    fn default() -> Self {
        Self {
            brokers: None,
            // The shortest that the broker allows, so that a killed member is soon missed.
            session_timeout: Some("6s"),
            window: "[window]\nquiet = \"500ms\"\nmax_hold = \"2s\"",
            kafka: "",
            sections: "",
        }
    }
}

/// A running `vectide run`.
pub(crate) struct Member {
    process: Process,
    admin: u16,
}

impl Member {
    /// Starts one by its configuration, which says that its probes and metrics are at the port `admin`.
    fn start(name: &str, file: &str, workspace: &Workspace, admin: u16) -> Result<Self> {
        let process =
            Program::new(name, &[VECTIDE, "run", "--config", file]).start(&workspace.logs())?;
        Ok(Self { process, admin })
    }

    /// Sends SIGTERM and returns at once, so that the load can go on while it drains.
    pub(crate) fn ask_to_stop(&mut self) -> Result<()> {
        self.process.ask_to_stop()
    }

    /// Whether it has ended, which it must do well.
    pub(crate) fn has_stopped(&mut self) -> Result<bool> {
        match self.process.has_ended()? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => bail!(
                "the member did not stop in good order ({status}); the end of its log:\n{}",
                self.process.log_tail()
            ),
        }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<()> {
        self.ask_to_stop()?;
        self.end(patience)
    }

    /// Waits until it has ended, after it was asked to stop.
    pub(crate) fn end(mut self, patience: Duration) -> Result<()> {
        self.process.wait_for_exit(patience)?;
        self.has_stopped().map(drop)
    }

    /// Kills it with SIGKILL: it can finish nothing, and tell nobody.
    pub(crate) fn kill(self) -> Result<()> {
        self.process.kill()
    }

    /// Freezes it, or lets it go on.
    pub(crate) fn freeze(&mut self, frozen: bool) -> Result<()> {
        self.process.freeze(frozen)
    }

    /// Fails when it has ended by itself.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        self.process.expect_running()
    }

    /// The port of its probes and metrics.
    pub(crate) fn admin(&self) -> u16 {
        self.admin
    }

    /// Waits until a line of `/readyz` begins like that, and returns it.
    pub(crate) fn wait_for_lane(&mut self, beginning: &str) -> Result<String> {
        let mut seen = String::new();
        until(beginning, PATIENCE, || {
            self.expect_running()?;
            // At first nothing listens there.
            seen = self
                .readiness()
                .map_or_else(|_| String::new(), |answer| answer.body);
            let mut lines = seen.lines();
            Ok(lines
                .find(|line| line.starts_with(beginning))
                .map(str::to_owned))
        })
        .with_context(|| format!("{seen}{}", self.process.log_tail()))
    }

    /// What `/readyz` answers.
    pub(crate) fn readiness(&self) -> Result<Answer> {
        self.get("readyz")
    }

    /// The value of a metric without labels, or with these: `name{label="value"}`.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let metrics = self.get("metrics")?.body;
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.with_context(|| format!("no {name} in:\n{metrics}"))?;
        Ok(value.parse()?)
    }

    /// The sum of the series whose line begins like that.
    pub(crate) fn sum(&self, beginning: &str) -> Result<f64> {
        let metrics = self.get("metrics")?.body;
        let lines = metrics.lines().filter(|line| line.starts_with(beginning));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Whether it has ended, however.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.process.has_ended()?.is_some())
    }

    /// The last line of its log that has this word; nothing where none has.
    pub(crate) fn last_words(&self, word: &str) -> String {
        let tail = self.process.log_tail();
        let line = tail.lines().rfind(|line| line.contains(word));
        line.unwrap_or_default().to_owned()
    }

    fn get(&self, page: &str) -> Result<Answer> {
        http::get(&format!("http://127.0.0.1:{}/{page}", self.admin))
            .with_context(|| format!("the end of its log:\n{}", self.process.log_tail()))
    }
}
