//! `[traces]`.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tonic::metadata::{Ascii, MetadataKey};

use super::{secret::SecretRef, validate::Report};

/// OpenTelemetry traces of single records, sent to a collector. See `docs/traces.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector's address for OTLP over gRPC, such as `http://collector:4317`. Without it nothing is
    /// traced.
    pub endpoint: Option<String>,
    /// The part of all records that is traced, from 0 to 1. A record whose header `traceparent` names a
    /// trace is traced if that one is recorded, and else not, whatever the ratio is.
    pub ratio: f64,
    /// Headers for the collector, such as `authorization`, each by a reference to its value.
    pub headers: BTreeMap<String, SecretRef>,
    /// PEM file of the authorities that may sign the collector's certificate; the system's own when absent.
    pub ca_file: Option<PathBuf>,
    /// What the traces call this service: `service.name`.
    pub service_name: String,
    /// What the traces call this member: `service.instance.id`. A random name for each start when absent.
    pub instance: Option<String>,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            ratio: 0.001,
            headers: BTreeMap::new(),
            ca_file: None,
            service_name: "vectide".into(),
            instance: None,
        }
    }
}

impl TracesConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        if let Some(endpoint) = &self.endpoint {
            report.http_url("traces.endpoint", endpoint);
        }
        report.within("traces.ratio", &self.ratio, &(0.0..=1.0));
        report.not_blank("traces.service_name", &self.service_name);
        for name in self.headers.keys() {
            report.refuse_if(
                MetadataKey::<Ascii>::from_bytes(name.as_bytes()).is_err(),
                format!("traces.headers.{name}"),
                "is no header's name: lower-case letters, digits, `-`, `_` and `.`, and not ending in -bin",
            );
        }
    }
}
