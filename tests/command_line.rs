//! The program as a shell sees it: output, messages, exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
             ✓ dead_letter.topic: dead is there\n\
             ✓ index.url: Qdrant 1.20.0 at {url}\n\
             ✓ index.collection: products is not there, and will be created\n\
             ✓ embed.url: text-embedding-3-small answers with vectors of length 64\n"
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
            "✗ kafka.brokers: no answer: are kafka.brokers and kafka.security right, and the brokers up? (127.0.0.1:1/bootstrap: Connect",
            "✗ index.url: cannot read index.api_key: the environment variable UNSET is not set",
            "✗ embed.url: the embedding endpoint does not accept the key: correct embed.api_key",
        ]) {
            assert!(line.starts_with(beginning), "{line}\n{beginning}");
        }
        assert_eq!((lines.len(), code), (5, Some(1)), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
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
