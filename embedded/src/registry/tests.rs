#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::*;

struct Asking {
    registry: EmbeddedRegistry,
    client: Client,
}

impl Asking {
    async fn start() -> Self {
        Self {
            registry: EmbeddedRegistry::start(RegistryOptions::default())
                .await
                .unwrap(),
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.registry.url()))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn register(&self, subject: &str, schema: &Schema) -> (u16, Value) {
        let path = format!("/subjects/{subject}/versions");
        let body = serde_json::to_string(schema).unwrap();
        answer(self.request(Method::POST, &path).body(body)).await
    }
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = serde_json::from_slice(&response.bytes().await.unwrap());
    (status, body.unwrap_or_default())
}

#[tokio::test]
async fn the_same_schema_has_the_same_id_under_every_subject() {
    let asking = Asking::start().await;
    let one = Schema::avro("\"long\"");
    let two = Schema::avro("\"string\"");
    assert_eq!(asking.register("a", &one).await, (200, json!({"id": 1})));
    assert_eq!(asking.register("a", &two).await, (200, json!({"id": 2})));
    assert_eq!(asking.register("b", &two).await, (200, json!({"id": 2})));
    let found = (200, json!({"schema": "\"string\""}));
    assert_eq!(asking.get("/schemas/ids/2").await, found);
    let guid = asking.registry.control().guid(2).unwrap();
    assert_eq!(asking.get(&format!("/schemas/guids/{guid}")).await, found);
    let version = json!({"subject": "a", "version": 2, "id": 2, "schema": "\"string\""});
    assert_eq!(
        asking.get("/subjects/a/versions/2").await,
        (200, version.clone())
    );
    assert_eq!(
        asking.get("/subjects/a/versions/latest").await,
        (200, version)
    );
}

#[tokio::test]
async fn what_is_not_there_has_the_code_that_confluent_gives_it() {
    let asking = Asking::start().await;
    asking
        .registry
        .control()
        .register("a", Schema::avro("\"long\""));
    for (path, code) in [
        ("/schemas/ids/7", 40_403),
        ("/subjects/b/versions/1", 40_401),
        ("/subjects/a/versions/2", 40_402),
        ("/nonsense", 404),
    ] {
        let (status, body) = asking.get(path).await;
        assert_eq!((status, &body["error_code"]), (404, &json!(code)), "{path}");
    }
}

#[tokio::test]
async fn a_schema_can_be_put_under_a_fixed_id_and_be_forgotten() {
    let asking = Asking::start().await;
    asking.registry.control().put(118, Schema::avro("\"long\""));
    assert_eq!(asking.get("/schemas/ids/118").await.0, 200);
    asking.registry.control().forget(118);
    assert_eq!(asking.get("/schemas/ids/118").await.0, 404);
}

#[tokio::test]
async fn it_fails_shows_a_page_and_wants_a_password_when_told_so() {
    let asking = Asking::start().await;
    let control = asking.registry.control();
    control.put(1, Schema::avro("\"long\""));
    let told = async |body: &'static str| {
        let told = asking.request(Method::PUT, "/control").body(body);
        assert_eq!(answer(told).await.0, 200);
        asking.get("/schemas/ids/1").await
    };
    assert_eq!(told(r#"{"fail": 503}"#).await.0, 503);
    assert_eq!(told(r#"{"sign_in_page": true}"#).await, (200, Value::Null));
    assert_eq!(told(r#"{"password": "secret"}"#).await.0, 401);
    let request = asking
        .request(Method::GET, "/schemas/ids/1")
        .basic_auth("me", Some("secret"));
    assert_eq!(answer(request).await.0, 200);
    assert_eq!(told("{}").await.0, 200);
    assert_eq!(
        control.stats(),
        Stats {
            requests: 5,
            found: 2
        }
    );
}
