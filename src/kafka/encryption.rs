//! Why no encrypted connection to the brokers comes about. Pure.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::error::Failure;

/// What to correct where all that is known is that it is about encryption.
const GENERAL: &str = "no encrypted connection to the brokers comes about: correct kafka.security";

/// What an error comes to of which librdkafka says that; `None` where it is not about encryption.
pub(crate) fn blocked(code: Option<Code>, said: &str) -> Option<Failure> {
    let advice = match code {
        Some(Code::SSL) => advice(said).unwrap_or(GENERAL),
        Some(Code::BrokerTransportFailure) => advice(said)?,
        _ => return None,
    };
    Some(Failure::blocked("tls", format!("{advice} ({said})")))
}

/// What to correct, when what librdkafka says of a broken connection is about encryption; `None`
/// where it is about something else.
///
/// A broker that refuses a client's certificate says so by an alert, which may come after the
/// handshake (TLS 1.3), when librdkafka takes it for any other end of a connection.
fn advice(said: &str) -> Option<&'static str> {
    let said = said.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["certificate verify failed", "could not be verified"]) {
        return Some(
            "the brokers' certificate is signed by nobody who is trusted, or is not for this address: correct kafka.security.ca_file and kafka.brokers",
        );
    }
    if has(&["alert"]) && has(&["certificate", "unknown ca", "handshake failure"]) {
        return Some(
            "the brokers want a client certificate that they trust: correct kafka.security.certificate_file and kafka.security.key_file",
        );
    }
    if has(&["wrong version number", "unsupported protocol"]) {
        return Some(
            "this listener speaks no TLS, or another version: correct kafka.security.protocol and kafka.brokers",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are librdkafka's own.
    #[test]
    fn an_authority_and_a_client_certificate_are_told_apart_and_from_an_outage() {
        for (said, key) in [
            (
                "ssl://127.0.0.1:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured",
                "kafka.security.ca_file",
            ),
            (
                "ssl://127.0.0.1:1/bootstrap: Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
                "kafka.security.certificate_file",
            ),
            (
                "ssl://127.0.0.1:1/bootstrap: SSL handshake failed: error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48",
                "kafka.security.certificate_file",
            ),
            (
                "ssl://127.0.0.1:1/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number: connecting to a PLAINTEXT broker listener?",
                "kafka.security.protocol",
            ),
        ] {
            assert!(advice(said).is_some_and(|it| it.contains(key)), "{said}");
        }
        assert_eq!(
            advice("127.0.0.1:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused"),
            None
        );
    }
}
