//! Vectide, in a process that does nothing else, and asked for figures over its standard input.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _, stdin, stdout},
    process::{ChildStdin, ChildStdout},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use vectide::{
    app::App,
    config::Config,
    record::Settled,
    stand_ins::{Endpoints, StandIns},
};

use crate::{
    TOPIC,
    process::{Process, Program},
    servers::Servers,
    usage::{cpu_seconds, peak_bytes},
    workspace::{Workspace, text},
};

/// How often it is looked whether everything has settled: rarely enough to cost nothing.
const LOOK: Duration = Duration::from_millis(5);
/// How long nothing may settle before the benchmark has failed.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(30);

/// What a member is started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) brokers: String,
    pub(crate) index_url: String,
    pub(crate) embed_url: String,
    pub(crate) group: String,
    pub(crate) partitions: u64,
    pub(crate) dimensions: u32,
    /// How long tombstones stay, where not as long as by default.
    pub(crate) tombstones: Option<Duration>,
    /// Memory for records in flight.
    pub(crate) budget: String,
}

impl Setup {
    pub(crate) fn on(servers: &Servers, partitions: u64, group: &str) -> Self {
        Self {
            brokers: servers.brokers.clone(),
            index_url: servers.index_url.clone(),
            embed_url: servers.embed_url.clone(),
            group: group.to_owned(),
            partitions,
            dimensions: 1_536,
            tombstones: None,
            // So that the texts in front of the stalled endpoint fit in.
            budget: "512MiB".to_owned(),
        }
    }

    fn config(&self) -> Result<Config> {
        let mut config = Config::default();
        config.kafka.topics = vec![TOPIC.to_owned()];
        config.kafka.group.clone_from(&self.group);
        config.window.quiet = Duration::ZERO;
        config.embed.requests_per_minute = None;
        config.embed.dimensions = self.dimensions;
        // A request that is held must not be sent again meanwhile: it would count as a new one.
        config.embed.timeout = Duration::from_mins(10);
        config.pipeline.budget = self.budget.parse()?;
        if let Some(retention) = self.tombstones {
            config.index.tombstone_retention = retention;
        }
        config.admin.enabled = false;
        Ok(config)
    }
}

/// What a member has done and used since its partitions were assigned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) seconds: f64,
    /// Computing time of its process, user and system.
    pub(crate) cpu_seconds: f64,
    /// The most memory that its process had, from its start.
    pub(crate) peak_bytes: u64,
    pub(crate) received: u64,
    /// Partitions that are paused.
    pub(crate) paused: i64,
    pub(crate) settled: u64,
    /// Texts embedded.
    pub(crate) texts: u64,
    pub(crate) patched: u64,
    /// Points written, however.
    pub(crate) written: u64,
}

/// The role of the measured process: answers each line, a number of records, with the [`Figures`]
/// when so many have settled.
pub(crate) fn serve(setup: &str) -> Result<()> {
    let setup: Setup = serde_json::from_str(setup)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let endpoints = Endpoints {
        brokers: setup.brokers.clone(),
        index_url: setup.index_url.clone(),
        embed_url: setup.embed_url.clone(),
    };
    let config = setup.config()?;
    let app = runtime.block_on(App::start_with(&config, StandIns::default(), endpoints))?;
    let begun = Instant::now();
    while u64::try_from(app.metrics().kafka.assigned.get()) != Ok(setup.partitions) {
        if begun.elapsed() > PATIENCE {
            bail!("the partitions are never assigned");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (begun, cpu) = (Instant::now(), cpu_seconds()?);
    for line in stdin().lines() {
        wait_for(&app, line?.trim().parse()?)?;
        let mut figures = figures(&app)?;
        figures.seconds = begun.elapsed().as_secs_f64();
        figures.cpu_seconds -= cpu;
        writeln!(stdout(), "{}", serde_json::to_string(&figures)?)?;
    }
    runtime.block_on(app.stop())
}

fn wait_for(app: &App, records: u64) -> Result<()> {
    let mut last = (0, Instant::now());
    loop {
        let now = settled(app);
        if now >= records {
            return Ok(());
        }
        if now > last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() > PATIENCE {
            let lanes = app.health().lanes();
            bail!("only {now} of {records} records settle; lanes: {lanes:?}");
        }
        std::thread::sleep(LOOK);
    }
}

fn settled(app: &App) -> u64 {
    let settled = &app.metrics().pipeline.settled;
    let ways = Settled::ALL.into_iter();
    ways.map(|way| settled.with_label_values(&[way.label()]).get())
        .sum()
}

fn figures(app: &App) -> Result<Figures> {
    let metrics = app.metrics();
    let points = |write| metrics.index.points.with_label_values(&[write]).get();
    let patched = points("patch_payload");
    Ok(Figures {
        seconds: 0.0,
        cpu_seconds: cpu_seconds()?,
        peak_bytes: peak_bytes()?,
        received: metrics.pipeline.received.get(),
        paused: metrics.kafka.paused.get(),
        settled: settled(app),
        texts: metrics.embed.inputs.get(),
        patched,
        written: points("upsert") + patched + points("delete"),
    })
}

/// A running member, seen from the measuring process.
pub(crate) struct Member {
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    process: Process,
}

impl Member {
    pub(crate) fn start(setup: &Setup, workspace: &Workspace) -> Result<Self> {
        let (program, setup) = (
            text(&std::env::current_exe()?)?,
            serde_json::to_string(setup)?,
        );
        // As in the image and in the unit file.
        let command = ["env", "MALLOC_ARENA_MAX=2", &program, "member", &setup];
        let mut program = Program::new("member", &command);
        program.piped = true;
        let mut process = program.start(&workspace.logs())?;
        let child = process.child();
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            questions: questions.context("no standard input")?,
            answers: BufReader::new(answers.context("no standard output")?).lines(),
            process,
        })
    }

    /// Waits until so many records have settled since its start.
    pub(crate) fn when_settled(&mut self, records: u64) -> Result<Figures> {
        let asked = writeln!(self.questions, "{records}");
        let answer = asked.map(|()| self.answers.next());
        let Ok(Some(Ok(line))) = answer else {
            bail!("the member has failed:\n{}", self.process.log_tail());
        };
        Ok(serde_json::from_str(&line)?)
    }

    pub(crate) fn now(&mut self) -> Result<Figures> {
        self.when_settled(0)
    }

    /// Kills it: it can finish nothing.
    pub(crate) fn kill(self) -> Result<()> {
        self.process.kill()
    }

    /// Stops it in good order.
    pub(crate) fn stop(self) -> Result<()> {
        let Self {
            questions,
            mut process,
            ..
        } = self;
        drop(questions);
        let status = process.wait_for_exit(STOP)?;
        if !status.success() {
            bail!("the member ended ({status}):\n{}", process.log_tail());
        }
        Ok(())
    }
}
