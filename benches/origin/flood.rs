//! Playlists and segments as often as they can be had.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::certificate::Certificate;
use super::client::Connection;
use super::nginx;
use super::process::{READERS_CORE, Running, stay_on};

/// Connections that ask at once.
const CONNECTIONS: usize = 64;
/// Weir and nginx take turns of this length.
const TURN: Duration = Duration::from_millis(500);
/// A part of this size makes a segment of about 200 kB.
const PART_BYTES: &str = "20000";

pub fn run(time: Duration) {
    println!("\nas often as they can be had, {CONNECTIONS} connections");
    over(time, None);
    over(time, Some(&Certificate::make()));
}

/// Over TLS where there is a certificate.
fn over(time: Duration, certificate: Option<&Certificate>) {
    let mut arguments = vec!["--part-bytes", PART_BYTES];
    if let Some(certificate) = certificate {
        arguments.extend(["--tls", certificate.folder().to_str().unwrap()]);
    }
    let weir = Running::weir(&arguments);
    stay_on(READERS_CORE);
    let (playlist, segment) = (format!("{}/360p/index.m3u8", weir.path), segment(&weir));
    let text = body(&weir, &playlist);
    let media = body(&weir, &segment);
    let files = [("playlist.m3u8", text.as_slice()), ("segment.m4s", &media)];
    let peer = nginx::start(&files, certificate);
    let tls = if weir.is_secured { ", TLS" } else { "" };
    for (what, ours, theirs) in [
        ("playlist", playlist.as_str(), "/playlist.m3u8"),
        ("segment", segment.as_str(), "/segment.m4s"),
    ] {
        let (rate, beside) = in_turns(&weir, ours, peer.as_ref().map(|peer| (peer, theirs)), time);
        let what = format!("{what}{tls}");
        println!("  {what:<14} weir {rate:.0} per second of CPU{beside}");
    }
}

/// How often weir answers, and how often its peer does beside it. They take short turns, because the machine
/// is not the same all the time.
fn in_turns(
    weir: &Running,
    path: &str,
    peer: Option<(&Running, &str)>,
    time: Duration,
) -> (f64, String) {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..(time.as_millis() / TURN.as_millis()).max(1) {
        let own = rate(weir, path, TURN);
        ours.push(own);
        if let Some((peer, path)) = peer {
            let other = rate(peer, path, TURN);
            theirs.push(other);
            ratios.push(own / other);
        }
    }
    let beside = match peer {
        Some(_) => format!(", nginx {:.0}: ratio {:.2}", median(theirs), median(ratios)),
        None => "; nginx is not installed".to_owned(),
    };
    (median(ours), beside)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Answers per second of the server's CPU.
fn rate(server: &Running, path: &str, time: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let answers = Arc::new(AtomicU64::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (path, answers) = (path.to_owned(), answers.clone());
            let opening = connection(server.address, server.is_secured);
            tasks.spawn(async move {
                let mut connection = opening.await;
                loop {
                    let answer = connection.get(&path, false).await.unwrap();
                    assert_eq!(answer.status, 200, "{path}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (before, begun) = (answers.load(Ordering::Relaxed), server.used().cpu);
        tokio::time::sleep(time).await;
        let count = answers.load(Ordering::Relaxed) - before;
        count as f64 / (server.used().cpu - begun).as_secs_f64()
    })
}

async fn connection(address: SocketAddr, is_secured: bool) -> Connection {
    let opened = match is_secured {
        true => Connection::open_secure(address).await,
        false => Connection::open(address).await,
    };
    opened.unwrap()
}

fn body(server: &Running, path: &str) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = connection(server.address, server.is_secured).await;
        let answer = connection.get(path, true).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        connection.bytes().to_vec()
    })
}

/// The newest whole segment.
fn segment(weir: &Running) -> String {
    let begun = Instant::now();
    let playlist = format!("{}/360p/index.m3u8", weir.path);
    loop {
        let text = String::from_utf8(body(weir, &playlist)).unwrap();
        let last = text
            .lines()
            .rfind(|line| line.ends_with(".m4s") && !line.starts_with('#'));
        if let Some(file) = last {
            return format!("{}/360p/{file}", weir.path);
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "no segment:\n{text}"
        );
    }
}
