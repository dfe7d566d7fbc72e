//! From the configuration to a client of Qdrant, and to what is asked of it.

use std::{fs, net::IpAddr, path::Path, time::Duration};

use anyhow::Context;
use qdrant_client::qdrant::{Distance, FieldType};
use reqwest::Url;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tracing::warn;

use crate::config::{self, EmbedConfig, IndexConfig, PayloadIndexKind, SecretRef};

use super::{Calls, Client, CollectionSpec};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an idle connection is tried, so that one that a router has forgotten is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A client of the Qdrant at `url`, its gRPC address. It connects with its first call, and with
/// `https://` trusts the authorities of `index.ca_file`, or those that the system trusts. Fails
/// where a secret or a file can't be read, or `url` is none. To be called within a runtime.
pub fn connect_client(config: &IndexConfig, url: &str) -> anyhow::Result<Client> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .context("cannot use index.url")?
        .timeout(config.timeout)
        .connect_timeout(config.timeout.min(CONNECT_TIMEOUT))
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    if url.starts_with("https:") {
        endpoint = endpoint
            .tls_config(encryption(config)?)
            .context("cannot use the certificates of [index]")?;
    }
    let key = config.api_key.as_ref().map(SecretRef::resolve).transpose();
    let key = key.context("cannot read index.api_key")?;
    if key.is_some() && is_readable_on_the_way(url) {
        warn!("index.api_key is sent unencrypted: use an https:// address in index.url");
    }
    Client::new(endpoint.connect_lazy(), key, url)
        .context("index.api_key holds characters that no key has")
}

fn encryption(config: &IndexConfig) -> anyhow::Result<ClientTlsConfig> {
    let read = |name: &str, file: &Path| {
        fs::read(file).with_context(|| format!("cannot read index.{name} {}", file.display()))
    };
    let mut tls = ClientTlsConfig::new();
    tls = match &config.ca_file {
        Some(file) => tls.ca_certificate(Certificate::from_pem(read("ca_file", file)?)),
        None => tls.with_native_roots(),
    };
    if let (Some(certificate), Some(key)) = (&config.certificate_file, &config.key_file) {
        tls = tls.identity(Identity::from_pem(
            read("certificate_file", certificate)?,
            read("key_file", key)?,
        ));
    }
    Ok(tls)
}

/// Whether what is sent to `url` crosses a network unencrypted.
pub(crate) fn is_readable_on_the_way(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let is_loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "http" && !is_loopback
}

impl CollectionSpec {
    /// What `index` and the vectors of `embed` ask for, of the collection `name`.
    pub fn new(index: &IndexConfig, embed: &EmbedConfig, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            vector: index.vector.clone(),
            dimensions: embed.dimensions,
            is_multivector: embed.chunking().is_some(),
            distance: distance(index.distance),
            payload_indexes: index
                .payload_indexes
                .iter()
                .map(|(field, kind)| (field.clone(), field_type(*kind)))
                .collect(),
            create: index.create_collection,
        }
    }
}

impl Calls {
    /// What `index` asks for.
    pub fn new(index: &IndexConfig) -> Self {
        Self {
            batch_points: index.batch_points,
            concurrency: index.concurrency,
            retry_initial: index.retry_initial,
            retry_max: index.retry_max,
        }
    }
}

fn distance(distance: config::Distance) -> Distance {
    match distance {
        config::Distance::Cosine => Distance::Cosine,
        config::Distance::Dot => Distance::Dot,
        config::Distance::Euclid => Distance::Euclid,
        config::Distance::Manhattan => Distance::Manhattan,
    }
}

fn field_type(kind: PayloadIndexKind) -> FieldType {
    match kind {
        PayloadIndexKind::Keyword => FieldType::Keyword,
        PayloadIndexKind::Integer => FieldType::Integer,
        PayloadIndexKind::Float => FieldType::Float,
        PayloadIndexKind::Bool => FieldType::Bool,
        PayloadIndexKind::Datetime => FieldType::Datetime,
        PayloadIndexKind::Uuid => FieldType::Uuid,
        PayloadIndexKind::Text => FieldType::Text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::config::SecretRef;

    #[test]
    fn only_what_leaves_the_machine_unencrypted_is_readable_on_the_way() {
        for (url, readable) in [
            ("http://qdrant:6334", true),
            ("http://10.0.0.7:6334", true),
            ("https://qdrant.example.com:6334", false),
            ("http://localhost:6334", false),
            ("http://127.0.0.1:6334", false),
            ("http://[::1]:6334", false),
        ] {
            assert_eq!(is_readable_on_the_way(url), readable, "{url}");
        }
    }

    #[tokio::test]
    async fn a_client_is_made_for_tls_too_without_connecting() {
        for url in ["http://localhost:6334", "https://localhost:6334"] {
            assert!(
                connect_client(&IndexConfig::default(), url).is_ok(),
                "{url}"
            );
        }
    }

    #[tokio::test]
    async fn certificates_that_can_not_be_read_are_named() {
        let config = IndexConfig {
            ca_file: Some("/nowhere/ca.pem".into()),
            ..IndexConfig::default()
        };
        let error = connect_client(&config, "https://localhost:6334")
            .err()
            .unwrap();
        assert_eq!(
            format!("{error:#}"),
            "cannot read index.ca_file /nowhere/ca.pem: No such file or directory (os error 2)"
        );
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"-----BEGIN CERTIFICATE-----\n?\n").unwrap();
        let config = IndexConfig {
            certificate_file: Some(file.path().to_owned()),
            key_file: Some(file.path().to_owned()),
            ..IndexConfig::default()
        };
        let error = connect_client(&config, "https://localhost:6334")
            .err()
            .unwrap();
        assert!(format!("{error:#}").starts_with("cannot use the certificates of [index]: "));
    }

    #[tokio::test]
    async fn a_key_that_leads_nowhere_and_a_url_that_is_none_are_named() {
        let config = IndexConfig {
            api_key: Some(SecretRef::Env("VECTIDE_TEST_SURELY_UNSET".into())),
            ..IndexConfig::default()
        };
        let message = |config, url| {
            let error = connect_client(config, url).err().unwrap();
            format!("{error:#}")
        };
        assert_eq!(
            message(&config, "http://localhost:6334"),
            "cannot read index.api_key: the environment variable VECTIDE_TEST_SURELY_UNSET is not set"
        );
        assert!(message(&IndexConfig::default(), "no url").starts_with("cannot use index.url: "));
    }
}
