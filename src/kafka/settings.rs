//! The settings that every client of a cluster shares.

use rdkafka::ClientConfig;

use crate::config::{KafkaConfig, Secret, SecretError, SecretRef};

use super::oauth;

/// What every client of the cluster shares: brokers, security, and what the user passes through.
/// Fails where a secret can't be read.
pub fn client_config(config: &KafkaConfig, brokers: &str) -> Result<ClientConfig, SecretError> {
    let mut client = ClientConfig::new();
    for (name, value) in &config.properties {
        client.set(name, value);
    }
    for (name, secret) in &config.secret_properties {
        client.set(name, secret.resolve()?.expose());
    }
    if !config.properties.contains_key("client.id") {
        client.set("client.id", "vectide");
    }
    client.set("bootstrap.servers", brokers);
    let security = &config.security;
    client.set("security.protocol", security.protocol.as_str());
    if let Some(mechanism) = security.mechanism {
        client.set("sasl.mechanism", mechanism.as_str());
    }
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            client.set(name, value);
        }
    };
    set("sasl.username", security.username.as_deref());
    for (name, path) in [
        ("ssl.ca.location", &security.ca_file),
        ("ssl.certificate.location", &security.certificate_file),
        ("ssl.key.location", &security.key_file),
    ] {
        set(
            name,
            path.as_ref().map(|path| path.to_string_lossy()).as_deref(),
        );
    }
    for (name, secret) in [
        ("sasl.password", &security.password),
        ("ssl.key.password", &security.key_password),
    ] {
        let secret = secret.as_ref().map(SecretRef::resolve).transpose()?;
        set(name, secret.as_ref().map(Secret::expose));
    }
    if let Some(token) = &security.oauthbearer_token {
        client.set("sasl.oauthbearer.config", oauth::reference(token));
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn secret_properties_and_the_users_own_client_id_reach_the_client() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"hunter2\n").unwrap();
        let secret = SecretRef::File(file.path().to_owned());
        let config = KafkaConfig {
            properties: [("client.id".to_owned(), "shop-7".to_owned())].into(),
            secret_properties: [("ssl.keystore.password".to_owned(), secret)].into(),
            ..KafkaConfig::default()
        };
        let client = client_config(&config, "kafka:9092").unwrap();
        assert_eq!(client.get("client.id"), Some("shop-7"));
        assert_eq!(client.get("ssl.keystore.password"), Some("hunter2"));
        assert_eq!(client.get("bootstrap.servers"), Some("kafka:9092"));
        assert_eq!(client.get("security.protocol"), Some("plaintext"));

        let client = client_config(&KafkaConfig::default(), "kafka:9092").unwrap();
        assert_eq!(client.get("client.id"), Some("vectide"));
    }
}
