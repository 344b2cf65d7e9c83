//! Which publishers get in, which are refused, and which are sent away.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use weir::daemon::ingest::rtmp::{Limits, message};
use weir::daemon::net::Proxies;

use super::fixture::{AVC_CONFIG, AVC_KEY, DENIED, Fixture, START, ffmpeg};
use super::log::Captured;
use super::rtmp_client::Client;

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
    assert_eq!(fixture.counters.refused.get(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn no_secret_is_logged() {
    let log = Captured::start();
    let fixture = Fixture::start(Limits::default()).await;
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
    fixture.stop().await;
    let log = log.text();
    for cause in ["wrong key", "no such stream"] {
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
    fixture.stop().await;
}

#[tokio::test]
async fn five_hundred_idle_strangers_keep_nobody_out() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut strangers = Vec::new();
    for number in 0..500 {
        strangers.push(match number % 2 {
            0 => TcpStream::connect(fixture.address).await.unwrap(),
            // Half of the strangers speak some RTMP.
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
    assert!(fixture.counters.evicted.get() >= 500 - 128);
    fixture.stop().await;
}

/// A rack of encoders, or a company behind one router, publishes many streams from one address.
#[tokio::test]
async fn an_address_publishes_as_many_streams_as_it_has_keys_for() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut publishers = Vec::new();
    for number in 1..=20 {
        let stream_key = format!("camera-{number}?key=s3cret");
        let (client, status) = Client::publish(fixture.address, &stream_key).await.unwrap();
        assert_eq!(status, START, "{stream_key}");
        publishers.push(client);
    }
    assert_eq!(fixture.counters.connections.get(), 20);
    fixture.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_strangers() {
    let limits = Limits {
        strangers_per_address_max: 2,
        ..Limits::default()
    };
    let fixture = Fixture::start(limits).await;
    let first = TcpStream::connect(fixture.address).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(Client::open(fixture.address).await.unwrap());
    }
    first.readable().await.unwrap();
    assert_eq!(first.try_read(&mut [0; 1]).unwrap(), 0, "closed");
    assert_eq!(fixture.counters.evicted.get(), 1);
    fixture.stop().await;
}

/// A proxy of TCP connections is the usual front of RTMP.
#[tokio::test]
async fn a_proxy_header_names_the_publisher() {
    let log = Captured::start();
    let trusted = vec!["127.0.0.1/32".parse().unwrap()];
    let fixture = Fixture::behind(Proxies::new(trusted, true), Limits::default()).await;
    for header in [
        &b"PROXY TCP4 203.0.113.7 127.0.0.1 4096 1935\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x10\0\x07\x8f",
    ] {
        let mut socket = TcpStream::connect(fixture.address).await.unwrap();
        socket.write_all(header).await.unwrap();
        let client = Client::over(socket).await.unwrap();
        let (_client, status) = client.ask_to_publish("studio?key=s3cret").await.unwrap();
        assert_eq!(status, START);
    }
    assert!(Client::open(fixture.address).await.is_err(), "no header");
    let stranger = TcpSocket::new_v4().unwrap();
    stranger.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stranger = stranger.connect(fixture.address).await.unwrap();
    stranger.readable().await.unwrap();
    assert!(!matches!(stranger.try_read(&mut [0; 1]), Ok(1..)), "closed");
    assert_eq!(fixture.counters.refused.get(), 2);
    fixture.stop().await;
    let log = log.text();
    let connected =
        |line: &&str| line.contains("publisher connected") && line.contains("203.0.113.7:4096");
    assert_eq!(log.lines().filter(connected).count(), 2, "{log}");
    assert!(log.contains("only trusted proxies may connect"), "{log}");
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
