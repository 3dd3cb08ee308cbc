//! `farsign health`: asks a running instance how it is, for `HEALTHCHECK` and scripts.
//!
//! One GET over plain HTTP, without anything that a container image would have to bring (`curl`). Exit 0 when the
//! answer is 200, else 1: an instance that cannot be reached is not healthy.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use super::{PROBLEMS, say};

/// Longer answers are cut: what is wrong stands at the beginning.
const ANSWER_LENGTH_MAX: u64 = 64 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// What to ask: `/healthz` (alive) or `/readyz` (restored and working).
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464/healthz", value_parser = parse_url)]
    url: Url,
    /// Seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// `http://host:port/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    /// With the port.
    authority: String,
    path: String,
}

fn parse_url(text: &str) -> Result<Url, String> {
    let rest = text.strip_prefix("http://").ok_or("expected http://HOST:PORT/PATH; there is no TLS here")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, "healthz"));
    if host.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) || host.contains('@') {
        return Err("expected http://HOST:PORT/PATH".to_owned());
    }
    // An IPv6 address has colons of its own, in brackets.
    let port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if port { host.to_owned() } else { format!("{host}:80") };
    Ok(Url { authority, path: format!("/{path}") })
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match ask(&args.url, Duration::from_secs(args.timeout)) {
        Ok((200, _)) => Ok(ExitCode::SUCCESS),
        Ok((status, body)) => {
            say(&format!("{status}: {body}"));
            Ok(ExitCode::from(PROBLEMS))
        }
        Err(error) => {
            say(&format!("error: {error:#}"));
            Ok(ExitCode::from(PROBLEMS))
        }
    }
}

/// Status and body.
fn ask(url: &Url, timeout: Duration) -> anyhow::Result<(u16, String)> {
    let unreachable = || format!("cannot reach `{}`", url.authority);
    let addresses: Vec<_> = url.authority.to_socket_addrs().with_context(unreachable)?.collect();
    let mut failure = anyhow::anyhow!("no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                return exchange(stream, url, timeout).with_context(|| format!("asked `{}`", url.authority));
            }
            Err(error) => failure = error.into(),
        }
    }
    Err(failure.context(unreachable()))
}

fn exchange(mut stream: TcpStream, url: &Url, timeout: Duration) -> anyhow::Result<(u16, String)> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let Url { authority, path } = url;
    // HTTP/1.0: the answer ends where the connection does, and is not in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LENGTH_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let Some(status) = status else { bail!("the answer is not HTTP") };
    Ok((status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = parse_url(text).ok();
            let found = found.as_ref().map(|url| (url.authority.as_str(), url.path.as_str()));
            assert_eq!(found, expected, "{text}");
        };
        check("http://127.0.0.1:9464/healthz", Some(("127.0.0.1:9464", "/healthz")));
        check("http://farsign/readyz", Some(("farsign:80", "/readyz")));
        check("http://[::1]:9464/readyz?a=b", Some(("[::1]:9464", "/readyz?a=b")));
        check("http://[::1]/readyz", Some(("[::1]:80", "/readyz")));
        check("http://localhost:9464", Some(("localhost:9464", "/healthz")));
        check("https://localhost:9464/healthz", None);
        check("localhost:9464/healthz", None);
        check("http:///healthz", None);
        check("http://user@host/healthz", None);
        check("http://host/a b", None);
        check("http://host/a\r\nX: y", None);
    }
}
