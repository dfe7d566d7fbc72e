//! How whoever controls the program asks for the configuration to be read again, and what is in effect.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::SystemTime,
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// What became of a reload: a line that says what is in effect now, or why nothing has changed.
pub type ReloadAnswer = Result<String, String>;

/// Asks for the configuration to be read again.
#[derive(Debug)]
pub struct ReloadRequest(oneshot::Sender<ReloadAnswer>);

impl ReloadRequest {
    /// Says what became of it.
    pub fn answer(self, answer: ReloadAnswer) {
        // Whoever asked may have gone.
        let _ = self.0.send(answer);
    }
}

/// Where reloads are asked for. A clone is the same place.
#[derive(Debug, Clone, Default)]
pub struct Reloads(Arc<OnceLock<mpsc::Sender<ReloadRequest>>>);

impl Reloads {
    /// Lets reloads be asked for from now on. Only the first call does.
    pub fn listen(&self) -> mpsc::Receiver<ReloadRequest> {
        let (asking, asked) = mpsc::channel(1);
        // A second listener hears nothing.
        let _ = self.0.set(asking);
        asked
    }

    /// Asks for one. `None` while nobody listens, as before the start is complete, or while another is
    /// under way.
    pub(super) async fn ask(&self) -> Option<ReloadAnswer> {
        let (answer, answered) = oneshot::channel();
        self.0.get()?.try_send(ReloadRequest(answer)).ok()?;
        answered.await.ok()
    }
}

/// The configuration that is in effect. A clone shows the same.
#[derive(Debug, Clone)]
pub struct InEffect(Arc<Mutex<ConfigurationStatus>>);

/// The configuration that is in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConfigurationStatus {
    /// When it was read, as RFC 3339 has it.
    pub loaded_at: String,
    /// 1 at the start, and one more with each reload.
    pub generation: u64,
    /// Keys that had other values when it was read last, which count from the next start on.
    pub needs_restart: Vec<String>,
}

impl InEffect {
    /// That of the start.
    pub fn since(now: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(ConfigurationStatus {
            loaded_at: rfc3339(now),
            generation: 1,
            needs_restart: Vec::new(),
        })))
    }

    /// Another was read; returns its generation.
    pub fn reloaded(&self, needs_restart: Vec<String>, now: SystemTime) -> u64 {
        let mut status = self.lock();
        status.loaded_at = rfc3339(now);
        status.generation += 1;
        status.needs_restart = needs_restart;
        status.generation
    }

    pub(super) fn status(&self) -> ConfigurationStatus {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, ConfigurationStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
