//! Feeds what a worker might say, read from arbitrary bytes, to a session's distribution and the
//! origin, as the stream's task does, and checks what viewers get. Workers handle hostile input, so
//! no word of theirs may make the daemon panic, serve a broken playlist, hold more than its memory or
//! write more than a few log lines.
//!
//! Shared by the test `worker_words` and the fuzz target of the same name.

#[path = "words/lines.rs"]
mod lines;
#[path = "words/script.rs"]
mod script;

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use weir::base::units::{Bitrate, ByteSize, FrameRate};
use weir::daemon::origin::{Limits, Origin, Packaging, Reload};
use weir::daemon::session::claims::{Moment, segment_bytes_max};
use weir::daemon::session::distribution::Distribution;
use weir::daemon::session::notes::Speaker;
use weir::daemon::supervisor::voice::{Voice, Word};
use weir::model::encoder::OnFailure;
use weir::model::hls::{HELD_SEGMENTS_MAX, SEGMENTS_KEPT_MAX};
use weir::model::ladder::{Plan, Rung, SourceFormat, plan};
use weir::model::source::Source;
use weir::wire::protocol::{Cutting, FromWorker, Start};

use super::playlist::{MediaPlaylist, Multivariant};
use script::{Script, Step};

const STREAM: &str = "s";
const SEGMENT: Duration = Duration::from_secs(2);
const PART: Duration = Duration::from_millis(200);
/// Wall-clock time of the first frame.
const START_NS: u64 = 1_767_225_600_000_000_000;
/// Steps of one script; more take long and find little.
const STEPS_MAX: usize = 320;
/// Bytes of all windows.
const MEMORY_BYTES: u64 = 1024 * 1024;
/// Bytes of one segment beside its media, and of its initialization section.
const OVERHEAD_BYTES: u64 = 128 * 1024;
/// Longest log line.
const LINE_CHARS_MAX: usize = 4096;
/// Looks of the viewers at everything, besides the one at the end.
const WATCHES_MAX: usize = 2;

/// What a worker is told. The bitrates are low, so that few bytes are far too many.
fn start() -> Start {
    let rung = |height: u32| Rung {
        name: format!("{height}p"),
        height,
        fps_max: FrameRate::whole(30),
        bitrate: Bitrate::from_bps(100_000),
        audio: Bitrate::from_bps(64_000),
    };
    Start {
        stream: STREAM.to_owned(),
        source: Source::Push,
        rungs: vec![rung(720), rung(360)],
        cutting: Cutting {
            segment: SEGMENT,
            part: PART,
            ts: true,
        },
        encoders: vec!["x264".into()],
        on_failure: OnFailure::Fallback,
        passthrough: weir::model::passthrough::Policy::Auto,
        plan: None,
        first_msn: 1,
        resume: None,
        shed: 0,
    }
}

/// What a working worker makes of that: two pictures and one sound.
static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let (width, height, fps) = (1280, 720, FrameRate::whole(30));
    plan(&start().rungs, SourceFormat { width, height, fps })
});

/// What the origin may hold above its memory, whatever a worker says: of each rendition the segments
/// that a playlist keeps when memory is short, the one that is open and the one that was just closed;
/// and of a rung that has woken, those that wait until its stand-in ends.
static ABOVE_BYTES: LazyLock<u64> = LazyLock::new(|| {
    let kept = SEGMENTS_KEPT_MAX as u64 + 2 + HELD_SEGMENTS_MAX as u64;
    let held = |bps: u64| kept * (segment_bytes_max(bps, SEGMENT) + OVERHEAD_BYTES);
    let audio: u64 = PLAN.audio.iter().map(|a| held(a.bitrate.bps())).sum();
    let muxed = |bps: u64| held(bps) + held(bps + PLAN.audio[0].bitrate.bps());
    let video: u64 = PLAN.video.iter().map(|v| muxed(v.bitrate.bps())).sum();
    audio + video
});

/// What the daemon holds of the stream, and what its viewers have seen.
struct Daemon {
    origin: Origin,
    distribution: Distribution,
    voice: Voice,
    began: Instant,
    /// Session and media sequence numbers of the first and last segment, by playlist.
    seen: HashMap<String, (u64, u64)>,
}

impl Daemon {
    fn new() -> Self {
        let origin = Origin::new(Limits {
            window: Duration::from_secs(20),
            memory: ByteSize::from_bytes(MEMORY_BYTES),
            hold_back: None,
        });
        Self {
            distribution: Distribution::new(origin.clone(), Arc::from([])),
            origin,
            voice: Voice::default(),
            began: Instant::now(),
            seen: HashMap::new(),
        }
    }

    /// Starts a worker; returns the number of its first segment, or `None` where it goes on in the middle
    /// of one.
    fn hire(&mut self, elapsed: Duration) -> Option<u64> {
        let mut start = start();
        self.distribution.begin(&mut start, elapsed);
        self.voice = Voice::default();
        start.resume.is_none().then_some(start.first_msn)
    }

    /// Does what the link and the stream's task do with a message; false when it costs the worker its
    /// job.
    fn hear(&mut self, message: FromWorker, elapsed: Duration) -> bool {
        let at = self.began + elapsed;
        let unix_ns = START_NS + u64::try_from(elapsed.as_nanos()).expect("less than 500 years");
        let heard = Moment { at, unix_ns };
        let distribution = &mut self.distribution;
        let result = match message {
            FromWorker::Part(part) => return distribution.part(part, heard).is_ok(),
            FromWorker::TsSegment(segment) => {
                return distribution.ts_segment(segment, heard).is_ok();
            }
            FromWorker::Cut(cut) => return distribution.cut(cut, heard).is_ok(),
            FromWorker::Rest { video, rest } => return distribution.rest(video, rest).is_ok(),
            message => match self.voice.word(at) {
                Word::Heard => message,
                Word::LeftOut => return true,
                Word::Flood => return false,
            },
        };
        let speaker = Speaker {
            stream: STREAM,
            pid: Some(1),
            voice: &self.voice,
        };
        match result {
            FromWorker::Planned {
                plan,
                encoders,
                part_target,
            } => distribution
                .planned((plan, encoders, part_target), heard)
                .is_ok(),
            FromWorker::Init { track, codec, data } => {
                distribution.init(track, &codec, data).is_ok()
            }
            FromWorker::Filled {
                video,
                filling,
                trouble,
            } => {
                let filled = distribution.filled(video, filling, trouble.as_ref());
                filled.is_ok()
            }
            FromWorker::Began(clock) => distribution.began(clock).is_ok(),
            FromWorker::Shed(_) | FromWorker::Mapped(_) => true,
            FromWorker::Thumbnail { date_ns, data } => {
                distribution.thumbnail(date_ns, data).is_ok()
            }
            FromWorker::Stats(stats) => {
                distribution.stats(stats);
                true
            }
            FromWorker::Log(log) => {
                speaker.log(&log, at);
                true
            }
            FromWorker::Decoding { decoder, trouble } => {
                if let Some(trouble) = trouble {
                    let _ = speaker.decoder(&decoder, &trouble, at);
                }
                true
            }
            FromWorker::Input(state) => {
                let _ = speaker.input(&state, at);
                true
            }
            _ => false,
        }
    }

    fn check_memory(&self) {
        let usage = self.origin.usage();
        let bytes_max = MEMORY_BYTES + *ABOVE_BYTES;
        assert!(usage.bytes <= bytes_max, "{usage:?} of {bytes_max}");
    }

    /// Fetches every playlist, and everything that they list.
    async fn watch(&mut self) {
        let rungs = self.distribution.rungs();
        assert!(
            rungs
                .iter()
                .all(|r| r.speed.is_finite() && r.encoder == "x264")
        );
        let _ = self.distribution.input();
        for packaging in [Packaging::Cmaf, Packaging::Ts] {
            let master = self.origin.master(STREAM, packaging, Duration::ZERO);
            let Some(Ok(master)) = at_once(master).await else {
                continue;
            };
            let master = String::from_utf8(master.text.body.to_vec()).expect("text");
            let master = Multivariant::parse(&master);
            for variant in &master.variants {
                let codecs = variant.codecs.split(',').count();
                assert!((1..=16).contains(&codecs), "{}", variant.codecs);
            }
            for uri in master.uris() {
                self.watch_rendition(uri, packaging).await;
            }
        }
    }

    async fn watch_rendition(&mut self, uri: &str, packaging: Packaging) {
        let path: Vec<&str> = uri.split('/').collect();
        let [session, rendition, _] = path[..] else {
            panic!("{uri} is no address of a playlist")
        };
        for skip in [true, false] {
            let reload = Reload {
                skip,
                ..Reload::default()
            };
            let document = self
                .origin
                .playlist(STREAM, session, rendition, packaging, reload)
                .await;
            let text = document.expect("a listed playlist").text;
            let text = String::from_utf8(text.body.to_vec()).expect("text");
            if skip {
                continue;
            }
            let playlist = MediaPlaylist::parse(&text);
            check_durations(&text);
            let first = playlist.segments.first().expect("a segment").msn;
            let last = playlist.last_msn();
            let before = self
                .seen
                .insert(uri.to_owned(), (first, last))
                .unwrap_or_default();
            assert!(
                before <= (first, last) && before.1 <= last,
                "{uri} goes back:\n{text}"
            );
            for segment in &playlist.segments {
                let file = self
                    .origin
                    .object(STREAM, session, rendition, &segment.uri)
                    .await;
                // A segment that an interruption made a gap has nothing in it.
                let found = file.is_ok() || text.contains("#EXT-X-GAP");
                assert!(found, "{uri} lists {}: {file:?}\n{text}", segment.uri);
            }
        }
    }
}

/// What `future` gives without waiting. A timer would wait for the next millisecond, even with nothing
/// to wait for, and take ten times as long as most scripts.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// No segment and no part of a playlist lasts longer than the playlist promises.
fn check_durations(text: &str) {
    let value = |tag: &str, line: &str| -> Option<f64> {
        let value = line.strip_prefix(tag)?.split(',').next()?;
        Some(value.parse().expect("a number"))
    };
    let all = |tag: &'static str| text.lines().filter_map(move |line| value(tag, line));
    let target = all("#EXT-X-TARGETDURATION:").next().expect("a target");
    let longest = all("#EXTINF:").fold(0.0, f64::max);
    assert!((longest + 0.5).floor() <= target && target <= 3.0, "{text}");
    let part_target = all("#EXT-X-PART-INF:PART-TARGET=").next();
    let longest = all("#EXT-X-PART:DURATION=").fold(0.0, f64::max);
    assert!(longest <= part_target.unwrap_or_default(), "{text}");
}

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime"),
    );
}

/// Runs the script in `bytes`.
pub fn run(bytes: &[u8]) {
    RUNTIME.with_borrow(|runtime| runtime.block_on(play(bytes)));
}

async fn play(bytes: &[u8]) {
    lines::start_counting();
    let mut daemon = Daemon::new();
    let first_msn = daemon.hire(Duration::ZERO);
    let mut script = Script::new(bytes, first_msn.expect("there is nothing to go on with"));
    let (mut workers, mut sessions, mut segments, mut watches) = (1, 1, 0, 0);
    for count in 1..=STEPS_MAX {
        let Some(step) = script.next() else { break };
        let (mut lost, mut ends) = (false, false);
        match step {
            Step::Says(message) => {
                let closes = match &*message {
                    FromWorker::Part(part) => part.last,
                    FromWorker::TsSegment(_) => true,
                    _ => false,
                };
                segments += usize::from(closes);
                lost = !daemon.hear(*message, script.elapsed());
                if lost {
                    daemon.distribution.distrust();
                }
            }
            Step::Watched if watches < WATCHES_MAX => {
                watches += 1;
                daemon.watch().await;
            }
            Step::Watched => {}
            Step::Finishes => daemon.distribution.finish(),
            Step::Lost => lost = true,
            Step::Ends => ends = true,
        }
        if lost {
            daemon.distribution.lose(Duration::ZERO);
        }
        if ends {
            daemon.distribution.end();
            sessions += 1;
        }
        if lost || ends {
            workers += 1;
            match daemon.hire(script.elapsed()) {
                Some(first_msn) => script.restart(first_msn),
                None => script.goes_on(),
            }
        }
        if count.is_multiple_of(16) {
            daemon.check_memory();
        }
    }
    daemon.check_memory();
    daemon.watch().await;
    drop(daemon);
    // Twenty lines per second and worker, and one that says how many were left out; two per session,
    // and a few about memory and bit rates whenever a segment ends.
    let seconds = usize::try_from(script.elapsed().as_secs()).expect("not for ever");
    let lines_max = 21 * (seconds + 2 * workers) + 4 * sessions + 3 * segments;
    let lines = lines::stop_counting();
    assert!(lines.count <= lines_max, "{lines:?} of {lines_max}");
    assert!(
        lines.longest_chars <= LINE_CHARS_MAX && !lines.controls,
        "{lines:?}"
    );
}
