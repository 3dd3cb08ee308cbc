//! Tests of the HTTP server, by real requests.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn start() -> (Server, Metrics, Arc<Health>) {
    let (metrics, health) = (Metrics::new(), Health::new(&["topics"]));
    let server = Server::start(ANY_PORT, metrics.clone(), health.clone()).unwrap();
    (server, metrics, health)
}

/// Status, content type and body.
fn ask(server: &Server, path: &str) -> (u16, String, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(format!("http://{}{path}", server.address())).call().unwrap();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    (response.status().as_u16(), kind.unwrap_or_default(), response.body_mut().read_to_string().unwrap())
}

#[test]
fn metrics_are_served_with_health_in_them() {
    let (server, metrics, health) = start();
    metrics.rebalance(crate::metrics::RebalanceKind::Assigned);
    let (status, kind, text) = ask(&server, "/metrics");
    assert_eq!((status, kind.as_str()), (200, METRICS_TYPE));
    assert!(text.contains("farsign_rebalances_total{kind=\"assigned\"} 1\n"), "{text}");
    assert!(text.contains("farsign_live 1\n") && text.contains("farsign_ready 0\n"), "{text}");
    health.clear("topics");
    assert!(ask(&server, "/metrics").2.contains("farsign_ready 1\n"));
}

#[test]
fn health_says_what_is_wrong() {
    let (server, _, health) = start();
    assert_eq!(ask(&server, "/healthz").0, 200);
    let (status, kind, body) = ask(&server, "/readyz");
    assert_eq!((status, kind.as_str()), (503, "application/json"));
    assert_eq!(body, r#"{"status":"failing","problems":[{"subject":"topics","reason":"not yet begun"}]}"#);
    health.clear("topics");
    assert_eq!(ask(&server, "/readyz"), (200, kind.clone(), r#"{"status":"ok","problems":[]}"#.to_owned()));
    health.fail("task 1", "the \"changelog\" is gone");
    for path in ["/healthz", "/readyz"] {
        let (status, _, body) = ask(&server, path);
        assert_eq!(status, 503);
        assert!(body.contains(r#""reason":"the \"changelog\" is gone""#), "{body}");
    }
}

#[test]
fn nothing_else_is_served() {
    let (server, ..) = start();
    for path in ["/", "/metrics/", "/healthz2", "/../etc/passwd"] {
        assert_eq!(ask(&server, path).0, 404, "{path}");
    }
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let posted = agent.post(format!("http://{}/metrics", server.address())).send("x").unwrap();
    assert_eq!(posted.status().as_u16(), 405);
}

#[test]
fn a_head_without_end_is_refused() {
    let (server, ..) = start();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
    // It answers 431 or closes before all is written.
    let sent = (0..1_024).map(|_| stream.write_all(&[b'a'; 1_024])).take_while(Result::is_ok).count();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let refused = answer.starts_with(b"HTTP/1.1 431") || read.is_err() || (answer.is_empty() && sent > 0);
    assert!(refused, "{:?}", String::from_utf8_lossy(&answer));
    assert_eq!(ask(&server, "/healthz").0, 200, "others are served");
}

fn limited(limits: Limits) -> Server {
    Server::start_with(ANY_PORT, limits, Metrics::new(), Health::new(&[])).unwrap()
}

#[test]
fn a_silent_or_slow_connection_is_closed() {
    let server = limited(Limits { connections_max: 2, idle_max: Duration::from_millis(300) });
    let mut silent = TcpStream::connect(server.address()).unwrap();
    let mut slow = TcpStream::connect(server.address()).unwrap();
    // Both places are taken: this one is served when they are closed.
    let began = crate::runtime::clock::now();
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&server, "/healthz").0);
        let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n";
        let dripped = request.iter().map(|byte| {
            std::thread::sleep(Duration::from_millis(30));
            slow.write_all(&[*byte])
        });
        assert!(dripped.take_while(Result::is_ok).count() < request.len(), "cut off in the middle");
        asked.join().unwrap()
    });
    assert_eq!(asked, 200);
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0, "closed");
}

#[test]
fn an_answered_connection_is_kept() {
    let server = limited(Limits { connections_max: 1, idle_max: Duration::from_millis(500) });
    let mut stream = TcpStream::connect(server.address()).unwrap();
    for _ in 0..4 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_stop_waits_for_no_idle_connection() {
    let (server, ..) = start();
    let address = server.address();
    let mut kept = TcpStream::connect(address).unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(kept.read(&mut [0; 512]).unwrap() > 0);
    let half = TcpStream::connect(address).unwrap();
    (&half).write_all(b"GET /he").unwrap();
    let began = crate::runtime::clock::now();
    server.stop();
    assert!(began.elapsed() < STOP_MAX + Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn a_taken_address_is_said() {
    let (server, ..) = start();
    let error = Server::start(server.address(), Metrics::new(), Health::new(&[])).unwrap_err();
    let expected =
        format!("cannot listen at `{}`: set `http.listen` to an address that is free", server.address());
    assert_eq!(error.to_string(), expected);
}
