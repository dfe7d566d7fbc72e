//! What Qdrant's errors mean.

use std::time::Duration;

use qdrant_client::QdrantError;

use crate::error::{Disposition, Failure};

/// gRPC's status codes, by number, as in the specification.
mod code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const UNIMPLEMENTED: i32 = 12;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// What to do about an error of a call on `collection`.
pub(super) fn failure(error: &QdrantError, collection: &str) -> Failure {
    match error {
        QdrantError::ResourceExhaustedError {
            retry_after_seconds,
            ..
        } => Failure::new(
            Disposition::Throttled {
                after: Some(Duration::from_secs(*retry_after_seconds)),
            },
            "resource_exhausted",
            "Qdrant is overloaded and asks to wait",
        ),
        QdrantError::ResponseError { status } => {
            of_status(status.code() as i32, status.message(), collection)
        }
        QdrantError::InvalidUri(error) => Failure::blocked(
            "invalid_url",
            format!("index.url is no URL ({error}); correct it and restart"),
        ),
        QdrantError::Io(error) => {
            Failure::transient("io", format!("Qdrant can't be reached: {error}"))
        }
        other => Failure::blocked(
            "client",
            format!("Qdrant's client refused the request: {other}"),
        ),
    }
}

/// The same for a call that is made for no record: what would be a record's fault blocks the lane.
/// `refuses` says what could not be done.
pub(super) fn of_no_record(
    error: &QdrantError,
    collection: &str,
    reason: &'static str,
    refuses: &str,
) -> Failure {
    let failure = failure(error, collection);
    match failure.disposition {
        Disposition::Record => Failure::blocked(reason, format!("{refuses}: {error}")),
        _ => failure,
    }
}

fn of_status(status: i32, message: &str, collection: &str) -> Failure {
    match status {
        code::INVALID_ARGUMENT
            if message.contains("dimension") || message.contains("vector name") =>
        {
            Failure::blocked(
                "wrong_dimension",
                format!(
                    "Qdrant refuses the vectors ({message}); set embed.dimensions and index.vector to what collection `{collection}` has, or use another collection"
                ),
            )
        }
        code::INVALID_ARGUMENT => Failure::record(
            "invalid_argument",
            format!("Qdrant refuses the point: {message}"),
        ),
        code::NOT_FOUND => Failure::blocked(
            "not_found",
            format!(
                "Qdrant does not find what is written to ({message}); if collection `{collection}` was deleted on purpose, set the group's offsets back to the beginning (or name another kafka.group) and restart to have it made anew"
            ),
        ),
        code::UNAUTHENTICATED | code::PERMISSION_DENIED => Failure::blocked(
            "unauthorized",
            format!(
                "Qdrant refuses the API key ({message}); set index.api_key to one that may write"
            ),
        ),
        code::UNIMPLEMENTED => Failure::blocked(
            "unimplemented",
            format!(
                "this Qdrant does not know the call ({message}); version 1.16 or later is needed"
            ),
        ),
        code::RESOURCE_EXHAUSTED => Failure::new(
            Disposition::Throttled { after: None },
            "resource_exhausted",
            format!("Qdrant is overloaded: {message}"),
        ),
        _ => Failure::transient(
            "unavailable",
            format!("Qdrant can't be reached: {}", plain(message)),
        ),
    }
}

/// The client says in debug form why it can't connect: `…: tonic::transport::Error(…, Os { code:
/// 111, kind: ConnectionRefused, message: "Connection refused" })`. In plain words: where to, and
/// what the system said.
fn plain(message: &str) -> String {
    let parts = message
        .strip_prefix("Failed to connect to ")
        .and_then(|rest| rest.split_once(": tonic::transport::Error("));
    let Some((url, cause)) = parts else {
        return message.to_owned();
    };
    match cause.split('"').skip(1).step_by(2).last() {
        Some(words) => format!("{url}: {words}"),
        None => format!("{url}: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_there_is_no_connection_is_said_in_plain_words() {
        for (message, words) in [
            (
                "Failed to connect to http://localhost:1/: tonic::transport::Error(Transport, ConnectError(ConnectError(\"tcp connect error\", 127.0.0.1:1, Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" })))",
                "http://localhost:1/: Connection refused",
            ),
            ("broken pipe", "broken pipe"),
        ] {
            assert_eq!(plain(message), words);
        }
    }

    #[test]
    fn each_status_has_its_disposition() {
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
                of_status(status, message, "p").disposition,
                disposition,
                "{status} {message}"
            );
        }
    }
}
