//! Connections that send too much, too slowly or too often, and shutdown.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir::daemon::http::Limits;

use super::client::{PATIENCE, ask, get, parse, read_to_end, send};
use super::stub::Running;

fn impatient() -> Limits {
    Limits {
        idle_max: Duration::from_millis(100),
        ..Limits::default()
    }
}

#[tokio::test]
async fn who_never_finishes_asking_is_closed() {
    let server = Running::with(impatient());
    for start in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: test\r\n",
        // This is the start of the HTTP/2 preface, for which hyper waits without a timeout of its
        // own.
        "PRI * HTTP/2.0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{start}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_kept_connection_serves_again_and_is_closed_when_idle() {
    let server = Running::with(impatient());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..2 {
        let head = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            let read = stream.read_buf(&mut answer).await.unwrap();
            assert!(read > 0, "closed after {answer:?}");
        }
    }
    assert!(read_to_end(&mut stream).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cut_off_but_waiting_is_not_idle() {
    let limits = Limits {
        idle_max: Duration::from_millis(40),
        request_max: Duration::from_millis(400),
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    send(&mut stream, "GET", &server.blocking(), &[]).await;
    server.asked(1).await;
    assert!(read_to_end(&mut stream).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_loses_its_connection() {
    let limits = Limits {
        request_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (path, _) = server.write_large();
    send(&mut stream, "GET", &path, &[]).await;
    server
        .until(|metrics| metrics.http.connections.get() == 1)
        .await;
    // The client does not read, and the segment fits into no buffer.
    server
        .until(|metrics| metrics.http.connections.get() == 0)
        .await;
    server.stop().await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = Running::start();
    let long = "x".repeat(64 * 1024);
    let reply = ask(server.address, "GET", "/", &[("Cookie", &long)]).await;
    assert_eq!(reply.status, 431);
    let many: Vec<(&str, &str)> = vec![("X-Many", "1"); 200];
    assert_eq!(ask(server.address, "GET", "/", &many).await.status, 431);
    let path = format!("/{long}");
    let reply = get(server.address, &path).await;
    assert!(matches!(reply.status, 414 | 431), "{}", reply.status);
    assert_eq!(get(server.address, "/").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn one_address_gets_only_its_share() {
    let limits = Limits {
        connections_per_address_max: 2,
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        send(&mut stream, "GET", &server.blocking(), &[]).await;
        held.push(stream);
    }
    server.asked(2).await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let refusal = parse(&read_to_end(&mut third).await);
    assert_eq!(refusal.status, 503);
    assert_eq!(refusal.header("retry-after"), Some("2"));
    server.release();
    for mut stream in held {
        assert_eq!(parse(&read_to_end(&mut stream).await).status, 200);
    }
    let metrics = get(server.admin, "/metrics").await;
    let line = "weir_http_connections_refused_total{reason=\"per_address\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    server.stop().await;
}

/// The kernel resets a connection that is closed while a request lies unread, perhaps before the
/// client has read the answer. So the server must read the request.
#[tokio::test]
async fn a_refused_request_is_read_before_the_end() {
    use std::io::Write;
    let limits = Limits {
        connections_max: 0,
        ..Limits::default()
    };
    let server = Running::with(limits);
    // The server runs only while this task waits, so the whole request has arrived before the
    // server looks.
    let mut client = std::net::TcpStream::connect(server.address).unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nCookie: {}\r\n\r\n",
        "x".repeat(8000)
    );
    client.write_all(head.as_bytes()).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut client = TcpStream::from_std(client).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("no reset");
    assert_eq!(parse(&answer).status, 503);
    client.write_all(b"more").await.expect("still no reset");
    server.stop().await;
}

/// The server must not wait for a client that never stops sending, or never closes.
#[tokio::test]
async fn a_refused_connection_is_closed_soon() {
    let limits = Limits {
        connections_max: 0,
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut endless = TcpStream::connect(server.address).await.unwrap();
    let sending = async { while endless.write_all(&[b'x'; 1024]).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, sending).await.unwrap();
    let reply = parse(&read_to_end(&mut silent).await);
    assert_eq!(reply.status, 503);
    assert_eq!(server.metrics.http.connections.get(), 0);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_finishes_a_reload_that_waits() {
    let server = Running::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    send(&mut stream, "GET", &server.blocking(), &[]).await;
    server.asked(1).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.shutdown.cancel();
    server.release();
    let reply = parse(&read_to_end(&mut stream).await);
    assert_eq!(reply.status, 200);
    let address = server.address;
    server.ended().await;
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let limits = Limits {
        drain_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = Running::with(limits);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    send(&mut stream, "GET", &server.blocking(), &[]).await;
    server.asked(1).await;
    server.shutdown.cancel();
    server.ended().await;
    assert!(read_to_end(&mut stream).await.is_empty());
}

/// Runs this test again in a process of its own, whose file descriptors it may use up.
#[tokio::test]
async fn running_out_of_file_descriptors_is_survived() {
    const CHILD: &str = "WEIR_TEST_WITHOUT_DESCRIPTORS";
    if std::env::var_os(CHILD).is_some() {
        return without_descriptors().await;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "bounds::running_out_of_file_descriptors_is_survived",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

async fn without_descriptors() {
    let server = Running::start();
    // The server runs only while this task waits: the connection is already in its backlog, and no
    // descriptor is left when the server accepts.
    let client = std::net::TcpStream::connect(server.address).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut client = TcpStream::from_std(client).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let few = rustix::process::Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
    let mut all = Vec::new();
    while let Ok(file) = null.try_clone() {
        all.push(file);
    }
    send(&mut client, "GET", "/healthz", &[]).await;
    server
        .until(|metrics| metrics.http.accept_errors.get() > 0)
        .await;
    drop(all);
    assert_eq!(parse(&read_to_end(&mut client).await).status, 200);
    server.stop().await;
}
