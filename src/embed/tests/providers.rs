//! The examples of `docs/providers.md`: each is read from the page, asks an endpoint that knows
//! what the provider documents and nothing else, and reads the answer that the provider documents.

use std::{collections::BTreeSet, fs};

use super::*;
use crate::config::{ConfigFile, EmbedConfig, SecretRef, Sources};

const PAGE: &str = include_str!("../../../docs/providers.md");

/// What a provider documents.
#[derive(Clone)]
struct Provider {
    /// Its heading on the page.
    name: &'static str,
    /// Path and query of the request.
    uri: &'static str,
    /// The header with the key.
    key: Option<(&'static str, &'static str)>,
    /// The fields that a request's body may have.
    fields: &'static [&'static str],
    /// What the example's request says beside the input.
    body: Value,
    /// An answer with two vectors.
    answer: fn(&Value, &Value) -> Value,
}

const OPENAI_FIELDS: &[&str] = &["input", "model", "encoding_format", "dimensions", "user"];

const BEARER: Option<(&str, &str)> = Some(("authorization", "Bearer key"));

fn openai_answer(first: &Value, second: &Value) -> Value {
    json!({
        "object": "list",
        "data": [
            {"object": "embedding", "embedding": first, "index": 0},
            {"object": "embedding", "embedding": second, "index": 1},
        ],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    })
}

fn providers() -> Vec<Provider> {
    [of_openais_models(), of_other_models(), self_hosted()].concat()
}

fn of_openais_models() -> Vec<Provider> {
    let openai = || json!({"model": "text-embedding-3-small", "dimensions": 1536, "encoding_format": "base64"});
    vec![
        Provider {
            name: "OpenAI",
            uri: "/v1/embeddings",
            key: BEARER,
            fields: OPENAI_FIELDS,
            body: openai(),
            answer: openai_answer,
        },
        Provider {
            name: "HolySheep",
            uri: "/v1/embeddings",
            key: BEARER,
            fields: OPENAI_FIELDS,
            body: openai(),
            answer: openai_answer,
        },
        Provider {
            name: "Azure OpenAI",
            uri: "/openai/deployments/my-deployment/embeddings?api-version=2024-10-21",
            key: Some(("api-key", "key")),
            fields: &[
                "input",
                "model",
                "encoding_format",
                "dimensions",
                "user",
                "input_type",
            ],
            body: openai(),
            answer: openai_answer,
        },
    ]
}

fn of_other_models() -> Vec<Provider> {
    vec![
        Provider {
            name: "Cohere",
            uri: "/compatibility/v1/embeddings",
            key: BEARER,
            fields: &["input", "model", "encoding_format"],
            body: json!({"model": "embed-v4.0", "encoding_format": "float"}),
            answer: |first, second| {
                json!({
                    "object": "list",
                    "data": [
                        {"object": "embedding", "index": 0, "embedding": first},
                        {"object": "embedding", "index": 1, "embedding": second},
                    ],
                    "model": "embed-v4.0",
                    "usage": {"prompt_tokens": 8, "total_tokens": 8},
                })
            },
        },
        Provider {
            name: "Voyage AI",
            uri: "/v1/embeddings",
            key: BEARER,
            fields: &[
                "input",
                "model",
                "input_type",
                "truncation",
                "output_dimension",
                "output_dtype",
                "encoding_format",
            ],
            body: json!({
                "model": "voyage-3.5", "input_type": "document", "output_dimension": 1024,
                "encoding_format": "base64",
            }),
            // It counts in total only.
            answer: |first, second| {
                json!({
                    "object": "list",
                    "data": [
                        {"object": "embedding", "embedding": first, "index": 0},
                        {"object": "embedding", "embedding": second, "index": 1},
                    ],
                    "model": "voyage-3.5",
                    "usage": {"total_tokens": 8},
                })
            },
        },
    ]
}

fn self_hosted() -> Vec<Provider> {
    vec![
        Provider {
            name: "Ollama",
            uri: "/v1/embeddings",
            key: None,
            fields: OPENAI_FIELDS,
            body: json!({"model": "nomic-embed-text", "encoding_format": "float"}),
            answer: openai_answer,
        },
        Provider {
            name: "Text Embeddings Inference",
            uri: "/v1/embeddings",
            key: None,
            fields: OPENAI_FIELDS,
            body: json!({"model": "BAAI/bge-small-en-v1.5", "encoding_format": "base64"}),
            answer: openai_answer,
        },
        Provider {
            name: "vLLM",
            uri: "/v1/embeddings",
            key: None,
            fields: &[
                "input",
                "model",
                "encoding_format",
                "dimensions",
                "user",
                "truncate_prompt_tokens",
                "add_special_tokens",
                "priority",
            ],
            body: json!({"model": "intfloat/e5-mistral-7b-instruct", "encoding_format": "base64"}),
            answer: |first, second| {
                json!({
                    "id": "embd-123", "object": "list", "created": 1_735_689_600,
                    "model": "intfloat/e5-mistral-7b-instruct",
                    "data": [
                        {"index": 0, "object": "embedding", "embedding": first},
                        {"index": 1, "object": "embedding", "embedding": second},
                    ],
                    "usage": {
                        "prompt_tokens": 8, "total_tokens": 8, "completion_tokens": 0,
                        "prompt_tokens_details": null,
                    },
                })
            },
        },
    ]
}

/// The example under a heading of the page.
fn example(name: &str) -> EmbedConfig {
    let (_, section) = PAGE.split_once(&format!("\n## {name}\n")).unwrap();
    let (_, block) = section.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectide.toml");
    fs::write(&file, text).unwrap();
    let sources = Sources {
        file: ConfigFile::Named(file),
        ..Sources::default()
    };
    let config = sources.load_for(|key| key.starts_with("embed"));
    config
        .unwrap_or_else(|problems| panic!("{name}: {problems}"))
        .embed
}

/// A vector of that length as the provider writes it.
fn written(length: u32, base64: bool) -> (Vector, Value) {
    let vector: Vec<f32> = (0..length).map(|number| number as f32 / 8.0).collect();
    let value = if base64 {
        let bytes = vector.iter().flat_map(|number| number.to_le_bytes());
        BASE64_STANDARD.encode(bytes.collect::<Vec<u8>>()).into()
    } else {
        json!(vector)
    };
    (vector.into_iter().collect(), value)
}

async fn ask(provider: &Provider) {
    let mut config = example(provider.name);
    let length = config.dimensions;
    let answer = provider.answer;
    let endpoint = Endpoint::start(move |_, seen| {
        let (_, vector) = written(length, seen.body["encoding_format"] == "base64");
        axum::Json(answer(&vector, &vector)).into_response()
    })
    .await;

    // The same endpoint on another host.
    let folder = tempfile::tempdir().unwrap();
    if config.api_key.is_some() {
        let file = folder.path().join("key");
        fs::write(&file, "key").unwrap();
        config.api_key = Some(SecretRef::File(file));
    }
    let mut url = reqwest::Url::parse(&config.url).unwrap();
    url.set_scheme("http").unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(endpoint.address.port())).unwrap();
    let settings = Settings::new(&config, url.as_str()).unwrap();

    let mut shop = Shop::open(&settings);
    let vector = PointVector::Dense(written(length, true).0);
    let texts = ["a red kettle", "a blue kettle"];
    assert_eq!(shop.buy(&texts).await, [Ok(vector.clone()), Ok(vector)]);
    assert_eq!(shop.metrics.tokens.get(), 8, "{}", provider.name);

    let request = endpoint.seen().remove(0);
    assert_eq!(request.uri, provider.uri);
    if let Some((header, value)) = provider.key {
        assert_eq!(request.headers[header], value);
    } else {
        assert!(!request.headers.contains_key("authorization"));
    }
    let sent = request.body.as_object().unwrap();
    let known: BTreeSet<&str> = provider.fields.iter().copied().collect();
    for field in sent.keys() {
        assert!(
            known.contains(field.as_str()),
            "{} knows no {field}",
            provider.name
        );
    }
    let mut expected = provider.body.clone();
    expected["input"] = json!(texts);
    assert_eq!(request.body, expected, "{}", provider.name);
    for field in settings.query_body.keys() {
        assert!(
            known.contains(field.as_str()),
            "{} knows no {field}",
            provider.name
        );
    }
}

#[tokio::test]
async fn every_example_speaks_as_its_provider_documents() {
    for provider in providers() {
        ask(&provider).await;
    }
}

#[test]
fn every_example_of_the_page_is_tested() {
    let tested: BTreeSet<&str> = providers().iter().map(|provider| provider.name).collect();
    let sections = PAGE.split("\n## ").skip(1);
    let shown: BTreeSet<&str> = sections
        .filter(|section| section.contains("```toml"))
        .filter_map(|section| section.lines().next())
        .collect();
    assert_eq!(shown, tested);
}
