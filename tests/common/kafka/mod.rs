//! A real Kafka for tests: brokers of their own, started by `scripts/kafka.sh`, and plain ways to fill and read topics.
//!
//! A test binary that needs no special listener shares one broker ([`Broker::shared`]) and keeps its tests apart by
//! topic names ([`unique`]). Without Java or Maven these helpers panic with the script's message: a test that cannot run
//! has failed. A broker goes away with its [`Broker`], or, whatever happens, within seconds of the test process's end.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

pub mod broker;
pub mod deployment;
pub mod follower;
pub mod instance;
pub mod proof;
pub mod proxy;
pub mod sign_ins;
pub mod topics;

#[allow(unused_imports, reason = "each test target uses its own part")]
pub use broker::{Broker, Options};
#[allow(unused_imports, reason = "each test target uses its own part")]
pub use deployment::{Deployment, assert_same_detections, attacked_users, by_field};
#[allow(unused_imports, reason = "each test target uses its own part")]
pub use instance::Instance;
#[allow(unused_imports, reason = "each test target uses its own part")]
pub use topics::{Isolation, Record, Stored};

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use rdkafka::client::OAuthToken;

/// Long enough for a broker that shares two cores with a compiler; reached only by a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A name nothing else of this process has: for topics, groups and transactional ids on a shared broker.
pub fn unique(base: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{base}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A token for OAUTHBEARER that brokers of `scripts/kafka.sh` take without a signature, good for an hour.
#[allow(clippy::disallowed_methods, reason = "a token has an expiry date")]
pub fn unsecured_token(user: &str) -> OAuthToken {
    let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let expiry_s = now_s + 3600;
    let claims = format!(r#"{{"sub":"{user}","iat":{now_s},"exp":{expiry_s}}}"#);
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
    OAuthToken { token, principal_name: user.to_owned(), lifetime_ms: expiry_s * 1000 }
}

/// Asks again every 50 ms until there is an answer.
///
/// # Panics
/// After [`PATIENCE`], with `what` was waited for and the last refusal.
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(PATIENCE, what, ask)
}

/// The same with another patience.
#[allow(clippy::disallowed_methods, reason = "waiting for another process takes a clock")]
pub fn eventually_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = std::time::Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(refusal) if start.elapsed() > patience => panic!("waited {patience:?} for {what}: {refusal}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Drives a future of the admin client, whose own thread does the work.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
