//! One embedding call.

use super::Report;
use crate::{
    config::EmbedConfig,
    embed::{self, Settings, SettingsError},
};

pub(super) async fn check(config: &EmbedConfig) -> Report {
    let mut report = Report::default();
    if config.is_embedded() {
        report.stand_in("embed.url");
        return report;
    }
    let settings = match Settings::new(config, &config.url) {
        Ok(settings) => settings,
        Err(SettingsError::Secret(_)) => {
            report.bad("embed.url", "not asked, because a secret is missing");
            return report;
        }
        Err(error) => {
            report.result("embed.ca_file", Err::<(), _>(error), |()| String::new());
            return report;
        }
    };
    report.result("embed.url", embed::check(&settings).await, |()| {
        format!(
            "{} answers with vectors of length {}",
            config.model, config.dimensions
        )
    });
    report
}

/// Against the stand-in, which refuses as OpenAI does.
#[cfg(all(test, feature = "embedded"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::{fs, path::Path};

    use vectide_embedded::embeddings::{Behaviour, EmbeddedEmbeddings, EmbeddingsOptions, Failure};

    use super::*;
    use crate::config::SecretRef;

    const KEY: &str = "sk-proj-1234";

    async fn endpoint(behaviour: Behaviour) -> EmbeddedEmbeddings {
        let options = EmbeddingsOptions {
            behaviour,
            ..EmbeddingsOptions::default()
        };
        EmbeddedEmbeddings::start(options).await.unwrap()
    }

    /// A provider that wants a key and knows its own models.
    fn strict() -> Behaviour {
        Behaviour {
            api_key: Some(KEY.to_owned()),
            known_models_only: true,
            ..Behaviour::default()
        }
    }

    fn config(url: String, key: Option<&Path>) -> EmbedConfig {
        EmbedConfig {
            url,
            api_key: key.map(|path| SecretRef::File(path.to_owned())),
            ..EmbedConfig::default()
        }
    }

    /// The line that a check of a strict provider ends with, once `change` has made a mistake.
    async fn line(key: Option<&str>, change: impl FnOnce(&mut EmbedConfig)) -> String {
        let endpoint = endpoint(strict()).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        if let Some(key) = key {
            fs::write(&file, key).unwrap();
        }
        let mut config = config(endpoint.url(), key.map(|_| file.as_path()));
        change(&mut config);
        let report = check(&config).await.to_string();
        report.replace(&endpoint.address().to_string(), "host")
    }

    #[tokio::test]
    async fn what_works_is_said_to_work() {
        let line = line(Some(KEY), |_| {}).await;
        assert_eq!(
            line,
            "✓ embed.url: text-embedding-3-small answers with vectors of length 1536\n"
        );
    }

    #[tokio::test]
    async fn each_mistake_has_a_sentence_of_its_own_that_says_what_to_do() {
        let missing = line(None, |_| {}).await;
        assert!(
            missing.starts_with("✗ embed.url: the embedding endpoint wants a key, and none is configured: set embed.api_key (http://host/v1/embeddings said HTTP 401:"),
            "{missing}"
        );
        let wrong = line(Some("sk-1234"), |_| {}).await;
        assert!(
            wrong.starts_with("✗ embed.url: the embedding endpoint does not accept the key: correct embed.api_key and embed.api_key_header ("),
            "{wrong}"
        );
        let foreign = line(Some("pa-1234"), |_| {}).await;
        assert!(
            foreign.starts_with("✗ embed.url: the embedding endpoint does not accept the key, which begins with \"pa-\" as those of Voyage AI do: use a key of the provider at embed.url, or correct embed.url ("),
            "{foreign}"
        );
        let no_version = line(Some(KEY), |config| {
            config.url = config.url.replace("/v1", "");
        })
        .await;
        assert_eq!(
            no_version,
            "✗ embed.url: embed.url lacks its /v1: set it to \"http://host/v1\", where the endpoint answers\n"
        );
        let model = line(Some(KEY), |config| config.model = "text-embeding-3".into()).await;
        assert!(
            model.starts_with("✗ embed.url: the embedding endpoint has no model \"text-embeding-3\", or the key may not use it: correct embed.model ("),
            "{model}"
        );
        let dimensions = line(Some(KEY), |config| config.dimensions = 2000).await;
        assert!(
            dimensions.starts_with("✗ embed.url: the model \"text-embedding-3-small\" does not make vectors of length 2000: correct embed.dimensions, or set embed.send_dimensions = false ("),
            "{dimensions}"
        );
    }

    #[tokio::test]
    async fn an_empty_account_is_told_from_a_busy_provider() {
        let lines = |failure: Failure| async {
            let endpoint = endpoint(Behaviour {
                fail: Some(failure),
                ..Behaviour::default()
            })
            .await;
            check(&config(endpoint.url(), None)).await.to_string()
        };
        let quota = lines(Failure {
            code: Some("insufficient_quota".to_owned()),
            ..Failure::status(429)
        })
        .await;
        assert!(
            quota.starts_with("✗ embed.url: the account has no quota left at the embedding provider: top it up, or raise its limit ("),
            "{quota}"
        );
        let busy = lines(Failure::status(429)).await;
        assert!(
            busy.starts_with("✗ embed.url: the embedding endpoint asks for patience ("),
            "{busy}"
        );
    }

    #[tokio::test]
    async fn a_file_of_authorities_that_is_not_there_is_named() {
        let config = EmbedConfig {
            ca_file: Some("/nowhere/ca.pem".into()),
            ..EmbedConfig::default()
        };
        let line = check(&config).await.to_string();
        assert!(
            line.starts_with("✗ embed.ca_file: can't read embed.ca_file /nowhere/ca.pem"),
            "{line}"
        );
    }
}
