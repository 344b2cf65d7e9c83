//! HTTPS and RTMPS as browsers, players and publishers meet them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::chromium::Chromium;
use crate::support::clips::Clip;
use crate::support::daemon::{Daemon, free_port};
use crate::support::playlist::MediaPlaylist;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn, wait_until};
use crate::tls_client::{certificate, connect, fingerprint, protocol};

const LIMIT: Duration = Duration::from_secs(30);
const SMALL: Clip = Clip::new(426, 240, 30);

/// A daemon that also speaks TLS.
struct Secured {
    daemon: Daemon,
    https: u16,
    rtmps: u16,
}

impl Secured {
    /// `keys` are further ones of `[server]`.
    fn start(folder: tempfile::TempDir, keys: &str) -> Self {
        let (https, rtmps) = (free_port(), free_port());
        // Keys before the first table belong to [server].
        let config = format!(
            "https = \"127.0.0.1:{https}\"\nrtmps = \"127.0.0.1:{rtmps}\"\n{keys}\n{}",
            small_ladder(&["s"])
        );
        Self {
            daemon: Daemon::start_in(folder, Vec::new(), &config),
            https,
            rtmps,
        }
    }

    fn https(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.https).into()
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.https)
    }

    fn publish(&self) -> Publisher {
        let url = format!("rtmps://127.0.0.1:{}/live/s?key={KEY}", self.rtmps);
        Publisher::ffmpeg(SMALL, &url)
    }

    async fn shown(&self) -> String {
        fingerprint(&connect(self.https(), &[]).await.expect("TLS"))
    }
}

/// A viewer with one connection of HTTP/2.
pub(crate) struct OneConnection(SendRequest<Bytes>);

impl OneConnection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = connect(address, &["h2", "http/1.1"]).await.expect("TLS");
        assert_eq!(protocol(&stream).as_deref(), Some("h2"));
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn get(&self, path: &str) -> Vec<u8> {
        let mut sender = self.0.clone().ready().await.expect("a connection");
        let request = http::Request::get(format!("https://test{path}"));
        let (response, _) = sender
            .send_request(request.body(()).expect("a request"), true)
            .expect("sent");
        let (head, mut body) = response.await.expect("an answer").into_parts();
        assert_eq!(head.status, 200, "{path}");
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.expect("data");
            let released = body.flow_control().release_capacity(data.len());
            released.expect("a window");
            bytes.extend_from_slice(&data);
        }
        bytes
    }

    async fn playlist(&self, path: &str) -> MediaPlaylist {
        MediaPlaylist::parse(&String::from_utf8(self.get(path).await).expect("text"))
    }
}

#[test]
fn a_certificate_is_made_once_and_https_and_rtmps_have_it() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let mut secured = Secured::start(folder, "");
    let publisher = secured.publish();
    secured.daemon.wait_state("s", "live", LIMIT);
    let runtime = Runtime::new().expect("a runtime");
    let shown = runtime.block_on(secured.shown());
    let log = secured.daemon.log();
    assert!(log.contains(&format!("fingerprint=\"{shown}\"")), "{shown}");
    for line in [
        "HTTPS is listening",
        "RTMPS is listening",
        "made by weir itself",
    ] {
        assert!(log.contains(line), "{line}");
    }
    let master = runtime.block_on(async {
        let viewer = OneConnection::open(secured.https()).await;
        viewer.get("/live/s/master.m3u8").await
    });
    assert!(master.starts_with(b"#EXTM3U"));
    drop(publisher);
    secured.daemon.signal(Signal::TERM);
    secured.daemon.wait_exit(LIMIT);
    secured.daemon.start_again();
    assert_eq!(runtime.block_on(secured.shown()), shown);
}

fn write(folder: &Path, (certificate, key): &(String, String)) {
    std::fs::write(folder.join("a.pem"), certificate).expect("a certificate");
    std::fs::write(folder.join("a.key"), key).expect("a key");
}

#[test]
fn viewers_watch_on_while_the_certificate_is_exchanged() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &certificate());
    let secured = Secured::start(folder, "certificate = \"a.pem\"\nkey = \"a.key\"");
    let _publisher = secured.publish();
    let open = Viewer::open(&secured.daemon, "s");
    let path = format!("/live/s/{}", open.master.variants[0].uri);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let viewer = OneConnection::open(secured.https()).await;
        let first = secured.shown().await;
        let mut next = viewer.playlist(&path).await.last_msn() + 1;
        write(secured.daemon.dir(), &certificate());
        secured.daemon.signal(Signal::HUP);
        // The old connection waits for segments, and new ones come until the other certificate is
        // there.
        let mut exchanged = false;
        for _ in 0..10 {
            let wait = format!("{path}?_HLS_msn={next}");
            assert!(viewer.playlist(&wait).await.last_msn() >= next);
            next += 1;
            exchanged = secured.shown().await != first;
            if exchanged {
                break;
            }
        }
        assert!(exchanged, "{}", secured.daemon.log());
        let wait = format!("{path}?_HLS_msn={next}");
        assert!(viewer.playlist(&wait).await.last_msn() >= next);
        // A key of another certificate changes nothing.
        let second = secured.shown().await;
        let key = secured.daemon.dir().join("a.key");
        std::fs::write(key, certificate().1).expect("a key");
        wait_until("a complaint", LIMIT, || {
            secured
                .daemon
                .log()
                .contains("this key does not fit the certificate")
        });
        assert_eq!(secured.shown().await, second);
    });
}

#[test]
fn a_browser_plays_over_https_on_one_connection() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let secured = Secured::start(folder, "http_redirect = true");
    let _publisher = secured.publish();
    Viewer::open(&secured.daemon, "s");
    let mut browser = Chromium::open();
    browser.goto(&secured.daemon.url("/watch/s"));
    assert_eq!(browser.eval("location.href"), secured.url("/watch/s"));
    browser.wait_played(4.0, LIMIT);
    let protocols = browser.eval(
        "[...new Set(performance.getEntriesByType('resource').map((entry) => \
         entry.nextHopProtocol))]",
    );
    assert_eq!(protocols, serde_json::json!(["h2"]));
    let latency = browser.eval("window.weir.latency()");
    let latency = latency.as_f64().expect("seconds");
    assert!(
        latency > 0.0 && latency < 4.0,
        "{latency} s behind the live edge"
    );
    browser.assert_healthy();
}
