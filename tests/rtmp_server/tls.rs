//! Publishers who use RTMPS, and clients who do not finish its handshake.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir::daemon::ingest::rtmp::Limits;
use weir::daemon::net::Proxies;
use weir::model::frame::Track;

use super::fixture::{Fixture, START, assert_rising, ffmpeg, frames};
use super::log::Captured;
use super::rtmp_client::Client;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// The start of a record, of which the rest does not come.
const UNFINISHED: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

async fn is_closed(mut stream: TcpStream) -> bool {
    let closed = async {
        while stream
            .read(&mut [0; 1024])
            .await
            .is_ok_and(|bytes| bytes > 0)
        {}
    };
    tokio::time::timeout(PATIENCE, closed).await.is_ok()
}

#[tokio::test]
async fn ffmpeg_publishes_over_tls() {
    let log = Captured::start();
    let mut fixture = Fixture::start(Limits::default()).await;
    let mut publisher = ffmpeg(&fixture.secured_url("studio?key=s3cret"));
    let (output, events) = tokio::join!(publisher.output(), fixture.next_media());
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let video = frames(&events, Track::Video);
    assert_eq!(video.len(), 50);
    assert_rising(&video);
    let output = ffmpeg(&fixture.secured_url("studio?key=wrong"))
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Unknown stream or wrong key"), "{said}");
    fixture.stop().await;
    assert!(log.text().contains("publisher left"), "{}", log.text());
}

#[tokio::test]
async fn who_does_not_finish_the_handshake_is_closed_and_told_in_the_log() {
    let log = Captured::start();
    let limits = Limits {
        handshake_time_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let fixture = Fixture::start(limits).await;
    let mut stream = TcpStream::connect(fixture.secured).await.unwrap();
    stream.write_all(UNFINISHED).await.unwrap();
    assert!(is_closed(stream).await);
    // A publisher who forgot the `s` of rtmps.
    assert!(Client::open(fixture.secured).await.is_err());
    let log = log.text();
    for said in [
        "took too long",
        "handshake failed",
        "let it use rtmps:// at this port",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert_eq!(fixture.counters.refused.get(), 2);
    fixture.stop().await;
}

#[tokio::test]
async fn unfinished_handshakes_keep_no_publisher_out() {
    let limits = Limits {
        strangers_max: 4,
        ..Limits::default()
    };
    let mut fixture = Fixture::start(limits).await;
    let mut unfinished = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(fixture.secured).await.unwrap();
        stream.write_all(UNFINISHED).await.unwrap();
        unfinished.push(stream);
    }
    let (_plain, status) = Client::publish(fixture.address, "garage?key=s3cret")
        .await
        .unwrap();
    assert_eq!(status, START);
    let _media = fixture.accepted.recv().await.unwrap();
    let url = fixture.secured_url("studio?key=s3cret");
    let mut publisher = ffmpeg(&url);
    let (output, events) = tokio::join!(publisher.output(), fixture.next_media());
    assert!(output.unwrap().status.success());
    assert_eq!(frames(&events, Track::Video).len(), 50);
    assert!(fixture.counters.evicted.get() >= 16);
    fixture.stop().await;
}

#[tokio::test]
async fn a_proxy_names_its_client_before_tls() {
    let log = Captured::start();
    let networks = vec!["127.0.0.1/32".parse().unwrap()];
    let fixture = Fixture::behind(Proxies::new(networks, true), Limits::default()).await;
    let mut stream = TcpStream::connect(fixture.secured).await.unwrap();
    let header = b"PROXY TCP4 203.0.113.7 127.0.0.1 4096 1936\r\n";
    stream.write_all(header).await.unwrap();
    stream.write_all(b"this is not TLS").await.unwrap();
    assert!(is_closed(stream).await);
    let log = log.text();
    assert!(
        log.contains("handshake failed") && log.contains("203.0.113.7"),
        "{log}"
    );
    fixture.stop().await;
}
