//! `vectide health`.

use std::io;

use crate::{texts, vectide};

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
