//! `vectide embedded`.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use crate::{running::Running, texts, vectide};

/// A stand-in as a script uses it: its address is read, something is asked of it, it is told to stop.
pub(crate) fn stand_in(arguments: &[&str], ask: impl FnOnce(&str)) {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [&["embedded"], arguments].concat();
    let process = vectide(directory.path(), &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Running(process);
    let mut output = BufReader::new(process.0.stdout.take().unwrap());
    let mut address = String::new();
    output.read_line(&mut address).unwrap();
    ask(address.trim_end());
    let kill = Command::new("kill")
        .arg(process.0.id().to_string())
        .status()
        .unwrap();
    assert!(kill.success());
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn kafka_answers_with_the_topics_it_was_told_to_create() {
    let arguments = ["kafka", "--brokers", "2", "--topic", "shop:7"];
    stand_in(&arguments, |address| {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", address)
            .create()
            .unwrap();
        let patience = std::time::Duration::from_secs(30);
        let metadata = consumer.fetch_metadata(Some("shop"), patience).unwrap();
        assert_eq!(metadata.brokers().len(), 2);
        assert_eq!(metadata.topics().first().unwrap().partitions().len(), 7);
    });
}

#[test]
fn qdrant_answers_a_client_and_keeps_its_points_in_the_folder() {
    let storage = tempfile::tempdir().unwrap();
    let folder = storage.path().to_str().unwrap();
    let arguments = ["qdrant", "--address", "127.0.0.1:0", "--storage", folder];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = |address: &str| {
        qdrant_client::Qdrant::from_url(address)
            .skip_compatibility_check()
            .build()
            .unwrap()
    };
    stand_in(&arguments, |address| {
        let create = qdrant_client::qdrant::CreateCollectionBuilder::new("products");
        let made = runtime.block_on(client(address).create_collection(create));
        assert!(made.unwrap().result);
    });
    stand_in(&arguments, |address| {
        let exists = runtime.block_on(client(address).collection_exists("products"));
        assert!(exists.unwrap());
    });
}

#[test]
fn embeddings_answer_over_http() {
    stand_in(&["embeddings", "--address", "127.0.0.1:0"], |address| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let models = runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = client.get(format!("{address}/models")).send().await;
            answer.unwrap().text().await.unwrap()
        });
        assert!(models.contains("text-embedding-3-small"), "{models}");
    });
}

#[test]
fn a_taken_port_is_said_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["embedded", "qdrant", "--address", &address];
    let output = vectide(directory.path(), &arguments).output().unwrap();
    let (code, printed, errors) = texts(&output);
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    let expected = format!("vectide: cannot listen on {address}: Address already in use");
    assert!(errors.starts_with(&expected), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}
