//! `[kafka]` and `[kafka.security]`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{human_duration, secret::SecretRef};

/// Where change events come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// The brokers to find the cluster by, `host:port`, comma separated; or `embedded` for an
    /// in-process cluster that lives as long as the process.
    pub brokers: String,
    /// The consumer group. All members of one group share the work; its committed offsets are
    /// where a restart goes on.
    pub group: String,
    /// The change topics to read. An entry that starts with `^` is a POSIX extended regular
    /// expression over topic names, so that new topics are found without a restart.
    pub topics: Vec<String>,
    /// A name that this member keeps over restarts (static membership): a restart within the
    /// session timeout then moves no partition. Must differ between members.
    pub instance_id: Option<String>,
    /// How long the group waits for a silent member before its partitions go to others.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub session_timeout: Duration,
    /// Encryption and authentication.
    pub security: SecurityConfig,
    /// Further properties for librdkafka, by their own names and as text. Refused are those that
    /// correctness depends on and those that have a key of their own here.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".into(),
            group: "vectide".into(),
            topics: Vec::new(),
            instance_id: None,
            session_timeout: Duration::from_secs(10),
            security: SecurityConfig::default(),
            properties: BTreeMap::new(),
        }
    }
}

/// How the connection to the brokers is encrypted and authenticated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityConfig {
    /// Whether the connection is encrypted, and whether the client logs in over SASL.
    pub protocol: SecurityProtocol,
    /// How the client logs in; needed by `sasl_plaintext` and `sasl_ssl`.
    pub mechanism: Option<SaslMechanism>,
    /// The user name for PLAIN and SCRAM.
    pub username: Option<String>,
    /// The password for PLAIN and SCRAM.
    pub password: Option<SecretRef>,
    /// PEM file of the authorities that may sign the brokers' certificates; the system's own
    /// when absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file of this client's certificate, for mutual TLS.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the client certificate's private key.
    pub key_file: Option<PathBuf>,
    /// The password of the private key, if it has one.
    pub key_password: Option<SecretRef>,
    /// librdkafka's `sasl.oauthbearer.config`, for OAUTHBEARER with unsecured tokens. A token
    /// endpoint is set by the `sasl.oauthbearer.*` properties instead.
    pub oauthbearer_config: Option<SecretRef>,
}

/// The security protocol, by Kafka's names in lower case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// Encrypted; authenticated by a client certificate, if one is given.
    Ssl,
    /// Authenticated over SASL, not encrypted.
    SaslPlaintext,
    /// Authenticated over SASL, encrypted.
    SaslSsl,
}

impl SecurityProtocol {
    /// The name that librdkafka knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// Whether the client logs in over SASL.
    pub const fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Whether the connection is encrypted.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// The SASL mechanism, by its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// User name and password, as they are: use it over `sasl_ssl`.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Salted challenge and response over SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Salted challenge and response over SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// A bearer token.
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

impl SaslMechanism {
    /// The registered name, which is the one that librdkafka knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}
