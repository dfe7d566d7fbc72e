//! The program as a shell sees it: output, messages, exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    fs, io,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The program in a directory of its own, without this process's environment.
fn vectide(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vectide"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::null());
    command
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn config_prints_what_is_in_effect_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("vectide.toml"),
        "[kafka]\ntopics = [\"shop.public.products\"]\n\
         [embed]\napi_key = { env = \"EMBED_KEY\" }\n",
    )
    .unwrap();
    fs::write(
        directory.path().join(".env"),
        "EMBED_KEY=sk-hunter2\nVECTIDE__KAFKA__GROUP=from-dot-env\nVECTIDE__LOG__FORMAT=json\n",
    )
    .unwrap();
    let output = vectide(directory.path(), &["config", "--log-level", "debug"])
        .env("VECTIDE__LOG__FORMAT", "human")
        .output()
        .unwrap();
    let (code, printed, errors) = texts(&output);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in [
        "group = \"from-dot-env\"",
        "level = \"debug\"",
        "format = \"human\"",
        "env = \"EMBED_KEY\"",
    ] {
        assert!(printed.contains(line), "{line} is not in:\n{printed}");
    }
    assert!(!printed.contains("hunter2"));
}

#[test]
fn a_wrong_configuration_exits_with_2_and_its_problems() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("vectide.toml"),
        "[kafka]\nbrokerz = \"kafka:9092\"\n",
    )
    .unwrap();
    let output = vectide(directory.path(), &["config"]).output().unwrap();
    assert_eq!(
        texts(&output),
        (
            Some(2),
            String::new(),
            "vectide: the configuration has 2 problems:\n\
             vectide.toml: kafka.topics: missing: name the change topics to read, such as [\"shop.public.products\"]\n\
             vectide.toml:2: kafka.brokerz: unknown key; did you mean `brokers`?\n"
                .into()
        )
    );
}

#[test]
fn a_broken_dot_env_is_told_by_line_without_its_text() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(".env"), "A=b\nKEY=hunter 2\n").unwrap();
    let output = vectide(directory.path(), &["config"]).output().unwrap();
    assert_eq!(
        texts(&output),
        (
            Some(2),
            String::new(),
            "vectide: the configuration has a problem:\n\
             .env:2: this is not NAME=value; a value with blanks needs quotes\n"
                .into()
        )
    );
}

#[test]
fn a_file_named_by_option_or_variable_must_exist() {
    let directory = tempfile::tempdir().unwrap();
    let option = vectide(directory.path(), &["--config", "absent.toml", "config"])
        .output()
        .unwrap();
    let variable = vectide(directory.path(), &["config"])
        .env("VECTIDE_CONFIG", "absent.toml")
        .output()
        .unwrap();
    for output in [option, variable] {
        let (code, _, errors) = texts(&output);
        assert_eq!(code, Some(2));
        assert!(
            errors.ends_with("\nabsent.toml: there is no such file\n"),
            "{errors}"
        );
    }
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let directory = tempfile::tempdir().unwrap();
    let output = vectide(directory.path(), &["config", "schema"])
        .output()
        .unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        schema.pointer("/properties/embed/properties/dimensions/default"),
        Some(&1536.into())
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = vectide(directory.path(), &["config", "schema"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let (code, _, errors) = texts(&output);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn help_documents_the_exit_codes_and_a_wrong_option_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let help = vectide(directory.path(), &["--help"]).output().unwrap();
    let (code, text, _) = texts(&help);
    assert_eq!(code, Some(0));
    assert!(text.contains("Exit codes:"), "{text}");

    let wrong = vectide(directory.path(), &["config", "--wrong"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn completions_are_a_script_for_the_shell() {
    let directory = tempfile::tempdir().unwrap();
    let output = vectide(directory.path(), &["completions", "bash"])
        .output()
        .unwrap();
    let (code, script, _) = texts(&output);
    assert_eq!(code, Some(0));
    assert!(script.contains("complete -F _vectide"), "{script}");
}

/// A row, and its heartbeat, as `vectide capture` writes them.
const CAPTURED: &str = concat!(
    // {"id":1} and {"op":"c","after":{"id":1,"title":"Tent","price":"AfQ="},"source":{}}
    r#"{"topic":"shop.public.products","partition":0,"offset":7,"timestamp_ms":1700000000000,"key":"eyJpZCI6MX0=","#,
    r#""value":"eyJvcCI6ImMiLCJhZnRlciI6eyJpZCI6MSwidGl0bGUiOiJUZW50IiwicHJpY2UiOiJBZlE9In0sInNvdXJjZSI6e319","headers":[]}"#,
    "\n",
    // {"ts_ms":1700000000000}
    r#"{"topic":"heartbeat","partition":0,"offset":0,"timestamp_ms":null,"key":null,"value":"eyJ0c19tcyI6MTcwMDAwMDAwMDAwMH0="}"#,
    "\n",
);

#[test]
fn a_captured_file_is_inspected_without_any_configuration() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("records.jsonl"), CAPTURED).unwrap();
    let output = vectide(directory.path(), &["inspect", "--file", "records.jsonl"])
        .output()
        .unwrap();
    let (code, printed, errors) = texts(&output);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in [
        "heartbeat: 1 record\n",
        "  partition 0  @7–7  1 create\n",
        "    title  text\n",
        "set rows.types.price = \"decimal(2)\"",
    ] {
        assert!(printed.contains(line), "{line} is not in:\n{printed}");
    }
}

#[test]
fn what_inspect_does_not_use_need_not_be_configured_and_what_it_uses_must_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let configured = |text: &str| {
        fs::write(directory.path().join("vectide.toml"), text).unwrap();
        let arguments = ["inspect", "--file", "-", "--records", "--json"];
        let mut process = vectide(directory.path(), &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end without reading.
        let _ = io::Write::write_all(&mut process.stdin.take().unwrap(), CAPTURED.as_bytes());
        texts(&process.wait_with_output().unwrap())
    };
    let (code, printed, errors) = configured(
        "[embed]\nurl = \"nowhere\"\napi_key = { env = \"UNSET\" }\n\
         [rows.types]\nprice = \"decimal(2)\"\n\
         [document.columns]\ncategory = \"\"\ndescription = \"\"\n",
    );
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let first: serde_json::Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let field = |pointer: &str| first.pointer(pointer).cloned();
    assert_eq!(field("/columns/price/value"), Some("5.00".into()));
    assert_eq!(field("/text"), Some("Product: Tent".into()));

    let (code, _, errors) = configured("[document.payload]\ninclude = 5\n");
    assert_eq!(code, Some(2));
    assert!(errors.contains("document.payload.include"), "{errors}");
}

#[test]
fn a_file_that_holds_no_captured_records_is_told_by_its_line() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("wrong.jsonl"), "{}\n").unwrap();
    let output = vectide(directory.path(), &["inspect", "--file", "wrong.jsonl"])
        .output()
        .unwrap();
    let (code, _, errors) = texts(&output);
    assert_eq!(code, Some(1));
    assert!(
        errors.starts_with("vectide: wrong.jsonl:1: this is no captured record: missing field"),
        "{errors}"
    );
}

#[test]
fn a_key_or_a_filter_that_is_none_exits_with_2_and_says_what_to_write() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (
            &["explain", "[17"][..],
            "error: invalid value '[17' for '<KEY>': is no key: write one value, as 17 or B-204, or a JSON array of the key's columns, as [\"B-204\",3]\n",
        ),
        (
            &["explain", ""],
            "error: invalid value '' for '<KEY>': is empty\n",
        ),
        (
            &["explain", "17", "--scan", "far"],
            "error: invalid value 'far' for '--scan <BOUND>': write a number of records, as 500000; or bytes, as 1GiB; or a time, as 2m\n",
        ),
        (
            &["search", "tent", "--filter", "price > cheap"],
            "error: invalid value 'price > cheap' for '--filter <FILTER>': > compares numbers, and cheap is none\n",
        ),
        (
            &["search", "tent", "--filter", "stock"],
            "error: invalid value 'stock' for '--filter <FILTER>': has no operator: write a field, one of = != < <= > >=, and a value, as 'stock > 0'\n",
        ),
    ] {
        let output = vectide(directory.path(), arguments).output().unwrap();
        let (code, printed, errors) = texts(&output);
        assert_eq!((code, printed.as_str()), (Some(2), ""));
        assert!(errors.starts_with(said), "{errors}");
    }
}

#[test]
fn explain_and_search_have_examples_in_their_help() {
    let directory = tempfile::tempdir().unwrap();
    for (command, example) in [
        (
            "explain",
            "vectide explain B-204 --topic shop.public.products",
        ),
        ("search", "vectide search boots --filter 'stock > 0'"),
    ] {
        let output = vectide(directory.path(), &[command, "--help"]).output();
        let (code, printed, _) = texts(&output.unwrap());
        assert_eq!(code, Some(0));
        assert!(printed.contains(example), "{printed}");
    }
}

#[test]
fn a_server_that_is_away_is_said_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], configuration: &str| {
        fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
        let output = vectide(directory.path(), arguments).output().unwrap();
        let (code, printed, errors) = texts(&output);
        assert_eq!((code, printed.as_str()), (Some(1), ""));
        assert_eq!(errors.lines().count(), 1, "{errors}");
        errors
    };
    let topics = "[kafka]\ntopics = [\"shop\"]\n";
    let away = format!("{topics}brokers = \"127.0.0.1:1\"\n");
    let errors = run(&["explain", "17"], &away);
    let said = "vectide: Kafka does not answer: are kafka.brokers and kafka.security right, and the brokers up?";
    assert!(errors.starts_with(said), "{errors}");
    let errors = run(
        &["search", "tent"],
        "[index]\nurl = \"http://127.0.0.1:1\"\n",
    );
    let said = "vectide: Qdrant can't be reached: http://127.0.0.1:1: Connection refused";
    assert!(errors.starts_with(said), "{errors}");
}

#[cfg(feature = "embedded")]
#[test]
fn a_stand_in_of_another_process_must_be_named_by_its_address() {
    let directory = tempfile::tempdir().unwrap();
    let configuration =
        "[kafka]\ntopics = [\"shop\"]\nbrokers = \"embedded\"\n[index]\nurl = \"embedded\"\n";
    fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
    for (arguments, said) in [
        (
            ["explain", "17"],
            "vectide: kafka.brokers is a stand-in inside of `vectide run`: name a server, such as VECTIDE__KAFKA__BROKERS=localhost:9092\n",
        ),
        (
            ["search", "tent"],
            "vectide: index.url is a stand-in inside of `vectide run`: name a server, such as VECTIDE__INDEX__URL=http://localhost:6334\n",
        ),
    ] {
        let output = vectide(directory.path(), &arguments).output().unwrap();
        assert_eq!(texts(&output), (Some(1), String::new(), said.to_owned()));
    }
}

/// A stand-in as a script uses it: its address is read, something is asked of it, it is told to stop.
#[cfg(all(unix, feature = "embedded"))]
mod embedded {
    use std::io::{BufRead, BufReader, Read};

    use rdkafka::{
        ClientConfig,
        consumer::{BaseConsumer, Consumer},
    };

    use super::*;

    /// A process that does not outlive a test that fails.
    struct Running(std::process::Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

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

    /// A topic with three records of a table in it.
    fn shop() -> vectide_embedded::kafka::EmbeddedKafka {
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
    fn records_in_avro_are_inspected_by_the_schemas_of_the_registry() {
        use vectide_embedded::registry::{EmbeddedRegistry, RegistryOptions, Schema};
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/golden/avro.jsonl");
        let schemas = golden.replace("avro.jsonl", "avro.schemas.json");
        let schemas: std::collections::BTreeMap<u32, String> =
            serde_json::from_str(&fs::read_to_string(schemas).unwrap()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let registry = runtime.block_on(EmbeddedRegistry::start(RegistryOptions::default()));
        let registry = registry.unwrap();
        for (id, text) in schemas {
            registry.control().put(id, Schema::avro(text));
        }
        let directory = tempfile::tempdir().unwrap();
        let inspect = |configuration: String| {
            fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
            let output = vectide(directory.path(), &["inspect", "--file", golden])
                .output()
                .unwrap();
            let (code, printed, errors) = texts(&output);
            assert_eq!((code, errors.as_str()), (Some(0), ""));
            printed
        };
        let printed = inspect(format!("[registry]\nurls = [\"{}\"]\n", registry.url()));
        assert!(printed.contains("  price        decimal\n"), "{printed}");
        assert!(!printed.contains("would "), "{printed}");
        let printed = inspect(String::new());
        assert!(printed.contains("no_registry, such as avro."), "{printed}");
        assert!(printed.contains("set registry.urls"), "{printed}");
    }

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
        let line = "0@0  2026-01-31T12:00:00.000Z  decode not_json  shop.products/0@0  [0]  it says\\nthis";
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

    fn stand_in(arguments: &[&str], ask: impl FnOnce(&str)) {
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
    fn a_search_and_an_explanation_ask_stand_ins_of_other_processes_by_their_addresses() {
        let kafka = ["kafka", "--topic", "shop.products:2"];
        let qdrant = ["qdrant", "--address", "127.0.0.1:0"];
        let embeddings = ["embeddings", "--address", "127.0.0.1:0"];
        stand_in(&kafka, |brokers| {
            stand_in(&qdrant, |index| {
                stand_in(&embeddings, |embed| {
                    let directory = tempfile::tempdir().unwrap();
                    let run = |arguments: &[&str]| {
                        let output = vectide(directory.path(), arguments)
                            .env("VECTIDE__KAFKA__BROKERS", brokers)
                            .env("VECTIDE__KAFKA__TOPICS", "[\"shop.products\"]")
                            .env("VECTIDE__INDEX__URL", index)
                            .env("VECTIDE__EMBED__URL", embed)
                            .env("VECTIDE__EMBED__DIMENSIONS", "8")
                            .output()
                            .unwrap();
                        texts(&output)
                    };
                    let (code, _, errors) = run(&["search", "tent"]);
                    let absent = "vectide: the collection products does not exist";
                    assert!(code == Some(1) && errors.starts_with(absent), "{errors}");
                    make_collection(index);
                    let nothing = "nothing is found in the collection products\n";
                    assert_eq!(
                        run(&["search", "tent"]),
                        (Some(0), nothing.to_owned(), String::new())
                    );
                    let unknown = "vectide: no row [17]: the topic shop.products is empty, and the collection products has no point for it\n";
                    assert_eq!(
                        run(&["explain", "17"]),
                        (Some(1), String::new(), unknown.to_owned())
                    );
                });
            });
        });
    }

    fn make_collection(address: &str) {
        use qdrant_client::qdrant::{
            CreateCollectionBuilder, Distance, VectorParamsBuilder, VectorsConfigBuilder,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = qdrant_client::Qdrant::from_url(address).skip_compatibility_check();
        let mut vectors = VectorsConfigBuilder::default();
        vectors.add_named_vector_params("text", VectorParamsBuilder::new(8, Distance::Cosine));
        let create = CreateCollectionBuilder::new("products").vectors_config(vectors);
        let client = client.build().unwrap();
        runtime.block_on(client.create_collection(create)).unwrap();
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
}

/// Answers one request with this status; returns the address.
fn answering(status: &'static str) -> (std::net::SocketAddr, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_secs(10)))
            .unwrap();
        let mut request = [0; 1_024];
        let length = io::Read::read(&mut stream, &mut request).unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nsay");
        io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        request.lines().next().unwrap_or_default().to_owned()
    });
    (address, answered)
}

#[test]
fn health_says_by_its_exit_code_what_the_member_answers() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, status, code, asked) in [
        (&["health"][..], "200 OK", 0, "GET /livez HTTP/1.1"),
        (
            &["health", "--ready"],
            "503 Service Unavailable",
            1,
            "GET /readyz HTTP/1.1",
        ),
    ] {
        let (address, answered) = answering(status);
        let output = vectide(directory.path(), arguments)
            .env("VECTIDE__ADMIN__ADDRESS", address.to_string())
            // A member is asked without it.
            .env("http_proxy", "http://127.0.0.1:1")
            .output()
            .unwrap();
        assert_eq!(texts(&output), (Some(code), "say".into(), String::new()));
        assert_eq!(answered.join().unwrap(), asked);
    }
}

#[test]
fn health_fails_where_nothing_answers() {
    let directory = tempfile::tempdir().unwrap();
    // Nobody listens at a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let output = vectide(directory.path(), &["health"])
        .env("VECTIDE__ADMIN__ADDRESS", address.to_string())
        .output()
        .unwrap();
    let (code, said, errors) = texts(&output);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(
        errors.contains(&format!("nothing answers at http://{address}/livez")),
        "{errors}"
    );
}
