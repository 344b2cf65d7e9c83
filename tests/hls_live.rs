//! A simulated worker feeds the origin. After every part, a checker that shares no code with weir
//! judges every playlist that the origin serves.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests too")]

use std::time::Duration;

use bytes::Bytes;
use weir::base::units::{Bitrate, ByteSize, FrameRate};
use weir::daemon::origin::{Limits, Origin, Packaging, Reload, SessionSpec, SessionWriter};
use weir::model::hls::{Part, TrackId, TsSegment};
use weir::model::ladder::{AudioRendition, Canvas, Plan, VideoRendition};

#[path = "support/llhls/mod.rs"]
mod llhls;

use llhls::{Checker, Fetch, Kind, Rendition, cross, master};

const STREAM: &str = "s";
const START_NS: u64 = 1_767_225_600_000_000_000;
const AAC_RATE: FrameRate = FrameRate::new(48_000, 1024).unwrap();
const SEGMENT: Duration = Duration::from_secs(2);

/// Cuts a rendition at its own frame boundaries, next to the cuts of the grid.
#[derive(Clone, Copy)]
struct Cutter(FrameRate);

impl Cutter {
    /// Start of the first frame at or after `time`.
    fn at(&self, time: Duration) -> Duration {
        let near = self.0.frame_at(time);
        let frame = near + u64::from(self.0.time_of(near) < time);
        self.0.time_of(frame)
    }
}

/// One run of a worker, with `parts` parts per segment on a grid of `fps`.
struct Worker {
    fps: FrameRate,
    part_frames: u64,
    parts: u64,
    /// Wall-clock time of the worker's first frame.
    start_ns: u64,
    first_msn: u64,
}

impl Worker {
    /// Start of part `index` of the `n`-th segment. The first segment is half as long as the
    /// others.
    fn cut(&self, n: u64, index: u64) -> Duration {
        let first = self.parts / 2;
        let parts = if n == 0 {
            0
        } else {
            first + (n - 1) * self.parts
        } + index;
        self.fps.time_of(parts * self.part_frames)
    }

    fn parts_of(&self, n: u64) -> u64 {
        if n == 0 { self.parts / 2 } else { self.parts }
    }

    fn part(&self, track: TrackId, cutter: Cutter, n: u64, index: u64) -> Part {
        let (from, to) = (
            cutter.at(self.cut(n, index)),
            cutter.at(self.cut(n, index + 1)),
        );
        Part {
            track,
            msn: self.first_msn + n,
            index: u32::try_from(index).unwrap(),
            duration: to - from,
            independent: index == 0,
            last: index + 1 == self.parts_of(n),
            date_ns: self.start_ns + u64::try_from(from.as_nanos()).unwrap(),
            data: Bytes::from(vec![0; 500]),
        }
    }
}

impl Worker {
    fn ts_segment(&self, video: u8, n: u64) -> TsSegment {
        let from = self.cut(n, 0);
        TsSegment {
            video,
            msn: self.first_msn + n,
            duration: self.cut(n + 1, 0) - from,
            date_ns: self.start_ns + u64::try_from(from.as_nanos()).unwrap(),
            data: Bytes::from(vec![0; 3000]),
        }
    }
}

fn plan(fps: FrameRate) -> Plan {
    let rung = |name: &str, height: u32, kbps: u64, divisor| VideoRendition {
        name: name.into(),
        width: height * 16 / 9,
        height,
        divisor,
        bitrate: Bitrate::from_bps(kbps * 1000),
        audio: 0,
    };
    Plan {
        canvas: Canvas {
            width: 1280,
            height: 720,
            fps,
        },
        video: vec![rung("720p", 720, 2800, 1), rung("360p", 360, 800, 1)],
        audio: vec![AudioRendition {
            name: "audio-128k".into(),
            bitrate: Bitrate::from_bps(128_000),
        }],
    }
}

/// Viewers of all renditions; judges everything they get.
struct Audience {
    origin: Origin,
    session: String,
    /// URI, content and checker of every rendition.
    seats: Vec<(String, Kind, Checker)>,
    fetches: u32,
}

impl Audience {
    /// Starts to watch; the session must be playable.
    async fn new(origin: &Origin) -> Self {
        let mut seats = Vec::new();
        let mut session = String::new();
        for packaging in [Packaging::Cmaf, Packaging::Ts] {
            let document = origin.master(STREAM, packaging, Duration::ZERO).await;
            let text = String::from_utf8(document.unwrap().text.body.to_vec()).unwrap();
            let (listed, violations) = master(&text);
            assert_eq!(violations, [], "{text}");
            let video = match packaging {
                Packaging::Cmaf => Kind::Video,
                Packaging::Ts => Kind::Ts,
            };
            let videos = listed.variants.into_iter().map(|uri| (uri, video));
            let audio = listed.audio.into_iter().map(|uri| (uri, Kind::Audio));
            for (uri, kind) in videos.chain(audio) {
                session = uri.split('/').next().unwrap().to_owned();
                seats.push((uri, kind, Checker::new()));
            }
        }
        Self {
            origin: origin.clone(),
            session,
            seats,
            fetches: 0,
        }
    }

    /// Fetches and judges every playlist. Every other fetch asks for a delta update.
    async fn look(&mut self, now: Duration) {
        self.fetches += 1;
        for (uri, kind, checker) in &mut self.seats {
            let packaging = match kind {
                Kind::Ts => Packaging::Ts,
                Kind::Video | Kind::Audio => Packaging::Cmaf,
            };
            let reload = Reload {
                skip: self.fetches.is_multiple_of(2),
                ..Reload::default()
            };
            let rendition = uri.split('/').nth(1).unwrap();
            let document = self
                .origin
                .playlist(STREAM, &self.session, rendition, packaging, reload)
                .await
                .unwrap();
            let text = String::from_utf8(document.text.body.to_vec()).unwrap();
            // The checker needs times that rise, also for fetches at the same moment of the stream.
            let fetch = Fetch::at(now + Duration::from_nanos(self.fetches.into()));
            assert_eq!(checker.observe(&text, fetch), [], "{uri}\n{text}");
        }
    }

    fn compare(&self) {
        let renditions: Vec<Rendition<'_>> = self
            .seats
            .iter()
            .map(|(uri, kind, checker)| Rendition {
                uri,
                kind: *kind,
                checker,
            })
            .collect();
        assert_eq!(cross(&renditions), []);
    }
}

/// A stream that is produced and watched.
struct Live {
    origin: Origin,
    writer: SessionWriter,
    audience: Option<Audience>,
    fps: FrameRate,
}

impl Live {
    fn new(fps: FrameRate, low_latency: bool) -> Self {
        let origin = Origin::new(Limits {
            window: Duration::from_secs(20),
            memory: ByteSize::from_mib(64),
            hold_back: None,
        });
        // A part of 200 ms holds at most ten AAC frames.
        let longest = AAC_RATE.time_of(10) + Duration::from_nanos(1);
        let spec = SessionSpec {
            plan: plan(fps),
            segment: SEGMENT,
            part_target: if low_latency { longest } else { Duration::ZERO },
            ts: true,
        };
        let writer = origin.open(STREAM, spec);
        Self {
            origin,
            writer,
            audience: None,
            fps,
        }
    }

    fn worker(&self, first_msn: u64, start: Duration) -> Worker {
        Worker {
            fps: self.fps,
            part_frames: self.fps.frame_at(Duration::from_millis(200)),
            parts: 10,
            start_ns: START_NS + u64::try_from(start.as_nanos()).unwrap(),
            first_msn,
        }
    }

    /// Sends `segments` whole segments, then `parts` more parts of the top rung alone. The audience
    /// fetches after every part.
    async fn feed(&mut self, worker: &Worker, segments: u64, parts: u64) {
        let tracks = tracks(worker);
        for (track, _, codec) in tracks {
            self.writer.init(track, codec, Bytes::from_static(b"init"));
        }
        for n in 0..segments {
            for index in 0..worker.parts_of(n) {
                for (track, cutter, _) in tracks {
                    self.writer.part(worker.part(track, cutter, n, index));
                    self.look(worker, worker.cut(n, index + 1)).await;
                }
            }
            for rung in 0..2 {
                self.writer.ts_segment(worker.ts_segment(rung, n));
            }
            if self.audience.is_none() {
                self.audience = Some(Audience::new(&self.origin).await);
            }
            self.look(worker, worker.cut(n + 1, 0)).await;
        }
        for index in 0..parts {
            let part = worker.part(TrackId::Video(0), Cutter(worker.fps), segments, index);
            self.writer.part(part);
            self.look(worker, worker.cut(segments, index + 1)).await;
        }
    }

    async fn look(&mut self, worker: &Worker, at: Duration) {
        let start = Duration::from_nanos(worker.start_ns - START_NS);
        if let Some(audience) = &mut self.audience {
            audience.look(start + at).await;
        }
    }

    fn compare(&self) {
        self.audience.as_ref().unwrap().compare();
    }

    /// Requests part `index` of segment `n` in every rendition that has parts, and produces that
    /// part while the requests wait.
    async fn blocking_reload(&mut self, worker: &Worker, n: u64, index: u64) {
        let audience = self.audience.as_mut().unwrap();
        let msn = worker.first_msn + n;
        let fetch = Fetch {
            asked: worker.cut(n, index),
            answered: worker.cut(n, index + 1),
            msn: Some(msn),
            part: Some(index),
        };
        let mut waiting = Vec::new();
        for (uri, _, checker) in audience.seats.iter_mut().filter(|seat| seat.1 != Kind::Ts) {
            let (origin, session) = (self.origin.clone(), audience.session.clone());
            let rendition = uri.split('/').nth(1).unwrap().to_owned();
            let reload = Reload {
                msn: Some(msn),
                part: Some(u32::try_from(index).unwrap()),
                skip: false,
            };
            let answer = tokio::spawn(async move {
                let cmaf = Packaging::Cmaf;
                origin
                    .playlist(STREAM, &session, &rendition, cmaf, reload)
                    .await
            });
            waiting.push((answer, checker));
        }
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|(answer, _)| !answer.is_finished()));
        for (track, cutter, _) in tracks(worker) {
            self.writer.part(worker.part(track, cutter, n, index));
        }
        for (answer, checker) in waiting {
            let text =
                String::from_utf8(answer.await.unwrap().unwrap().text.body.to_vec()).unwrap();
            assert_eq!(checker.observe(&text, fetch), [], "{text}");
        }
    }
}

fn tracks(worker: &Worker) -> [(TrackId, Cutter, &'static str); 3] {
    let video = Cutter(worker.fps);
    [
        (TrackId::Video(0), video, "avc1.64001f"),
        (TrackId::Video(1), video, "avc1.64001e"),
        (TrackId::Audio(0), Cutter(AAC_RATE), "mp4a.40.2"),
    ]
}

fn frame_rates() -> [FrameRate; 4] {
    [
        FrameRate::whole(25),
        FrameRate::whole(30),
        FrameRate::new(30_000, 1001).unwrap(),
        FrameRate::whole(60),
    ]
}

#[tokio::test]
async fn a_live_session_keeps_every_rule() {
    for fps in frame_rates() {
        let mut live = Live::new(fps, true);
        let worker = live.worker(1, Duration::ZERO);
        live.feed(&worker, 25, 0).await;
        live.compare();
    }
}

#[tokio::test]
async fn so_does_one_without_low_latency() {
    let mut live = Live::new(FrameRate::whole(30), false);
    let worker = live.worker(1, Duration::ZERO);
    live.feed(&worker, 25, 0).await;
    live.compare();
}

#[tokio::test]
async fn so_does_one_whose_worker_dies_at_any_part() {
    for parts in 0..10 {
        let mut live = Live::new(FrameRate::whole(30), true);
        let worker = live.worker(1, Duration::ZERO);
        live.feed(&worker, 12, parts).await;
        let next = live.writer.interrupt();
        assert_eq!(next, if parts == 0 { 13 } else { 14 });
        live.look(&worker, worker.cut(12, parts)).await;
        let gone = worker.cut(12, parts) + Duration::from_millis(1500);
        let worker = live.worker(next, gone);
        live.feed(&worker, 16, 3).await;
        live.compare();
    }
}

#[tokio::test]
async fn a_blocking_reload_has_what_it_asked_for() {
    for fps in frame_rates() {
        let mut live = Live::new(fps, true);
        let worker = live.worker(1, Duration::ZERO);
        live.feed(&worker, 3, 0).await;
        for n in 3..6 {
            for index in 0..worker.parts_of(n) {
                live.blocking_reload(&worker, n, index).await;
            }
        }
        live.compare();
    }
}

#[tokio::test]
async fn so_does_an_ended_one() {
    let mut live = Live::new(FrameRate::whole(30), true);
    let worker = live.worker(1, Duration::ZERO);
    live.feed(&worker, 5, 4).await;
    live.writer.end();
    let mut audience = live.audience.take().unwrap();
    for second in 0..2 {
        audience
            .look(worker.cut(6, 0) + Duration::from_secs(second))
            .await;
    }
    audience.compare();
}
