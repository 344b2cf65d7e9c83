//! A server that has run out of file descriptors. The test is alone in its process because it
//! lowers the limit of the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::Stdio;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use weir::daemon::ingest::rtmp::{Counters, Limits, Server};
use weir::daemon::ingest::{Gate, Lease, MediaEvent, PublishRequest, Refusal, Revoked};

/// File descriptors left for connections, fewer than there are idle strangers.
const DESCRIPTORS_LEFT: usize = 20;

#[derive(Clone)]
struct OpenGate(mpsc::Sender<MediaEvent>);

impl Gate for OpenGate {
    async fn publish(&self, _: PublishRequest) -> Result<Lease, Refusal> {
        Ok(Lease {
            media: self.0.clone(),
            revoked: Revoked::default(),
        })
    }
}

/// Shell script: opens idle connections to port `$0`, keeps them open, and publishes.
const SCRIPT: &str = "read -r _go
    for _ in $(seq 40); do exec {idle}<>/dev/tcp/127.0.0.1/$0; done
    ffmpeg -hide_banner -loglevel error -f lavfi -i testsrc=size=160x120:rate=25 -t 1 \
        -c:v libx264 -preset ultrafast -pix_fmt yuv420p -f flv rtmp://127.0.0.1:$0/live/any";

#[tokio::test]
async fn a_publisher_gets_in_when_strangers_hold_all_descriptors() {
    // The channel holds one second of pictures, because nobody reads it until the end.
    let (media, mut received) = mpsc::channel(100);
    let any_port = ([127, 0, 0, 1], 0).into();
    let counters = Counters::default();
    let (gate, limits) = (OpenGate(media), Limits::default());
    let server = Server::bind(any_port, gate, limits, counters.clone()).unwrap();
    let port = server.ports().next().unwrap().address().port();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(server.run(shutdown.clone()));
    let mut child = Command::new("bash")
        .args(["-c", SCRIPT, &port.to_string()])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();

    let before = getrlimit(Resource::Nofile);
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let lowered = Rlimit {
        current: Some((open + DESCRIPTORS_LEFT) as u64),
        ..before
    };
    setrlimit(Resource::Nofile, lowered).unwrap();
    let mut go = child.stdin.take().unwrap();
    go.write_all(b"go\n").await.unwrap();

    assert!(child.wait().await.unwrap().success());
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(matches!(received.try_recv(), Ok(MediaEvent::Format(_))));
    // Far fewer strangers came than may: only a failed accept evicts one.
    assert!(counters.evicted.get() > 0, "descriptors did run out");
    shutdown.cancel();
    running.await.unwrap();
}
