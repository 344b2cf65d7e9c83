//! Floods of connections, spoofed addresses, and a rack of publishers behind one address.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::rtmp_client::Client;
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::http;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, push_stream, small_ladder, turn};

const LIMIT: Duration = Duration::from_secs(10);
/// Places for HTTP connections (`connections_total`), and those of one address (`connections`).
const PLACES: usize = 8192;
const PER_ADDRESS: usize = 2048;
/// Attempts to fill all places. Silent connections are closed after 5 s, so a slow machine needs
/// more than one attempt per place.
const ATTEMPTS_MAX: usize = 6 * PLACES;
/// Status of an admitted publisher.
const START: &str = "NetStream.Publish.Start";

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Connects to `to` from `source`, an address of the loopback interface.
fn connect_from(runtime: &Runtime, source: [u8; 4], to: SocketAddr) -> TcpStream {
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        socket.connect(to).await?.into_std()
    });
    let stream = stream.expect("a connection");
    stream.set_nonblocking(false).expect("blocking");
    stream
}

/// Connections that send no byte, from four addresses, until the daemon has to close some of them.
fn flood(runtime: &Runtime, daemon: &Daemon) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for attempt in 0..ATTEMPTS_MAX {
        let source = 2 + u8::try_from(attempt / PER_ADDRESS % 4).expect("small");
        silent.push(connect_from(
            runtime,
            [127, 0, 0, source],
            address(daemon.http),
        ));
        // The places of closed connections are free; their descriptors should be, too.
        if silent.len() > PLACES + 100 {
            silent.remove(0);
        }
        let full = attempt >= PLACES && attempt % 50 == 0;
        if full && daemon.log().contains("are closed for new ones") {
            return silent;
        }
    }
    panic!("{ATTEMPTS_MAX} connections did not fill {PLACES} places");
}

#[test]
fn eight_thousand_silent_connections_keep_nobody_out() {
    let _turn = turn();
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: files.maximum,
        ..files
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("more files");
    let daemon = Daemon::start(&small_ladder(&["s", "other"]));
    let _publisher = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    let runtime = Runtime::new().expect("a runtime");

    let silent = flood(&runtime, &daemon);
    let newcomer = http::Client::new();
    for path in ["/healthz", "/", "/live/s/master.m3u8"] {
        let answer = newcomer.get(&daemon.url(path)).expect("an answer");
        assert_eq!(answer.status, 200, "{path}");
    }
    let uri = &viewer.master.variants[0].uri;
    let last = viewer.playlist(uri).last_msn();
    viewer.playlist_with(uri, last + 1, LIMIT);
    let stream_key = format!("other?key={KEY}");
    let published = runtime.block_on(Client::publish(address(daemon.rtmp), &stream_key));
    assert_eq!(published.expect("an answer").1, START);

    let log = daemon.log();
    let warnings = log.matches("are closed for new ones").count();
    assert_eq!(warnings, 1, "warnings in a minute");
    assert!(log.contains("block it in a firewall"), "what to do");
    assert!(log.contains("largest_peer=127.0.0."), "who it is");
    drop(silent);
}

/// Asks for the playlist of `s` from `source`, for the client that `header` names.
fn ask(runtime: &Runtime, daemon: &Daemon, source: [u8; 4], header: &str) {
    let mut stream = connect_from(runtime, source, address(daemon.http));
    let request = format!(
        "GET /live/s/master.m3u8 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{header}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{header}");
}

#[test]
fn a_forwarded_address_counts_if_a_trusted_proxy_says_it() {
    let _turn = turn();
    // Keys before the first table belong to [server].
    let config = format!(
        "trusted_proxies = [\"127.0.0.9\"]\n{}",
        small_ladder(&["s"])
    );
    let daemon = Daemon::start(&config);
    let _publisher = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("s", KEY));
    Viewer::open(&daemon, "s");
    let runtime = Runtime::new().expect("a runtime");
    let others = daemon.status("s")["viewers"].as_u64().expect("a number");
    for client in 1..=5 {
        let header = format!("X-Forwarded-For: 203.0.113.{client}");
        ask(&runtime, &daemon, [127, 0, 0, 2], &header);
    }
    let viewers = |daemon: &Daemon| daemon.status("s")["viewers"].as_u64();
    assert_eq!(
        viewers(&daemon),
        Some(others + 1),
        "127.0.0.2 is one viewer"
    );
    for client in 1..=5 {
        let header = format!("X-Forwarded-For: 198.51.100.1, 203.0.113.{client}");
        ask(&runtime, &daemon, [127, 0, 0, 9], &header);
    }
    assert_eq!(
        viewers(&daemon),
        Some(others + 6),
        "and five behind the proxy"
    );
}

#[test]
fn a_rack_of_twenty_publishers_has_one_address() {
    let _turn = turn();
    let name = |number: usize| format!("camera-{number}");
    let config: String = (0..20).map(|number| push_stream(&name(number))).collect();
    let daemon = Daemon::start(&config);
    let runtime = Runtime::new().expect("a runtime");
    let publishers: Vec<_> = (0..20)
        .map(|number| {
            let stream_key = format!("{}?key={KEY}", name(number));
            let published = Client::publish(address(daemon.rtmp), &stream_key);
            let (client, status) = runtime.block_on(published).expect("an answer");
            assert_eq!(status, START, "{stream_key}");
            client
        })
        .collect();
    let connected = daemon.log().matches("publisher connected").count();
    assert_eq!(connected, publishers.len());
}
