//! `vectide capture`.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use crate::{running::Running, texts, vectide};

/// A topic with three records of a table in it.
pub(crate) fn shop() -> vectide_embedded::kafka::EmbeddedKafka {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions};
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    kafka.create_topic("shop.products", 1).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .create()
        .unwrap();
    for value in [
        Some(r#"{"op":"c","after":{"id":1,"title":"Tent"},"source":{}}"#),
        Some(r#"{"op":"d","after":null,"source":{}}"#),
        None,
    ] {
        let mut record = BaseRecord::to("shop.products").key(r#"{"id":1}"#);
        record.payload = value;
        producer.send(record).unwrap();
    }
    producer.flush(std::time::Duration::from_secs(30)).unwrap();
    kafka
}

#[test]
fn a_capture_holds_what_the_topic_holds_and_leaves_no_trace_in_the_group() {
    let kafka = shop();
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = vectide(directory.path(), arguments)
            .env("VECTIDE__KAFKA__BROKERS", kafka.bootstrap_servers())
            .output()
            .unwrap();
        let (code, printed, errors) = texts(&output);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{arguments:?}");
        printed
    };
    let topic = ["--topic", "^shop[.]"];
    let said = run(&[&["capture"], &topic[..], &["--output", "shop.jsonl.gz"]].concat());
    assert_eq!(said, "3 records in shop.jsonl.gz\n");
    assert_eq!(
        run(&[&["capture"], &topic[..], &["--from", "-2"]].concat())
            .lines()
            .count(),
        2
    );
    assert_eq!(
        run(&[&["capture"], &topic[..], &["--limit", "1"]].concat())
            .lines()
            .count(),
        1
    );

    let shown = ["--records", "--json"];
    let of_topic = run(&[&["inspect"], &topic[..], &shown[..]].concat());
    let of_file = run(&[&["inspect", "--file", "shop.jsonl.gz"], &shown[..]].concat());
    assert_eq!(of_topic, of_file);
    let operations: Vec<_> = of_file
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|record| {
            record
                .get("operation")
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(operations, ["create", "delete", "tombstone"]);

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("group.id", "vectide-reader")
        .create()
        .unwrap();
    let mut partition = rdkafka::TopicPartitionList::new();
    partition.add_partition("shop.products", 0);
    let patience = std::time::Duration::from_secs(30);
    let committed = consumer.committed_offsets(partition, patience).unwrap();
    assert_eq!(
        committed.elements().first().unwrap().offset(),
        rdkafka::Offset::Invalid
    );
}

#[test]
fn a_capture_that_follows_goes_on_at_the_end_until_it_is_told_to_stop() {
    let kafka = shop();
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["capture", "--topic", "shop.products", "--follow"];
    let mut process = vectide(directory.path(), &arguments);
    let process = process
        .env("VECTIDE__KAFKA__BROKERS", kafka.bootstrap_servers())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Running(process);
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    for offset in 0..3 {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(&format!("\"offset\":{offset}")), "{line}");
    }
    let id = process.0.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
    assert!(lines.next().is_none());
}

#[test]
fn a_topic_that_does_not_exist_is_said_in_one_line() {
    let kafka = shop();
    let directory = tempfile::tempdir().unwrap();
    let output = vectide(directory.path(), &["capture", "--topic", "absent"])
        .env("VECTIDE__KAFKA__BROKERS", kafka.bootstrap_servers())
        .output()
        .unwrap();
    let expected = "vectide: the topic absent does not exist: correct the name\n";
    assert_eq!(
        texts(&output),
        (Some(1), String::new(), expected.to_owned())
    );
}
