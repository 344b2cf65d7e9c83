//! The public port with TLS: both versions of HTTP, an exchange of the certificate, handshakes that do
//! not end, and visitors who come without TLS.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::SupportedProtocolVersion;
use weir::daemon::http::Limits;
use weir::daemon::net::Proxies;

use super::client::{PATIENCE, Reply, get, parse, read_to_end, send};
use super::log::Captured;
use super::stub::{OBJECT, Running, SEGMENT, Secured};
use super::tls_client::{self, Secure, VERSIONS, connect, fingerprint, handshake, protocol};

const MASTER: &str = "/live/demo/master.m3u8";

fn secured() -> (Running, Secured) {
    Running::secured(Proxies::default(), Limits::default())
}

/// Sends `GET path` on `stream`, and reads until the server closes.
async fn ask(stream: &mut Secure, path: &str) -> Reply {
    let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap()
        .unwrap();
    parse(&answer)
}

/// Sends `GET path` over HTTP/2; returns status and body.
async fn ask_h2(sender: &SendRequest<Bytes>, path: &str) -> (u16, Vec<u8>) {
    let mut ready = sender.clone().ready().await.unwrap();
    let request = Request::get(format!("https://test{path}"))
        .body(())
        .unwrap();
    let (response, _) = ready.send_request(request, true).unwrap();
    let response = tokio::time::timeout(PATIENCE, response).await.unwrap();
    let (head, mut body) = response.unwrap().into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    (head.status.as_u16(), bytes)
}

async fn assert_plays_h2(stream: Secure, path: &str) {
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let (status, body) = ask_h2(&sender, MASTER).await;
    assert!(status == 200 && body.starts_with(b"#EXTM3U"));
    assert_eq!(ask_h2(&sender, path).await, (200, OBJECT.to_vec()));
    drop(sender);
    let _closed = connection.await.unwrap();
}

#[tokio::test]
async fn alpn_chooses_between_the_versions_of_http() {
    let (server, secured) = secured();
    let both: [&'static SupportedProtocolVersion; 2] = VERSIONS;
    for version in both {
        for (offered, chosen) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1", "h2"], Some("h2")),
            (&["h2"], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let stream = TcpStream::connect(secured.address).await.unwrap();
            let mut stream = handshake(stream, offered, &[version]).await.unwrap();
            assert_eq!(protocol(&stream).as_deref(), chosen);
            if chosen == Some("h2") {
                assert_plays_h2(stream, &server.path(SEGMENT)).await;
            } else {
                let reply = ask(&mut stream, MASTER).await;
                assert!(reply.status == 200 && reply.text().starts_with("#EXTM3U"));
            }
        }
    }
    assert!(connect(secured.address, &["spdy/3"]).await.is_err());
    server.stop().await;
}

/// Waits until new connections get the certificate `expected`.
async fn exchanged(secured: &Secured, expected: impl Fn(&str) -> bool) -> String {
    let new = async {
        loop {
            let stream = connect(secured.address, &["http/1.1"]).await.unwrap();
            let shown = fingerprint(&stream);
            if expected(&shown) {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, new)
        .await
        .expect("a new certificate")
}

#[tokio::test]
async fn a_reader_reads_on_while_the_certificate_is_exchanged() {
    let (server, secured) = secured();
    let (path, length) = server.write_large();
    let mut reader = connect(secured.address, &["http/1.1"]).await.unwrap();
    let before = fingerprint(&reader);
    let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    reader.write_all(head.as_bytes()).await.unwrap();
    let mut received = vec![0; 1 << 16];
    reader.read_exact(&mut received).await.unwrap();

    let (certificate, key) = tls_client::certificate();
    secured.write_certificate(&certificate);
    secured.write_key(&key);
    let after = exchanged(&secured, |shown| shown != before).await;
    assert_ne!(before, after);

    let body = received.windows(4).position(|end| end == b"\r\n\r\n");
    let rest = body.unwrap() + 4 + length - received.len();
    let mut rest = vec![0; rest];
    reader.read_exact(&mut rest).await.unwrap();
    assert!(rest.iter().all(|&byte| byte == 7));
    assert_eq!(ask(&mut reader, MASTER).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_pair_that_does_not_fit_is_told_and_the_old_one_stays() {
    let log = Captured::start();
    let (server, secured) = secured();
    let old = fingerprint(&connect(secured.address, &[]).await.unwrap());
    let (certificate, key) = tls_client::certificate();
    let told = async |text: &str| server.until(|_| log.text().contains(text)).await;
    secured.write_certificate(&certificate[..certificate.len() / 2]);
    told("damaged or half-written").await;
    secured.write_certificate(&certificate);
    told("this key does not fit the certificate").await;
    assert!(log.text().contains("the old one stays"));
    assert!(
        log.text()
            .contains("name the key that the certificate was made with")
    );
    assert_eq!(
        fingerprint(&connect(secured.address, &[]).await.unwrap()),
        old
    );
    secured.write_key(&key);
    let new = exchanged(&secured, |shown| shown != old).await;
    told(&new).await;
    server.stop().await;
    assert!(!log.text().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn who_does_not_finish_the_handshake_is_closed() {
    let limits = Limits {
        handshake_max: Duration::from_millis(100),
        first_byte_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let (server, secured) = Running::secured(Proxies::default(), limits);
    // A record of a handshake with 512 bytes, of which only some come.
    for start in [
        &b""[..],
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut stream = TcpStream::connect(secured.address).await.unwrap();
        stream.write_all(start).await.unwrap();
        assert!(read_to_end(&mut stream).await.is_empty(), "{start:?}");
    }
    let mut plain = TcpStream::connect(secured.address).await.unwrap();
    send(&mut plain, "GET", "/", &[]).await;
    assert!(!read_to_end(&mut plain).await.starts_with(b"HTTP"));
    let refused = weir::daemon::telemetry::labels::ReasonLabels { reason: "no_tls" };
    let count = server
        .metrics
        .http
        .connections_refused
        .get_or_create(&refused)
        .get();
    assert_eq!(count, 3, "with one byte or more");
    server.stop().await;
}

#[tokio::test]
async fn unfinished_handshakes_keep_nobody_out_at_either_port() {
    let limits = Limits {
        connections_max: 4,
        ..Limits::default()
    };
    let (server, secured) = Running::secured(Proxies::default(), limits);
    let mut unfinished = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(secured.address).await.unwrap();
        stream.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
        unfinished.push(stream);
    }
    let mut stream = connect(secured.address, &["http/1.1"]).await.unwrap();
    assert_eq!(ask(&mut stream, MASTER).await.status, 200);
    assert_eq!(get(server.address, MASTER).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn who_finds_no_place_is_told_over_tls() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let (server, secured) = Running::secured(Proxies::default(), limits);
    // The places of both ports are the same.
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    send(&mut busy, "GET", &server.blocking(), &[]).await;
    server.asked(1).await;
    let mut stream = connect(secured.address, &["http/1.1"]).await.unwrap();
    assert_eq!(ask(&mut stream, MASTER).await.status, 503);
    let mut stream = connect(secured.address, &[]).await.unwrap();
    assert_eq!(ask(&mut stream, "/healthz").await.body, b"ok\n");
    let stream = connect(secured.address, &["h2"]).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(ask_h2(&sender, MASTER).await.0, 503);
    drop(sender);
    let _closed = connection.await.unwrap();
    server.release();
    assert_eq!(parse(&read_to_end(&mut busy).await).status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_names_its_client_before_tls() {
    let networks = vec!["127.0.0.1/32".parse().unwrap()];
    let limits = Limits {
        connections_per_address_max: 1,
        ..Limits::default()
    };
    let (server, secured) = Running::secured(Proxies::new(networks, true), limits);
    let announced = async |client: &str| {
        let mut stream = TcpStream::connect(secured.address).await.unwrap();
        let header = format!("PROXY TCP4 {client} 127.0.0.1 4096 443\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        handshake(stream, &["http/1.1"], &VERSIONS).await
    };
    let mut stream = announced("203.0.113.7").await.unwrap();
    assert_eq!(ask(&mut stream, MASTER).await.status, 200);
    let (_, address, _) = server.stub.viewers.borrow().last().cloned().unwrap();
    assert_eq!(address.to_string(), "203.0.113.7");
    // The client has its share, and is told so.
    let mut busy = announced("203.0.113.8").await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", server.blocking());
    busy.write_all(head.as_bytes()).await.unwrap();
    server.asked(2).await;
    let mut second = announced("203.0.113.8").await.unwrap();
    assert_eq!(ask(&mut second, MASTER).await.status, 503);
    server.release();
    let mut answer = [0; 12];
    busy.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert!(
        connect(secured.address, &[]).await.is_err(),
        "without a header"
    );
    server.stop().await;
}

#[tokio::test]
async fn pages_without_tls_are_sent_to_tls_and_media_is_not() {
    let (server, secured) = secured();
    let port = secured.address.port();
    for path in ["/", "/watch/demo", "/embed/demo?a=b", "/nothing"] {
        let reply = get(server.address, path).await;
        assert_eq!(reply.status, 308, "{path}");
        let to = format!("https://127.0.0.1:{port}{path}");
        assert_eq!(reply.header("location"), Some(to.as_str()));
    }
    for path in [MASTER, "/api/v1/streams", "/healthz", "/favicon.ico"] {
        assert_eq!(get(server.address, path).await.status, 200, "{path}");
    }
    let mut stream = connect(secured.address, &[]).await.unwrap();
    let page = ask(&mut stream, "/").await;
    assert_eq!(page.status, 200);
    // The port is not the usual one.
    assert_eq!(page.header("strict-transport-security"), None);
    server.stop().await;
}
