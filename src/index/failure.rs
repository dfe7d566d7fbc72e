//! What Qdrant's errors mean.

use std::{error::Error as _, time::Duration};

use tonic::{Code, Status};

use crate::{
    error::{Disposition, Failure, quoted},
    http::handshake::Place,
};

use super::Client;

impl Client {
    /// What to do about an error of a call on `collection`.
    pub(super) fn failure(&self, error: &Status, collection: &str) -> Failure {
        match error.code() {
            // What Qdrant itself says has no cause here. A full disk is told this way.
            Code::Internal if error.source().is_none() => {
                Failure::transient("internal", format!("Qdrant fails: {}", self.said(error)))
            }
            // There was no answer, or none that came from Qdrant itself.
            Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled => {
                self.no_connection(error).unwrap_or_else(|| {
                    Failure::transient(
                        "unavailable",
                        format!(
                            "Qdrant can't be reached: {}: {}",
                            self.url(),
                            plain(error, self.said(error))
                        ),
                    )
                })
            }
            _ => of_status(error, &self.said(error), collection),
        }
    }

    /// The same for a call that is made for no record: what would be a record's fault blocks the
    /// lane. `refuses` says what could not be done.
    pub(super) fn failure_of_no_record(
        &self,
        error: &Status,
        collection: &str,
        reason: &'static str,
        refuses: &str,
    ) -> Failure {
        let failure = self.failure(error, collection);
        match failure.disposition {
            Disposition::Record => {
                Failure::blocked(reason, format!("{refuses}: {}", self.said(error)))
            }
            _ => failure,
        }
    }

    /// What to do where no encrypted connection comes about.
    fn no_connection(&self, error: &Status) -> Option<Failure> {
        let server = format!("Qdrant {}", self.url());
        let place = Place {
            server: &server,
            url_key: "index.url",
            ca_key: "index.ca_file",
            our_certificate: "correct index.certificate_file and index.key_file",
        };
        place.blocked(error)
    }
}

/// What an answer comes to; `message` is what it says, and may be shown.
fn of_status(error: &Status, message: &str, collection: &str) -> Failure {
    match error.code() {
        Code::InvalidArgument
            if message.contains("dimension") || message.contains("vector name") =>
        {
            Failure::blocked(
                "wrong_dimension",
                format!(
                    "Qdrant refuses the vectors ({message}); set embed.dimensions and index.vector to what collection `{collection}` has, or use another collection"
                ),
            )
        }
        Code::InvalidArgument => Failure::record(
            "invalid_argument",
            format!("Qdrant refuses the point: {}", quoted(message)),
        ),
        Code::NotFound => Failure::blocked(
            "not_found",
            format!(
                "Qdrant does not find what is written to ({message}); if collection `{collection}` was deleted on purpose, set the group's offsets back to the beginning (or name another kafka.group) and restart to have it made anew"
            ),
        ),
        Code::Unauthenticated | Code::PermissionDenied => Failure::blocked(
            "unauthorized",
            format!(
                "Qdrant refuses the API key ({message}); set index.api_key to one that may write"
            ),
        ),
        Code::Unimplemented => Failure::blocked(
            "unimplemented",
            format!(
                "this Qdrant does not know the call ({message}); version 1.16 or later is needed"
            ),
        ),
        Code::ResourceExhausted => Failure::new(
            Disposition::Throttled {
                after: retry_after(error),
            },
            "resource_exhausted",
            format!("Qdrant is overloaded: {message}"),
        ),
        _ => Failure::transient("unavailable", format!("Qdrant gives no answer: {message}")),
    }
}

/// How long a server that is overloaded asks to wait, in the metadata of its answer.
fn retry_after(error: &Status) -> Option<Duration> {
    let seconds = error.metadata().get("retry-after")?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// What went wrong in the end: the last cause, or what was `said` where there is none, without the system's
/// number for it.
fn plain(error: &Status, said: String) -> String {
    let mut words = said;
    let mut cause = error.source();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    match words.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}

/// What each gRPC status comes to, and what its message may change about that.
#[cfg(test)]
pub(crate) fn dispositions() -> Vec<(String, Failure)> {
    let of = |code: Code, said: &str| of_status(&Status::new(code, said), said, "products");
    let mut all: Vec<_> = (1..=16)
        .map(Code::from_i32)
        .map(|code| (format!("{code:?}"), of(code, "")))
        .collect();
    let dimensions = of(Code::InvalidArgument, "dimension");
    all.push(("InvalidArgument about dimensions".to_owned(), dimensions));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn client() -> Client {
        let config = crate::config::IndexConfig::default();
        super::super::connect_client(&config, "http://localhost:6334").unwrap()
    }

    #[tokio::test]
    async fn why_there_is_no_connection_is_said_in_plain_words() {
        let refused = std::io::Error::from_raw_os_error(111);
        let error = Status::from_error(Box::new(std::io::Error::other(refused)));
        assert_eq!(
            client().failure(&error, "p").message,
            "Qdrant can't be reached: http://localhost:6334: Connection refused"
        );
    }

    #[tokio::test]
    async fn a_server_that_answers_is_not_called_unreachable() {
        let message = "Service internal error: No space left on device: WAL buffer size exceeds available disk space";
        assert_eq!(
            client().failure(&Status::internal(message), "p").message,
            format!("Qdrant fails: {message}")
        );
    }

    #[test]
    fn an_overloaded_server_says_how_long_to_wait() {
        let mut error = Status::resource_exhausted("busy");
        let seconds = "7".parse().unwrap();
        error.metadata_mut().insert("retry-after", seconds);
        assert_eq!(
            of_status(&error, "busy", "p").disposition,
            Disposition::Throttled {
                after: Some(Duration::from_secs(7))
            }
        );
    }

    #[tokio::test]
    async fn a_key_that_is_repeated_to_us_goes_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "qdrant-hunter2").unwrap();
        let config = crate::config::IndexConfig {
            api_key: Some(crate::config::SecretRef::File(file)),
            ..crate::config::IndexConfig::default()
        };
        let client = super::super::connect_client(&config, "http://localhost:6334").unwrap();
        for code in (1..=16).map(Code::from_i32) {
            let status = Status::new(code, "no rights: api-key qdrant-hunter2");
            let failure = client.failure(&status, "p");
            let of_none =
                client.failure_of_no_record(&status, "p", "claim", "no claim can be made");
            for message in [failure.message, of_none.message] {
                assert!(!message.contains("hunter2"), "{code:?}: {message}");
                assert!(message.contains("api-key ***"), "{code:?}: {message}");
            }
        }
    }

    #[tokio::test]
    async fn each_status_has_its_disposition() {
        for (status, message, disposition) in [
            (14, "connection refused", Disposition::Transient),
            (4, "deadline", Disposition::Transient),
            (13, "internal", Disposition::Transient),
            (8, "busy", Disposition::Throttled { after: None }),
            (
                3,
                "Wrong input: Vector dimension error: expected dim: 4, got 3",
                Disposition::Blocked,
            ),
            (3, "Unable to parse UUID", Disposition::Record),
            (
                5,
                "Not found: Collection `p` doesn't exist!",
                Disposition::Blocked,
            ),
            (
                3,
                "Wrong input: Not existing vector name error: text",
                Disposition::Blocked,
            ),
            (7, "Forbidden", Disposition::Blocked),
            (16, "Must provide an API key", Disposition::Blocked),
            (12, "unknown", Disposition::Blocked),
        ] {
            assert_eq!(
                client()
                    .failure(&Status::new(status.into(), message), "p")
                    .disposition,
                disposition,
                "{status} {message}"
            );
        }
    }
}
