//! Secrets go into the program by every way there is, servers fail in every way and repeat what they
//! were sent; the secrets come out nowhere.

#![cfg(feature = "embedded")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What every secret has in it.
const MARK: &str = "hunter2";

/// The same as a part of a login in base64, at each of the three ways to fall into it.
const MARKS: [&str; 4] = [MARK, "h1bnRlcj", "aHVudGVyM", "odW50ZXIy"];

/// A server that refuses everything and repeats what it was sent, as some gateways do.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that gives up is none of the test's business.
            let _ = thread::spawn(move || refuse(stream?));
        }
    });
    format!("http://{address}")
}

fn refuse(stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let begin = head.len();
            if lines.read_line(&mut head)? == 0 {
                return Ok(());
            }
            let line = head.get(begin..).unwrap_or_default().trim();
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        let said = format!("you are nobody: {}", head.replace(['\r', '\n', '"'], " "));
        let body = format!(
            "{{\"error_code\":401,\"error\":{{\"message\":\"{said}\"}},\"message\":\"{said}\"}}"
        );
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        lines.get_mut().write_all(head.as_bytes())?;
        lines.get_mut().write_all(body.as_bytes())?;
    }
}

/// A folder with a configuration in which every secret is referred to: by the environment, by `.env`
/// and by a file.
fn folder(kafka: &str, index: &str, embed: &str, registry: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("sasl", &format!("sasl-{MARK}\n"));
    write("admin", &format!("admin-token-{MARK}"));
    write(
        ".env",
        &format!("QDRANT_KEY=qdrant-{MARK}\nREGISTRY=registry-{MARK}\n"),
    );
    let sasl = folder.path().join("sasl").display().to_string();
    let admin = folder.path().join("admin").display().to_string();
    let index_key = if index == "embedded" {
        ""
    } else {
        "api_key = { env = \"QDRANT_KEY\" }"
    };
    let security = if kafka == "embedded" {
        String::new()
    } else {
        format!(
            "security.protocol = \"sasl_plaintext\"\nsecurity.mechanism = \"PLAIN\"\nsecurity.username = \"anna\"\nsecurity.password = {{ file = {sasl:?} }}"
        )
    };
    write(
        "vectide.toml",
        &format!(
            r#"
[kafka]
brokers = "{kafka}"
topics = ["shop.public.products"]
{security}
[registry]
urls = ["{registry}"]
username = "anna"
password = {{ env = "REGISTRY" }}
[embed]
url = "{embed}"
dimensions = 8
api_key = {{ env = "EMBED_KEY" }}
timeout = "2s"
[embed.proxy]
url = "{proxy}"
username = "anna"
password = {{ env = "PROXY" }}
[index]
url = "{index}"
{index_key}
timeout = "2s"
[admin]
address = "127.0.0.1:0"
token = {{ file = {admin:?} }}
"#,
            proxy = echo(),
        ),
    );
    folder
}

fn vectide(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vectide"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("EMBED_KEY", format!("sk-{MARK}"))
        .env("PROXY", format!("proxy-{MARK}"))
        .env("HTTPS_PROXY", format!("http://anna:{MARK}@127.0.0.1:9"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn assert_unmarked(what: &str, text: &str) {
    for mark in MARKS {
        let line = text.lines().find(|line| line.contains(mark));
        assert_eq!(line, None, "{what} has a secret in it");
    }
}

fn assert_output_unmarked(what: &str, output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_unmarked(what, &printed);
    assert_unmarked(what, &errors);
    format!("{printed}{errors}")
}

/// Waits for the end, or brings it about: by then it has said what there is to say.
fn end(mut child: Child, patience: Duration) -> Output {
    let until = Instant::now() + patience;
    while child.try_wait().unwrap().is_none() && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    // An error means that it has ended.
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

/// The commands that ask servers, each at the most talkative level.
fn all_commands(folder: &Path, what: &str) -> String {
    let mut all = String::new();
    for arguments in [
        &["config"][..],
        &["check"],
        &["search", "kettle"],
        &["explain", "17"],
        &["probe", "--requests", "1", "--compare", "0", "--yes"],
    ] {
        let mut command = vectide(folder, arguments);
        // What is printed must not go into a pipe that nobody reads while it is waited for.
        let (printed, errors) = (folder.join("printed"), folder.join("errors"));
        let child = command
            .args(["--log-level", "trace"])
            .stdout(fs::File::create(&printed).unwrap())
            .stderr(fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let mut output = end(child, Duration::from_secs(15));
        output.stdout = fs::read(printed).unwrap();
        output.stderr = fs::read(errors).unwrap();
        let what = format!("{what}: vectide {}", arguments.join(" "));
        let said = assert_output_unmarked(&what, &output);
        assert!(!said.contains("unexpected argument"), "{said}");
        assert!(!said.is_empty(), "{what} says nothing");
        all += &said;
    }
    all
}

#[test]
fn no_command_prints_a_secret_when_servers_repeat_it() {
    let folder = folder("127.0.0.1:9", &echo(), &echo(), &echo());
    let said = all_commands(folder.path(), "refused");
    // They were sent, and came back.
    assert!(said.contains("Bearer ***"), "{said}");
}

#[test]
fn no_command_prints_a_secret_when_servers_are_not_there_or_speak_no_tls() {
    let tls = echo().replace("http:", "https:");
    let folder = folder("nowhere.invalid:9092", &tls, &tls, "http://nowhere.invalid");
    all_commands(folder.path(), "not there");
}

/// What the program shows while it runs, and what it logs.
#[test]
fn a_running_program_shows_and_logs_no_secret() {
    for (kafka, index) in [("127.0.0.1:9", "embedded"), ("embedded", &*echo())] {
        let folder = folder(kafka, index, &echo(), &echo());
        let log = folder.path().join("log");
        let mut child = vectide(folder.path(), &["run", "--log-level", "trace"])
            .env("VECTIDE__LOG__FORMAT", "json")
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let address = loop {
            let logged = fs::read_to_string(&log).unwrap();
            let line = logged
                .lines()
                .find(|it| it.contains("admin endpoint listening"));
            if let Some((_, rest)) = line.and_then(|line| line.split_once("\"address\":\"")) {
                break rest.split('"').next().unwrap().to_owned();
            }
            assert_eq!(child.try_wait().unwrap(), None, "{logged}");
            thread::sleep(Duration::from_millis(50));
        };
        // Time enough to be refused.
        thread::sleep(Duration::from_secs(3));
        for path in ["/", "/api/status", "/metrics", "/readyz", "/api/events"] {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(3)))
                .unwrap();
            let ask =
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(ask.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // Events have no end: the first pages count. An error is that nothing more comes.
            let _ = stream.take(64 * 1024).read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
            assert_unmarked(path, &answer);
        }
        end(child, Duration::ZERO);
        let logged = fs::read_to_string(&log).unwrap();
        assert!(logged.contains("TRACE"), "{logged}");
        assert_unmarked("the log", &logged);
    }
}

/// Secrets where they don't belong are refused, and not repeated.
#[test]
fn a_secret_in_a_wrong_place_is_refused_without_being_repeated() {
    let base = "[kafka]\ntopics = [\"shop.public.products\"]\n";
    for wrong in [
        format!("[embed]\napi_key = \"sk-{MARK}\"\n"),
        format!("[embed]\napi_key = {{ env = \"sk-{MARK}\" }}\n"),
        format!("[embed]\napi_key = {{ text = \"sk-{MARK}\" }}\n"),
        format!("[embed]\napi_key = sk-{MARK}\n"),
        format!("[embed]\napi_key = \"sk-{MARK}\n"),
        format!("[embed]\nurl = \"https://anna:{MARK}@api.example/v1\"\n"),
        format!("[embed.proxy]\nurl = \"http://anna:{MARK}@proxy.example\"\n"),
        format!("[index]\nurl = \"https://anna:{MARK}@qdrant.example:6334\"\n"),
        format!("[registry]\nurls = [\"https://anna:{MARK}@registry.example\"]\n"),
        format!("[admin]\ntoken = \"admin-{MARK}\"\n"),
        format!("[kafka.security]\npassword = \"{MARK}\"\n"),
        format!("[kafka.properties]\n\"sasl.password\" = \"{MARK}\"\n"),
        format!(
            "[kafka.properties]\n\"sasl.jaas.config\" = \"PlainLoginModule required password='{MARK}';\"\n"
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vectide.toml"), format!("{base}{wrong}")).unwrap();
        for command in ["config", "check", "run"] {
            let output = vectide(folder.path(), &[command]).output().unwrap();
            let said = assert_output_unmarked(&wrong, &output);
            assert_eq!(output.status.code(), Some(2), "{wrong}: {said}");
        }
    }
    for (name, value) in [
        ("VECTIDE__EMBED__API_KEY", format!("sk-{MARK}")),
        ("VECTIDE__EMBED__API_KEY__ENV", format!("sk-{MARK}")),
        (
            "VECTIDE__INDEX__API_KEY",
            format!("{{ env = \"sk-{MARK}\" }}"),
        ),
        (
            "VECTIDE__EMBED__URL",
            format!("https://anna:{MARK}@api.example"),
        ),
        ("VECTIDE__ADMIN__TOKEN", format!("[\"{MARK}\"]")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vectide.toml"), base).unwrap();
        let mut command = vectide(folder.path(), &["config"]);
        let output = command.env(name, value).output().unwrap();
        let said = assert_output_unmarked(name, &output);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), format!("KEY sk-{MARK} '\n")).unwrap();
    let output = vectide(folder.path(), &["config"]).output().unwrap();
    assert_output_unmarked(".env", &output);
    assert_eq!(output.status.code(), Some(2));
}
