//! What the client asks for and says beside records: a token, errors, its log, its statistics.

use rdkafka::{
    ClientContext, Statistics,
    client::OAuthToken,
    error::{KafkaError, RDKafkaErrorCode},
};
use tracing::{debug, warn};

use crate::{
    clock::now_ms,
    error::{Disposition, Failure},
    kafka::oauth,
    telemetry::{Lane, LaneState},
};

use super::{
    super::trouble::{Trouble, meaning},
    Group,
};

impl ClientContext for Group {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        reference: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(reference)
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.on_error(&error, reason);
        let code = error.rdkafka_error_code();
        self.feeds().said = code.map(|code| (code, reason.to_owned()));
    }

    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        use rdkafka::config::RDKafkaLogLevel as Level;
        if is_offset_reset(facility, message) {
            self.metrics.offset_resets.inc();
            return warn!(
                "the committed offset is gone, records may have been lost to retention: {message}"
            );
        }
        match level {
            Level::Emerg | Level::Alert | Level::Critical | Level::Error | Level::Warning => {
                tracing::debug!(facility, "{message}");
            }
            _ => tracing::trace!(facility, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.on_statistics(&statistics, now_ms());
    }
}

impl Group {
    fn on_error(&self, error: &KafkaError, reason: &str) {
        self.metrics.errors.inc();
        let meaning = error
            .rdkafka_error_code()
            .and_then(|code| meaning(code, reason));
        let Some((trouble, failure)) = meaning else {
            // While no broker can be reached, much else goes wrong for that.
            if self.feeds().standing.trouble() == Some(Trouble::Connection) {
                return debug!("Kafka: {error}: {reason}");
            }
            return warn!("Kafka: {error}: {reason}");
        };
        debug!("Kafka: {failure}");
        let told = self.feeds().standing.meet(trouble, failure);
        if let Some(told) = told {
            self.tell(told);
        }
    }

    /// Says in the lane's state what is wrong.
    pub(super) fn tell(&self, failure: Failure) {
        let state = match failure.disposition {
            Disposition::Blocked => LaneState::Blocked(failure.message),
            _ => LaneState::Waiting(failure.message),
        };
        self.health.set(Lane::Kafka, state);
    }

    /// An error that polling returned. The client has told most of them, with the reason, just before.
    pub(in crate::source) fn on_poll_error(&self, error: &KafkaError) {
        let said = self.feeds().said.take();
        let said = said.filter(|(code, _)| Some(*code) == error.rdkafka_error_code());
        match (error, said) {
            (KafkaError::MessageConsumptionFatal(_), said) => {
                let reason = said.map_or_else(|| error.to_string(), |(_, reason)| reason);
                self.on_error(&KafkaError::Global(RDKafkaErrorCode::Fatal), &reason);
            }
            (_, Some(_)) => {}
            (_, None) => self.on_error(error, "while polling"),
        }
    }
}

/// Whether the client says that it goes on elsewhere, because Kafka does not have the offset that it
/// was to go on from. It says so in its log alone; see `rd_kafka_offset_reset` in librdkafka. That a
/// group has never committed anything is not told this way.
fn is_offset_reset(facility: &str, message: &str) -> bool {
    facility == "OFFSET" && message.contains(": offset reset (")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_kafka_does_not_have_any_more_is_told_from_other_words_of_the_client() {
        let reset = "[thrd:main]: shop.public.products [2]: offset reset (at offset 41 (leader epoch 0), broker 1) to BEGINNING: fetch failed due to requested offset not available on the broker: Broker: Offset out of range";
        assert!(is_offset_reset("OFFSET", reset));
        let other = "[thrd:main]: shop.public.products [2]: Invalid offset metadata";
        assert!(!is_offset_reset("OFFSET", other));
        assert!(!is_offset_reset("FAIL", reset));
    }
}
