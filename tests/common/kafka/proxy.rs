//! A TCP proxy between clients and a broker that knows just enough of Kafka's protocol to spoil chosen requests: it
//! reads the kind of each request and the number that its answer will carry.
//!
//! A broker started with [`Options::proxy_port`](super::Options) tells clients that come through here this address as
//! its own, so that all their connections do.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// Kinds of requests, by Kafka's numbers.
pub const INIT_PRODUCER_ID: i16 = 22;
pub const ADD_OFFSETS_TO_TXN: i16 = 25;
pub const END_TXN: i16 = 26;
pub const TXN_OFFSET_COMMIT: i16 = 28;

/// The largest request or answer taken; those of tests are far smaller.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// The connection breaks before the broker has seen it.
    CutBefore,
    /// The broker does it, and the connection breaks before the answer.
    CutAfter,
    /// It reaches the broker late.
    Delay(Duration),
    /// Its answer is late.
    DelayAnswer(Duration),
}

/// Every `every`-th request of a kind has this fate.
#[derive(Clone, Copy, Debug)]
struct Rule {
    fate: Fate,
    every: u32,
    seen: u32,
    spoilt: u32,
}

type Rules = Arc<Mutex<BTreeMap<i16, Rule>>>;

/// Listens from the beginning; forwards when it knows where to.
pub struct Proxy {
    port: u16,
    listener: Option<TcpListener>,
    rules: Rules,
}

impl Proxy {
    pub fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { port: listener.local_addr().unwrap().port(), listener: Some(listener), rules: Rules::default() }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Forwards connections to a broker from now on, until the process ends.
    pub fn forward_to(&mut self, broker: String) {
        let (listener, rules) = (self.listener.take().unwrap(), self.rules.clone());
        spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A broker that is down is a connection that closes.
                let Ok(server) = TcpStream::connect(&broker) else { continue };
                connect(client, server, &rules);
            }
        });
    }

    /// Gives every `every`-th request of a kind this fate.
    pub fn spoil(&self, kind: i16, fate: Fate, every: u32) {
        self.rules.lock().unwrap().insert(kind, Rule { fate, every, seen: 0, spoilt: 0 });
    }

    /// Ends the rule of a kind; gives the number of requests it spoilt.
    pub fn spare(&self, kind: i16) -> u32 {
        self.rules.lock().unwrap().remove(&kind).map_or(0, |rule| rule.spoilt)
    }
}

/// Fates of answers that a connection waits for, by the request's number.
type Awaited = Arc<Mutex<BTreeMap<i32, Fate>>>;

fn connect(client: TcpStream, server: TcpStream, rules: &Rules) {
    let awaited = Awaited::default();
    let streams = |a: &TcpStream, b: &TcpStream| (a.try_clone().unwrap(), b.try_clone().unwrap());
    let (from, to) = streams(&client, &server);
    let (rules, expected) = (rules.clone(), awaited.clone());
    spawn(move || {
        drop(requests(&from, &to, &rules, &expected));
        close(&from, &to);
    });
    spawn(move || {
        drop(answers(&server, &client, &awaited));
        close(&server, &client);
    });
}

fn close(from: &TcpStream, to: &TcpStream) {
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}

fn broken() -> std::io::Error {
    std::io::ErrorKind::ConnectionAborted.into()
}

/// A frame with its length in front.
fn frame(mut from: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let bytes = u32::from_be_bytes(length) as usize;
    assert!(bytes <= FRAME_BYTES_MAX, "a frame of {bytes} bytes");
    let mut frame = length.to_vec();
    frame.resize(4 + bytes, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn requests(from: &TcpStream, mut to: &TcpStream, rules: &Rules, awaited: &Awaited) -> std::io::Result<()> {
    loop {
        let frame = frame(from)?;
        let kind = i16::from_be_bytes([frame[4], frame[5]]);
        let number = i32::from_be_bytes([frame[8], frame[9], frame[10], frame[11]]);
        match fate(kind, rules) {
            Some(Fate::CutBefore) => return Err(broken()),
            Some(Fate::Delay(wait)) => sleep(wait),
            Some(fate) => drop(awaited.lock().unwrap().insert(number, fate)),
            None => {}
        }
        to.write_all(&frame)?;
    }
}

fn fate(kind: i16, rules: &Rules) -> Option<Fate> {
    let mut rules = rules.lock().unwrap();
    let rule = rules.get_mut(&kind)?;
    rule.seen += 1;
    let is_its_turn = rule.seen % rule.every == 0;
    rule.spoilt += u32::from(is_its_turn);
    is_its_turn.then_some(rule.fate)
}

fn answers(from: &TcpStream, mut to: &TcpStream, awaited: &Awaited) -> std::io::Result<()> {
    loop {
        let frame = frame(from)?;
        let number = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let fate = awaited.lock().unwrap().remove(&number);
        match fate {
            Some(Fate::CutAfter) => return Err(broken()),
            Some(Fate::DelayAnswer(wait)) => sleep(wait),
            _ => {}
        }
        to.write_all(&frame)?;
    }
}
