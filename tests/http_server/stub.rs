//! Stubs for the sessions and the origin, and a server in front of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir::base::units::ByteSize;
use weir::daemon::http::{Library, Limits, Server};
use weir::daemon::origin::{Document, Missing, Object, Packaging, Reload, Usage};
use weir::daemon::session::{Catalog, Demand};
use weir::daemon::telemetry::metrics::Metrics;
use weir::model::status::{State, StreamStatus};

use super::client::PATIENCE;

/// A body of ten bytes in three chunks.
pub const OBJECT: &[u8] = b"0123456789";
/// Text of every playlist.
pub fn playlist() -> String {
    "#EXTM3U\n#EXT-X-VERSION:9\n".repeat(20)
}

/// Stream `demo` plays, `starting` never gets ready, and `studio` has no publisher. No other stream
/// exists.
#[derive(Clone, Default)]
pub struct Stub {
    pub ready: Arc<AtomicUsize>,
    pub viewers: Arc<Mutex<Vec<(String, IpAddr, String)>>>,
    pub reloads: Arc<Mutex<Vec<(Packaging, Reload)>>>,
    /// Number of blocking reloads that wait now.
    pub waiting: watch::Sender<usize>,
    /// Blocking reloads wait until this is true.
    pub released: watch::Sender<bool>,
}

impl Catalog for Stub {
    fn list(&self) -> Vec<StreamStatus> {
        let names = ["demo", "starting", "studio"];
        names.iter().filter_map(|name| self.status(name)).collect()
    }

    fn status(&self, name: &str) -> Option<StreamStatus> {
        let state = match name {
            "demo" => State::Live,
            "starting" => State::Starting,
            "studio" => State::Idle,
            _ => return None,
        };
        Some(StreamStatus {
            name: name.to_owned(),
            state,
            source: "test:".to_owned(),
            since: "2026-01-01T00:00:00Z".to_owned(),
            viewers: 0,
            input: None,
            rungs: Vec::new(),
            worker_pid: None,
            last_error: None,
        })
    }

    fn demand(&self, name: &str, address: IpAddr, agent: &str) -> Demand {
        let viewer = (name.to_owned(), address, agent.to_owned());
        self.viewers.lock().unwrap().push(viewer);
        match name {
            "demo" => Demand::Playable,
            "starting" => Demand::Starting,
            "studio" => Demand::Nothing,
            _ => Demand::Unknown,
        }
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst) > 0
    }
}

fn document(etag: &str, max_age_s: u64) -> Document {
    Document {
        body: playlist().into(),
        etag: format!("\"{etag}\""),
        max_age: Duration::from_secs(max_age_s),
    }
}

impl Library for Stub {
    async fn master(
        &self,
        stream: &str,
        packaging: Packaging,
        wait: Duration,
    ) -> Result<Document, Missing> {
        assert_eq!(wait, Duration::from_secs(10));
        match (stream, packaging) {
            ("demo", Packaging::Cmaf) => Ok(document("cmaf", 1)),
            ("demo", Packaging::Ts) => Ok(document("ts", 1)),
            _ => Err(Missing::NotReady),
        }
    }

    async fn playlist(
        &self,
        _stream: &str,
        session: &str,
        _rendition: &str,
        packaging: Packaging,
        reload: Reload,
    ) -> Result<Document, Missing> {
        self.reloads.lock().unwrap().push((packaging, reload));
        match session {
            "s1" => {}
            "slow" => return Err(Missing::NotReady),
            "old" => return Err(Missing::Gone),
            _ => return Err(Missing::NotFound),
        }
        match reload.msn {
            Some(0..100) => {
                self.waiting.send_modify(|n| *n += 1);
                let mut released = self.released.subscribe();
                released.wait_for(|released| *released).await.unwrap();
                self.waiting.send_modify(|n| *n -= 1);
                Ok(document("blocking", 12))
            }
            Some(_) => Err(Missing::BadRequest("_HLS_msn is too far ahead")),
            None => Ok(document("plain", 0)),
        }
    }

    async fn object(
        &self,
        _stream: &str,
        session: &str,
        _rendition: &str,
        file: &str,
    ) -> Result<Object, Missing> {
        let chunks = match (session, file) {
            ("s1", "big.m4s") => vec![Bytes::from(vec![7; 16 << 20])],
            ("s1", "7.m4s") => ["012", "", "3456789"].map(Bytes::from).to_vec(),
            ("old", _) => return Err(Missing::Gone),
            _ => return Err(Missing::NotFound),
        };
        Ok(Object {
            bytes: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            chunks,
            content_type: "video/mp4",
        })
    }

    fn thumbnail(&self, stream: &str) -> Option<(Bytes, SystemTime)> {
        let taken = UNIX_EPOCH + Duration::from_secs(1);
        (stream == "demo").then(|| (Bytes::from_static(b"jpeg"), taken))
    }

    fn usage(&self) -> Usage {
        Usage {
            bytes: 10,
            streams: vec![("demo".to_owned(), 10)],
        }
    }
}

/// A server that runs until it is stopped.
pub struct Running {
    pub address: SocketAddr,
    pub stub: Stub,
    pub shutdown: CancellationToken,
    pub metrics: Metrics,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let stub = Stub::default();
        Self::serving(stub.clone(), stub, limits)
    }

    /// Starts a server with media from `library`.
    pub fn serving(library: impl Library, stub: Stub, limits: Limits) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.address();
        let shutdown = CancellationToken::new();
        let metrics = Metrics::new(ByteSize::from_mib(1));
        let run = server.with_limits(limits).run(
            stub.clone(),
            library,
            metrics.clone(),
            shutdown.clone(),
        );
        Self {
            address,
            stub,
            shutdown,
            metrics,
            task: tokio::spawn(run),
        }
    }

    /// Waits until `count` blocking reloads are held.
    pub async fn blocked(&self, count: usize) {
        let mut waiting = self.stub.waiting.subscribe();
        let enough = waiting.wait_for(|n| *n >= count);
        let _seen = tokio::time::timeout(PATIENCE, enough)
            .await
            .unwrap()
            .unwrap();
    }

    /// Lets the server run until `done` returns true.
    pub async fn until(&self, done: impl Fn(&Metrics) -> bool) {
        let running = async {
            while !done(&self.metrics) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, running).await.unwrap();
    }

    /// Waits until the server has stopped by itself.
    pub async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await;
    }
}
