//! An S3 server of the buckets in a folder, on a port of this machine.

use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::sync::oneshot;

pub const KEY: &str = "test-key";
pub const SECRET: &str = "test-secret-that-nobody-may-see";

/// Ends when it is dropped.
pub struct Storage {
    address: SocketAddr,
    _alive: oneshot::Sender<()>,
}

impl Storage {
    /// Each folder in `root` is a bucket.
    pub fn start(root: &Path) -> Storage {
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).expect("a folder"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let (alive, mut ended) = oneshot::channel::<()>();
        let (told, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                told.send(listener.local_addr().expect("an address")).expect("waits");
                loop {
                    let socket = tokio::select! {
                        accepted = listener.accept() => accepted.expect("a connection").0,
                        _ = &mut ended => return,
                    };
                    let service = service.clone();
                    tokio::spawn(async move {
                        let server = Builder::new(TokioExecutor::new());
                        // A client that goes away in the middle is no failure of the test.
                        drop(server.serve_connection(TokioIo::new(socket), service).await);
                    });
                }
            });
        });
        Storage { address: address.recv().expect("it listens"), _alive: alive }
    }

    /// What a client of it has in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_ACCESS_KEY_ID", KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.into()),
        ]
    }
}
