//! A server on a free port, its gate, and publishers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir::daemon::ingest::rtmp::{Counters, Limits, Server};
use weir::daemon::ingest::{
    Gate, LEASE_EVENTS_MAX, Lease, MediaEvent, PublishRequest, Refusal, Revocation, Revoked,
};
use weir::daemon::net::{Listener, Proxies};
use weir::daemon::tls::{Acceptor, Application, Certificates, Source};
use weir::model::frame::{EncodedFrame, InputFormat, Track};

/// Status of an admitted publisher.
pub const START: &str = "NetStream.Publish.Start";
/// Status of a refused publisher.
pub const DENIED: &str = "NetStream.Publish.Denied";
/// Sequence header of an H.264 stream.
pub const AVC_CONFIG: &[u8] = b"\x17\x00\0\0\0\x01\x64\0\x1f\xff\xe0\0";
/// A key frame of that stream.
pub const AVC_KEY: &[u8] = b"\x17\x01\0\0\0KEY";

/// Admits streams `studio`, `garage` and `camera-N` with the key `s3cret`; the newest publisher wins.
#[derive(Clone)]
struct StubGate {
    leases: Arc<Mutex<HashMap<String, Revoked>>>,
    accepted: mpsc::UnboundedSender<mpsc::Receiver<MediaEvent>>,
}

impl Gate for StubGate {
    async fn publish(&self, request: PublishRequest) -> Result<Lease, Refusal> {
        let name = request.stream.as_str();
        if !["studio", "garage"].contains(&name) && !name.starts_with("camera-") {
            return Err(Refusal::UnknownStream);
        }
        if !request.key.matches("s3cret") {
            return Err(Refusal::WrongKey);
        }
        let (media, received) = mpsc::channel(LEASE_EVENTS_MAX);
        let revoked = Revoked::default();
        let mut leases = self.leases.lock().unwrap();
        if let Some(old) = leases.insert(request.stream, revoked.clone()) {
            old.revoke(Revocation::TakenOver);
        }
        self.accepted.send(received).unwrap();
        Ok(Lease { media, revoked })
    }
}

/// A server, and the leases that its gate has granted.
pub struct Fixture {
    pub address: SocketAddr,
    pub counters: Counters,
    pub accepted: mpsc::UnboundedReceiver<mpsc::Receiver<MediaEvent>>,
    /// Where TLS is spoken.
    pub secured: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
    _certificate: TempDir,
}

impl Fixture {
    /// Starts a server on a free port.
    pub async fn start(limits: Limits) -> Self {
        Self::behind(Proxies::default(), limits).await
    }

    /// Starts a server that believes `proxies`.
    pub async fn behind(proxies: Proxies, limits: Limits) -> Self {
        let (sender, accepted) = mpsc::unbounded_channel();
        let gate = StubGate {
            leases: Arc::default(),
            accepted: sender,
        };
        let counters = Counters::default();
        let certificate = tempfile::tempdir().unwrap();
        let source = Source::SelfMade(certificate.path().to_owned());
        let (certificates, _) = Certificates::open(source).unwrap().unwrap();
        let acceptor = Acceptor::new(&certificates, Application::Rtmp).unwrap();
        let any_port = ([127, 0, 0, 1], 0).into();
        let plain = Listener::bind("rtmp", any_port).unwrap();
        let secured = Listener::bind("rtmps", any_port).unwrap().secured(acceptor);
        let (address, secured_address) = (plain.address(), secured.address());
        let server = Server::of(vec![plain, secured], gate, limits, counters.clone());
        let server = server.behind(proxies);
        let shutdown = CancellationToken::new();
        Self {
            address,
            secured: secured_address,
            counters,
            accepted,
            server: tokio::spawn(server.run(shutdown.clone())),
            shutdown,
            _certificate: certificate,
        }
    }

    /// Address to publish to with this stream key.
    pub fn url(&self, stream_key: &str) -> String {
        format!("rtmp://{}/live/{stream_key}", self.address)
    }

    /// The same with TLS.
    pub fn secured_url(&self, stream_key: &str) -> String {
        format!("rtmps://{}/live/{stream_key}", self.secured)
    }

    /// All media of the next publisher, until that publisher leaves.
    pub async fn next_media(&mut self) -> Vec<MediaEvent> {
        let mut media = self.accepted.recv().await.unwrap();
        let mut events = Vec::new();
        while let Some(event) = media.recv().await {
            events.push(event);
        }
        events
    }

    /// Stops the server and waits until nothing of it is left.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
        assert_eq!(self.counters.connections.get(), 0);
    }
}

/// Publishes a clip of two seconds with B-frames and sound, as fast as possible.
pub fn ffmpeg(url: &str) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-hide_banner", "-loglevel", "error"])
        .args(["-f", "lavfi", "-i", "testsrc=size=160x120:rate=25"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-t", "2", "-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .args(["-f", "flv", url])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    ffmpeg
}

/// All formats in `events`.
pub fn formats(events: &[MediaEvent]) -> Vec<&InputFormat> {
    events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Format(format) => Some(format),
            MediaEvent::Frame(_) | MediaEvent::Refused(_) => None,
        })
        .collect()
}

/// All frames of one track in `events`.
pub fn frames(events: &[MediaEvent], track: Track) -> Vec<&EncodedFrame> {
    events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Frame(frame) if frame.track == track => Some(frame),
            _ => None,
        })
        .collect()
}

/// Asserts that decode times never fall.
pub fn assert_rising(frames: &[&EncodedFrame]) {
    assert!(
        frames
            .windows(2)
            .all(|pair| pair[0].dts_ns <= pair[1].dts_ns)
    );
}
