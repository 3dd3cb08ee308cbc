//! `farsign health` against a real server.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::io::Write;
use std::net::TcpListener;

use assert_cmd::Command;
use farsign::health::Health;
use farsign::http::Server;
use farsign::metrics::Metrics;

/// Exit code and what is said.
fn health(url: &str) -> (i32, String) {
    let output = Command::cargo_bin("farsign").unwrap().args(["health", "--timeout", "2", "--url", url]).output();
    let output = output.unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_exit_code_is_the_health() {
    let state = Health::new(&["topics"]);
    let server = Server::start("127.0.0.1:0".parse().unwrap(), Metrics::new(), state.clone()).unwrap();
    let live = format!("http://{}/healthz", server.address());
    let ready = format!("http://{}/readyz", server.address());
    assert_eq!(health(&live), (0, String::new()));
    let (code, said) = health(&ready);
    assert_eq!(code, 1);
    assert!(said.starts_with("503: {") && said.contains("not yet begun"), "{said}");
    state.clear("topics");
    assert_eq!(health(&ready), (0, String::new()));
    state.fail("task 1", "lost");
    assert_eq!(health(&live).0, 1);
    server.stop();
    let (code, said) = health(&live);
    assert_eq!(code, 1);
    // The system may still have taken the connection that nobody takes up any more.
    assert!(said.contains("cannot reach") || said.contains("reset by peer"), "{said}");
}

#[test]
fn what_is_no_answer_is_not_healthy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    let answers = std::thread::spawn(move || {
        for answer in ["", "SSH-2.0-x\r\n", "HTTP/1.1 2"] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
        // Accepted, never answered.
        let silent = listener.accept().unwrap();
        std::thread::sleep(std::time::Duration::from_secs(3));
        drop(silent);
    });
    for _ in 0..4 {
        assert_eq!(health(&url).0, 1);
    }
    answers.join().unwrap();
    assert_eq!(health("https://127.0.0.1/healthz").0, 2, "a wrong command line");
}
