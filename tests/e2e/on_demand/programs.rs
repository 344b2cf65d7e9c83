//! Programs that play a rung through its sleeps.
//!
//! A program that plays a rung live keeps it awake. So the stream is kept as it was listed while nobody
//! watched, and is played afterwards.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use super::{LIMIT, LINGER, MIDDLE, SEGMENT, Stage, TOP};
use crate::players::is_installed;
use crate::players::programs::{self, Played, Program};
use crate::support::playlist::MediaPlaylist;
use crate::support::server::{Reply, Server};
use crate::support::turn;
use crate::support::viewer::Viewer;

/// How often the rungs sleep and wake.
const SLEEPS: u32 = 3;

/// Lets the two upper rungs sleep and wake; the top rung shows the lowest one and the middle one.
fn sleeps_and_wakes(stage: &Stage) {
    for _ in 0..SLEEPS {
        stage.wait_awake([false, false, true], LINGER + 2 * SEGMENT);
        stage.wait_stand_in();
        for rung in [MIDDLE, TOP] {
            let asked = Instant::now();
            stage.ask_next(rung);
            stage.wait_own(rung, asked);
        }
    }
    let uri = &stage.cmaf.master.variants[TOP].uri;
    let msn = stage.cmaf.playlist(uri).last_msn() + 2;
    stage.cmaf.playlist_with(uri, msn, LIMIT);
}

/// A multivariant playlist with one of its variants only.
fn only(master: &str, variant: &str) -> String {
    let lines: Vec<&str> = master.lines().collect();
    let other = |at: usize| {
        let inf = |at: usize| lines[at].starts_with("#EXT-X-STREAM-INF:");
        (inf(at) && lines[at + 1] != variant) || (at > 0 && inf(at - 1) && lines[at] != variant)
    };
    let kept = (0..lines.len()).filter(|at| !other(*at));
    kept.map(|at| format!("{}\n", lines[at])).collect()
}

/// A media playlist that has ended, as it lists whole segments.
fn ended(page: &MediaPlaylist) -> String {
    let first = page.segments.first().map_or(0, |it| it.msn);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{first}\n",
        SEGMENT.as_secs()
    );
    let mut map = None;
    for segment in &page.segments {
        if let Some(uri) = segment.map.as_ref().filter(|_| segment.map != map) {
            text.push_str(&format!("#EXT-X-MAP:URI=\"{uri}\"\n"));
            map.clone_from(&segment.map);
        }
        let (seconds, uri) = (segment.duration_s, &segment.uri);
        text.push_str(&format!("#EXTINF:{seconds:.3},\n{uri}\n"));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Keeps every file of one set of playlists, by path.
fn keep(viewer: &Viewer, files: &mut HashMap<String, Vec<u8>>) {
    for uri in viewer.master.uris() {
        let (page, base) = (viewer.playlist(uri), viewer.playlist_url(uri));
        files.insert(base.path().to_owned(), ended(&page).into_bytes());
        let maps = page.segments.iter().filter_map(|it| it.map.as_ref());
        for uri in maps.chain(page.segments.iter().map(|it| &it.uri)) {
            let url = base.join(uri).expect("an address");
            let path = url.path().to_owned();
            files.entry(path).or_insert_with(|| viewer.fetch(&url).body);
        }
    }
}

/// Keeps the stream; returns the paths of multivariant playlists with one rung each.
fn kept(stage: &Stage) -> (HashMap<String, Vec<u8>>, Vec<String>) {
    let (mut files, mut paths) = (HashMap::new(), Vec::new());
    for (viewer, set) in [(&stage.cmaf, "master"), (&stage.ts, "ts")] {
        keep(viewer, &mut files);
        let master = stage.daemon.get(&format!("/live/s/{set}.m3u8")).text();
        for rung in [TOP, MIDDLE] {
            let path = format!("/live/s/{set}-{rung}.m3u8");
            let text = only(&master, &viewer.master.variants[rung].uri);
            files.insert(path.clone(), text.into_bytes());
            paths.push(path);
        }
    }
    (files, paths)
}

const PROGRAMS: [(&str, &str, Program); 4] = [
    ("ffmpeg", "ffmpeg", programs::ffmpeg),
    ("mpv", "mpv", programs::mpv),
    ("GStreamer", "gst-launch-1.0", programs::gstreamer),
    ("VLC", "vlc", programs::vlc),
];

/// Plays these playlists at the same time, each in every program that is installed.
fn play(server: &Server, paths: &[String], time: Duration) -> Vec<(String, Played)> {
    let installed = PROGRAMS.iter().filter(|(_, needs, _)| is_installed(needs));
    let installed: Vec<_> = installed.collect();
    thread::scope(|scope| {
        let all = paths.iter().flat_map(|path| {
            let programs = installed.iter();
            programs.map(move |(name, _, play)| (format!("{name}, {path}"), path, play))
        });
        let playing: Vec<_> = all
            .map(|(what, path, play)| {
                let url = server.url(path);
                (what, scope.spawn(move || play(&url, time)))
            })
            .collect();
        let played = playing.into_iter();
        played
            .map(|(what, one)| (what, one.join().expect("it plays")))
            .collect()
    })
}

#[test]
#[ignore = "takes five minutes and needs many programs; scripts/compatibility runs it"]
fn programs_play_through_sleeps_and_wakes() {
    let _turn = turn();
    let mut stage = Stage::new();
    let begun = Instant::now();
    sleeps_and_wakes(&stage);
    let time = begun.elapsed() + Duration::from_secs(10);
    drop(stage.publisher.take());
    let (files, paths) = kept(&stage);
    drop(stage);
    let server = Server::start(move |asked| match files.get(&asked.target) {
        Some(body) if asked.target.ends_with(".m3u8") => {
            Reply::ok("application/vnd.apple.mpegurl", body)
        }
        Some(body) => Reply::ok("video/mp4", body),
        None => Reply::new("404 Not Found", "", b""),
    });
    let mut faults = Vec::new();
    for paths in paths.chunks(2) {
        for (what, played) in play(&server, paths, time) {
            println!("{what}: {played:?}");
            if played.pictures == 0 || !played.complaints.is_empty() {
                faults.push(format!("{what}: {played:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
