//! The schema registry: the id in a record comes in, the schema it was written with goes out.
//!
//! ```text
//! worker ── cached(id) ──> cache
//!    └───── schema(id) ──> cache ─> one question an id ─> client ─> answer
//! ```
//!
//! What an id names never changes, so a schema is kept for good; an id that the registry does not
//! know is a fault of the record, and remembered for `UNKNOWN_FOR` only, so that it works as soon
//! as it is registered. Everything else (an outage, a wrong login, a proxy's page in place of an
//! answer) is no fault of a record: the registry is asked until it answers, and the
//! [registry lane](Lane::Registry) says why it must be.

pub(crate) mod answer;
mod client;
mod settings;
#[cfg(all(test, feature = "embedded"))]
mod tests;
mod trouble;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

pub use self::settings::Settings;
use self::{
    client::{Client, no_registry},
    trouble::Troubles,
};
use crate::{
    backoff::Backoff,
    config::SecretError,
    error::{Disposition, Failure},
    record::{SchemaId, WriterSchema},
    telemetry::{Health, Lane},
};

/// How long an id that the registry does not know is not asked for again: long enough that thousands of
/// its records cost one question, and too short to wait for.
const UNKNOWN_FOR: Duration = Duration::from_secs(3);

/// What the registry has under an id. A failure is always
/// [`Disposition::Record`]: the registry says that it has no such schema.
pub type Found = Result<Arc<WriterSchema>, Failure>;

/// Settings that can't work.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A URL isn't one, or not of a kind that can be used.
    #[error("registry.urls: \"{url}\" can't be used: {reason}")]
    Url {
        /// What is configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A URL carries a user name or a password, which would show wherever it is shown.
    #[error(
        "registry.urls must not carry a user name or password: use registry.username and registry.password"
    )]
    Credentials,
    /// The password can't be had.
    #[error("can't read registry.password")]
    Password(#[from] SecretError),
    /// The file of authorities can't be read.
    #[error("can't read registry.ca_file {path}")]
    Authorities {
        /// The file that was named.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP client can't be set up.
    #[error("the HTTP client for the schema registry can't be set up; is registry.ca_file PEM?")]
    Client(#[source] reqwest::Error),
}

/// A handle of the registry stage. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None` where no registry is configured.
    client: Option<Client>,
    backoff: Backoff,
    unknown_for: Duration,
    state: Mutex<State>,
    health: Health,
    shutdown: CancellationToken,
}

/// What is known, and what is being asked.
#[derive(Debug, Default)]
struct State {
    known: HashMap<SchemaId, Arc<WriterSchema>>,
    unknown: HashMap<SchemaId, (Failure, Instant)>,
    /// The side of each question that tells everybody who waits for its answer.
    asked: HashMap<SchemaId, Arc<watch::Sender<Option<Found>>>>,
    troubles: Troubles,
}

impl State {
    fn look_up(&self, id: SchemaId, now: Instant) -> Option<Found> {
        if let SchemaId::Id(number) = id
            && number > i32::MAX.unsigned_abs().into()
        {
            // Registries count in 32 bits, and call a larger one a wrong address.
            return Some(Err(Failure::record(
                "unknown_schema",
                format!("{id} can't be one of a registry's: is the record Avro at all?"),
            )));
        }
        if let Some(schema) = self.known.get(&id) {
            return Some(Ok(schema.clone()));
        }
        let (failure, until) = self.unknown.get(&id)?;
        (now < *until).then(|| Err(failure.clone()))
    }
}

impl Registry {
    /// A registry that works on the current Tokio runtime, until `shutdown` is cancelled.
    pub fn new(
        settings: &Settings,
        health: Health,
        shutdown: CancellationToken,
    ) -> Result<Self, RegistryError> {
        Ok(Self {
            shared: Arc::new(Shared {
                client: Client::new(settings)?,
                backoff: Backoff::new(settings.retry_initial, settings.retry_max),
                unknown_for: settings.unknown_for,
                state: Mutex::default(),
                health,
                shutdown,
            }),
        })
    }

    /// What is known about an id without asking.
    pub fn cached(&self, id: SchemaId) -> Option<Found> {
        self.shared.lock().look_up(id, Instant::now())
    }

    /// What the registry has under an id. Waits as long as it takes, and with it everybody who asks
    /// for the same; dropping the future gives the question up if nobody else does. Once the program
    /// stops, it waits for ever.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn schema(&self, id: SchemaId) -> Found {
        loop {
            let mut answer = match self.shared.ask(id) {
                Ok(found) => return found,
                Err(answer) => answer,
            };
            if let Ok(found) = answer.wait_for(Option::is_some).await
                && let Some(found) = &*found
            {
                return found.clone();
            }
        }
    }
}

/// Asks the registry whether it is one and lets us in. The error's message says what to do.
pub async fn check(settings: &Settings) -> anyhow::Result<()> {
    let Some(client) = Client::new(settings)? else {
        return Ok(());
    };
    Ok(client.check().await?)
}

impl Shared {
    /// What is known, or where the answer will come.
    fn ask(self: &Arc<Self>, id: SchemaId) -> Result<Found, watch::Receiver<Option<Found>>> {
        let mut state = self.lock();
        if let Some(found) = state.look_up(id, Instant::now()) {
            return Ok(found);
        }
        if let Some(asked) = state.asked.get(&id) {
            return Err(asked.subscribe());
        }
        let (answer, waiting) = watch::channel(None);
        let question = Question {
            shared: self.clone(),
            id,
            answer: Arc::new(answer),
        };
        state.asked.insert(id, question.answer.clone());
        drop(state);
        tokio::spawn(question.run());
        Err(waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One id that is being asked for.
struct Question {
    shared: Arc<Shared>,
    id: SchemaId,
    answer: Arc<watch::Sender<Option<Found>>>,
}

impl Question {
    /// Asks until there is an answer, or nobody waits for one.
    async fn run(self) {
        let shutdown = self.shared.shutdown.clone();
        let mut failures = 0;
        loop {
            let outcome = tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.answer.closed() => Err(None),
                outcome = self.attempt() => outcome.map_err(Some),
            };
            let failure = match outcome {
                Ok(schema) => return self.close(Ok(Arc::new(schema))),
                Err(Some(failure)) if failure.disposition == Disposition::Record => {
                    return self.close(Err(failure));
                }
                Err(failure) => failure,
            };
            if let Some(failure) = failure {
                failures += 1;
                let wait = self.after(&failure, failures);
                self.trouble(failure);
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.answer.closed() => {}
                    () = sleep(wait) => {}
                }
            }
            if self.is_given_up() {
                return;
            }
        }
    }

    async fn attempt(&self) -> Result<WriterSchema, Failure> {
        match &self.shared.client {
            Some(client) => client.schema(self.id).await,
            None => Err(no_registry()),
        }
    }

    /// How long to wait before the next attempt.
    fn after(&self, failure: &Failure, failures: u32) -> Duration {
        let backoff = self.shared.backoff.delay(failures, fastrand::f64());
        match failure.disposition {
            Disposition::Throttled { after: Some(after) } => backoff.max(after),
            _ => backoff,
        }
    }

    fn trouble(&self, failure: Failure) {
        let mut state = self.shared.lock();
        state.troubles.begin(self.id, failure);
        self.shared
            .health
            .set(Lane::Registry, state.troubles.lane());
    }

    fn close(self, found: Found) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        match &found {
            Ok(schema) => {
                state.known.insert(self.id, schema.clone());
            }
            Err(failure) => {
                // Ids that made no sense don't stay for ever.
                state.unknown.retain(|_, (_, until)| now < *until);
                let until = now + self.shared.unknown_for;
                state.unknown.insert(self.id, (failure.clone(), until));
            }
        }
        self.forget(&mut state);
        drop(state);
        self.answer.send_replace(Some(found));
    }

    /// Whether nobody waits any more: then the question is forgotten, too.
    fn is_given_up(&self) -> bool {
        let mut state = self.shared.lock();
        // Who begins to wait does so under this lock.
        let given_up = self.answer.receiver_count() == 0;
        if given_up {
            self.forget(&mut state);
        }
        given_up
    }

    fn forget(&self, state: &mut State) {
        state.asked.remove(&self.id);
        if state.troubles.end(self.id) {
            self.shared
                .health
                .set(Lane::Registry, state.troubles.lane());
        }
    }
}
