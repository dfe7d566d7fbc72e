//! The tables of `docs/dispositions.md` are made of what the code does. `UPDATE_DOCS=1 cargo test`
//! writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fmt::Write, fs, path::Path};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::{
    dead_letter::failure as letters,
    embed::refusal,
    error::{Disposition, Failure},
    http::handshake,
    index::failure as index,
    registry::answer,
    source::trouble,
};

const BEGIN: &str =
    "<!-- tables: begin (made of the code; UPDATE_DOCS=1 cargo test writes them anew) -->\n";
const END: &str = "<!-- tables: end -->\n";

/// What a row of a table says of an error.
type Told = (String, Failure);

#[test]
fn the_page_places_every_error_as_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dispositions.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks its tables");
    let (tables, after) = rest.split_once(END).expect("the page marks its tables");
    let expected = tables_of_all();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        assert_eq!(
            tables, expected,
            "docs/dispositions.md is out of date: UPDATE_DOCS=1 cargo test writes it anew"
        );
    }
}

#[test]
fn an_outage_is_never_taken_for_a_records_fault() {
    let http = refusal::dispositions()
        .into_iter()
        .chain(answer::dispositions());
    for (status, failure) in http.filter(|(status, _)| status.starts_with('5')) {
        assert_eq!(failure.disposition, Disposition::Transient, "{status}");
    }
    for code in CODES {
        let failure = letters::disposition_of_delivery(Some(code));
        assert_ne!(failure.disposition, Disposition::Record, "{code:?}");
    }
}

fn tables_of_all() -> String {
    let mut page = String::new();
    table(
        &mut page,
        "The embedding endpoint's HTTP status",
        refusal::dispositions(),
    );
    table(
        &mut page,
        "The schema registry's HTTP status",
        answer::dispositions(),
    );
    table(&mut page, "Qdrant's gRPC status", index::dispositions());
    table(
        &mut page,
        "A TLS handshake with one of these three",
        handshake::dispositions(),
    );
    let of_code = |of: fn(Code) -> Option<Failure>| -> Vec<Told> {
        let told = CODES.into_iter().filter_map(|code| Some((code, of(code)?)));
        told.map(|(code, failure)| (format!("{code:?}"), failure))
            .collect()
    };
    table(
        &mut page,
        "Kafka's error while records are read",
        of_code(trouble::disposition),
    );
    let any_other = (
        "any other".to_owned(),
        letters::disposition_of_delivery(None),
    );
    let mut delivery = of_code(|code| Some(letters::disposition_of_delivery(Some(code))));
    delivery.push(any_other);
    table(
        &mut page,
        "Kafka's error while a dead letter is delivered",
        delivery,
    );
    table(
        &mut page,
        "Kafka's error while the topic of dead letters is made",
        of_code(letters::disposition_of_creation),
    );
    page
}

/// Errors that come to the same are one line.
fn table(page: &mut String, heading: &str, told: Vec<Told>) {
    let mut lines: Vec<(Failure, Vec<String>)> = Vec::new();
    for (what, failure) in told {
        let is_same = |(known, _): &&mut (Failure, Vec<String>)| {
            known.disposition == failure.disposition && known.reason == failure.reason
        };
        match lines.iter_mut().find(is_same) {
            Some((_, whats)) => whats.push(what),
            None => lines.push((failure, vec![what])),
        }
    }
    lines.sort_by_key(|(failure, _)| order(failure.disposition));
    write!(page, "\n## {heading}\n\n").unwrap();
    page.push_str("| error | disposition | reason |\n|---|---|---|\n");
    for (failure, whats) in lines {
        let whats = ranges(whats).join(", ");
        let (disposition, reason) = (name(failure.disposition), failure.reason);
        writeln!(page, "| {whats} | {disposition} | `{reason}` |").unwrap();
    }
}

/// Whole numbers in a row become one range.
fn ranges(whats: Vec<String>) -> Vec<String> {
    let mut ranges: Vec<(String, String)> = Vec::new();
    for what in whats {
        let number = what.parse::<u16>().ok();
        match ranges.last_mut() {
            Some((_, last)) if number.is_some() && last.parse().ok() == number.map(|it| it - 1) => {
                *last = what;
            }
            _ => ranges.push((what.clone(), what)),
        }
    }
    let text = |(first, last): (String, String)| {
        if first == last {
            first
        } else {
            format!("{first} to {last}")
        }
    };
    ranges.into_iter().map(text).collect()
}

fn order(disposition: Disposition) -> u8 {
    match disposition {
        Disposition::Transient => 0,
        Disposition::Throttled { .. } => 1,
        Disposition::Record => 2,
        Disposition::Blocked => 3,
    }
}

fn name(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Transient => "transient",
        Disposition::Throttled { .. } => "throttled",
        Disposition::Record => "record",
        Disposition::Blocked => "blocked",
    }
}

/// The errors that brokers and client tell of.
const CODES: [Code; 44] = [
    Code::BrokerTransportFailure,
    Code::AllBrokersDown,
    Code::Resolve,
    Code::MessageTimedOut,
    Code::OperationTimedOut,
    Code::RequestTimedOut,
    Code::QueueFull,
    Code::PurgeQueue,
    Code::PurgeInflight,
    Code::LeaderNotAvailable,
    Code::NotLeaderForPartition,
    Code::NetworkException,
    Code::NotEnoughReplicas,
    Code::NotEnoughReplicasAfterAppend,
    Code::CoordinatorLoadInProgress,
    Code::CoordinatorNotAvailable,
    Code::NotCoordinator,
    Code::NotController,
    Code::ThrottlingQuotaExceeded,
    Code::UnknownTopic,
    Code::UnknownTopicOrPartition,
    Code::TopicAlreadyExists,
    Code::UnsupportedFeature,
    Code::UnsupportedVersion,
    Code::MessageSizeTooLarge,
    Code::InvalidMessageSize,
    Code::InvalidTimestamp,
    Code::InvalidRecord,
    Code::InvalidTopic,
    Code::InvalidPartitions,
    Code::InvalidReplicationFactor,
    Code::InvalidReplicaAssignment,
    Code::InvalidConfig,
    Code::InvalidRequest,
    Code::PolicyViolation,
    Code::UnsupportedCompressionType,
    Code::TopicAuthorizationFailed,
    Code::GroupAuthorizationFailed,
    Code::ClusterAuthorizationFailed,
    Code::Authentication,
    Code::SaslAuthenticationFailed,
    Code::SSL,
    Code::FencedInstanceId,
    Code::Fatal,
];
