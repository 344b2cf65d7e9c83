//! Many pulls whose servers answer late or never.

use std::fmt::Write as _;
use std::time::Duration;

use crate::sources::{Clip, judge};
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::server::{Reply, Server};
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn, wait_until};

const RESIDENT_KIB_MAX: u64 = 60 * 1024;
/// Longest time that the picture of the other stream may stand still.
const GAP_MAX: Duration = Duration::from_millis(100);

/// Resident memory of a process.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.expect("its memory").split_whitespace().nth(1);
    words.and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Starts so many pulls at once beside a stream that is published and watched.
fn many_pulls(count: usize, limit: Duration) {
    let _turn = turn();
    let server = Server::start(|asked| {
        if asked.target.starts_with("/never") {
            return Reply::Silence;
        }
        // Real time is what is simulated here: a server that is slow.
        std::thread::sleep(Duration::from_secs(3));
        Reply::new("503 Service Unavailable", "", b"")
    });
    let mut config = small_ladder(&["s"]);
    for n in 0..count {
        let path = if n % 2 == 0 { "never" } else { "late" };
        let url = server.url(&format!("/{path}/{n}.ts"));
        let _ = write!(
            config,
            "[[stream]]\nname = \"pull{n}\"\nsource = \"{url}\"\n"
        );
    }
    let daemon = Daemon::start(&config);
    let _publisher = Publisher::file(&Clip::PLAIN.file(), &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    // Every pull has a worker, and its worker has found out that the server does not deliver.
    let failed = |n: usize| {
        let error = daemon.status(&format!("pull{n}"))["last_error"].to_string();
        error.contains("sent nothing for 8 s") || error.contains("503")
    };
    wait_until("every pull to fail", limit, || (0..count).all(failed));
    assert!(resident_kib(daemon.pid()) < RESIDENT_KIB_MAX);
    let log = daemon.log();
    assert!(!log.contains("worker lost"), "{log}");
    println!("{count} pulls: {} KiB", resident_kib(daemon.pid()));
    let uri = &viewer.master.variants[0].uri;
    let last = viewer.playlist(uri).last_msn();
    let first = last.saturating_sub(15).max(3);
    let playlist = viewer.playlist_with(uri, first + 3, limit);
    let last = playlist.last_msn();
    let media = viewer.download(uri, (first..=last).filter_map(|msn| playlist.segment(msn)));
    let verdict = judge(&media, None, 30.0, 30.0);
    assert!(verdict.gap <= GAP_MAX, "{verdict:?}");
}

#[test]
fn twenty_that_start_at_once_harm_nobody() {
    many_pulls(20, Duration::from_secs(60));
}

/// `cargo test --locked --test e2e a_hundred_pulls -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes and 4 GiB of memory"]
fn a_hundred_pulls_that_start_at_once_harm_nobody() {
    many_pulls(100, Duration::from_secs(300));
}
