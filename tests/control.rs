//! The running program, as a person controls it: by its admin address and by signals.

#![cfg(feature = "embedded")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, Command, Stdio},
};

use serde_json::Value;

const TOKEN: &str = "marked-secret-of-the-test";

const CONFIGURATION: &str = r#"
[kafka]
brokers = "embedded"
topics = ["shop.public.products"]
[embed]
url = "embedded"
dimensions = 8
[index]
url = "embedded"
[admin]
address = "127.0.0.1:0"
token = { env = "TOKEN" }
[log]
level = "info"
format = "json"
"#;

/// `vectide run`, with its log.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    logged: String,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vectide.toml"), CONFIGURATION).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vectide"))
            .arg("run")
            .current_dir(folder.path())
            .env_clear()
            .env("TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            log: BufReader::new(child.stderr.take().unwrap()),
            child,
            logged: String::new(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            folder,
        }
    }

    /// Reads the log on to a line whose message has `text` in it. Fails where it ends before.
    fn until(&mut self, text: &str) -> Value {
        loop {
            let begin = self.logged.len();
            assert_ne!(
                self.log.read_line(&mut self.logged).unwrap(),
                0,
                "no line has {text:?}:\n{}",
                self.logged
            );
            let line: Value = serde_json::from_str(self.logged.get(begin..).unwrap()).unwrap();
            if line
                .get("message")
                .and_then(Value::as_str)
                .is_some_and(|it| it.contains(text))
            {
                return line;
            }
        }
    }

    /// Waits until the program runs in full, and returns the URL of its admin address.
    fn url(&mut self) -> String {
        let listening = self.until("admin endpoint listening");
        self.until("partitions assigned");
        format!(
            "http://{}",
            listening.get("address").and_then(Value::as_str).unwrap()
        )
    }

    async fn post(&self, url: &str, body: &'static str) -> u16 {
        let request = self.http.post(url).bearer_auth(TOKEN).body(body);
        request.send().await.unwrap().status().as_u16()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = ["-c", r#"kill -s "$1" "$2""#, "sh", name, &pid];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_log_says_more_when_asked_and_less_again_after_a_hangup_and_a_drain_ends_the_program() {
    let mut running = Running::start();
    let url = running.url();
    let level = format!("{url}/api/log-level");
    assert_eq!(running.post(&level, "inof").await, 400);
    assert_eq!(running.post(&level, "info,vectide=trace").await, 200);
    running.until("POST /api/log-level: info,vectide=trace");

    running.signal("HUP");
    running.until("SIGHUP: configuration 2 is in effect; nothing has changed");

    assert_eq!(running.post(&format!("{url}/api/drain"), "").await, 202);
    running.until("left the consumer group");
    running.until("stopped");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    assert!(!running.logged.contains(TOKEN));
}

#[tokio::test]
async fn a_hangup_takes_over_the_level_and_says_what_needs_a_restart() {
    let mut running = Running::start();
    let url = running.url();
    let file = running.folder.path().join("vectide.toml");
    let changed = CONFIGURATION.replace("\"info\"", "\"warn\"");
    fs::write(&file, changed.replace("dimensions = 8", "dimensions = 9")).unwrap();
    running.signal("HUP");
    running.until("is in effect; changed: log.level; needs a restart: embed.dimensions");

    fs::write(&file, "[kafka]\ntopics = 7").unwrap();
    running.signal("HUP");
    running.until("SIGHUP: nothing is reloaded");
    assert_eq!(running.post(&format!("{url}/api/drain"), "").await, 202);
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn what_is_reloaded_is_shown_and_a_bad_file_or_table_of_prices_changes_nothing() {
    let mut running = Running::start();
    let url = running.url();
    let reload = format!("{url}/api/reload");
    let file = running.folder.path().join("vectide.toml");
    let prices = running.folder.path().join("prices.toml");
    let price = |usd: &str| {
        let model = "[[models]]\nprovider = \"own\"\nname = \"text-embedding-3-small\"";
        let table = format!("dated = \"2026-11\"\n{model}\nusd_per_million_tokens = {usd}\n");
        fs::write(&prices, table).unwrap();
    };
    let budget = format!(
        "{CONFIGURATION}\n[cost]\nprices = {:?}\nbudget.daily = \"$2\"\n",
        prices.display().to_string()
    );
    let limits = budget.replace(
        "dimensions = 8",
        "dimensions = 8\ntokens_per_minute = 90000",
    );
    price("1.5");
    fs::write(&file, &limits).unwrap();
    assert_eq!(running.post(&reload, "").await, 200);
    let line = running.until("POST /api/reload: configuration 2 is in effect");
    let said = line.get("message").and_then(Value::as_str).unwrap();
    for key in [
        "embed.tokens_per_minute",
        "cost.prices",
        "cost.budget.daily",
    ] {
        assert!(said.contains(key), "{said}");
    }
    let status = running.http.get(format!("{url}/api/status")).send();
    let status: Value =
        serde_json::from_slice(&status.await.unwrap().bytes().await.unwrap()).unwrap();
    let at = |pointer: &str| status.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/configuration/generation"), 2);
    assert_eq!(at("/configuration/needs_restart"), Value::Array(Vec::new()));
    assert_eq!(at("/cost/budgets/0/allowance"), "$2");

    // The same path, another price.
    price("3.0");
    assert_eq!(running.post(&reload, "").await, 200);
    running.until("configuration 3 is in effect; changed: cost.prices");
    price("-1");
    assert_eq!(running.post(&reload, "").await, 422);
    running.until("POST /api/reload: nothing is reloaded: ");
    price("3.0");
    fs::write(&file, limits.replace("\"$2\"", "\"much\"")).unwrap();
    assert_eq!(running.post(&reload, "").await, 422);
    running.until("POST /api/reload: nothing is reloaded: ");
    let status = running.http.get(format!("{url}/api/status")).send();
    let text = status.await.unwrap().text().await.unwrap();
    assert!(text.contains("\"generation\":3"), "{text}");

    // An alert asks for it.
    let metrics = format!("{url}/metrics");
    let reload_failed = async |running: &Running| {
        let answer = running.http.get(&metrics).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let mut lines = text.lines();
        let value = lines.find_map(|it| it.strip_prefix("vectide_configuration_reload_failed "));
        value.unwrap().to_owned()
    };
    assert_eq!(reload_failed(&running).await, "1");
    fs::write(&file, &limits).unwrap();
    assert_eq!(running.post(&reload, "").await, 200);
    assert_eq!(reload_failed(&running).await, "0");
}
