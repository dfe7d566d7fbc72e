//! What `vectide probe` measures of providers that can be told how to behave.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    num::NonZeroU32,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value as Json;
use tempfile::TempDir;
use vectide_embedded::embeddings::{
    Behaviour, EmbeddedEmbeddings, EmbeddingsOptions, Failure, Garbage,
};

/// Providers, and a folder with a configuration file for each.
struct Bench {
    folder: TempDir,
    arguments: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            arguments: Vec::new(),
        }
    }

    /// A provider of this name, with these further lines of `[embed]`.
    async fn provider(&mut self, name: &str, embed: &str) -> EmbeddedEmbeddings {
        let endpoint = EmbeddedEmbeddings::start(EmbeddingsOptions::default());
        let endpoint = endpoint.await.unwrap();
        self.add(name, &endpoint.url(), embed);
        endpoint
    }

    fn add(&mut self, name: &str, url: &str, embed: &str) {
        let config = format!("[embed]\nurl = \"{url}\"\nrequests_per_minute = 0\n{embed}\n");
        fs::write(self.path().join(format!("{name}.toml")), config).unwrap();
        let named = format!("{name}={name}.toml");
        self.arguments.extend(["--provider".to_owned(), named]);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vectide"));
        command
            .arg("probe")
            .args(&self.arguments)
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Exit code, output, errors.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output());
        texts(&output.await.unwrap().unwrap())
    }

    /// What was measured, of each provider.
    async fn measured(&self, arguments: &[&str]) -> Vec<Json> {
        let arguments = [arguments, &["--yes", "--json"]].concat();
        let (code, printed, errors) = self.run(&arguments).await;
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        providers(&printed)
    }

    /// Starts it, and says so when it has been sent `texts`, the word to warm up with among them.
    async fn until_sent(&self, endpoint: &EmbeddedEmbeddings, texts: u64) -> Child {
        let child = self.command(&["--yes", "--json"]).spawn().unwrap();
        let control = endpoint.control();
        control.stats_when(|stats| stats.inputs >= texts).await;
        child
    }
}

async fn ended(child: Child) -> (Option<i32>, String, String) {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    texts(&output.await.unwrap().unwrap())
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    (status.code(), text(stdout), text(stderr))
}

fn providers(printed: &str) -> Vec<Json> {
    let report: Json = serde_json::from_str(printed).unwrap();
    report["providers"].as_array().unwrap().clone()
}

fn failing(status: u16, code: Option<&str>, remaining: Option<u64>) -> Failure {
    Failure {
        status,
        retry_after_s: Some(0),
        code: code.map(str::to_owned),
        remaining,
    }
}

fn at_once(endpoint: &EmbeddedEmbeddings, change: impl FnOnce(&mut Behaviour)) {
    endpoint.control().update(change);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_measured_side_by_side_on_the_same_texts() {
    let mut bench = Bench::new();
    let one = bench.provider("one", "").await;
    let same = bench.provider("same", "encoding_format = \"float\"").await;
    let _short = bench.provider("short", "dimensions = 64").await;
    let requests = ["--requests", "30", "--concurrency", "3", "--batch", "2"];
    let measured = bench.measured(&requests).await;
    let names: Vec<&Json> = measured.iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["one", "same", "short"]);
    for provider in &measured {
        assert_eq!(
            (&provider["answered"], &provider["texts"]),
            (&30.into(), &60.into())
        );
        assert_eq!(
            (&provider["end"], &provider["success_rate"]),
            (&"complete".into(), &1.0.into())
        );
        let latency = ["p50", "p90", "p99", "max"].map(|it| provider["latency_ms"][it].as_f64());
        assert!(latency.is_sorted() && latency[0] > Some(0.0), "{provider}");
    }
    // All but the word that opens the connection, which is two tokens to them.
    assert_eq!(measured[0]["tokens"], one.control().stats().tokens - 2);
    assert_eq!(one.control().stats(), same.control().stats());

    assert_eq!(measured[0]["quality"], Json::Null);
    let same = &measured[1]["quality"];
    assert_eq!(
        (&same["texts"], &same["neighbours"]),
        (&60.into(), &10.into())
    );
    assert_eq!(same["agreement"], 1.0);
    assert!(same["mean_cosine"].as_f64() > Some(0.999), "{same}");
    let short = &measured[2]["quality"];
    let chance = short["agreement_by_chance"].as_f64();
    assert!(short["agreement"].as_f64() > chance, "{short}");
    assert!(short["agreement"].as_f64() < Some(1.0), "{short}");
    assert_eq!(short["mean_cosine"], Json::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_by_kind_and_sent_no_second_time() {
    let mut bench = Bench::new();
    let endpoint = bench.provider("one", "").await;
    // The first meets the word that opens the connection.
    at_once(&endpoint, |it| it.fail = Some(failing(500, None, Some(4))));
    let measured = bench.measured(&["--requests", "20"]).await;
    assert_eq!(measured[0]["success_rate"], 0.85);
    assert_eq!(measured[0]["errors"]["http_500"]["count"], 3);
    assert_eq!(measured[0]["throttled"], 0);
    assert_eq!(endpoint.control().stats().requests, 21);

    at_once(&endpoint, |it| it.fail = Some(failing(429, None, Some(5))));
    let measured = bench.measured(&["--requests", "20"]).await;
    assert_eq!(measured[0]["success_rate"], 0.8);
    assert_eq!(measured[0]["throttled"], 4);

    at_once(&endpoint, |it| it.garbage = Some(Garbage::NotJson));
    let (code, printed, _) = bench.run(&["--requests", "3", "--yes", "--json"]).await;
    assert_eq!(code, Some(1), "nothing was answered");
    let measured = providers(&printed);
    assert_eq!(measured[0]["errors"]["malformed_answer"]["count"], 3);
    assert_eq!(measured[0]["latency_ms"]["p50"], Json::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_would_refuse_everything_is_told_before_any_text_is_sent() {
    let mut bench = Bench::new();
    let one = bench.provider("one", "").await;
    let other = bench.provider("other", "").await;
    at_once(&other, |it| it.api_key = Some("secret".into()));
    let (code, printed, errors) = bench.run(&["--yes"]).await;
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(errors.starts_with("vectide: provider other: "), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert_eq!(one.control().stats().inputs, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_runs_out_ends_one_provider_and_keeps_what_was_measured() {
    let mut bench = Bench::new();
    let one = bench.provider("one", "").await;
    at_once(&one, |it| it.latency_ms = 1);
    let child = bench.until_sent(&one, 10).await;
    at_once(&one, |it| {
        it.fail = Some(failing(429, Some("insufficient_quota"), None));
    });
    let (code, printed, errors) = ended(child).await;
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let measured = &providers(&printed)[0];
    assert_eq!(measured["end"], "blocked");
    assert_eq!(measured["errors"]["quota_exhausted"]["count"], 1);
    assert!(measured["answered"].as_u64() >= Some(9), "{measured}");
    assert_eq!(measured["answered"], one.control().stats().inputs - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_keeps_what_was_measured() {
    let mut bench = Bench::new();
    let one = bench.provider("one", "").await;
    at_once(&one, |it| it.latency_ms = 1);
    let child = bench.until_sent(&one, 20).await;
    let pid = child.id().to_string();
    // Sending a signal is not in the standard library.
    Command::new("sh")
        .args(["-c", r#"kill -s INT "$1""#, "sh", &pid])
        .status()
        .unwrap();
    let (code, printed, errors) = ended(child).await;
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let measured = &providers(&printed)[0];
    assert_eq!(
        (&measured["end"], &measured["success_rate"]),
        (&"interrupted".into(), &1.0.into())
    );
    assert!(measured["answered"].as_u64() >= Some(18), "{measured}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_sent_than_the_ceiling_allows() {
    let mut bench = Bench::new();
    let one = bench
        .provider("one", "model = \"text-embedding-3-small\"")
        .await;
    let two = bench
        .provider("two", "model = \"text-embedding-3-small\"")
        .await;
    fs::write(
        bench.path().join("texts.txt"),
        "A red kettle\nA blue teapot\n",
    )
    .unwrap();
    // Three and four tokens by the endpoint's count, and about as many by the model's.
    let measured = bench
        .measured(&["--texts", "texts.txt", "--max-tokens", "50"])
        .await;
    let sent: u64 = [&one, &two]
        .map(|it| it.control().stats().tokens - 2)
        .iter()
        .sum();
    assert!((40..=54).contains(&sent), "{sent}");
    for provider in &measured {
        assert_eq!(provider["end"], "ceiling");
    }

    let measured = bench
        .measured(&["--texts", "texts.txt", "--max-cost", "0.000001"])
        .await;
    let dollars: f64 = measured.iter().filter_map(|it| it["usd"].as_f64()).sum();
    assert!((0.000_000_8..=0.000_001_08).contains(&dollars), "{dollars}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_spent_that_nobody_agreed_to() {
    let mut bench = Bench::new();
    let one = bench.provider("one", "").await;
    let (code, printed, errors) = bench.run(&["--requests", "100"]).await;
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    assert!(
        errors.starts_with(
            "vectide: nobody can be asked whether to spend this: one: 100 requests, about "
        ) && errors.ends_with("give --max-cost, --max-tokens or --yes\n"),
        "{errors}"
    );
    assert_eq!(one.control().stats().requests, 0);

    // What is on this machine, under a name that is not sold, costs nothing.
    let mut bench = Bench::new();
    let _own = bench
        .provider("own", "model = \"hashed-words\"\ndimensions = 384")
        .await;
    let (code, printed, _) = bench.run(&["--requests", "5"]).await;
    assert_eq!(code, Some(0));
    assert!(printed.contains("hashed-words"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_stands_on_its_own() {
    let mut bench = Bench::new();
    let _one = bench.provider("one", "").await;
    let two = bench.provider("two", "dimensions = 64").await;
    at_once(&two, |it| it.fail = Some(failing(503, None, Some(2))));
    let (code, printed, _) = bench
        .run(&["--yes", "--requests", "25", "--html", "page.html"])
        .await;
    assert_eq!(code, Some(0));
    for line in ["p99", "agreement at 10", "two: 1 × http_503: "] {
        assert!(printed.contains(line), "{line} is not in:\n{printed}");
    }
    let page = fs::read_to_string(bench.path().join("page.html")).unwrap();
    assert_eq!(page.matches("<figure>").count(), 4, "{page}");
    assert_eq!(page.matches("<polyline").count(), 4, "{page}");
    for fetched in [
        "<script", "<link", "<img", "src=", "href=", "url(", "@import",
    ] {
        assert!(!page.contains(fetched), "{fetched}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_one_line_and_nothing_is_sent() {
    let mut bench = Bench::new();
    let one = bench.provider("one", "").await;
    fs::write(
        bench.path().join("bad.txt"),
        b"A red kettle\nA bl\xffue one\n",
    )
    .unwrap();
    fs::write(bench.path().join("bad.jsonl"), "\"A kettle\"\n[1]\n").unwrap();
    fs::write(bench.path().join("empty.txt"), "\n \n").unwrap();
    fs::write(
        bench.path().join("prices.toml"),
        "dated = \"x\"\nmodel = 1\n",
    )
    .unwrap();
    let wrong: [(&[&str], &str); 7] = [
        (
            &["--texts", "bad.txt"],
            "bad.txt:2: this is not valid UTF-8",
        ),
        (
            &["--texts", "bad.jsonl"],
            "bad.jsonl:2: this is neither a text, as \"Kettle\", nor {\"text\": \"Kettle\"}",
        ),
        (&["--texts", "empty.txt"], "empty.txt has no text"),
        (&["--reference", "two"], "--reference names no --provider"),
        (
            &["--provider", "one=one.toml"],
            "--provider names one twice",
        ),
        (
            &["--prices", "prices.toml"],
            "the price table prices.toml, line 2: unknown field `model`",
        ),
        (
            &["--provider", "x=absent.toml"],
            "the configuration has a problem:\nabsent.toml: there is no such file",
        ),
    ];
    for (arguments, message) in wrong {
        let (code, printed, errors) = bench.run(&[&["--yes"], arguments].concat()).await;
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{errors}");
        assert!(
            errors.starts_with(&format!("vectide: {message}")),
            "{errors}"
        );
    }
    let (code, _, errors) = bench.run(&["--requests", "0"]).await;
    assert_eq!(code, Some(2));
    assert!(errors.contains("0 is not in 1..="), "{errors}");
    assert_eq!(one.control().stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_lines_are_passed_over_and_told() {
    let mut bench = Bench::new();
    let one = bench.provider("one", "").await;
    fs::write(
        bench.path().join("texts.txt"),
        "A red kettle\n\nA blue one\n",
    )
    .unwrap();
    let arguments = ["--yes", "--requests", "2", "--texts", "texts.txt"];
    let (code, _, errors) = bench.run(&arguments).await;
    assert_eq!(
        (code, errors.as_str()),
        (Some(0), "texts.txt:2 is empty, and passed over\n")
    );
    assert_eq!(one.control().stats().distinct_texts, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_limit_on_tokens_is_kept() {
    let mut bench = Bench::new();
    let one = EmbeddedEmbeddings::start(EmbeddingsOptions::default());
    let one = one.await.unwrap();
    let config = format!(
        "[embed]\nurl = \"{}\"\nrequests_per_minute = 0\nmax_input_tokens = 0\ntokens_per_minute = 6000\n",
        one.url()
    );
    fs::write(bench.path().join("one.toml"), config).unwrap();
    fs::write(bench.path().join("texts.txt"), "tea ".repeat(20)).unwrap();
    bench.arguments = ["--provider", "one=one.toml", "--texts", "texts.txt"]
        .map(str::to_owned)
        .to_vec();
    let measured = bench
        .measured(&["--requests", "5", "--concurrency", "4"])
        .await;
    // Twenty tokens are a fifth of a second, and of five requests two may come together.
    assert!(
        measured[0]["seconds"].as_f64() >= Some(0.55),
        "{}",
        measured[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_limit_is_kept() {
    let mut bench = Bench::new();
    let one = EmbeddedEmbeddings::start(EmbeddingsOptions {
        behaviour: Behaviour {
            requests_per_minute: NonZeroU32::new(6_000),
            ..Behaviour::default()
        },
        ..EmbeddingsOptions::default()
    });
    let one = one.await.unwrap();
    let config = format!(
        "[embed]\nurl = \"{}\"\nrequests_per_minute = 6000\n",
        one.url()
    );
    fs::write(bench.path().join("one.toml"), config).unwrap();
    bench.arguments = ["--provider", "one=one.toml"].map(str::to_owned).to_vec();
    let measured = bench
        .measured(&["--requests", "50", "--concurrency", "8"])
        .await;
    assert_eq!(measured[0]["throttled"], 0);
    // Fifty at a hundredth of a second each, of which two may come together.
    assert!(
        measured[0]["seconds"].as_f64() >= Some(0.47),
        "{}",
        measured[0]
    );
}
