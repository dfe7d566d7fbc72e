//! Qdrant and its collection.

use super::Report;
use crate::{
    config::Config,
    error::{Disposition, Failure},
    index::{self, CollectionSpec, Found},
};

pub(super) async fn check(config: &Config) -> Report {
    let mut report = Report::default();
    if config.index.embedded().is_some() {
        report.stand_in("index.url");
        return report;
    }
    let url = &config.index.url;
    let client = match index::connect_client(&config.index, url) {
        Ok(client) => client,
        Err(error) => {
            report.result("index.url", Err::<(), _>(error), |()| String::new());
            return report;
        }
    };
    let version = index::server_version(&client).await;
    let is_reachable = version.is_ok();
    let note = if config.index.api_key.is_some() && index::is_readable_on_the_way(url) {
        ", which index.api_key travels to unencrypted"
    } else {
        ""
    };
    report.result(
        "index.url",
        version.map_err(|failure| hint(failure, url)),
        |version| format!("Qdrant {version} at {url}{note}"),
    );
    for (name, key) in config.collections() {
        if !is_reachable {
            break;
        }
        let spec = CollectionSpec::new(&config.index, &config.embed, name);
        let found = index::look(&client, &spec).await;
        report.result(&key, found, |found| match found {
            Found::Absent => format!("{name} is not there, and will be created"),
            Found::Fits { points } => format!("{name} fits, and has {points} points"),
        });
    }
    report
}

/// The mistake that is made most often has a sign.
fn hint(mut failure: Failure, url: &str) -> Failure {
    if failure.disposition == Disposition::Transient && url.contains(":6333") {
        failure.message += "; 6333 is the port of Qdrant's REST interface, and index.url wants that of gRPC, by default 6334";
    }
    failure
}
