//! `[kafka.security]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{secret::SecretRef, validate::Report};

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
    /// The access token for OAUTHBEARER, a JWT: best a file that something else keeps fresh, such as
    /// a projected service account token. It is read again before the token at hand expires. Who
    /// logs in by it can't create the dead-letter topic: create it yourself.
    pub oauthbearer_token: Option<SecretRef>,
}

impl SecurityConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        self.validate_login(report);
        self.validate_certificates(report);
    }

    fn validate_login(&self, report: &mut Report) {
        let key = |name: &str| format!("kafka.security.{name}");
        let (sasl, protocol) = (self.protocol.is_sasl(), self.protocol.as_str());
        report.refuse_if(
            sasl && self.mechanism.is_none(),
            key("mechanism"),
            format!("missing: the protocol {protocol} needs one"),
        );
        let password_login = self.mechanism.is_some_and(SaslMechanism::has_password);
        let token_login = self.mechanism == Some(SaslMechanism::OauthBearer);
        for (name, is_set, wanted) in [
            ("mechanism", self.mechanism.is_some(), true),
            ("username", self.username.is_some(), password_login),
            ("password", self.password.is_some(), password_login),
            (
                "oauthbearer_token",
                self.oauthbearer_token.is_some(),
                token_login,
            ),
        ] {
            if is_set && !sasl {
                report.refuse(
                    key(name),
                    format!(
                        "has no effect with the protocol {protocol}: use sasl_ssl or sasl_plaintext"
                    ),
                );
            } else if let (true, Some(mechanism)) = (sasl && is_set != wanted, self.mechanism) {
                let message = if is_set {
                    format!("has no effect with the mechanism {}", mechanism.as_str())
                } else {
                    format!("missing: the mechanism {} needs it", mechanism.as_str())
                };
                report.refuse(key(name), message);
            }
        }
    }

    fn validate_certificates(&self, report: &mut Report) {
        let key = |name: &str| format!("kafka.security.{name}");
        for (name, is_set) in [
            ("ca_file", self.ca_file.is_some()),
            ("certificate_file", self.certificate_file.is_some()),
            ("key_file", self.key_file.is_some()),
            ("key_password", self.key_password.is_some()),
        ] {
            report.refuse_if(
                is_set && !self.protocol.is_tls(),
                key(name),
                format!(
                    "has no effect with the protocol {}: use ssl or sasl_ssl",
                    self.protocol.as_str()
                ),
            );
        }
        report.only_together(
            "kafka.security",
            [
                ("certificate_file", self.certificate_file.is_some()),
                ("key_file", self.key_file.is_some()),
            ],
        );
        report.refuse_if(
            self.key_password.is_some() && self.key_file.is_none(),
            key("key_password"),
            "needs kafka.security.key_file beside it",
        );
    }
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
    /// Whether the client logs in by user name and password.
    pub const fn has_password(self) -> bool {
        matches!(self, Self::Plain | Self::ScramSha256 | Self::ScramSha512)
    }

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
