//! A simulated worker feeds the origin. After every part, a checker that shares no code with weir
//! judges every playlist that the origin serves, and what these playlists name is fetched.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are tests too")]

use std::time::Duration;

use bytes::Bytes;
use weir::base::units::{ByteSize, FrameRate};
use weir::daemon::origin::{Limits, Origin, Packaging, Reload, SessionSpec, SessionWriter};
use weir::model::hls::{DateRange, TrackId};

mod audience;
#[path = "../support/iframe.rs"]
mod iframe;
mod iframes;
#[path = "../support/llhls/mod.rs"]
mod llhls;
mod promises;
mod worker;

use audience::Audience;
use llhls::{Fetch, Kind};
use worker::{AAC_RATE, Cutter, Worker, plan, tracks};

const STREAM: &str = "s";
const START_NS: u64 = 1_767_225_600_000_000_000;
const SEGMENT: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(20);
/// Three segments are the shortest window that a configuration may have.
const SHORTEST_WINDOW: Duration = Duration::from_secs(6);

/// A stream that is produced and watched.
struct Live {
    origin: Origin,
    writer: SessionWriter,
    audience: Option<Audience>,
    fps: FrameRate,
}

impl Live {
    fn new(fps: FrameRate, low_latency: bool) -> Self {
        Self::with_window(fps, low_latency, WINDOW)
    }

    fn with_window(fps: FrameRate, low_latency: bool, window: Duration) -> Self {
        let origin = Origin::new(Limits {
            window,
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
            if n > 0 {
                self.mark();
            }
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

    /// Marks an instant in all playlists.
    fn mark(&self) {
        let range = DateRange {
            duration: Some(0.0),
            ..DateRange::default()
        };
        let (_, is_new) = self.origin.set_date_range(STREAM, range).unwrap();
        assert!(is_new);
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
        let seats = audience.seats.iter_mut();
        for seat in seats.filter(|seat| seat.kind != Kind::Ts) {
            let (origin, session) = (self.origin.clone(), audience.session.clone());
            let rendition = seat.rendition();
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
            waiting.push((answer, &mut seat.checker));
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
        live.audience.as_ref().unwrap().judge_pace();
    }
}

#[tokio::test]
async fn so_does_one_with_the_shortest_window() {
    for fps in frame_rates() {
        let mut live = Live::with_window(fps, true, SHORTEST_WINDOW);
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
    // So long that a delta update of it would skip segments.
    live.feed(&worker, 12, 4).await;
    live.writer.end();
    let mut audience = live.audience.take().unwrap();
    for second in 0..2 {
        audience
            .look(worker.cut(13, 0) + Duration::from_secs(second))
            .await;
    }
    audience.compare();
}
