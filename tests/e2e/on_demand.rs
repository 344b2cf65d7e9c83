//! Rungs that sleep while nobody watches them, and wake for viewers.

mod browsers;
mod programs;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::followed::{self, Follower};
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::playlist::MediaPlaylist;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, probe, push_stream, turn, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const SEGMENT: Duration = Duration::from_secs(2);
/// The longest time from a request for a rung to the rung's own picture.
const WAKE_MAX: Duration = Duration::from_secs(3);
/// A rung is made for this long after the last request for it.
const LINGER: Duration = Duration::from_secs(30);
const CLIP: Clip = Clip::new(640, 360, 30);
const FPS: f64 = 30.0;
/// Rounding error of a timescale.
const ROUNDING: Duration = Duration::from_millis(1);

/// The rungs from the top, and their widths.
const WIDTHS: [u32; 3] = [640, 320, 160];
const TOP: usize = 0;
const MIDDLE: usize = 1;
const LOWEST: usize = 2;
const LADDER: &str = "[encoder]\nrungs_on_demand = true\npassthrough = \"never\"\n[hls]\nwindow = \"5m\"\n\
    [[rung]]\nname = \"360p\"\nheight = 360\nbitrate = \"800k\"\naudio = \"96k\"\n\
    [[rung]]\nname = \"180p\"\nheight = 180\nbitrate = \"400k\"\naudio = \"96k\"\n\
    [[rung]]\nname = \"90p\"\nheight = 90\nbitrate = \"150k\"\naudio = \"96k\"\n";

/// A stream on the air of which nobody has watched anything.
struct Stage {
    daemon: Daemon,
    publisher: Option<Publisher>,
    cmaf: Viewer,
    ts: Viewer,
}

impl Stage {
    fn new() -> Self {
        let daemon = Daemon::start(&format!("{LADDER}{}", push_stream("s")));
        let publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url("s", KEY));
        let (cmaf, ts) = (Viewer::open(&daemon, "s"), Viewer::open_ts(&daemon, "s"));
        Self {
            daemon,
            publisher: Some(publisher),
            cmaf,
            ts,
        }
    }

    /// What fills each rung, and why.
    fn fillings(&self) -> Vec<(String, String)> {
        let status = self.daemon.status("s");
        let rungs = status["rungs"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        rungs
            .iter()
            .map(|rung| (text(&rung["filling"]), text(&rung["reason"])))
            .collect()
    }

    fn awake(&self) -> Vec<bool> {
        let fillings = self.fillings().into_iter();
        fillings.map(|(filling, _)| filling != "asleep").collect()
    }

    fn wait_awake(&self, awake: [bool; 3], limit: Duration) {
        wait_until(&format!("awake: {awake:?}"), limit, || {
            self.awake() == awake
        });
    }

    /// Asserts that API and metrics say that only the lowest rung is made.
    fn assert_only_lowest(&self) {
        let fillings = self.fillings();
        let asleep = ("asleep".to_owned(), "nobody watches".to_owned());
        assert_eq!(fillings[..LOWEST], [asleep.clone(), asleep]);
        let (filling, reason) = &fillings[LOWEST];
        assert!(filling.starts_with("encoder "), "{filling}");
        assert_eq!(reason, "kept warm for a quick start");
        let status = self.daemon.get("/api/v1/streams/s").json();
        let public = status["rungs"].as_array().cloned().unwrap_or_default();
        let awake: Vec<_> = public.iter().map(|rung| rung["awake"].clone()).collect();
        assert_eq!(awake, [false, false, true], "{status}");
        let metrics = self.daemon.admin_get("/metrics").text();
        for (rung, awake) in [("360p", 0), ("180p", 0), ("90p", 1)] {
            let line = format!("weir_rung_awake{{stream=\"s\",rung=\"{rung}\"}} {awake}\n");
            assert!(metrics.contains(&line), "no {line} in {metrics}");
        }
    }

    /// Waits until the last two segments of every rung that sleeps are those of another rung.
    fn wait_stand_in(&self) {
        for variant in &self.cmaf.master.variants[..LOWEST] {
            wait_until("segments of the stand-in", LIMIT, || {
                let page = self.cmaf.playlist(&variant.uri);
                let own = own_map(&page);
                let last = page.segments.iter().rev().take(2);
                last.filter(|it| it.map != own).count() == 2
            });
        }
    }

    /// The last segment that the top rung lists has the bytes of the lowest rung, init section and all.
    /// Asking for it wakes the top rung.
    fn assert_lent(&self, viewer: &Viewer) {
        let [top, lowest] = [TOP, LOWEST].map(|rung| &viewer.master.variants[rung].uri);
        let page = viewer.playlist(top);
        let shown = page.segments.last().expect("a segment");
        let lender = viewer.playlist_with(lowest, shown.msn, LIMIT);
        let lent = lender.segment(shown.msn).expect("listed");
        let bytes = viewer.download(top, [shown]);
        assert_same_media(&bytes, &viewer.download(lowest, [lent]), &shown.uri);
        let frames = probe::video_frames(&bytes);
        assert!(frames.iter().all(|it| it.width == WIDTHS[LOWEST]));
    }

    /// Waits until `rung`, which was asked for at `asked`, lists a part of its own picture; returns the
    /// number of its segment.
    fn wait_own(&self, rung: usize, asked: Instant) -> u64 {
        let uri = &self.cmaf.master.variants[rung].uri;
        let limit = WAKE_MAX.saturating_sub(asked.elapsed());
        let page = wait_for("the rung's own picture", limit, || {
            let page = self.cmaf.playlist(uri);
            (page.map == own_map(&page) && page.open_parts > 0).then_some(page)
        });
        eprintln!("{uri}: own picture after {:?}", asked.elapsed());
        page.last_msn() + 1
    }

    /// Asks for the next segment of a rung, as a player does that has found its end.
    fn ask_next(&self, rung: usize) {
        let uri = &self.cmaf.master.variants[rung].uri;
        let (mut url, page) = (self.cmaf.playlist_url(uri), self.cmaf.playlist(uri));
        url.set_query(Some(&format!("_HLS_msn={}", page.last_msn() + 1)));
        assert_eq!(self.cmaf.fetch(&url).status, 200, "{url}");
    }
}

/// Asserts that two segments have the same bytes, but for the continuity counters of MPEG-TS (ISO/IEC
/// 13818-1 section 2.4.3.3): those go on from the segment before.
fn assert_same_media(one: &[u8], other: &[u8], what: &str) {
    let masked = |media: &[u8]| {
        let mut media = media.to_vec();
        if media.first() == Some(&0x47) {
            media.chunks_mut(188).for_each(|packet| packet[3] &= 0xf0);
        }
        media
    };
    assert_eq!(masked(one), masked(other), "{what}");
}

/// The init section of the first segment. Every rung makes that segment itself.
fn own_map(page: &MediaPlaylist) -> Option<String> {
    let first = page.segments.first().expect("a segment");
    assert!(first.msn <= 1, "the first segment is still listed");
    first.map.clone()
}

fn assert_steps(times: &[Duration], step: Duration, what: &str) {
    for (before, after) in times.iter().zip(times.iter().skip(1)) {
        let found = after.saturating_sub(*before);
        assert!(
            found.abs_diff(step) <= ROUNDING,
            "{what}: {before:?}, then {after:?}"
        );
    }
}

/// The times of a rung's key frames, one at the beginning of each segment, and the width of each segment.
fn decoded(viewer: &Viewer, uri: &str, last_msn: u64) -> (Vec<Duration>, Vec<(u64, u32)>) {
    let (mut keys, mut widths) = (Vec::new(), Vec::new());
    for (segment, frames) in followed::segments(viewer, uri, last_msn, FPS) {
        let (keyed, width) = (frames.iter().filter(|it| it.key), frames[0].width);
        assert_eq!(keyed.count(), 1, "{uri}: key frames of {segment:?}");
        assert!(frames.iter().all(|frame| frame.width == width), "{uri}");
        keys.push(frames[0].pts);
        widths.push((segment.msn, width));
    }
    (keys, widths)
}

/// The MPEG-TS of a rung counts on through all segments, its sound has no hole and begins with the picture in these segments.
fn assert_sound(viewer: &Viewer, uri: &str, last_msn: u64, numbers: &[u64]) {
    let page = viewer.playlist_with(uri, last_msn, LIMIT);
    let segments = page.segments.iter().filter(|it| it.msn <= last_msn);
    let media = viewer.download(uri, segments);
    // VLC and ffmpeg take a jump for lost packets, and mark the picture before it as damaged.
    assert_eq!(probe::counter_jumps(&media), [], "{uri}");
    let times = probe::audio_frames(&media);
    assert_steps(&times, Duration::from_secs(1024) / 48_000, uri);
    for msn in numbers {
        let media = viewer.download(uri, page.segment(*msn));
        let (picture, sound) = (probe::video_frames(&media), probe::audio_frames(&media));
        let apart = picture[0].pts.abs_diff(sound[0]);
        assert!(
            apart <= Duration::from_millis(30),
            "{uri}: {apart:?} between picture and sound of segment {msn}"
        );
    }
}

/// Asserts that every rung shows the width of `shown` in each segment, in both packagings, and that
/// the key frames of all rungs have the same times.
fn assert_shown(stage: &Stage, last_msn: u64, shown: impl Fn(usize, u64) -> u32) {
    for viewer in [&stage.cmaf, &stage.ts] {
        let mut all_keys = Vec::new();
        for (rung, variant) in viewer.master.variants.iter().enumerate() {
            let (keys, widths) = decoded(viewer, &variant.uri, last_msn);
            for (msn, width) in widths {
                let expected = shown(rung, msn);
                assert_eq!(width, expected, "{} segment {msn}", variant.uri);
            }
            all_keys.push(keys);
        }
        for keys in &all_keys {
            assert_eq!(keys.len(), all_keys[0].len());
            for (one, other) in keys.iter().zip(&all_keys[0]) {
                assert!(one.abs_diff(*other) <= ROUNDING, "{one:?} {other:?}");
            }
        }
    }
}

/// The segments in which a rung has media of its own, as `EXT-X-MAP` tells.
fn own_segments(stage: &Stage, rung: usize) -> Vec<u64> {
    let page = stage.cmaf.playlist(&stage.cmaf.master.variants[rung].uri);
    let own = own_map(&page);
    let own = page.segments.iter().filter(|it| it.map == own);
    own.map(|it| it.msn).collect()
}

#[test]
fn rungs_sleep_and_wake_without_a_seam() {
    let _turn = turn();
    let stage = Stage::new();
    // Nobody has asked for media.
    stage.wait_awake([false, false, true], LIMIT);
    let mut wakes = Vec::new();
    let last_msn = followed::while_this(&stage.cmaf, &stage.ts, Follower::Onlooker, || {
        stage.wait_stand_in();
        stage.assert_only_lowest();

        let asked = Instant::now();
        stage.assert_lent(&stage.cmaf);
        wakes.push((TOP, stage.wait_own(TOP, asked)));
        assert_eq!(stage.awake(), [true, false, true]);
        assert_eq!(stage.fillings()[TOP].1, "watched");
        let asked = Instant::now();
        stage.ask_next(MIDDLE);
        wakes.push((MIDDLE, stage.wait_own(MIDDLE, asked)));

        stage.wait_awake([false, false, true], LINGER + 2 * SEGMENT);
        assert!(asked.elapsed() >= LINGER);
        stage.wait_stand_in();
        stage.assert_only_lowest();

        let asked = Instant::now();
        stage.assert_lent(&stage.ts);
        wakes.push((TOP, stage.wait_own(TOP, asked)));
        let asked = Instant::now();
        stage.ask_next(MIDDLE);
        wakes.push((MIDDLE, stage.wait_own(MIDDLE, asked)));
    });
    let own = [TOP, MIDDLE, LOWEST].map(|rung| own_segments(&stage, rung));
    for (rung, msn) in &wakes {
        assert!(own[*rung].contains(msn) && !own[*rung].contains(&(msn - 1)));
    }
    assert_shown(&stage, last_msn, |rung, msn| {
        let below = (rung..=LOWEST).find(|rung| own[*rung].contains(&msn));
        WIDTHS[below.expect("the lowest rung never sleeps")]
    });
    for rung in [TOP, MIDDLE] {
        let uri = &stage.ts.master.variants[rung].uri;
        let woken = wakes.iter().filter(|(woken, _)| *woken == rung);
        let woken: Vec<u64> = woken.map(|(_, msn)| *msn).collect();
        assert_sound(&stage.ts, uri, last_msn, &woken);
    }
    let log = stage.daemon.log();
    let faults = |line: &&str| line.contains(" WARN ") && line.contains("stream=\"s\"");
    assert_eq!(log.lines().find(faults), None);
}

/// Rungs that sleep stay asleep when their worker dies, and wake as before.
#[test]
fn rungs_that_sleep_outlive_their_worker() {
    let _turn = turn();
    let stage = Stage::new();
    stage.wait_awake([false, false, true], LIMIT);
    let mut woken = 0;
    let last_msn = followed::while_this(&stage.cmaf, &stage.ts, Follower::Onlooker, || {
        stage.wait_stand_in();
        let uri = &stage.cmaf.master.variants[TOP].uri;
        let before = stage.cmaf.playlist(uri).last_msn();
        stage.daemon.worker("s").signal(Signal::KILL);
        wait_until("media of another worker", LIMIT, || {
            stage.cmaf.playlist(uri).last_msn() > before + 1
        });
        stage.assert_only_lowest();
        let asked = Instant::now();
        stage.ask_next(TOP);
        woken = stage.wait_own(TOP, asked);
    });
    let own = [TOP, MIDDLE, LOWEST].map(|rung| own_segments(&stage, rung));
    assert!(own[TOP].contains(&woken) && !own[TOP].contains(&(woken - 1)));
    assert_shown(&stage, last_msn, |rung, msn| {
        let below = (rung..=LOWEST).find(|rung| own[*rung].contains(&msn));
        WIDTHS[below.expect("the lowest rung never sleeps")]
    });
}
