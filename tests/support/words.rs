//! Feeds what a worker might say, read from arbitrary bytes, to a session's distribution and the
//! origin, and checks what viewers get. Workers handle hostile input, so no word of theirs may make
//! the daemon panic or serve a broken playlist.
//!
//! Shared by the test `worker_words` and the fuzz target of the same name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir::base::units::{Bitrate, ByteSize, FrameRate};
use weir::daemon::origin::{Limits, Origin, Packaging, Reload};
use weir::daemon::session::distribution::{Distribution, Fault};
use weir::model::hls::{Part, TrackId, TsSegment};
use weir::model::ladder::{AudioRendition, Canvas, Plan, VideoRendition};
use weir::model::source::Source;
use weir::wire::protocol::{Cutting, FromWorker, InputStats, RungStats, Start, Stats};

use super::playlist::{MediaPlaylist, Multivariant};

const STREAM: &str = "s";
const SEGMENT: Duration = Duration::from_secs(2);
const PART: Duration = Duration::from_millis(200);
/// Wall-clock time of the first frame.
const START_NS: u64 = 1_767_225_600_000_000_000;
/// Steps of one script; more take long and find little.
const STEPS_MAX: usize = 400;
/// Steps from one look of the viewers to the next.
const WATCH_EVERY: usize = 16;

/// Date of the first frame of a segment.
fn date_ns(msn: u64) -> u64 {
    START_NS.saturating_add(msn.saturating_mul(2_000_000_000))
}

/// What happens to a session.
pub enum Step {
    /// The worker sends a message.
    Says(Box<FromWorker>),
    /// The worker is lost; another will continue the session.
    Lost,
    /// The session ends.
    Ends,
}

/// Reads steps from bytes: most of them are what a working worker does next, the others are wrong in
/// one value.
pub struct Script<'a> {
    bytes: &'a [u8],
    /// Number of the segment and index of the part that comes next, by track.
    next: HashMap<TrackId, (u64, u32)>,
    next_ts: [u64; 2],
    first_msn: u64,
}

impl<'a> Script<'a> {
    /// A script that starts with a new session.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut script = Self {
            bytes,
            next: HashMap::new(),
            next_ts: [1; 2],
            first_msn: 1,
        };
        script.restart(1);
        script
    }

    /// Another worker starts with segment `first_msn`.
    pub fn restart(&mut self, first_msn: u64) {
        self.next.clear();
        self.next_ts = [first_msn; 2];
        self.first_msn = first_msn;
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    /// A number that is often small or near a limit of its type.
    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::MAX / 2,
            253 => i64::MAX as u64,
            252 => u64::from(u32::MAX),
            251 => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
            small => u64::from(small),
        }
    }

    fn duration(&mut self) -> Duration {
        match self.byte() {
            255 => Duration::MAX,
            254 => Duration::from_secs(601),
            253 => Duration::from_secs(599),
            252 => Duration::ZERO,
            n => Duration::from_millis(u64::from(n)),
        }
    }

    /// Two rungs and one sound, unless a byte says otherwise.
    fn plan(&mut self) -> Plan {
        let spoiled = self.byte() % 32;
        let wrong = |which: u8, good: u64, script: &mut Self| {
            if spoiled == which {
                script.number()
            } else {
                good
            }
        };
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let fps = FrameRate::new(small(wrong(1, 30, self)), small(wrong(2, 1, self)));
        let canvas = Canvas {
            width: small(wrong(3, 1280, self)),
            height: small(wrong(4, 720, self)),
            fps: fps.unwrap_or(FrameRate::whole(30)),
        };
        let rung = |name: &str, script: &mut Self| VideoRendition {
            name: name.to_owned(),
            width: small(wrong(5, 640, script)),
            height: small(wrong(6, 360, script)),
            divisor: small(wrong(7, 1, script)),
            bitrate: Bitrate::from_bps(wrong(8, 1_000_000, script)),
            audio: usize::try_from(wrong(9, 0, script)).unwrap_or(usize::MAX),
        };
        let names = if spoiled == 10 {
            ["a/b", ""]
        } else {
            ["720p", "360p"]
        };
        Plan {
            canvas,
            video: names.map(|name| rung(name, self)).into(),
            audio: vec![AudioRendition {
                name: "audio-128k".to_owned(),
                bitrate: Bitrate::from_bps(wrong(11, 128_000, self)),
            }],
        }
    }

    fn planned(&mut self) -> FromWorker {
        let plan = self.plan();
        let (encoders, part_target) = match self.byte() % 16 {
            1 => (1, PART),
            2 => (2, self.duration()),
            _ => (2, PART),
        };
        FromWorker::Planned {
            plan,
            encoders: vec!["x264".to_owned().into(); encoders],
            part_target,
        }
    }

    fn track(&mut self) -> TrackId {
        match self.byte() {
            n @ 0..=127 => TrackId::Video(n % 2),
            128..=250 => TrackId::Audio(0),
            n @ 251..=253 => TrackId::Audio(n),
            n => TrackId::Video(n),
        }
    }

    /// The next part of a track, closing its segment when a byte says so.
    fn part(&mut self) -> Part {
        let track = self.track();
        let (msn, index) = *self.next.entry(track).or_insert((self.first_msn, 0));
        let last = self.byte().is_multiple_of(4);
        self.next.insert(
            track,
            if last {
                (msn.saturating_add(1), 0)
            } else {
                (msn, index + 1)
            },
        );
        Part {
            track,
            msn,
            index,
            duration: PART,
            independent: index == 0,
            last,
            date_ns: date_ns(msn).saturating_add(u64::from(index) * 200_000_000),
            data: self.data(),
        }
    }

    /// The next part with one wrong value.
    fn wrong_part(&mut self) -> Part {
        let mut part = self.part();
        match self.byte() % 6 {
            0 => part.msn = self.number(),
            1 => part.index = u32::try_from(self.number()).unwrap_or(u32::MAX),
            2 => part.duration = self.duration(),
            3 => part.date_ns = self.number(),
            4 => part.independent ^= true,
            _ => part.data = Bytes::new(),
        }
        part
    }

    fn ts_segment(&mut self) -> TsSegment {
        let video = self.byte();
        let (wrong, next) = (self.byte(), &mut self.next_ts[usize::from(video % 2)]);
        let msn = *next;
        *next = msn.saturating_add(1);
        TsSegment {
            video: if wrong == 1 { video } else { video % 2 },
            msn: if wrong == 2 { self.number() } else { msn },
            duration: if wrong == 3 { self.duration() } else { SEGMENT },
            date_ns: if wrong == 4 {
                self.number()
            } else {
                date_ns(msn)
            },
            data: self.data(),
        }
    }

    fn stats(&mut self) -> Stats {
        let rung = RungStats {
            speed: f32::from_bits(u32::from_be_bytes(std::array::from_fn(|_| self.byte()))),
            dropped: self.number(),
        };
        Stats {
            position: self.duration(),
            video: vec![rung; usize::from(self.byte() % 4)],
            input: Some(InputStats {
                delay: self.duration(),
                repeated: self.number(),
                skipped: self.number(),
            }),
        }
    }

    fn data(&mut self) -> Bytes {
        Bytes::from(vec![0; usize::from(self.byte()) * 16 + 1])
    }

    fn init(&mut self) -> FromWorker {
        let codecs = ["avc1.64001f", "mp4a.40.2", "", "\"\n#EXT-X-ENDLIST\n"];
        FromWorker::Init {
            track: self.track(),
            codec: codecs[usize::from(self.byte() % 4)].to_owned(),
            data: self.data(),
        }
    }
}

impl Iterator for Script<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.bytes.is_empty() {
            return None;
        }
        let message = match self.byte() {
            0..=19 => self.planned(),
            20..=39 => self.init(),
            40..=179 => FromWorker::Part(self.part()),
            180..=199 => FromWorker::Part(self.wrong_part()),
            200..=229 => FromWorker::TsSegment(self.ts_segment()),
            230..=239 => FromWorker::Thumbnail(self.data()),
            240..=247 => FromWorker::Stats(self.stats()),
            248..=252 => return Some(Step::Lost),
            253..=255 => return Some(Step::Ends),
        };
        Some(Step::Says(Box::new(message)))
    }
}

/// What the daemon holds of the stream, and what its viewers have seen.
struct Daemon {
    origin: Origin,
    distribution: Distribution,
    /// Session and media sequence numbers of the first and last segment, by playlist.
    seen: HashMap<String, (u64, u64)>,
}

impl Daemon {
    fn new() -> Self {
        let origin = Origin::new(Limits {
            window: Duration::from_secs(20),
            memory: ByteSize::from_bytes(64 * 1024),
            hold_back: None,
        });
        Self {
            distribution: Distribution::new(origin.clone(), Arc::from([])),
            origin,
            seen: HashMap::new(),
        }
    }

    /// Does what the stream's task does with a message.
    fn hear(&mut self, message: FromWorker) -> Result<(), Fault> {
        let distribution = &mut self.distribution;
        match message {
            FromWorker::Planned {
                plan,
                encoders,
                part_target,
            } => {
                let cutting = Cutting {
                    segment: SEGMENT,
                    part: PART,
                    ts: true,
                };
                distribution.planned((STREAM, cutting), (plan, encoders, part_target))
            }
            FromWorker::Init { track, codec, data } => distribution.init(track, &codec, data),
            FromWorker::Part(part) => distribution.part(part),
            FromWorker::TsSegment(segment) => distribution.ts_segment(segment),
            FromWorker::Thumbnail(jpeg) => distribution.thumbnail(jpeg),
            FromWorker::Stats(stats) => {
                distribution.stats(stats);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Fetches every playlist, and everything that they list.
    async fn watch(&mut self) {
        let _ = (
            self.distribution.rungs(),
            self.distribution.input(),
            self.origin.usage(),
        );
        for packaging in [Packaging::Cmaf, Packaging::Ts] {
            let Ok(master) = self.origin.master(STREAM, packaging, Duration::ZERO).await else {
                continue;
            };
            let master = String::from_utf8(master.body.to_vec()).expect("text");
            for uri in Multivariant::parse(&master).uris() {
                self.watch_rendition(uri, packaging).await;
            }
        }
    }

    async fn watch_rendition(&mut self, uri: &str, packaging: Packaging) {
        let path: Vec<&str> = uri.split('/').collect();
        let [session, rendition, _] = path[..] else {
            panic!("{uri} is no address of a playlist")
        };
        for skip in [false, true] {
            let reload = Reload {
                skip,
                ..Reload::default()
            };
            let document = self
                .origin
                .playlist(STREAM, session, rendition, packaging, reload)
                .await;
            let text = document.expect("a listed playlist").body;
            let text = String::from_utf8(text.to_vec()).expect("text");
            if skip {
                continue;
            }
            let playlist = MediaPlaylist::parse(&text);
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

/// Runs the script in `bytes`.
pub async fn run(bytes: &[u8]) {
    let mut daemon = Daemon::new();
    let mut script = Script::new(bytes);
    for count in 1..=STEPS_MAX {
        let Some(step) = script.next() else { break };
        let lost = match step {
            Step::Says(message) => daemon.hear(*message).is_err(),
            Step::Lost => true,
            Step::Ends => {
                daemon.distribution.end();
                script.restart(1);
                false
            }
        };
        if lost {
            daemon.distribution.interrupt();
            let mut start = start();
            daemon.distribution.resume(&mut start);
            script.restart(start.first_msn);
        }
        if count.is_multiple_of(WATCH_EVERY) {
            daemon.watch().await;
        }
    }
    daemon.watch().await;
}

fn start() -> Start {
    Start {
        stream: STREAM.to_owned(),
        source: Source::Push,
        rungs: Vec::new(),
        cutting: Cutting {
            segment: SEGMENT,
            part: PART,
            ts: true,
        },
        encoders: Vec::new(),
        plan: None,
        first_msn: 1,
    }
}
