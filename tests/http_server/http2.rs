//! HTTP/2 with prior knowledge, as reverse proxies speak it: many streams on one connection.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use weir::daemon::http::Limits;

use super::client::{PATIENCE, get};
use super::stub::{OBJECT, Running, SEGMENT};

async fn connect(server: &Running) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn ask(sender: &SendRequest<Bytes>, method: Method, path: &str) -> ResponseFuture {
    let mut ready = sender.clone().ready().await.unwrap();
    let request = Request::builder()
        .method(method)
        .uri(format!("http://test{path}"));
    let request = request.body(()).unwrap();
    ready.send_request(request, true).unwrap().0
}

async fn answer(response: ResponseFuture) -> (http::response::Parts, Vec<u8>) {
    let response = tokio::time::timeout(PATIENCE, response).await.unwrap();
    let (head, mut body) = response.unwrap().into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    (head, bytes)
}

#[tokio::test]
async fn a_waiting_reload_does_not_hold_up_a_segment() {
    let server = Running::start();
    let (sender, connection) = connect(&server).await;
    let waiting = ask(&sender, Method::GET, &server.blocking()).await;
    server.asked(1).await;
    let segment = ask(&sender, Method::GET, &server.path(SEGMENT)).await;
    let (head, body) = answer(segment).await;
    assert_eq!((head.status.as_u16(), &*body), (200, OBJECT));
    let (head, body) = answer(ask(&sender, Method::HEAD, &server.path(SEGMENT)).await).await;
    assert_eq!(head.headers["content-length"], "10");
    assert!(body.is_empty());
    server.release();
    let (head, body) = answer(waiting).await;
    assert_eq!(head.status.as_u16(), 200);
    assert!(body.starts_with(b"#EXTM3U"));
    drop(sender);
    connection.await.unwrap().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn shutdown_finishes_streams() {
    let server = Running::start();
    let (sender, connection) = connect(&server).await;
    let waiting = ask(&sender, Method::GET, &server.blocking()).await;
    server.asked(1).await;
    server.shutdown.cancel();
    server.release();
    assert_eq!(answer(waiting).await.0.status.as_u16(), 200);
    server.ended().await;
    let _closed = connection.await.unwrap();
}

#[tokio::test]
async fn shutdown_cuts_off_streams_that_never_end() {
    let limits = Limits {
        drain_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = Running::with(limits);
    let (sender, connection) = connect(&server).await;
    let waiting = ask(&sender, Method::GET, &server.blocking()).await;
    server.asked(1).await;
    server.shutdown.cancel();
    server.ended().await;
    assert!(waiting.await.is_err());
    let _closed = connection.await.unwrap();
}

#[tokio::test]
async fn a_stalled_stream_moves_new_ones_elsewhere_and_spares_the_others() {
    let limits = Limits {
        request_max: Duration::from_secs(2),
        ..Limits::default()
    };
    let server = Running::with(limits);
    let stream = TcpStream::connect(server.address).await.unwrap();
    // The connection window is so large that the stalled stream does not stop the other one.
    let (sender, connection) = h2::client::Builder::new()
        .initial_connection_window_size(1 << 20)
        .handshake(stream)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let (large, _) = server.write_large();
    let stalled = ask(&sender, Method::GET, &large).await;
    let stalled = stalled.await.unwrap().into_body();
    // Only waiting makes two requests of different age.
    tokio::time::sleep(limits.request_max * 3 / 5).await;
    let waiting = ask(&sender, Method::GET, &server.blocking()).await;
    server.asked(1).await;
    // Wait for the server's GOAWAY.
    let told = async {
        while sender.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    server.release();
    let (head, body) = answer(waiting).await;
    assert_eq!(head.status.as_u16(), 200);
    assert!(body.starts_with(b"#EXTM3U"));
    // Only the overdue request is reset.
    let _closed = tokio::time::timeout(PATIENCE, connection).await.unwrap();
    drop(stalled);
    server.stop().await;
}

#[tokio::test]
async fn little_may_be_sent_to_us() {
    let server = Running::start();
    let (sender, connection) = connect(&server).await;
    // The server's settings arrive before its first answer.
    answer(ask(&sender, Method::GET, "/healthz").await).await;
    let mut streams = Vec::new();
    for n in 1..=5 {
        let mut ready = sender.clone().ready().await.unwrap();
        let request = Request::get(format!("http://test{}", server.blocking()));
        let (answer, mut body) = ready
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        body.reserve_capacity(1 << 20);
        streams.push((answer, body));
        server.asked(n).await;
    }
    let bytes: Vec<usize> = streams.iter().map(|(_, body)| body.capacity()).collect();
    assert_eq!(bytes[0], 16 * 1024);
    assert!(bytes.iter().sum::<usize>() <= 64 * 1024, "{bytes:?}");
    drop(streams);
    drop(sender);
    let _closed = connection.await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go() {
    let limits = Limits {
        idle_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Running::with(limits);
    let (sender, connection) = connect(&server).await;
    assert_eq!(
        answer(ask(&sender, Method::GET, "/healthz").await).await.1,
        b"ok\n"
    );
    let _closed = tokio::time::timeout(PATIENCE, connection).await.unwrap();
    drop(sender);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_whose_requests_are_over_makes_room() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let server = Running::with(limits);
    let (sender, connection) = connect(&server).await;
    let waiting = ask(&sender, Method::GET, &server.blocking()).await;
    server.asked(1).await;
    assert_eq!(get(server.address, "/").await.status, 503);
    server.release();
    assert_eq!(answer(waiting).await.0.status.as_u16(), 200);
    assert_eq!(get(server.address, "/").await.status, 200);
    let _closed = tokio::time::timeout(PATIENCE, connection).await.unwrap();
    drop(sender);
    server.stop().await;
}
