//! The endpoint as its clients see it: over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "a test fails by panicking; equal texts have equal bits"
)]

use std::num::NonZeroU32;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::{Behaviour, EmbeddedEmbeddings, EmbeddingsOptions, Failure, Garbage, vector};

const MODEL: &str = "text-embedding-3-small";

struct Endpoint {
    server: EmbeddedEmbeddings,
    client: Client,
}

impl Endpoint {
    async fn start(behaviour: Behaviour) -> Self {
        let options = EmbeddingsOptions {
            behaviour,
            ..EmbeddingsOptions::default()
        };
        Self {
            server: EmbeddedEmbeddings::start(options).await.unwrap(),
            client: Client::new(),
        }
    }

    async fn ideal() -> Self {
        Self::start(Behaviour::default()).await
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.client
            .post(self.at(path))
            .body(body.to_string())
            .send()
            .await
            .unwrap()
    }

    async fn embed(&self, input: impl Into<Value>) -> Response {
        self.post(
            "/v1/embeddings",
            &json!({"model": MODEL, "input": input.into()}),
        )
        .await
    }
}

async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn floats(embedding: &Value) -> Vec<f32> {
    serde_json::from_value(embedding.clone()).unwrap()
}

fn base64_floats(embedding: &Value) -> Vec<f32> {
    let bytes = STANDARD.decode(embedding.as_str().unwrap()).unwrap();
    bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

fn per_minute(limit: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(limit)
}

#[tokio::test]
async fn an_answer_has_openais_shape() {
    let endpoint = Endpoint::ideal().await;
    let response = endpoint.embed(json!(["trail boots", "rain coat"])).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let answer = json(response).await;
    assert_eq!(answer["object"], "list");
    assert_eq!(answer["model"], MODEL);
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 6, "total_tokens": 6})
    );
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    for (index, text) in ["trail boots", "rain coat"].into_iter().enumerate() {
        assert_eq!(data[index]["object"], "embedding");
        assert_eq!(data[index]["index"], index);
        assert_eq!(floats(&data[index]["embedding"]), vector(text, 1536));
    }
}

#[tokio::test]
async fn base64_is_the_same_vector_in_little_endian_floats() {
    let endpoint = Endpoint::ideal().await;
    let body = json!({"model": MODEL, "input": ["boots", "tent"], "dimensions": 256, "encoding_format": "base64"});
    let answer = json(endpoint.post("/v1/embeddings", &body).await).await;
    assert_eq!(
        base64_floats(&answer["data"][0]["embedding"]),
        vector("boots", 256)
    );
    assert_eq!(
        base64_floats(&answer["data"][1]["embedding"]),
        vector("tent", 256)
    );
}

#[tokio::test]
async fn one_text_may_stand_alone() {
    let endpoint = Endpoint::ideal().await;
    let answer = json(endpoint.embed("tent").await).await;
    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn other_providers_addresses_answer_too() {
    let endpoint = Endpoint::ideal().await;
    let azure = "/openai/deployments/my-embeddings/embeddings?api-version=2024-10-21";
    let answer = json(
        endpoint
            .post(azure, &json!({"input": "tent", "dimensions": 8}))
            .await,
    )
    .await;
    assert_eq!(answer["model"], "my-embeddings");

    let models = json(
        endpoint
            .client
            .get(endpoint.at("/v1/models"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert!(
        models["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["id"] == MODEL)
    );
}

#[tokio::test]
async fn a_request_the_provider_would_refuse_is_refused_with_the_reason() {
    let endpoint = Endpoint::start(Behaviour {
        max_inputs: Some(2),
        max_tokens_per_input: Some(3),
        max_tokens_per_request: Some(5),
        refuse_containing: Some("forbidden".to_owned()),
        ..Behaviour::default()
    })
    .await;
    let refused = [
        (
            json!({"model": MODEL, "input": ["a", "b", "c"]}),
            "array too long",
            json!("array_above_max_length"),
        ),
        (
            json!({"model": MODEL, "input": []}),
            "empty array",
            json!("empty_array"),
        ),
        (
            json!({"model": MODEL, "input": ["a", ""]}),
            "empty string",
            json!(null),
        ),
        (
            json!({"model": MODEL, "input": "thirteen long"}),
            "maximum context length is 3",
            json!(null),
        ),
        (
            json!({"model": MODEL, "input": ["twelve chars", "twelve chars"]}),
            "per request",
            json!("max_tokens_per_request"),
        ),
        (
            json!({"model": MODEL, "input": ["fine", "forbidden"]}),
            "refuses",
            json!(null),
        ),
        (
            json!({"model": MODEL, "input": "a", "dimensions": 1537}),
            "dimensions",
            json!(null),
        ),
        (
            json!({"model": "text-embedding-ada-002", "input": "a", "dimensions": 8}),
            "dimensions",
            json!(null),
        ),
        (json!({"input": "a"}), "model parameter", json!(null)),
        (
            json!({"model": MODEL, "input": [1, 2]}),
            "expected a string",
            json!(null),
        ),
        (
            json!({"model": MODEL}),
            "missing field `input`",
            json!(null),
        ),
    ];
    for (body, reason, code) in refused {
        let response = endpoint.post("/v1/embeddings", &body).await;
        assert_eq!(response.status(), 400, "{body}");
        let error = json(response).await["error"].clone();
        assert!(
            error["message"].as_str().unwrap().contains(reason),
            "{body}: {error}"
        );
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["code"], code, "{body}");
    }
    assert_eq!(endpoint.server.control().stats().failed, 11);
    assert_eq!(endpoint.server.control().stats().inputs, 0);
}

#[tokio::test]
async fn an_unknown_address_is_told_as_openai_tells_it() {
    let endpoint = Endpoint::ideal().await;
    for path in ["/v2/embeddings", "/embeddings"] {
        let response = endpoint.post(path, &json!({})).await;
        assert_eq!(response.status(), 404);
        assert_eq!(
            json(response).await["error"]["message"],
            format!("Invalid URL (POST {path})")
        );
    }
}

#[tokio::test]
async fn a_provider_that_knows_its_own_models_only_says_so() {
    let endpoint = Endpoint::start(Behaviour {
        known_models_only: true,
        ..Behaviour::default()
    })
    .await;
    assert_eq!(endpoint.embed("tent").await.status(), 200);
    let body = json!({"model": "small", "input": "tent"});
    let response = endpoint.post("/v1/embeddings", &body).await;
    assert_eq!(response.status(), 404);
    assert_eq!(json(response).await["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn every_answer_tells_what_is_left_of_the_limits() {
    let endpoint = Endpoint::start(Behaviour {
        requests_per_minute: per_minute(1),
        tokens_per_minute: per_minute(1_000),
        ..Behaviour::default()
    })
    .await;
    let response = endpoint.embed("tent").await;
    let headers = response.headers();
    assert_eq!(headers["x-ratelimit-limit-requests"], "1");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "0");
    assert_eq!(headers["x-ratelimit-reset-requests"], "60000ms");
    assert_eq!(headers["x-ratelimit-limit-tokens"], "1000");
    assert_eq!(headers["x-ratelimit-remaining-tokens"], "999");
    let response = endpoint.embed("tent").await;
    assert_eq!(response.status(), 429);
    let headers = response.headers();
    assert_eq!(headers["retry-after"], "60");
    let millis: u64 = headers["retry-after-ms"].to_str().unwrap().parse().unwrap();
    assert!((50_000..=60_000).contains(&millis), "{millis}");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "0");
    assert!(
        !Endpoint::ideal()
            .await
            .embed("tent")
            .await
            .headers()
            .contains_key("x-ratelimit-limit-tokens")
    );
}

#[tokio::test]
async fn only_the_right_key_opens_in_either_header() {
    let behaviour = Behaviour {
        api_key: Some("secret".to_owned()),
        ..Behaviour::default()
    };
    let endpoint = Endpoint::start(behaviour).await;
    for (header, value, status) in [
        ("authorization", "Bearer secret", 200),
        ("api-key", "secret", 200),
        ("authorization", "Bearer wrong", 401),
        ("authorization", "secret", 401),
        ("x-other", "secret", 401),
    ] {
        let body = json!({"model": MODEL, "input": "tent"}).to_string();
        let request = endpoint
            .client
            .post(endpoint.at("/v1/embeddings"))
            .header(header, value)
            .body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{header}: {value}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("wrong"), "a key is not repeated: {text}");
    }
}

#[tokio::test]
async fn a_stall_holds_requests_until_it_is_cleared() {
    let endpoint = Endpoint::start(Behaviour {
        stall: true,
        ..Behaviour::default()
    })
    .await;
    let control = endpoint.server.control().clone();
    let asking = tokio::spawn(async move { endpoint.embed("tent").await.status() });
    control.stats_when(|stats| stats.in_flight == 1).await;
    assert!(!asking.is_finished());
    control.update(|behaviour| behaviour.stall = false);
    assert_eq!(asking.await.unwrap(), 200);
    assert_eq!(control.stats().in_flight, 0);
}

#[tokio::test]
async fn latency_makes_every_answer_late() {
    let endpoint = Endpoint::start(Behaviour {
        latency_ms: 60,
        ..Behaviour::default()
    })
    .await;
    let start = tokio::time::Instant::now();
    assert_eq!(endpoint.embed("tent").await.status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_client_that_gives_up_is_no_longer_in_flight() {
    let endpoint = Endpoint::start(Behaviour {
        stall: true,
        ..Behaviour::default()
    })
    .await;
    let control = endpoint.server.control().clone();
    let asking = tokio::spawn(async move { endpoint.embed("tent").await.status() });
    control.stats_when(|stats| stats.in_flight == 1).await;
    asking.abort();
    control.stats_when(|stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn a_failure_with_a_count_wears_off() {
    let endpoint = Endpoint::ideal().await;
    let failure = Failure {
        retry_after_s: Some(7),
        ..Failure::times(2, 429)
    };
    endpoint
        .server
        .control()
        .update(|behaviour| behaviour.fail = Some(failure));
    for _ in 0..2 {
        let response = endpoint.embed("tent").await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(json(response).await["error"]["code"], "rate_limit_exceeded");
    }
    assert_eq!(endpoint.embed("tent").await.status(), 200);
    assert_eq!(endpoint.server.control().behaviour().fail, None);
    let stats = endpoint.server.control().stats();
    assert_eq!(
        (stats.requests, stats.throttled, stats.failed, stats.inputs),
        (3, 2, 0, 1)
    );
}

#[tokio::test]
async fn a_failure_without_a_count_lasts_until_it_is_cleared() {
    let endpoint = Endpoint::ideal().await;
    let control = endpoint.server.control();
    for (status, kind) in [
        (500, "server_error"),
        (401, "invalid_request_error"),
        (503, "server_error"),
    ] {
        control.update(|behaviour| behaviour.fail = Some(Failure::status(status)));
        for _ in 0..3 {
            let response = endpoint.embed("tent").await;
            assert_eq!(response.status(), status);
            assert_eq!(json(response).await["error"]["type"], kind);
        }
    }
    control.update(|behaviour| behaviour.fail = None);
    assert_eq!(endpoint.embed("tent").await.status(), 200);
}

#[tokio::test]
async fn an_exhausted_quota_differs_from_a_rate_limit() {
    let endpoint = Endpoint::ideal().await;
    let failure = Failure {
        code: Some("insufficient_quota".to_owned()),
        ..Failure::status(429)
    };
    endpoint
        .server
        .control()
        .update(|behaviour| behaviour.fail = Some(failure));
    let response = endpoint.embed("tent").await;
    assert_eq!(response.status(), 429);
    assert!(!response.headers().contains_key("retry-after"));
    let error = json(response).await["error"].clone();
    assert_eq!(error["type"], "insufficient_quota");
    assert_eq!(error["code"], "insufficient_quota");
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back_and_a_refused_request_costs_nothing() {
    let behaviour = Behaviour {
        requests_per_minute: per_minute(2),
        tokens_per_minute: per_minute(60),
        ..Behaviour::default()
    };
    let endpoint = Endpoint::start(behaviour).await;
    // 61 tokens: no waiting makes that fit.
    let response = endpoint.embed("x".repeat(241)).await;
    assert_eq!(response.status(), 429);
    assert!(!response.headers().contains_key("retry-after"));

    assert_eq!(endpoint.embed("x".repeat(240)).await.status(), 200);
    let response = endpoint.embed("x".repeat(160)).await;
    assert_eq!(response.status(), 429);
    let seconds: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        (1..=40).contains(&seconds),
        "40 tokens come back in 40 seconds: {seconds}"
    );
    assert_eq!(json(response).await["error"]["type"], "tokens");

    // With that limit gone, the second of the two requests a minute is still there.
    endpoint
        .server
        .control()
        .update(|behaviour| behaviour.tokens_per_minute = None);
    assert_eq!(endpoint.embed("tent").await.status(), 200);
    let response = endpoint.embed("tent").await;
    assert_eq!(response.status(), 429);
    assert_eq!(json(response).await["error"]["type"], "requests");
    assert_eq!(endpoint.server.control().stats().throttled, 3);
}

#[tokio::test]
async fn garbage_is_what_it_says() {
    let endpoint = Endpoint::ideal().await;
    let ask = async |garbage, encoding: &str| {
        endpoint
            .server
            .control()
            .update(|behaviour| behaviour.garbage = Some(garbage));
        let body = json!({"model": MODEL, "input": ["boots", "tent"], "dimensions": 4, "encoding_format": encoding});
        let response = endpoint.post("/v1/embeddings", &body).await;
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    };
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();

    for encoding in ["float", "base64"] {
        let truncated = ask(Garbage::Truncated, encoding).await;
        assert!(truncated.starts_with("{\"object\":\"list\""));
        assert!(
            serde_json::from_str::<Value>(&truncated)
                .unwrap_err()
                .is_eof()
        );

        assert!(
            ask(Garbage::NotJson, encoding)
                .await
                .starts_with("<!DOCTYPE html>")
        );
        assert_eq!(
            parsed(&ask(Garbage::WrongCount, encoding).await)["data"]
                .as_array()
                .unwrap()
                .len(),
            1
        );

        let swapped = parsed(&ask(Garbage::WrongOrder, encoding).await);
        assert_eq!(
            (&swapped["data"][0]["index"], &swapped["data"][1]["index"]),
            (&json!(1), &json!(0))
        );
    }
    let order = parsed(&ask(Garbage::WrongOrder, "float").await);
    assert_eq!(floats(&order["data"][0]["embedding"]), vector("tent", 4));

    let short = parsed(&ask(Garbage::WrongLength, "float").await);
    assert_eq!(floats(&short["data"][0]["embedding"]).len(), 3);
    let short = parsed(&ask(Garbage::WrongLength, "base64").await);
    assert_eq!(base64_floats(&short["data"][0]["embedding"]).len(), 3);

    assert!(
        ask(Garbage::Nan, "float")
            .await
            .contains(r#""embedding":[NaN,"#)
    );
    let nan = parsed(&ask(Garbage::Nan, "base64").await);
    let bits = base64_floats(&nan["data"][0]["embedding"]);
    assert!(bits[0].is_nan() && bits[1..].iter().all(|component| component.is_finite()));

    let null = parsed(&ask(Garbage::Null, "float").await);
    assert_eq!(
        null["data"][1]["embedding"],
        json!([null, null, null, null])
    );
    let null = parsed(&ask(Garbage::Null, "base64").await);
    assert_eq!(null["data"][1]["embedding"], json!(null));
}

#[tokio::test]
async fn the_statistics_tell_repeated_texts_from_new_ones() {
    let endpoint = Endpoint::ideal().await;
    endpoint.embed(json!(["boots", "tent", "boots"])).await;
    endpoint.embed("tent").await;
    let stats = json(
        endpoint
            .client
            .get(endpoint.at("/control/stats"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        stats,
        json!({
            "requests": 2, "in_flight": 0, "inputs": 4, "tokens": 6, "throttled": 0, "failed": 0,
            "distinct_texts": 2, "duplicate_texts": 2
        })
    );
}

#[tokio::test]
async fn behaviour_is_set_read_and_reset_over_http() {
    let start = Behaviour {
        max_inputs: Some(8),
        ..Behaviour::default()
    };
    let endpoint = Endpoint::start(start.clone()).await;
    let put = async |body: &'static str| {
        endpoint
            .client
            .put(endpoint.at("/control"))
            .body(body)
            .send()
            .await
            .unwrap()
    };

    assert_eq!(
        put(r#"{"fail": {"status": 500, "remaining": 3}}"#)
            .await
            .status(),
        200
    );
    assert_eq!(endpoint.embed("tent").await.status(), 500);
    let behaviour = json(
        endpoint
            .client
            .get(endpoint.at("/control"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(behaviour["fail"]["remaining"], 2);
    assert_eq!(behaviour["max_inputs"], json!(null));

    for nonsense in [
        r#"{"latency": 5}"#,
        r#"{"fail": {"status": 200}}"#,
        r#"{"garbage": "odd"}"#,
        r#"{"requests_per_minute": 0}"#,
        "x",
    ] {
        let response = put(nonsense).await;
        assert_eq!(response.status(), 400, "{nonsense}");
    }
    assert_eq!(
        endpoint.embed("tent").await.status(),
        500,
        "nonsense changes nothing"
    );

    assert_eq!(
        endpoint.post("/control/reset", &json!({})).await.status(),
        200
    );
    assert_eq!(endpoint.server.control().behaviour(), start);
    assert_eq!(endpoint.server.control().stats().requests, 0);
}

#[tokio::test]
async fn shutdown_lets_no_request_wait_and_frees_the_port() {
    let endpoint = Endpoint::start(Behaviour {
        stall: true,
        ..Behaviour::default()
    })
    .await;
    let (control, address) = (endpoint.server.control().clone(), endpoint.server.address());
    let Endpoint { server, client } = endpoint;
    let request = client
        .post(format!("{}/embeddings", server.url()))
        .body(json!({"model": MODEL, "input": "tent"}).to_string());
    let asking = tokio::spawn(async move { request.send().await.unwrap().status() });
    control.stats_when(|stats| stats.in_flight == 1).await;
    server.shutdown().await;
    assert_eq!(asking.await.unwrap(), 503);

    let again = EmbeddingsOptions {
        address,
        ..EmbeddingsOptions::default()
    };
    EmbeddedEmbeddings::start(again)
        .await
        .unwrap()
        .shutdown()
        .await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let endpoint = Endpoint::ideal().await;
    let address = endpoint.server.address();
    let again = EmbeddingsOptions {
        address,
        ..EmbeddingsOptions::default()
    };
    let error = EmbeddedEmbeddings::start(again).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}
