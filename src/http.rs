//! `/metrics`, `/healthz` and `/readyz`.
//!
//! A small server on a thread of its own; nothing of the stream runs here, and what is asked is answered from memory.
//! Every resource is bounded: connections, the time one may take without being answered, the size of a request's
//! head (axum's own limit, 400 kB; bodies are not read). There is no authentication and no encryption: bind it where
//! only the scraper and the orchestrator come.

mod connection;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::health::{Health, Problem};
use crate::metrics::Metrics;
use connection::{Bounded, Limits};

/// Connections at one time; the next ones wait in the system's backlog.
pub const CONNECTIONS_MAX: usize = 64;
/// A connection that for so long has got no answer is closed: longer than the longest usual scrape interval, so
/// that a scraper keeps its connection.
pub const IDLE_MAX: Duration = Duration::from_secs(90);
/// Answers under way may take this much longer when the server stops.
const STOP_MAX: Duration = Duration::from_secs(2);
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    metrics: Metrics,
    health: Arc<Health>,
}

impl Server {
    /// Listens at `address` (port 0: any) and answers from another thread.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub fn start(address: SocketAddr, metrics: Metrics, health: Arc<Health>) -> anyhow::Result<Server> {
        let limits = Limits { connections_max: CONNECTIONS_MAX, idle_max: IDLE_MAX };
        Server::start_with(address, limits, metrics, health)
    }

    fn start_with(
        address: SocketAddr,
        limits: Limits,
        metrics: Metrics,
        health: Arc<Health>,
    ) -> anyhow::Result<Server> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start HTTP")?;
        let listen = || format!("cannot listen at `{address}`: set `http.listen` to an address that is free");
        let listener = runtime.block_on(TcpListener::bind(address)).with_context(listen)?;
        let address = listener.local_addr().with_context(listen)?;
        let (stop, stopped) = oneshot::channel();
        let router = Router::new()
            .route("/metrics", get(show_metrics))
            .route("/healthz", get(show_live))
            .route("/readyz", get(show_ready))
            .with_state(Shared { metrics, health });
        let serve = move || runtime.block_on(serve(Bounded::new(listener, limits), router, stopped));
        let thread =
            std::thread::Builder::new().name("http".to_owned()).spawn(serve).context("cannot start HTTP")?;
        Ok(Server { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server: no new connection, answers under way are finished or cut off after two seconds.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP thread panicked");
        }
    }
}

/// Runs until the sender of `stopped` is dropped.
async fn serve(listener: Bounded, router: Router, stopped: oneshot::Receiver<()>) {
    let (drain, drained) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        drop(drained.await);
    });
    let server = tokio::spawn(server.into_future());
    drop(stopped.await);
    drop(drain);
    match tokio::time::timeout(STOP_MAX, server).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::error!(%error, "the HTTP server failed"),
        Ok(Err(error)) => tracing::error!(%error, "the HTTP server failed"),
        Err(_) => tracing::debug!("HTTP connections were cut off"),
    }
}

async fn show_metrics(State(shared): State<Shared>) -> Response {
    shared.metrics.health(shared.health.live().is_empty(), shared.health.ready().is_empty());
    ([(header::CONTENT_TYPE, METRICS_TYPE)], shared.metrics.render()).into_response()
}

async fn show_live(State(shared): State<Shared>) -> Response {
    show(&shared.health.live())
}

async fn show_ready(State(shared): State<Shared>) -> Response {
    show(&shared.health.ready())
}

/// 200, or 503 with what is wrong.
fn show(problems: &[Problem]) -> Response {
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let problems: Vec<_> =
        problems.iter().map(|problem| json!({ "subject": problem.subject, "reason": problem.reason })).collect();
    let word = if problems.is_empty() { "ok" } else { "failing" };
    let body = json!({ "status": word, "problems": problems }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
