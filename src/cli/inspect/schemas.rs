//! The schemas that records name, from the registry.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    config::RegistryConfig,
    error::Failure,
    record::{RawRecord, SchemaId, WriterSchema},
    registry::{self, Registry, RegistryError, Settings},
    telemetry::Health,
};

use super::interpreter::Interpreter;

/// Asks the registry for each schema once.
pub(in crate::cli) struct Schemas {
    settings: Settings,
    registry: Registry,
    /// How long an answer is waited for: whoever looks into records wants to see them.
    patience: Duration,
    found: HashMap<SchemaId, Result<Arc<WriterSchema>, Failure>>,
    /// Why it isn't asked any more.
    given_up: Option<Failure>,
}

impl Schemas {
    pub(in crate::cli) fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let settings = Settings::new(config)?;
        let no_registry = || {
            Failure::record(
                "no_registry",
                "the record names a schema of a registry: set registry.urls",
            )
        };
        Ok(Self {
            registry: Registry::new(&settings, Health::default(), CancellationToken::new())?,
            patience: config.timeout,
            found: HashMap::new(),
            given_up: config.urls.is_empty().then(no_registry),
            settings,
        })
    }

    /// Lets the interpreter learn what it needs to read a record; the failure says why it can't.
    pub(in crate::cli) async fn teach(
        &mut self,
        interpreter: &mut Interpreter,
        raw: &RawRecord,
    ) -> Result<(), Failure> {
        while let Some(id) = interpreter.missing_schema(raw) {
            let schema = match self.found.get(&id) {
                Some(found) => found.clone()?,
                None => self.find(id).await?,
            };
            interpreter.learn(raw, id, &schema);
        }
        Ok(())
    }

    async fn find(&mut self, id: SchemaId) -> Result<Arc<WriterSchema>, Failure> {
        if let Some(failure) = &self.given_up {
            return Err(failure.clone());
        }
        let Ok(found) = timeout(self.patience, self.registry.schema(id)).await else {
            let why = match registry::check(&self.settings).await {
                Ok(()) => format!("the schema registry does not answer when asked for {id}"),
                Err(error) => format!("{error:#}"),
            };
            let failure = Failure::record("registry", why);
            self.given_up = Some(failure.clone());
            return Err(failure);
        };
        self.found.insert(id, found.clone());
        found
    }
}
