//! `vectide dlq`.

use rdkafka::ClientConfig;

use crate::{capture::shop, texts, vectide};

/// A dead-letter topic of two partitions: five letters, and a record that is none.
fn dead_letters() -> vectide_embedded::kafka::EmbeddedKafka {
    use rdkafka::{
        message::{Header, OwnedHeaders},
        producer::{BaseProducer, BaseRecord, Producer},
    };
    use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions};
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    kafka.create_topic("vectide.dead-letters", 2).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .create()
        .unwrap();
    for (number, reason) in (0..).zip(["not_json", "empty_text", "not_json", "not_json", "x"]) {
        let offset = format!("{number}");
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            ("__connect.errors.topic", "shop.products"),
            ("__connect.errors.partition", "0"),
            ("__connect.errors.offset", offset.as_str()),
            ("__connect.errors.stage", "decode"),
            ("__connect.errors.exception.class.name", reason),
            ("__connect.errors.exception.message", "it says\nthis"),
            ("vectide.failed_at", "2026-01-31T12:00:00.000Z"),
        ] {
            let value = Some(value);
            headers = headers.insert(Header { key, value });
        }
        let key = format!("{{\"id\":{number}}}");
        let record = BaseRecord::to("vectide.dead-letters")
            .partition(number % 2)
            .key(&key)
            .payload("no JSON")
            .headers(headers);
        producer.send(record).unwrap();
    }
    let other: BaseRecord<'_, str, str> =
        BaseRecord::to("vectide.dead-letters").partition(0).key("?");
    producer.send(other).unwrap();
    producer.flush(std::time::Duration::from_secs(30)).unwrap();
    kafka
}

#[test]
fn dead_letters_are_listed_shown_and_dropped() {
    let kafka = dead_letters();
    let directory = tempfile::tempdir().unwrap();
    let dlq = |arguments: &[&str]| {
        let output = vectide(directory.path(), &[&["dlq"], arguments].concat())
            .env("VECTIDE__KAFKA__BROKERS", kafka.bootstrap_servers())
            .output()
            .unwrap();
        texts(&output)
    };
    let done = |arguments: &[&str]| {
        let (code, printed, errors) = dlq(arguments);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{arguments:?}");
        printed
    };
    let listed = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&done(&[&["list", "--json"], arguments].concat())).unwrap()
    };

    let text = done(&["list"]);
    let first = "vectide.dead-letters: 5 letters; besides 1 record of another kind\n\ndecode not_json\n  letters  3 of shop.products\n";
    assert!(text.starts_with(first), "{text}");
    assert_eq!(listed(&["--key", "[3]"])["letters"], 1);
    assert_eq!(listed(&["--key", "3"])["unmatched"], 4);
    let each = done(&["list", "--each", "--reason", "not_json"]);
    assert_eq!(each.lines().count(), 3, "{each}");
    let line =
        "0@0  2026-01-31T12:00:00.000Z  decode not_json  shop.products/0@0  [0]  it says\\nthis";
    // Partitions are read side by side.
    assert!(each.lines().any(|it| it == line), "{each}");
    let each = done(&["list", "--each", "--json", "--key", "3"]);
    let letter: serde_json::Value = serde_json::from_str(&each).unwrap();
    assert_eq!(
        (&letter["place"], &letter["value"]),
        (&"1@1".into(), &"no JSON".into())
    );
    assert_eq!(listed(&["--since", "2026-02-01T00:00:00Z"])["letters"], 0);

    let shown = done(&["show", "1@1"]);
    assert!(shown.starts_with("1@1  decode not_json\n"), "{shown}");
    assert!(shown.contains("  record    shop.products/0@3\n"), "{shown}");
    assert!(shown.ends_with("  value\n    no JSON\n"), "{shown}");

    let dropped = "3 letters of vectide.dead-letters marked as done with\n";
    assert_eq!(done(&["drop", "--reason", "not_json"]), dropped);
    let left = listed(&[]);
    assert_eq!((&left["letters"], &left["done"]), (&2.into(), &3.into()));
    assert_eq!(listed(&["--all"])["letters"], 5);
    assert!(done(&["drop", "1@0"]).starts_with("1 letter of "));
    let again = done(&["drop", "1@0"]);
    assert!(again.starts_with("0 letters of "), "{again}");
    assert!(again.ends_with("; 1 had been before\n"), "{again}");
    assert!(done(&["drop", "--all"]).starts_with("1 letter of "));
    assert_eq!(listed(&[])["letters"], 0);

    // What makes no sense is said in one line.
    let absent = "vectide: there is no letter at 0@99 of vectide.dead-letters: ";
    for arguments in [["show", "0@99"], ["drop", "0@99"]] {
        let (code, _, errors) = dlq(&arguments);
        assert_eq!(code, Some(1));
        assert!(errors.starts_with(absent), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    for wrong in [&["drop"][..], &["drop", "--all", "0@1"], &["show", "17"]] {
        assert_eq!(dlq(wrong).0, Some(2), "{wrong:?}");
    }
}

#[test]
fn no_dead_letter_topic_is_no_dead_letters() {
    let kafka = shop();
    let directory = tempfile::tempdir().unwrap();
    let output = vectide(directory.path(), &["dlq", "list"])
        .env("VECTIDE__KAFKA__BROKERS", kafka.bootstrap_servers())
        .output()
        .unwrap();
    let nothing = "vectide.dead-letters: 0 letters\n".to_owned();
    assert_eq!(texts(&output), (Some(0), nothing, String::new()));

    let output = vectide(directory.path(), &["dlq", "show", "0@17"])
        .env("VECTIDE__KAFKA__BROKERS", kafka.bootstrap_servers())
        .output()
        .unwrap();
    let (code, _, errors) = texts(&output);
    assert_eq!(code, Some(1));
    let absent = "vectide: there are no letters: the topic vectide.dead-letters does not exist";
    assert!(errors.starts_with(absent), "{errors}");
}
