//! A provider that repeats the key it was sent, in an answer that goes into a dead letter.

use rdkafka::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use vectide::{app::App, config::SecretRef, stand_ins::StandIns};

use crate::shop::{Shop, local, row};

const KEY: &str = "sk-hunter2";

/// Refuses every text, for the key's sake as it says. Returns its URL.
async fn start_provider() -> String {
    let listener = TcpListener::bind(local()).await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // The head comes first, and the key is in it.
                let mut request = vec![0; 16_384];
                let read = stream.read(&mut request).await.unwrap_or_default();
                assert!(String::from_utf8_lossy(&request[..read]).contains(KEY));
                let body = format!("{{\"error\":{{\"message\":\"bad input by Bearer {KEY}\"}}}}");
                let answer = format!(
                    "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // A client that has gone wants no answer.
                let _ = stream.write_all(answer.as_bytes()).await;
                // Closed with something unread, the answer could be lost.
                let _ = stream.read_to_end(&mut request).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_a_provider_repeats_is_in_no_letter_and_nowhere_else() {
    let mut shop = Shop::open().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    shop.config.embed.api_key = Some(SecretRef::File(file));
    let mut endpoints = shop.endpoints();
    endpoints.embed_url = start_provider().await;
    let app = App::start_with(&shop.config, StandIns::default(), endpoints);
    let app = app.await.unwrap();
    shop.put(1, row("kettle", 1)).await;
    let letters = shop.dead_letters(1).await;
    let said = app_says(&app).await;
    assert!(!said.contains("hunter2"), "{said}");
    let headers = letters.first().unwrap().headers().unwrap();
    let values: Vec<u8> = rdkafka::message::Headers::iter(headers)
        .flat_map(|header| header.value.unwrap_or_default().to_vec())
        .collect();
    let values = String::from_utf8_lossy(&values).into_owned();
    assert!(values.contains("bad input by Bearer ***"), "{values}");
    assert!(!values.contains("hunter2"));
    app.stop().await.unwrap();
}

/// Everything that the admin port tells.
async fn app_says(app: &App) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut said = String::new();
    for path in ["/", "/api/status", "/metrics", "/readyz"] {
        let url = format!("http://{}{path}", app.admin_address().unwrap());
        said += &http.get(url).send().await.unwrap().text().await.unwrap();
    }
    said
}
