//! What OpenTelemetry's conventions for generative AI say of whoever makes the vectors.

use opentelemetry::KeyValue;
use reqwest::Url;

/// Hosts, or what they end in, and what the conventions call who is there.
const KNOWN: [(&str, &str); 8] = [
    ("openai.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("openai.com", "openai"),
    ("mistral.ai", "mistral_ai"),
    ("cohere.com", "cohere"),
    ("cohere.ai", "cohere"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
];

/// What each request for vectors of `model`, of so many dimensions, to the endpoint at `url` has in common.
pub fn of_embedding(url: &str, model: &str, dimensions: u32) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", "embeddings"),
        KeyValue::new("gen_ai.request.model", model.to_owned()),
        KeyValue::new("gen_ai.embeddings.dimension.count", i64::from(dimensions)),
    ];
    let url = Url::parse(url).ok();
    if let Some(host) = url.as_ref().and_then(Url::host_str) {
        attributes.extend([
            KeyValue::new("gen_ai.provider.name", provider(host).to_owned()),
            KeyValue::new("server.address", host.to_owned()),
        ]);
    }
    let port = url.and_then(|url| url.port_or_known_default());
    attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
    attributes
}

/// A server of one's own goes by its name.
fn provider(host: &str) -> &str {
    let is_at = |end: &str| {
        host.strip_suffix(end)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let known = KNOWN.iter().find(|(end, _)| is_at(end));
    known.map_or(host, |(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_told_by_its_host() {
        for (host, name) in [
            ("api.openai.com", "openai"),
            ("shop.openai.azure.com", "azure.ai.openai"),
            ("api.mistral.ai", "mistral_ai"),
            ("notopenai.com", "notopenai.com"),
            ("tei.internal", "tei.internal"),
        ] {
            assert_eq!(provider(host), name);
        }
    }

    #[test]
    fn a_request_says_where_it_goes() {
        let attributes = of_embedding("https://api.openai.com/v1", "small", 256);
        let value = |name: &str| {
            let mut found = attributes.iter().filter(|it| it.key.as_str() == name);
            found.next().map(|it| it.value.to_string())
        };
        assert_eq!(value("gen_ai.provider.name").as_deref(), Some("openai"));
        assert_eq!(value("server.address").as_deref(), Some("api.openai.com"));
        assert_eq!(value("server.port").as_deref(), Some("443"));
        assert_eq!(
            value("gen_ai.embeddings.dimension.count").as_deref(),
            Some("256")
        );
    }
}
