//! `[index]`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EMBEDDED, human_duration, secret::SecretRef, validate::Report};

/// The Qdrant collection that is kept equal to the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// Qdrant's gRPC address; or `embedded` for an in-process one in memory, or
    /// `embedded:<folder>` for one that keeps its data in a folder.
    pub url: String,
    /// The key that Qdrant wants, if it wants one.
    pub api_key: Option<SecretRef>,
    /// PEM file of the authorities that may sign Qdrant's certificate; the system's own when absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file of this client's certificate, for mutual TLS.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the client certificate's private key.
    pub key_file: Option<PathBuf>,
    /// The collection's name.
    pub collection: String,
    /// The name of the vector in a point.
    pub vector: String,
    /// How vectors are compared. A collection with another distance is refused.
    pub distance: Distance,
    /// Whether to create the collection, and the payload indexes, when absent.
    pub create_collection: bool,
    /// Payload fields to index for filters: field to kind.
    pub payload_indexes: BTreeMap<String, PayloadIndexKind>,
    /// How long one call may take.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub timeout: Duration,
    /// How many points go into one call at most.
    pub batch_points: usize,
    /// How many calls may be under way at once.
    pub concurrency: usize,
    /// How many points each assigned partition remembers by their hashes, so that no read of the
    /// index is needed to know what it holds; at most 64 bytes each, taken as they come.
    pub cache_keys: usize,
    /// How long a point that says that its row is gone stays: without a vector, so that no vector search
    /// returns it. Until then a write that a stopped or disconnected member sends late can't bring the
    /// row back.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub tombstone_retention: Duration,
    /// What becomes of records that the index reflects already, when a topic is read again.
    pub replay: ReplayPolicy,
    /// The first pause before a failed call is made again; it doubles from there.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub retry_initial: Duration,
    /// The longest pause between two attempts.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub retry_max: Duration,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:6334".into(),
            api_key: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            collection: "products".into(),
            vector: "text".into(),
            distance: Distance::default(),
            create_collection: true,
            payload_indexes: BTreeMap::new(),
            timeout: Duration::from_secs(30),
            batch_points: 256,
            concurrency: 4,
            cache_keys: 200_000,
            tombstone_retention: Duration::from_hours(1),
            replay: ReplayPolicy::default(),
            retry_initial: Duration::from_millis(100),
            retry_max: Duration::from_secs(30),
        }
    }
}

/// What becomes of records that the index reflects already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayPolicy {
    /// They change nothing, not even for a moment.
    #[default]
    Skip,
    /// They are applied like any other: for reading a topic from the beginning after somebody has
    /// changed or removed points. Rows pass through their earlier states again, and texts that the
    /// index does not have are bought.
    Repair,
}

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// The angle between them.
    #[default]
    Cosine,
    /// The dot product.
    Dot,
    /// The straight line between them.
    Euclid,
    /// The sum of the differences of their components.
    Manhattan,
}

/// What a payload field is indexed as, by Qdrant's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayloadIndexKind {
    /// Text that is matched whole.
    Keyword,
    /// Whole numbers, for equality and ranges.
    Integer,
    /// Numbers, for ranges.
    Float,
    /// `true` and `false`.
    Bool,
    /// RFC 3339 timestamps, for ranges.
    Datetime,
    /// UUIDs.
    Uuid,
    /// Text that is matched by its words.
    Text,
}

impl IndexConfig {
    /// Whether an in-process index is asked for, and in which folder it keeps its data.
    pub fn embedded(&self) -> Option<Embedded<'_>> {
        match self.url.strip_prefix(EMBEDDED)? {
            "" => Some(Embedded::InMemory),
            rest => rest
                .strip_prefix(':')
                .map(|folder| Embedded::Folder(Path::new(folder))),
        }
    }

    pub(super) fn validate(&self, report: &mut Report) {
        match self.embedded() {
            Some(embedded) => {
                report.embedded("index.url", true);
                report.refuse_if(
                    embedded == Embedded::Folder(Path::new("")),
                    "index.url",
                    "names no folder: write embedded:<folder>, or embedded to keep all in memory",
                );
            }
            None => report.http_url("index.url", &self.url),
        }
        self.validate_certificates(report);
        for (key, name, most) in [
            ("index.collection", &self.collection, 255),
            ("index.vector", &self.vector, 200),
        ] {
            report.refuse_if(
                !is_qdrant_name(name, most),
                key,
                format!("{name:?} is no name for Qdrant: 1 to {most} bytes, {QDRANT_NAME}"),
            );
        }
        for field in self.payload_indexes.keys() {
            report.refuse_if(
                field.trim().is_empty(),
                "index.payload_indexes",
                "a field has no name",
            );
        }
        report.not_zero("index.timeout", self.timeout);
        report.within("index.batch_points", &self.batch_points, &(1..=10_000));
        report.within("index.concurrency", &self.concurrency, &(1..=256));
        report.refuse_if(
            self.cache_keys == 0,
            "index.cache_keys",
            "must be 1 or more",
        );
        report.refuse_if(
            self.tombstone_retention < Duration::from_secs(1),
            "index.tombstone_retention",
            "must be 1s or more; an hour outlives what may be under way",
        );
        report.backoff("index", self.retry_initial, self.retry_max);
    }

    fn validate_certificates(&self, report: &mut Report) {
        for (name, is_set) in [
            ("ca_file", self.ca_file.is_some()),
            ("certificate_file", self.certificate_file.is_some()),
            ("key_file", self.key_file.is_some()),
        ] {
            report.refuse_if(
                is_set && !self.url.starts_with("https:"),
                format!("index.{name}"),
                "has no effect without an https:// address in index.url",
            );
        }
        report.only_together(
            "index",
            [
                ("certificate_file", self.certificate_file.is_some()),
                ("key_file", self.key_file.is_some()),
            ],
        );
    }
}

/// Where an in-process index keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedded<'a> {
    /// Nowhere: it is gone with the process.
    InMemory,
    /// In this folder.
    Folder(&'a Path),
}

/// What [`is_qdrant_name`] wants, for messages.
pub(super) const QDRANT_NAME: &str = "without < > : \" / \\ | ? * and control characters";

/// The rule for the names of collections and vectors, as Qdrant's own API checks it
/// (`validate_collection_name`, `validate_vector_name`): they become names of folders.
pub(super) fn is_qdrant_name(name: &str, most_bytes: usize) -> bool {
    (1..=most_bytes).contains(&name.len())
        && !name.contains(['<', '>', ':', '"', '/', '\\', '|', '?', '*'])
        && !name.contains(char::is_control)
}
