//! RTMP in front of real streams: the statuses that publishers get, and the log. There are no
//! workers; every stream waits for one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/log.rs"]
mod log;
#[path = "support/rtmp_client.rs"]
mod rtmp_client;

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use log::Captured;
use rtmp_client::Client;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir::base::units::ByteSize;
use weir::daemon::config;
use weir::daemon::ingest::rtmp;
use weir::daemon::origin::{Limits, Origin};
use weir::daemon::session::{Deps, Registry};
use weir::daemon::supervisor::spawner::{Launch, Launched};
use weir::daemon::telemetry::metrics::StreamMetrics;

const STUDIO: &str = "[[stream]]\nname = \"studio\"\npublish_key = \"s3cret-key\"\n";
const KEY: &str = "studio?key=s3cret-key";
const START: &str = "NetStream.Publish.Start";
const TAKEN_OVER: &str = "NetStream.Publish.BadName";
const ENDED: &str = "NetStream.Unpublish.Success";

struct NoWorkers;

impl Launch for NoWorkers {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        Box::pin(pending())
    }
}

struct Fixture {
    registry: Registry,
    address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Fixture {
    async fn start() -> Self {
        let origin = Origin::new(Limits {
            window: Duration::from_secs(60),
            memory: ByteSize::from_mib(32),
            hold_back: None,
        });
        let registry = Registry::new(Deps {
            origin,
            subscribers: Vec::new(),
            launch: Arc::new(NoWorkers),
            metrics: StreamMetrics::default(),
            window: Duration::from_secs(60),
        });
        let any_port = ([127, 0, 0, 1], 0).into();
        let limits = rtmp::Limits::default();
        let server = rtmp::Server::bind(
            any_port,
            registry.clone(),
            limits,
            rtmp::Counters::default(),
        )
        .unwrap();
        let shutdown = CancellationToken::new();
        let address = server.ports().next().unwrap().address();
        let fixture = Self {
            registry,
            address,
            server: tokio::spawn(server.run(shutdown.clone())),
            shutdown,
        };
        fixture.configure(STUDIO);
        fixture
    }

    /// Applies the streams of a `config.toml`.
    fn configure(&self, text: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let settings = config::load(&path, std::iter::empty()).unwrap();
        self.registry.apply(&settings, &BTreeMap::new());
    }

    async fn publish(&self, key: &str) -> (Client, String) {
        Client::publish(self.address, key).await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
        self.registry.shutdown().await;
    }
}

#[tokio::test]
async fn a_publisher_is_told_that_another_took_over() {
    let fixture = Fixture::start().await;
    let (mut first, status) = fixture.publish(KEY).await;
    assert_eq!(status, START);
    let (mut second, status) = fixture.publish(KEY).await;
    assert_eq!(status, START);
    assert_eq!(first.status().await.as_deref(), Some(TAKEN_OVER));
    // The second publisher is told nothing until its stream ends.
    fixture.configure("");
    assert_eq!(second.status().await.as_deref(), Some(ENDED));
    fixture.stop().await;
}

#[tokio::test]
async fn a_publisher_is_told_that_its_stream_has_ended() {
    let fixture = Fixture::start().await;
    let (mut client, _) = fixture.publish(KEY).await;
    fixture.configure(&format!("{STUDIO}rungs = [\"360p\"]"));
    assert_eq!(client.status().await.as_deref(), Some(ENDED));
    assert_eq!(client.status().await, None, "closed");
    // The publisher that was sent away may come back at once.
    let (mut client, status) = fixture.publish(KEY).await;
    assert_eq!(status, START);
    fixture.configure("");
    assert_eq!(client.status().await.as_deref(), Some(ENDED));
    fixture.stop().await;
}

#[tokio::test]
async fn no_name_that_may_be_a_key_is_logged() {
    let log = Captured::start();
    let fixture = Fixture::start().await;
    for key in ["s3cret-key", "studio?key=s3cret-kex"] {
        let (_client, status) = fixture.publish(key).await;
        assert_eq!(status, "NetStream.Publish.Denied");
    }
    fixture.stop().await;
    let log = log.text();
    for cause in ["no such stream", "wrong key"] {
        assert!(log.contains(cause), "{log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}
