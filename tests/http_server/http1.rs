//! One connection of HTTP/1.1: requests one after the other, whole or in pieces, and those that are passed on.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{PATIENCE, Reply, keep_alive, parse, read_to_end};
use super::stub::Running;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
const LAST: &str = "GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/// The answers in `bytes`, each with its length in a header.
fn answers(mut bytes: &[u8]) -> Vec<Reply> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let head = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let length = parse(bytes)
            .header("content-length")
            .unwrap()
            .parse::<usize>();
        let (answer, rest) = bytes.split_at(head + length.unwrap());
        answers.push(parse(answer));
        bytes = rest;
    }
    answers
}

fn statuses(bytes: &[u8]) -> Vec<u16> {
    answers(bytes).iter().map(|answer| answer.status).collect()
}

#[tokio::test]
async fn requests_at_once_are_answered_in_order() {
    let server = Running::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let reload = format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", server.blocking());
    let nothing = "GET /live/demo/nothing HTTP/1.1\r\nHost: test\r\n\r\n";
    let all = format!("{HEALTH}{reload}{nothing}{HEALTH}{LAST}");
    stream.write_all(all.as_bytes()).await.unwrap();
    server.asked(1).await;
    server.release();
    let bytes = read_to_end(&mut stream).await;
    // Readiness is on the admin port alone.
    assert_eq!(statuses(&bytes), [200, 200, 404, 200, 404]);
    let answers = answers(&bytes);
    assert!(answers[1].text().starts_with("#EXTM3U"));
    let closing = answers.iter().map(|answer| answer.header("connection"));
    let expected = [None, None, None, None, Some("close")];
    assert_eq!(closing.collect::<Vec<_>>(), expected);
    assert!(answers.iter().all(|answer| answer.header("date").is_some()));
    server.stop().await;
}

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let server = Running::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in format!("{HEALTH}{LAST}").as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(statuses(&read_to_end(&mut stream).await), [200, 404]);
    server.stop().await;
}

/// A request with a body goes to hyper, and the connection with it.
#[tokio::test]
async fn a_connection_goes_on_after_a_request_with_a_body() {
    let server = Running::start();
    for (between, status) in [
        (
            "POST /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc",
            405,
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc",
            200,
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            200,
        ),
        (
            "GET http://test/healthz HTTP/1.1\r\nHost: test\r\n\r\n",
            200,
        ),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let all = format!("{HEALTH}{between}{HEALTH}{LAST}");
        stream.write_all(all.as_bytes()).await.unwrap();
        let bytes = read_to_end(&mut stream).await;
        assert_eq!(statuses(&bytes), [200, status, 200, 404], "{between}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_told_so_and_closed() {
    let server = Running::start();
    for text in [
        "\x16\x03\x01\x02\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/9\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(format!("{HEALTH}{text}{HEALTH}").as_bytes())
            .await
            .unwrap();
        assert_eq!(
            statuses(&read_to_end(&mut stream).await),
            [200, 400],
            "{text:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn who_goes_while_waiting_is_forgotten() {
    let server = Running::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let reload = format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", server.blocking());
    stream.write_all(reload.as_bytes()).await.unwrap();
    server.asked(1).await;
    drop(stream);
    server
        .until(|metrics| metrics.http.connections.get() == 0)
        .await;
    server.stop().await;
}

#[tokio::test]
async fn shutdown_closes_connections_between_two_requests_and_finishes_others() {
    let server = Running::start();
    let mut idle = keep_alive(server.address, "/healthz", b"ok\n").await;
    let mut waiting = TcpStream::connect(server.address).await.unwrap();
    let reload = format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", server.blocking());
    waiting.write_all(reload.as_bytes()).await.unwrap();
    server.asked(1).await;
    server.shutdown.cancel();
    assert_eq!(
        timeout(PATIENCE, idle.read(&mut [0]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    server.release();
    let bytes = read_to_end(&mut waiting).await;
    assert_eq!(statuses(&bytes), [200]);
    assert_eq!(answers(&bytes)[0].header("connection"), Some("close"));
    server.ended().await;
}
