//! What the Kafka client says beside its answers.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{
    ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use tracing::{debug, trace};

use crate::{
    error::Disposition,
    kafka::{oauth, once},
};

use super::failure::{code, of_connection};

/// Keeps what the client complains of: the first of its kind, or what a person has to mend.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports(Arc<Mutex<Option<(KafkaError, String)>>>);

impl Reports {
    pub(super) fn get(&self) -> Option<(KafkaError, String)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Reports {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        reference: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(reference)
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!("dead letters: {error}: {reason}");
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down is said after each of them has said why; and what is said
        // again and again differs in what need not be told, such as how often.
        let is_summary = code(&error) == Some(RDKafkaErrorCode::AllBrokersDown);
        let is_known = first.as_ref().is_some_and(|(known, _)| *known == error);
        let is_blocked = |error: &KafkaError, reason: &str| {
            of_connection(code(error), reason).disposition == Disposition::Blocked
        };
        let is_worse = is_blocked(&error, reason)
            && first
                .as_ref()
                .is_some_and(|(error, reason)| !is_blocked(error, reason));
        if first.is_none() || is_worse || !(is_summary || is_known) {
            *first = Some((error, once(reason).to_owned()));
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if level as i32 <= RDKafkaLogLevel::Warning as i32 {
            debug!(facility, "{message}");
        } else {
            trace!(facility, "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_person_takes_the_place_of_what_was_said_before() {
        let down = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        let reports = Reports::default();
        let said = || reports.get().map(|(_, reason)| reason);
        reports.error(down.clone(), "1/1: disconnected (after 3ms)");
        reports.error(down.clone(), "1/2: connection refused");
        assert_eq!(said().as_deref(), Some("1/1: disconnected"));
        let alert = "1/1: ssl/tls alert bad certificate: SSL alert number 42";
        reports.error(down.clone(), alert);
        reports.error(down, "1/2: connection refused");
        assert_eq!(said().as_deref(), Some(alert));
    }
}
