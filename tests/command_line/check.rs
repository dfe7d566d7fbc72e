//! `vectide check`.

use std::fs;

use crate::{texts, vectide};

#[test]
fn a_check_of_servers_that_answer_has_a_tick_for_each() {
    use vectide_embedded::{
        embeddings::{EmbeddedEmbeddings, EmbeddingsOptions},
        kafka::{EmbeddedKafka, KafkaOptions},
        qdrant::{EmbeddedQdrant, QdrantOptions, Storage},
    };
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    let brokers = kafka.bootstrap_servers();
    kafka.create_topic("shop.products", 3).unwrap();
    kafka.create_topic("dead", 1).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (qdrant, embeddings) = runtime.block_on(async {
        let options = QdrantOptions {
            address: ([127, 0, 0, 1], 0).into(),
            storage: Storage::Memory,
        };
        let qdrant = EmbeddedQdrant::start(options).await.unwrap();
        let embeddings = EmbeddedEmbeddings::start(EmbeddingsOptions::default()).await;
        (qdrant, embeddings.unwrap())
    });
    let directory = tempfile::tempdir().unwrap();
    let (url, embed_url) = (qdrant.url(), embeddings.url());
    let configuration = format!(
        "[kafka]\nbrokers = \"{brokers}\"\ntopics = [\"shop.products\", \"^shop[.]p\", \"shop.absent\"]\n\
         [dead_letter]\ntopic = \"dead\"\n\
         [index]\nurl = \"{url}\"\n\
         [embed]\nurl = \"{embed_url}\"\ndimensions = 64\n"
    );
    fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
    let output = vectide(directory.path(), &["check"]).output().unwrap();
    let (code, printed, errors) = texts(&output);
    let expected = format!(
        "✓ configuration: vectide.toml\n\
         ✓ secrets: none is missing\n\
         ✓ kafka.brokers: 1 broker at {brokers}\n\
         ✓ kafka.topics: shop.products has 3 partitions\n\
         ✓ kafka.topics: ^shop[.]p matches 1 topic: shop.products\n\
         ✗ kafka.topics: shop.absent does not exist: create it, or correct the name (a run waits for it)\n\
         ✓ kafka.group: vectide may be used\n\
         ✓ dead_letter.topic: dead is there; whether it may be written to shows with the first letter\n\
         ✓ index.url: Qdrant 1.20.0 at {url}\n\
         ✓ index.collection: products is not there, and will be created\n\
         ✓ embed.url: text-embedding-3-small answers with vectors of length 64\n\
         ✓ cost: text-embedding-3-small costs $0.02 for a million tokens (prices of 2026-05)\n"
    );
    let version = printed.split_once("Qdrant ").unwrap().1;
    let version = version.split_once(' ').unwrap().0;
    let expected = expected.replace("1.20.0", version);
    assert_eq!((printed, errors.as_str()), (expected, ""));
    // One topic is absent.
    assert_eq!(code, Some(1));
}

#[test]
fn a_check_of_servers_that_are_wrong_says_of_each_what_to_do() {
    use vectide_embedded::embeddings::{Behaviour, EmbeddedEmbeddings, EmbeddingsOptions};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let behaviour = Behaviour {
        api_key: Some("another".to_owned()),
        ..Behaviour::default()
    };
    let embeddings = runtime.block_on(EmbeddedEmbeddings::start(EmbeddingsOptions {
        behaviour,
        ..EmbeddingsOptions::default()
    }));
    let url = embeddings.as_ref().unwrap().url();
    let directory = tempfile::tempdir().unwrap();
    let configuration = format!(
        "[kafka]\nbrokers = \"127.0.0.1:1\"\ntopics = [\"shop.products\"]\n\
         [index]\nurl = \"http://127.0.0.1:1\"\napi_key = {{ env = \"UNSET\" }}\n\
         [embed]\nurl = \"{url}\"\napi_key = {{ env = \"EMBED_KEY\" }}\n"
    );
    fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
    let output = vectide(directory.path(), &["check"])
        .env("EMBED_KEY", "hunter2")
        .output()
        .unwrap();
    let (code, printed, _) = texts(&output);
    let lines: Vec<&str> = printed.lines().collect();
    for (line, beginning) in lines.iter().zip([
        "✓ configuration: vectide.toml",
        "✗ index.api_key: the environment variable UNSET is not set",
        "✗ kafka.brokers: Kafka does not answer: are kafka.brokers and kafka.security right, and the brokers up? (127.0.0.1:1/bootstrap: Connect",
        "✗ index.url: cannot read index.api_key: the environment variable UNSET is not set",
        "✗ embed.url: the embedding endpoint does not accept the key: correct embed.api_key",
        "✓ cost: text-embedding-3-small costs $0.02 for a million tokens",
    ]) {
        assert!(line.starts_with(beginning), "{line}\n{beginning}");
    }
    assert_eq!((lines.len(), code), (6, Some(1)), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}
