//! Pulls that run only while somebody watches: `on_demand = true`.

use std::time::Duration;

use crate::support::camera::{Camera, Options};
use crate::support::daemon::{Daemon, free_port};
use crate::support::http::Client;
use crate::support::server::{Reply, Server};
use crate::support::viewer::Viewer;
use crate::support::{turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const LINGER: &str = "[session]\nlinger = \"4s\"\n";
const RUNG: &str = "[[rung]]\nname = \"120p\"\nheight = 120\nbitrate = \"150k\"\naudio = \"64k\"\n";

fn on_demand(name: &str, url: &str) -> String {
    format!("[[stream]]\nname = \"{name}\"\nsource = \"{url}\"\non_demand = true\n")
}

/// The daemon's own word for how often something happened to `stream`.
fn told(daemon: &Daemon, what: &str, stream: &str) -> usize {
    let (log, stream) = (daemon.log(), format!("stream=\"{stream}\""));
    log.lines()
        .filter(|line| line.contains(what) && line.contains(&stream))
        .count()
}

fn assert_idle(daemon: &Daemon, stream: &str) {
    let status = daemon.status(stream);
    assert_eq!(status["state"], "idle");
    assert!(status["worker_pid"].is_null(), "{status}");
}

#[test]
fn a_camera_is_fetched_only_while_somebody_watches() {
    let _turn = turn();
    let (watched, ignored) = (
        Camera::start(Options::default()),
        Camera::start(Options::default()),
    );
    let streams = on_demand("cam", &watched.url()) + &on_demand("other", &ignored.url());
    let daemon = Daemon::start(&format!("{LINGER}{RUNG}{streams}"));
    assert_idle(&daemon, "cam");
    assert_eq!(watched.clients(), 0, "nobody has asked");
    let mut before = None;
    for visit in 1..=2 {
        let viewer = Viewer::open(&daemon, "cam");
        viewer.all_with(3, LIMIT);
        assert_eq!(daemon.status("cam")["state"], "live");
        assert_eq!(watched.clients(), visit, "one connection per visit");
        assert_eq!(told(&daemon, "stream starts on demand", "cam"), visit);
        let uris = format!("{:?}", viewer.master.uris());
        assert_ne!(
            before,
            Some(uris.clone()),
            "every session has addresses of its own"
        );
        before = Some(uris);
        let worker = daemon.worker("cam");
        // The viewer has gone. What asks the API is no viewer.
        wait_until("the end of the worker", LIMIT, || !worker.is_running());
        daemon.wait_state("cam", "idle", LIMIT);
        assert_idle(&daemon, "cam");
        assert_eq!(told(&daemon, "stream stops on demand", "cam"), visit);
        let metrics = Client::new().get(&daemon.admin_url("/metrics"));
        let metrics = metrics.expect("an answer").text();
        let idle = "weir_stream_state{stream=\"cam\",state=\"idle\"} 1";
        assert!(metrics.contains(idle), "{metrics}");
    }
    assert_idle(&daemon, "other");
    assert_eq!(
        ignored.clients(),
        0,
        "nobody has ever asked for the other one"
    );
}

#[test]
fn a_camera_that_is_away_is_left_alone_when_nobody_asks_any_more() {
    let _turn = turn();
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/video.mjpg");
    let daemon = Daemon::start(&format!("{LINGER}{RUNG}{}", on_demand("cam", &url)));
    let master = daemon.url("/live/cam/master.m3u8");
    let client = Client::new();
    let answer = client.get(&master).expect("an answer");
    assert_eq!(answer.status, 404, "nobody waits for what does not come");
    assert_eq!(daemon.status("cam")["state"], "failed");
    let error = daemon.status("cam")["last_error"].to_string();
    assert!(error.contains("refused"), "{error}");
    daemon.wait_state("cam", "idle", LIMIT);
    assert_idle(&daemon, "cam");
    // It is there when the next viewer asks.
    let camera = Camera::start_at(port, Options::default());
    Viewer::open(&daemon, "cam").all_with(2, LIMIT);
    assert_eq!(camera.clients(), 1);
}

#[test]
fn a_viewer_waits_for_a_source_that_is_slow() {
    let _turn = turn();
    let server = Server::start(|_| Reply::Silence);
    let url = server.url("/slow.ts");
    let daemon = Daemon::start(&format!("{LINGER}{RUNG}{}", on_demand("cam", &url)));
    let client = Client::new();
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| client.get(&daemon.url("/live/cam/master.m3u8")));
        daemon.wait_state("cam", "starting", LIMIT);
        let answer = asks.join().expect("it asks").expect("an answer");
        // The source has sent nothing for 8 s.
        assert_eq!(answer.status, 404, "{}", answer.text());
    });
    daemon.wait_state("cam", "idle", LIMIT);
    assert_idle(&daemon, "cam");
}
