//! Who gets in when all places are taken, and who must go.

use std::time::Duration;

use tokio::net::TcpStream;
use weir::daemon::http::Limits;

use super::client::{PATIENCE, connect_from, get, keep_alive, parse, read_to_end, send};
use super::stub::Running;

fn places(connections_max: usize) -> Limits {
    Limits {
        connections_max,
        ..Limits::default()
    }
}

/// Opens a connection whose request waits until [`Running::release`].
async fn busy(server: &Running, asked: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    send(&mut stream, "GET", &server.blocking(), &[]).await;
    server.asked(asked).await;
    stream
}

/// Waits until the server has closed so many connections to make room.
async fn evicted(server: &Running, reason: &'static str, count: u64) {
    let labels = weir::daemon::telemetry::labels::ReasonLabels { reason };
    server
        .until(|metrics| {
            metrics
                .http
                .connections_evicted
                .get_or_create(&labels)
                .get()
                == count
        })
        .await;
}

#[tokio::test]
async fn who_asks_nothing_makes_room_then_who_is_idle() {
    let server = Running::with(places(3));
    let mut idle = keep_alive(server.address, "/healthz", b"ok\n").await;
    let first = busy(&server, 1).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    server
        .until(|metrics| metrics.http.connections.get() == 3)
        .await;
    let second = busy(&server, 2).await;
    assert!(read_to_end(&mut silent).await.is_empty());
    evicted(&server, "silent", 1).await;
    let third = busy(&server, 3).await;
    assert!(read_to_end(&mut idle).await.is_empty());
    evicted(&server, "idle", 1).await;
    // All have requests in progress now, and keep their places.
    assert_eq!(get(server.address, "/").await.status, 503);
    server.release();
    for mut stream in [first, second, third] {
        assert_eq!(parse(&read_to_end(&mut stream).await).status, 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn health_is_answered_when_every_place_is_busy() {
    let server = Running::with(places(2));
    let held = [busy(&server, 1).await, busy(&server, 2).await];
    let refused = get(server.address, "/").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("2"));
    // A crowd of others waits to be told that there is no place.
    let mut crowd = Vec::new();
    for number in 0..100 {
        let source = format!("127.0.0.{}", 2 + number % 5);
        crowd.push(connect_from(&source, server.address).await);
    }
    assert_eq!(get(server.address, "/healthz").await.body, b"ok\n");
    let metrics = get(server.admin, "/metrics").await;
    let line = "weir_http_connections_refused_total{reason=\"total\"}";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    drop(held);
    server.stop().await;
}

#[tokio::test]
async fn an_address_with_its_share_closes_its_own_silent_connection() {
    let limits = Limits {
        connections_per_address_max: 2,
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let _other = connect_from("127.0.0.2", server.address).await;
    let _busy = busy(&server, 1).await;
    assert_eq!(get(server.address, "/").await.status, 200);
    assert!(read_to_end(&mut silent).await.is_empty());
    evicted(&server, "silent", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn who_sends_no_byte_is_closed_soon() {
    let limits = Limits {
        first_byte_max: Duration::from_millis(50),
        idle_max: PATIENCE * 10,
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut kept = keep_alive(server.address, "/healthz", b"ok\n").await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert!(read_to_end(&mut silent).await.is_empty());
    // A connection that has asked may be idle for longer.
    send(&mut kept, "GET", "/healthz", &[]).await;
    assert_eq!(parse(&read_to_end(&mut kept).await).status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_client_has_so_many_requests_in_progress() {
    let limits = Limits {
        requests_per_address_max: 1,
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut first = busy(&server, 1).await;
    let refused = get(server.address, "/").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("2"));
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    let mut other = connect_from("127.0.0.2", server.address).await;
    send(&mut other, "GET", "/", &[]).await;
    assert_eq!(parse(&read_to_end(&mut other).await).status, 200);
    server.release();
    assert_eq!(parse(&read_to_end(&mut first).await).status, 200);
    assert_eq!(get(server.address, "/").await.status, 200);
    server.stop().await;
}
