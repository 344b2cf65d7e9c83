//! The RTMP server over real sockets, with real publishers, and a gate that is a stub.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

#[path = "support/log.rs"]
mod log;
#[path = "support/rtmp_client.rs"]
mod rtmp_client;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::Captured;
use rtmp_client::Client;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir::frame::{EncodedFrame, InputFormat, Track, VideoCodec};
use weir::ingest::rtmp::{Limits, Server, Stats, message};
use weir::ingest::{
    Gate, LEASE_EVENTS_MAX, Lease, MediaEvent, PublishRequest, Refusal, Revocation, Revoked,
};

const START: &str = "NetStream.Publish.Start";
const DENIED: &str = "NetStream.Publish.Denied";
const AVC_CONFIG: &[u8] = b"\x17\x00\0\0\0\x01\x64\0\x1f\xff\xe0\0";
const AVC_KEY: &[u8] = b"\x17\x01\0\0\0KEY";

/// Takes streams `studio` and `garage` with the key `s3cret`; the newest publisher wins.
#[derive(Clone)]
struct StubGate {
    leases: Arc<Mutex<HashMap<String, Revoked>>>,
    accepted: mpsc::UnboundedSender<mpsc::Receiver<MediaEvent>>,
}

impl Gate for StubGate {
    async fn publish(&self, request: PublishRequest) -> Result<Lease, Refusal> {
        if !["studio", "garage"].contains(&request.stream.as_str()) {
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

struct Fixture {
    address: SocketAddr,
    stats: Arc<Stats>,
    accepted: mpsc::UnboundedReceiver<mpsc::Receiver<MediaEvent>>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Fixture {
    async fn start(limits: Limits) -> Self {
        let (sender, accepted) = mpsc::unbounded_channel();
        let gate = StubGate {
            leases: Arc::default(),
            accepted: sender,
        };
        let server = Server::bind(([127, 0, 0, 1], 0).into(), gate, limits)
            .await
            .unwrap();
        let shutdown = CancellationToken::new();
        Self {
            address: server.local_addr(),
            stats: server.stats(),
            accepted,
            server: tokio::spawn(server.run(shutdown.clone())),
            shutdown,
        }
    }

    fn url(&self, stream_key: &str) -> String {
        format!("rtmp://{}/live/{stream_key}", self.address)
    }

    /// All media of the next publisher, until it has gone.
    async fn next_media(&mut self) -> Vec<MediaEvent> {
        let mut media = self.accepted.recv().await.unwrap();
        let mut events = Vec::new();
        while let Some(event) = media.recv().await {
            events.push(event);
        }
        events
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
        assert_eq!(self.stats.connections_open.get(), 0);
        assert_eq!(self.stats.publishers_open.get(), 0);
    }
}

/// A two-second clip with B-frames and sound, as fast as it can be sent.
fn ffmpeg(url: &str) -> Command {
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

fn formats(events: &[MediaEvent]) -> Vec<&InputFormat> {
    events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Format(format) => Some(format),
            MediaEvent::Frame(_) => None,
        })
        .collect()
}

fn frames(events: &[MediaEvent], track: Track) -> Vec<&EncodedFrame> {
    events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Frame(frame) if frame.track == track => Some(frame),
            _ => None,
        })
        .collect()
}

fn assert_rising(frames: &[&EncodedFrame]) {
    assert!(
        frames
            .windows(2)
            .all(|pair| pair[0].dts_ns <= pair[1].dts_ns)
    );
}

#[tokio::test]
async fn ffmpeg_publishes_pictures_and_sound() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let mut publisher = ffmpeg(&fixture.url("studio?key=s3cret")).spawn().unwrap();
    let events = fixture.next_media().await;
    assert!(publisher.wait().await.unwrap().success());

    let formats = formats(&events);
    assert_eq!(formats.len(), 1, "one format, of both tracks");
    assert!(matches!(events[0], MediaEvent::Format(_)));
    let video = formats[0].video.as_ref().unwrap();
    assert_eq!(video.codec, VideoCodec::H264);
    assert_eq!(video.fps_milli_hint, Some(25_000));
    assert_eq!(formats[0].audio.as_ref().unwrap().config[..2], [0x11, 0x88]);

    let video = frames(&events, Track::Video);
    assert_eq!(video.len(), 50);
    assert_rising(&video);
    assert_eq!(video.iter().filter(|frame| frame.key).count(), 2);
    assert!(
        video
            .iter()
            .any(|frame| frame.pts_ns > frame.dts_ns + 40_000_000),
        "B-frames"
    );
    let audio = frames(&events, Track::Audio);
    assert!(
        (93..=96).contains(&audio.len()),
        "{} frames of 1024 samples",
        audio.len()
    );
    assert_rising(&audio);
    fixture.stop().await;
}

#[tokio::test]
async fn gstreamer_publishes() {
    let inspect = Command::new("gst-inspect-1.0")
        .args(["--exists", "rtmp2sink"])
        .status();
    if !inspect.await.is_ok_and(|status| status.success()) {
        eprintln!("skipped: GStreamer's rtmp2sink is not installed");
        return;
    }
    let mut fixture = Fixture::start(Limits::default()).await;
    let mut publisher = Command::new("gst-launch-1.0")
        .args("-q videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120".split(' '))
        .args("! x264enc tune=zerolatency ! flvmux streamable=true ! rtmp2sink".split(' '))
        .arg(format!("location={}", fixture.url("studio?key=s3cret")))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let events = fixture.next_media().await;
    assert!(publisher.wait().await.unwrap().success());
    assert_eq!(frames(&events, Track::Video).len(), 30);
    assert!(formats(&events)[0].audio.is_none());
    fixture.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_ffmpeg_says_so() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let output = ffmpeg(&fixture.url("studio?key=wrong"))
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Unknown stream or wrong key"), "{said}");
    assert!(fixture.accepted.try_recv().is_err());
    assert_eq!(fixture.stats.refused_total.get(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn no_secret_is_logged() {
    let log = Captured::start();
    let limits = Limits {
        streams_per_address_max: 1,
        ..Limits::default()
    };
    let fixture = Fixture::start(limits).await;
    for stream_key in [
        "studio?key=h0pefully-secret",
        "h0pefully-secret",
        "H0pe h0pefully-secret",
        "studio%3Fkey=h0pefully-secret",
    ] {
        let (_client, status) = Client::publish(fixture.address, stream_key).await.unwrap();
        assert_eq!(status, DENIED, "{stream_key}");
    }
    let (_client, status) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);
    // One stream too many: nobody has looked whether there is one of this name.
    let (_other, status) = Client::publish(fixture.address, "h0pefully-secret")
        .await
        .unwrap();
    assert_eq!(status, DENIED);
    fixture.stop().await;
    let log = log.text();
    for cause in ["wrong key", "no such stream", "too many streams"] {
        assert!(log.contains(cause), "{log}");
    }
    assert!(
        !log.contains("h0pefully") && !log.contains("s3cret"),
        "{log}"
    );
}

#[tokio::test]
async fn a_second_publisher_takes_over_at_once() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let (mut first, status) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);
    let (mut second, status) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);

    assert_eq!(
        first.status().await.as_deref(),
        Some("NetStream.Publish.BadName")
    );
    assert_eq!(first.status().await, None, "closed");
    drop(first);
    assert_eq!(
        fixture.next_media().await,
        [],
        "the first one's media has ended"
    );

    second.send(message::VIDEO, 0, AVC_CONFIG).await.unwrap();
    second.send(message::VIDEO, 0, AVC_KEY).await.unwrap();
    second.command("deleteStream", &[]).await.unwrap();
    assert_eq!(
        second.status().await.as_deref(),
        Some("NetStream.Unpublish.Success")
    );
    assert_eq!(fixture.next_media().await.len(), 2);
    assert_eq!(fixture.stats.revoked_total.get(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn five_hundred_idle_strangers_keep_nobody_out() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut strangers = Vec::new();
    for number in 0..500 {
        strangers.push(match number % 2 {
            0 => TcpStream::connect(fixture.address).await.unwrap(),
            // Half of them speak some RTMP.
            _ => {
                let stranger = TcpStream::connect(fixture.address).await.unwrap();
                stranger.writable().await.unwrap();
                stranger.try_write(&[3; 100]).unwrap();
                stranger
            }
        });
    }
    let (_client, status) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);
    assert!(fixture.stats.evicted_total.get() >= 500 - 128);
    fixture.stop().await;
}

#[tokio::test]
async fn timestamps_go_on_where_32_bits_end() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let (mut client, _) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    client.send(message::VIDEO, 0, AVC_CONFIG).await.unwrap();
    for timestamp_ms in [u32::MAX - 30, 9, 49] {
        client
            .send(message::VIDEO, timestamp_ms, AVC_KEY)
            .await
            .unwrap();
    }
    drop(client);
    let events = fixture.next_media().await;
    let times: Vec<_> = frames(&events, Track::Video)
        .iter()
        .map(|frame| frame.dts_ns / 1_000_000 - i64::from(u32::MAX))
        .collect();
    assert_eq!(times, [-30, 10, 50]);
    fixture.stop().await;
}

#[tokio::test]
async fn hevc_comes_by_enhanced_rtmp_and_av1_is_refused() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let (mut client, _) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    let config = [b"\x90hvc1".as_slice(), &[1; 23]].concat();
    client.send(message::VIDEO, 0, &config).await.unwrap();
    client
        .send(message::VIDEO, 0, b"\x91hvc1\0\0\x28KEY")
        .await
        .unwrap();
    client
        .send(message::VIDEO, 40, b"\x90av01CONFIG")
        .await
        .unwrap();
    assert_eq!(
        client.status().await.as_deref(),
        Some("NetStream.Publish.Rejected")
    );
    let events = fixture.next_media().await;
    let codec = formats(&events)[0].video.as_ref().map(|video| video.codec);
    assert_eq!(codec, Some(VideoCodec::H265));
    assert_eq!(frames(&events, Track::Video)[0].pts_ns, 40_000_000);
    drop(client);
    fixture.stop().await;
}

#[tokio::test]
async fn a_session_that_is_slow_loses_nothing() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let (mut client, _) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    let frames_sent = 2 * LEASE_EVENTS_MAX;
    client.send(message::VIDEO, 0, AVC_CONFIG).await.unwrap();
    for _ in 0..frames_sent {
        client.send(message::VIDEO, 0, AVC_KEY).await.unwrap();
    }
    drop(client);
    let events = fixture.next_media().await;
    assert_eq!(frames(&events, Track::Video).len(), frames_sent);
    fixture.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_streams() {
    let limits = Limits {
        streams_per_address_max: 1,
        ..Limits::default()
    };
    let fixture = Fixture::start(limits).await;
    let (_first, status) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);
    let (_second, status) = Client::publish(fixture.address, "garage?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, DENIED);
    let (_again, status) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);
    fixture.stop().await;
}

#[tokio::test]
async fn peers_that_keep_us_waiting_are_closed() {
    let short = Duration::from_millis(50);
    let limits = Limits {
        handshake_time_max: short,
        publish_time_max: short,
        idle_time_max: short,
        ..Limits::default()
    };
    let mut fixture = Fixture::start(limits).await;
    let silent = TcpStream::connect(fixture.address).await.unwrap();
    silent.readable().await.unwrap();
    assert_eq!(silent.try_read(&mut [0; 1]).unwrap(), 0, "closed");
    let mut no_publish = Client::open(fixture.address).await.unwrap();
    assert_eq!(no_publish.status().await, None);
    let (mut idle, status) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);
    assert_eq!(idle.status().await, None);
    assert_eq!(fixture.next_media().await, []);
    assert_eq!(fixture.stats.faults_total.get(), 3);
    fixture.stop().await;
}

#[tokio::test]
async fn a_stop_is_told_to_publishers_and_joins_every_task() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let stranger = TcpStream::connect(fixture.address).await.unwrap();
    let (mut client, _) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    let mut media = fixture.accepted.recv().await.unwrap();
    fixture.stop().await;
    assert_eq!(media.recv().await, None);
    assert_eq!(
        client.status().await.as_deref(),
        Some("NetConnection.Connect.AppShutdown")
    );
    assert_eq!(client.status().await, None);
    stranger.readable().await.unwrap();
    assert_eq!(stranger.try_read(&mut [0; 1]).unwrap(), 0, "closed");
}
