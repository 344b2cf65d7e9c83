//! Clients behind proxies: forwarded addresses and the PROXY protocol.

use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use weir::daemon::http::Limits;
use weir::daemon::net::Proxies;

use super::client::{Reply, connect_from, parse, read_to_end, send};
use super::stub::Running;

/// The proxy; 127.0.0.2 is nobody in particular.
const PROXY: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.2";
const VIEWER: &str = "203.0.113.7";

fn proxies(speak_protocol: bool) -> Proxies {
    Proxies::new(vec!["127.0.0.1/32".parse().unwrap()], speak_protocol)
}

/// Asks for the playlist of `demo`; returns the viewer that the sessions have seen.
async fn viewer(server: &Running, source: &str, headers: &[(&str, &str)]) -> IpAddr {
    let mut stream = connect_from(source, server.address).await;
    send(&mut stream, "GET", "/live/demo/master.m3u8", headers).await;
    assert_eq!(parse(&read_to_end(&mut stream).await).status, 200);
    let viewers = server.stub.viewers.borrow();
    let (_, address, _) = viewers.last().unwrap();
    *address
}

#[tokio::test]
async fn only_a_trusted_proxy_names_its_clients() {
    let server = Running::behind(proxies(false), Limits::default());
    for header in [
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-For", "198.51.100.1, 203.0.113.7"),
        ("Forwarded", "for=203.0.113.7;proto=https"),
    ] {
        let trusted = viewer(&server, PROXY, &[header]).await;
        assert_eq!(trusted.to_string(), VIEWER, "{header:?}");
        let spoofed = viewer(&server, STRANGER, &[header]).await;
        assert_eq!(spoofed.to_string(), STRANGER, "{header:?}");
    }
    let malformed = [("X-Forwarded-For", "203.0.113.7, nonsense")];
    assert_eq!(viewer(&server, PROXY, &malformed).await.to_string(), PROXY);
    server.stop().await;
}

#[tokio::test]
async fn limits_hold_for_clients_and_not_for_their_proxy() {
    let limits = Limits {
        connections_per_address_max: 1,
        requests_per_address_max: 1,
        ..Limits::default()
    };
    let server = Running::behind(proxies(false), limits);
    let mut held = Vec::new();
    for client in 1..=3 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let client = format!("203.0.113.{client}");
        let headers = [("X-Forwarded-For", client.as_str())];
        send(&mut stream, "GET", &server.blocking(), &headers).await;
        held.push(stream);
        server.asked(held.len()).await;
    }
    let mut fourth = TcpStream::connect(server.address).await.unwrap();
    let again = [("X-Forwarded-For", "203.0.113.1")];
    send(&mut fourth, "GET", "/", &again).await;
    assert_eq!(parse(&read_to_end(&mut fourth).await).status, 429);
    server.release();
    for mut stream in held {
        assert_eq!(parse(&read_to_end(&mut stream).await).status, 200);
    }
    server.stop().await;
}

/// Sends `header`, then a request, from `source`.
async fn announced(server: &Running, source: &str, header: &[u8]) -> Option<Reply> {
    let mut stream = connect_from(source, server.address).await;
    // The server may have closed the connection already.
    let _ = stream.write_all(header).await;
    let request = b"GET /live/demo/master.m3u8 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let _ = stream.write_all(request).await;
    let answer = read_to_end(&mut stream).await;
    (!answer.is_empty()).then(|| parse(&answer))
}

fn v2(client: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(address) = client.ip() else {
        panic!("an IPv4 address expected");
    };
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(address.octets());
    header.extend([127, 0, 0, 1]);
    header.extend(client.port().to_be_bytes());
    header.extend([0, 80]);
    header
}

#[tokio::test]
async fn a_proxy_header_names_the_client() {
    let server = Running::behind(proxies(true), Limits::default());
    let client = SocketAddr::new(VIEWER.parse().unwrap(), 4096);
    for (header, expected) in [
        (
            b"PROXY TCP4 203.0.113.7 127.0.0.1 4096 80\r\n".to_vec(),
            VIEWER,
        ),
        (v2(client), VIEWER),
        (b"PROXY UNKNOWN\r\n".to_vec(), PROXY),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), PROXY),
    ] {
        let reply = announced(&server, PROXY, &header).await.unwrap();
        assert_eq!(reply.status, 200, "{header:?}");
        let (_, address, _) = server.stub.viewers.borrow().last().cloned().unwrap();
        assert_eq!(address.to_string(), expected, "{header:?}");
    }
    let seen = server.stub.viewers.borrow().len();
    let header = v2(client);
    assert!(announced(&server, STRANGER, &header).await.is_none());
    assert!(announced(&server, PROXY, b"").await.is_none());
    assert_eq!(server.stub.viewers.borrow().len(), seen);
    server.stop().await;
}

#[tokio::test]
async fn clients_of_a_proxy_that_sends_headers_have_their_shares() {
    let limits = Limits {
        connections_per_address_max: 1,
        ..Limits::default()
    };
    let server = Running::behind(proxies(true), limits);
    let mut held = TcpStream::connect(server.address).await.unwrap();
    held.write_all(&v2("203.0.113.7:1".parse().unwrap()))
        .await
        .unwrap();
    send(&mut held, "GET", &server.blocking(), &[]).await;
    server.asked(1).await;
    let same = announced(&server, PROXY, &v2("203.0.113.7:2".parse().unwrap())).await;
    assert_eq!(same.unwrap().status, 503);
    let other = announced(&server, PROXY, &v2("203.0.113.8:1".parse().unwrap())).await;
    assert_eq!(other.unwrap().status, 200);
    server.release();
    assert_eq!(parse(&read_to_end(&mut held).await).status, 200);
    server.stop().await;
}
