//! Whether Qdrant and the collection are what is needed, without changing anything.

use qdrant_client::qdrant::{CountPointsBuilder, HealthCheckRequest};
use tonic::Status;

use crate::error::Failure;

use super::{Client, CollectionError, CollectionSpec, collection};

/// The oldest server that knows `update_filter`: not needed yet, but writes conditional on it are
/// what keeps a stale member from changing anything, and will be.
const OLDEST: (u64, u64) = (1, 16);

/// What was found in place of the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing; it will be made.
    Absent,
    /// The collection, with the vector that is wanted and so many points.
    Fits {
        /// Points of others included.
        points: u64,
    },
}

/// The server's version, if it is new enough. The error says what to do.
pub async fn server_version(client: &Client) -> Result<String, Failure> {
    let answer = client.server().health_check(HealthCheckRequest {}).await;
    // No collection is asked about.
    let answer = answer.map_err(|error| client.failure(&error, ""))?;
    let version = answer.into_inner().version;
    match parse(&version) {
        Some(number) if number < OLDEST => Err(Failure::blocked(
            "version",
            format!(
                "Qdrant {version} is too old: version {}.{} or later is needed",
                OLDEST.0, OLDEST.1
            ),
        )),
        _ => Ok(version),
    }
}

/// Major and minor; `None` for a version of another form, which is taken on trust.
fn parse(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Looks for the collection.
pub async fn look(client: &Client, spec: &CollectionSpec) -> Result<Found, CollectionError> {
    let refused = |error: Status| CollectionError::Refused(client.failure(&error, &spec.name));
    let exists = collection::exists(client, &spec.name).await;
    if !exists.map_err(refused)? {
        return if spec.create {
            Ok(Found::Absent)
        } else {
            Err(CollectionError::Absent(spec.name.clone()))
        };
    }
    collection::check(client, spec).await?;
    let count = client
        .points()
        .count(CountPointsBuilder::new(&spec.name).exact(false).build())
        .await
        .map_err(refused)?;
    Ok(Found::Fits {
        points: count.into_inner().result.map_or(0, |result| result.count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(parse("1.9.7") < Some(OLDEST));
        assert!(parse("1.16.0") >= Some(OLDEST));
        assert!(parse("2.0.0-dev") >= Some(OLDEST));
        assert_eq!(parse("dev"), None);
    }
}
