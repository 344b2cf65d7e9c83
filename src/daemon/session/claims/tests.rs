//! Each lie of a worker, and that an honest one is believed.

use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;

use super::planned::{CUTS_BURST_MAX, CUTS_FACTOR};
use super::*;
use crate::base::units::{Bitrate, FrameRate};
use crate::model::encoder::OnFailure;
use crate::model::ladder::cuts::CutLog;
use crate::model::ladder::lengths::{Lengths, Settings, aac_time};
use crate::model::ladder::{Rung, RungSet, SourceFormat, plan};
use crate::model::source::Source;

const VIDEO: TrackId = TrackId::Video(0);
const SECOND: TrackId = TrackId::Video(1);
const AUDIO: TrackId = TrackId::Audio(0);
/// Wall-clock time of the first frame.
const EPOCH_NS: u64 = 1_767_225_600_000_000_000;
const FIRST_MSN: u64 = 7;

/// What spoils something true, and the fault that it is.
type Lie<T> = (fn(&mut T), Fault);

fn rung(height: u32, fps: u32) -> Rung {
    Rung {
        name: format!("{height}p"),
        height,
        fps_max: FrameRate::whole(fps),
        bitrate: Bitrate::from_bps(1_000_000),
        audio: Bitrate::from_bps(128_000),
    }
}

fn start(segment_ms: u64, part_ms: u64) -> Start {
    Start {
        stream: "s".into(),
        source: Source::Push,
        rungs: vec![rung(720, 60), rung(360, 30)],
        cutting: Cutting {
            segment: Duration::from_millis(segment_ms),
            part: Duration::from_millis(part_ms),
            ts: true,
        },
        encoders: vec!["nvidia".into(), "x264".into()],
        on_failure: OnFailure::Fallback,
        passthrough: crate::model::passthrough::Policy::Auto,
        plan: None,
        first_msn: FIRST_MSN,
        resume: None,
        shed: 0,
    }
}

fn made(start: &Start, fps: FrameRate) -> Plan {
    let (width, height) = (1280, 720);
    plan(&start.rungs, SourceFormat { width, height, fps })
}

/// A worker, and the time at which the daemon hears it.
struct Liar {
    claims: Claims,
    log: CutLog,
    /// Media sequence number of the last cut that was told.
    told: u64,
    began: Instant,
    elapsed: Duration,
}

impl Liar {
    /// One that has planned, told its first cut, and sent its initialization sections.
    fn new(start: Start, fps: FrameRate) -> Self {
        let mut liar = Self::silent(start, fps);
        liar.tell(FIRST_MSN).unwrap();
        for (track, codec) in [
            (VIDEO, "avc1.64001f"),
            (SECOND, "avc1.64001f"),
            (AUDIO, "mp4a.40.2"),
        ] {
            liar.claims.init(track, codec, 700).unwrap();
        }
        liar
    }

    /// One that has planned.
    fn silent(start: Start, fps: FrameRate) -> Self {
        let plan = made(&start, fps);
        let lengths = Lengths::new(Settings {
            fps: plan.canvas.fps,
            grid: plan.grid(),
            segment: start.cutting.segment,
            part: start.cutting.part,
        });
        let mut liar = Self {
            claims: Claims::new(start),
            log: CutLog::new(lengths, first_cut()),
            told: FIRST_MSN - 1,
            began: Instant::now(),
            elapsed: Duration::ZERO,
        };
        let encoders = vec!["x264".into(); plan.video.len()];
        let heard = liar.heard();
        let target = lengths.part_target();
        liar.claims
            .planned(&plan, &encoders, target, heard)
            .unwrap();
        liar
    }

    fn usual() -> Self {
        Self::new(start(2000, 200), FrameRate::whole(30))
    }

    fn heard(&self) -> Moment {
        Moment {
            at: self.began + self.elapsed,
            unix_ns: EPOCH_NS + self.elapsed.as_nanos() as u64,
        }
    }

    /// Decides the next cut.
    fn decide(&mut self) {
        let last = self.log.last().frame;
        let mut frames = last + 1..;
        while self.log.decide(frames.next().unwrap()).is_empty() {}
    }

    /// Tells the cuts up to that of segment `msn`.
    fn tell(&mut self, msn: u64) -> Result<(), Fault> {
        while self.told < msn {
            while self.log.last().msn <= self.told {
                self.decide();
            }
            self.told += 1;
            let cut = *self.log.cut(self.told).unwrap();
            self.says_cut(cut)?;
        }
        Ok(())
    }

    fn says_cut(&mut self, cut: Cut) -> Result<(), Fault> {
        let heard = self.heard();
        self.claims.cut(cut, heard)
    }

    /// What an honest worker sends as this part, with the time at which it ends. The cut that ends the
    /// segment is told before.
    fn part(&mut self, track: TrackId, msn: u64, index: u32) -> (Part, Duration) {
        self.tell(msn + 1).unwrap();
        let lengths = *self.log.lengths();
        let (cut, next) = (self.log.cut(msn).unwrap(), self.log.cut(msn + 1).unwrap());
        let first = |cut: &Cut| match track {
            TrackId::Video(_) => cut.frame,
            TrackId::Audio(_) => lengths.aac_frame_from(cut.frame),
        };
        let (frames, time): (u64, &dyn Fn(u64) -> Duration) = match track {
            TrackId::Video(_) => (lengths.part_frames, &|frame| lengths.fps.time_of(frame)),
            TrackId::Audio(_) => (lengths.audio_part_frames, &aac_time),
        };
        let from = first(cut) + u64::from(index) * frames;
        let to = (from + frames).min(first(next));
        let (begin, end) = (time(from), time(to));
        let part = Part {
            track,
            msn,
            index,
            duration: end - begin,
            independent: index == 0,
            last: to == first(next),
            date_ns: EPOCH_NS + begin.as_nanos() as u64,
            data: Bytes::from_static(&[0; 1000]),
        };
        (part, end)
    }

    /// Sends all parts of a segment of a track.
    fn makes(&mut self, track: TrackId, msn: u64) -> Result<(), Fault> {
        for index in 0.. {
            let (part, end) = self.part(track, msn, index);
            self.elapsed = self.elapsed.max(end);
            self.says(&part)?;
            if part.last {
                break;
            }
        }
        Ok(())
    }

    fn says(&mut self, part: &Part) -> Result<(), Fault> {
        let heard = self.heard();
        self.claims.part(part, heard)
    }

    /// The MPEG-TS segment of a rung. The cut that ends it is told before.
    fn ts(&mut self, video: u8, msn: u64) -> TsSegment {
        self.tell(msn + 1).unwrap();
        let start = self.log.segment_time(msn).unwrap();
        TsSegment {
            video,
            msn,
            duration: self.log.segment_time(msn + 1).unwrap() - start,
            date_ns: EPOCH_NS + start.as_nanos() as u64,
            data: Bytes::from_static(&[0; 1000]),
        }
    }

    fn says_ts(&mut self, segment: &TsSegment) -> Result<(), Fault> {
        let heard = self.heard();
        self.claims.ts_segment(segment, heard)
    }
}

/// The cut with which a worker begins.
fn first_cut() -> Cut {
    Cut {
        msn: FIRST_MSN,
        frame: 0,
        awake: RungSet::first(2),
    }
}

#[test]
fn a_working_worker_is_believed() {
    let mut worker = Liar::usual();
    for msn in FIRST_MSN..FIRST_MSN + 4 {
        for track in [VIDEO, SECOND, AUDIO] {
            assert_eq!(worker.makes(track, msn), Ok(()), "{track:?} {msn}");
        }
        let segment = worker.ts(0, msn);
        assert_eq!(worker.says_ts(&segment), Ok(()));
    }
}

#[test]
fn each_wrong_part_is_a_fault() {
    let lies: [Lie<Part>; 17] = [
        (|part| part.last = true, Fault::BadCut),
        (|part| part.msn += 1, Fault::LeftOut),
        (|part| part.msn = 1, Fault::LeftOut),
        (|part| part.msn = u64::MAX, Fault::LeftOut),
        (|part| part.index = 1, Fault::LeftOut),
        (|part| part.independent = false, Fault::Dependent),
        (|part| part.track = TrackId::Video(2), Fault::NoSuchTrack),
        (|part| part.track = TrackId::Audio(1), Fault::NoSuchTrack),
        (|part| part.duration = Duration::ZERO, Fault::Absurd),
        (
            |part| part.duration = Duration::from_nanos(1),
            Fault::Absurd,
        ),
        (
            |part| part.duration = Duration::from_millis(201),
            Fault::Absurd,
        ),
        (|part| part.duration = Duration::MAX, Fault::Absurd),
        (|part| part.data = Bytes::new(), Fault::BadSize),
        (|part| part.data = vec![0; 4 << 20].into(), Fault::BadSize),
        (|part| part.date_ns = 0, Fault::BadDate),
        (|part| part.date_ns = u64::MAX, Fault::BadDate),
        (|part| part.date_ns += 4_000_000_000_000, Fault::BadDate),
    ];
    for (case, (lie, fault)) in lies.iter().enumerate() {
        let mut worker = Liar::usual();
        let (mut part, _) = worker.part(VIDEO, FIRST_MSN, 0);
        lie(&mut part);
        assert_eq!(worker.says(&part), Err(*fault), "case {case}");
    }
}

#[test]
fn a_part_that_never_ends_its_segment_is_a_fault() {
    let mut worker = Liar::usual();
    worker.elapsed = Duration::from_secs(60);
    let mut parts = 0;
    let fault = loop {
        let (mut part, _) = worker.part(VIDEO, FIRST_MSN, parts);
        part.last = false;
        if let Err(fault) = worker.says(&part) {
            break fault;
        }
        parts += 1;
    };
    assert_eq!(
        (fault, parts),
        (Fault::BadCut, 4),
        "the first segment has 1 s"
    );
}

#[test]
fn a_segment_that_lasts_next_to_nothing_is_a_fault_until_the_worker_finishes() {
    for finishing in [false, true] {
        let mut worker = Liar::new(start(2000, 0), FrameRate::whole(30));
        if finishing {
            worker.claims.finish();
        }
        let (mut part, _) = worker.part(VIDEO, FIRST_MSN, 0);
        part.duration = Duration::from_millis(100);
        let expected = if finishing {
            Ok(())
        } else {
            Err(Fault::Absurd)
        };
        assert_eq!(worker.says(&part), expected);
        let mut segment = worker.ts(0, FIRST_MSN);
        segment.duration = Duration::from_millis(100);
        assert_eq!(worker.says_ts(&segment), expected);
    }
}

#[test]
fn the_bytes_of_a_segment_are_counted_over_its_parts() {
    let mut worker = Liar::usual();
    worker.elapsed = Duration::from_secs(60);
    let max = segment_bytes_max(1_000_000, Duration::from_secs(2));
    let part_bytes = usize::try_from(max).unwrap() / 3 + 1;
    for index in 0..3 {
        let (mut part, _) = worker.part(VIDEO, FIRST_MSN, index);
        part.data = vec![0; part_bytes].into();
        let expected = if index < 2 {
            Ok(())
        } else {
            Err(Fault::BadSize)
        };
        assert_eq!(worker.says(&part), expected, "part {index}");
    }
}

fn rest(frames: u32) -> Rest {
    Rest {
        frames,
        data: vec![0; 10 * frames as usize].into(),
    }
}

/// What holds is what the last part that came has left over, whatever was told of the next one.
#[test]
fn what_a_part_leaves_over_is_known_with_the_part() {
    let mut worker = Liar::usual();
    worker.makes(SECOND, FIRST_MSN).unwrap();
    worker.makes(AUDIO, FIRST_MSN).unwrap();
    let left = |worker: &Liar| worker.claims.stopped().unwrap().rests;
    assert_eq!(left(&worker), [None, None]);
    for (index, told) in [Some(3), None, Some(1), Some(2)].into_iter().enumerate() {
        let before = left(&worker);
        if let Some(frames) = told {
            worker.claims.rest(0, rest(frames)).unwrap();
        }
        assert_eq!(left(&worker), before, "the part has not come");
        let (part, _) = worker.part(VIDEO, FIRST_MSN, index as u32);
        worker.says(&part).unwrap();
        assert_eq!(left(&worker), [told.map(rest), None]);
    }
    // The next worker goes on behind the last part that came.
    worker.claims.rest(0, rest(5)).unwrap();
    let (plan, target) = (
        made(&start(2000, 200), FrameRate::whole(30)),
        worker.log.lengths().part_target(),
    );
    let mut orders = start(2000, 200);
    orders.plan = Some(plan.clone());
    let heard = worker.heard();
    worker.claims = worker.claims.succeeded_by(orders);
    assert_eq!(left(&worker), [Some(rest(2)), None]);
    worker
        .claims
        .planned(&plan, &["x264".into(), "x264".into()], target, heard)
        .unwrap();
    let (part, _) = worker.part(VIDEO, FIRST_MSN, 4);
    worker.says(&part).unwrap();
    assert_eq!(left(&worker), [None, None]);
}

#[test]
fn each_wrong_rest_is_a_fault() {
    // A part has six frames.
    for (video, rest, expected) in [
        (0, rest(5), Ok(())),
        (0, rest(0), Err(Fault::Absurd)),
        (0, rest(6), Err(Fault::Absurd)),
        (0, rest(u32::MAX >> 8), Err(Fault::Absurd)),
        (2, rest(1), Err(Fault::NoSuchTrack)),
        (
            0,
            Rest {
                frames: 1,
                data: Bytes::new(),
            },
            Err(Fault::BadSize),
        ),
        (
            0,
            Rest {
                frames: 1,
                data: vec![0; 4 << 20].into(),
            },
            Err(Fault::BadSize),
        ),
    ] {
        let mut worker = Liar::usual();
        let frames = rest.frames;
        assert_eq!(
            worker.claims.rest(video, rest),
            expected,
            "{video} {frames}"
        );
    }
    let mut worker = Liar::usual();
    worker.claims.rest(0, rest(1)).unwrap();
    assert_eq!(
        worker.claims.rest(0, rest(1)),
        Err(Fault::LeftOut),
        "no part in between"
    );
    let mut never = start(2000, 200);
    never.passthrough = Policy::Never;
    let mut worker = Liar::new(never, FrameRate::whole(30));
    assert_eq!(worker.claims.rest(0, rest(1)), Err(Fault::BadEncoders));
    assert_eq!(
        Claims::new(start(2000, 200)).rest(0, rest(1)),
        Err(Fault::NoPlan)
    );
}

#[test]
fn media_does_not_come_faster_than_real_time() {
    let mut worker = Liar::new(start(2000, 0), FrameRate::whole(30));
    let mut made = Duration::ZERO;
    let fault = loop {
        let msn = FIRST_MSN + u64::from(made > Duration::ZERO) + made.as_secs() / 2;
        let (part, end) = worker.part(VIDEO, msn, 0);
        if let Err(fault) = worker.says(&part) {
            break fault;
        }
        made = end;
    };
    assert_eq!((fault, made), (Fault::Hasty, Duration::from_secs(9)));
}

#[test]
fn dates_follow_the_media() {
    let mut worker = Liar::usual();
    let (part, _) = worker.part(VIDEO, FIRST_MSN, 0);
    worker.says(&part).unwrap();
    let (mut next, _) = worker.part(VIDEO, FIRST_MSN, 1);
    next.date_ns += 11_000_000_000;
    assert_eq!(worker.says(&next), Err(Fault::BadDate));
}

#[test]
fn each_wrong_ts_segment_is_a_fault() {
    let lies: [Lie<TsSegment>; 8] = [
        (|segment| segment.video = 2, Fault::NoSuchTrack),
        (|segment| segment.msn += 1, Fault::LeftOut),
        (|segment| segment.duration = Duration::ZERO, Fault::Absurd),
        (
            |segment| segment.duration = Duration::from_millis(1),
            Fault::Absurd,
        ),
        (
            |segment| segment.duration = Duration::from_millis(2500),
            Fault::Absurd,
        ),
        (|segment| segment.duration = Duration::MAX, Fault::Absurd),
        (|segment| segment.data = Bytes::new(), Fault::BadSize),
        (|segment| segment.date_ns = 0, Fault::BadDate),
    ];
    for (case, (lie, fault)) in lies.iter().enumerate() {
        let mut worker = Liar::usual();
        let mut segment = worker.ts(0, FIRST_MSN);
        lie(&mut segment);
        assert_eq!(worker.says_ts(&segment), Err(*fault), "case {case}");
    }
    let mut without = start(2000, 200);
    without.cutting.ts = false;
    let mut worker = Liar::new(without, FrameRate::whole(30));
    let segment = worker.ts(0, FIRST_MSN);
    let unasked = worker.says_ts(&segment);
    assert_eq!(unasked, Err(Fault::NoSuchTrack), "no MPEG-TS was asked for");
}

#[test]
fn initialization_sections_come_once_and_before_the_parts() {
    let mut worker = Liar::usual();
    let init = |worker: &mut Liar, codec, bytes| worker.claims.init(VIDEO, codec, bytes);
    assert_eq!(init(&mut worker, "codec", 700), Err(Fault::BadCodec));
    assert_eq!(init(&mut worker, "mp4a.40.2", 700), Err(Fault::BadCodec));
    assert_eq!(init(&mut worker, "avc1.64001f", 0), Err(Fault::BadSize));
    assert_eq!(
        init(&mut worker, "avc1.64001f", 1 << 20),
        Err(Fault::BadSize)
    );
    let (part, _) = worker.part(VIDEO, FIRST_MSN, 0);
    worker.says(&part).unwrap();
    assert_eq!(
        init(&mut worker, "avc1.64001f", 700),
        Err(Fault::MisplacedInit)
    );
    worker.claims.planned.as_mut().unwrap().audio[0].initialized = false;
    let (part, _) = worker.part(AUDIO, FIRST_MSN, 0);
    assert_eq!(worker.says(&part), Err(Fault::MisplacedInit));
}

#[test]
fn each_wrong_plan_is_a_fault() {
    type Said = (Plan, Vec<TemplateName>, Duration);
    let lies: [Lie<Said>; 7] = [
        (
            |said| said.0.canvas.fps = FrameRate::new(1, 1000).unwrap(),
            Fault::BadPlan,
        ),
        (|said| said.0.video[0].name = "a/b".into(), Fault::BadPlan),
        (|said| said.0.video[0].width *= 2, Fault::BadPlan),
        (
            |said| said.1[0] = "x".repeat(1000).into(),
            Fault::BadEncoders,
        ),
        (|said| said.1.clear(), Fault::BadEncoders),
        (|said| said.1.push("x264".into()), Fault::BadEncoders),
        (
            |said| said.2 += Duration::from_nanos(1),
            Fault::BadPartTarget,
        ),
    ];
    for (case, (lie, fault)) in lies.iter().enumerate() {
        let worker = Liar::usual();
        let start = start(2000, 200);
        let plan = made(&start, FrameRate::whole(30));
        let target = worker.log.lengths().part_target();
        let mut said = (plan, vec!["x264".into(); 2], target);
        lie(&mut said);
        let mut claims = Claims::new(start);
        let result = claims.planned(&said.0, &said.1, said.2, worker.heard());
        assert_eq!(result, Err(*fault), "case {case}");
    }
}

proptest! {
    /// No cutting, no frame rate and no early cut makes the checks refuse what the log says.
    #[test]
    fn the_clock_of_every_ladder_is_believed(
        segment_ms in 1000_u64..10_000,
        part_ms in prop_oneof![Just(0_u64), 100_u64..1000],
        rate in 0_usize..18,
        early in prop::collection::vec(prop::option::of(0_u64..40), 2..5),
    ) {
        let fps = crate::model::ladder::standard_rates()[rate];
        let mut worker = Liar::new(start(segment_ms, part_ms), fps);
        worker.elapsed = Duration::from_secs(60);
        let lengths = *worker.log.lengths();
        for (msn, early) in (FIRST_MSN..).zip(early) {
            // An early cut in steps of a quarter of a part; it may fall where none can be.
            if let Some(quarters) = early {
                let frames = quarters * lengths.part_frames / 4;
                let frames = frames - frames % lengths.grid_frames;
                worker.log.cut_at(worker.log.last().frame + frames);
            }
            worker.decide();
            for track in [VIDEO, SECOND, AUDIO] {
                prop_assert_eq!(worker.makes(track, msn), Ok(()), "{:?} {}", track, worker.log.last().frame);
            }
            let segment = worker.ts(0, msn);
            prop_assert_eq!(worker.says_ts(&segment), Ok(()));
        }
    }
}

#[test]
fn output_is_late_when_one_rendition_is() {
    let mut worker = Liar::usual();
    let late = |worker: &Liar| {
        let late = worker.claims.late(&Limits::default()).unwrap();
        let expected = match late.what {
            "MPEG-TS" => Duration::from_secs(2),
            _ => worker.log.lengths().part_target(),
        };
        (late.what, late.at - worker.began - expected)
    };
    let secs = Duration::from_secs;
    // Until something comes, the encoders may still be built.
    assert_eq!(late(&worker), ("picture", secs(10 + 3)));
    for (heard_s, tracks, index, expected) in [
        (5, vec![VIDEO, SECOND], 0, ("picture", secs(5 + 3))),
        (6, vec![AUDIO, VIDEO], 0, ("picture", secs(5 + 3))),
        (7, vec![VIDEO, SECOND], 1, ("sound", secs(6 + 3))),
        (13, vec![VIDEO, SECOND, AUDIO], 2, ("MPEG-TS", secs(10 + 2))),
    ] {
        worker.elapsed = secs(heard_s);
        for track in tracks {
            // Each part that this rendition lacks so far.
            for index in 0..=index {
                let (part, _) = worker.part(track, FIRST_MSN, index);
                let _ = worker.says(&part);
            }
        }
        assert_eq!(late(&worker), expected);
    }
    // The other rendition's segment is missing still.
    let segment = worker.ts(0, FIRST_MSN);
    worker.says_ts(&segment).unwrap();
    assert_eq!(late(&worker), ("MPEG-TS", secs(10 + 2)));
}

#[test]
fn each_wrong_cut_is_a_fault() {
    // The log of a usual worker: cuts at the frames 0, 30, 90, each part has 6.
    let lies: [Lie<Cut>; 10] = [
        (|cut| cut.msn = FIRST_MSN, Fault::BadCut),
        (|cut| cut.msn += 1, Fault::BadCut),
        (|cut| cut.msn = u64::MAX, Fault::BadCut),
        (|cut| cut.frame = 0, Fault::BadCut),
        (|cut| cut.frame = 31, Fault::BadCut),
        (|cut| cut.frame = 5, Fault::BadCut),
        (|cut| cut.frame = u64::MAX, Fault::BadCut),
        (|cut| cut.awake = RungSet::EMPTY, Fault::NoSuchTrack),
        (|cut| cut.awake = RungSet::first(3), Fault::NoSuchTrack),
        (|cut| cut.awake = RungSet::first(32), Fault::NoSuchTrack),
    ];
    for (case, (lie, fault)) in lies.iter().enumerate() {
        let mut worker = Liar::usual();
        worker.decide();
        let mut cut = worker.log.last();
        assert_eq!((cut.msn, cut.frame), (FIRST_MSN + 1, 30));
        lie(&mut cut);
        assert_eq!(worker.says_cut(cut), Err(*fault), "case {case}");
    }
}

#[test]
fn the_first_cut_begins_the_first_segment() {
    for (msn, frame, expected) in [
        (FIRST_MSN, 0, Ok(())),
        (FIRST_MSN + 1, 0, Err(Fault::BadCut)),
        (1, 0, Err(Fault::BadCut)),
        (FIRST_MSN, 60, Err(Fault::BadCut)),
    ] {
        let mut worker = Liar::silent(start(2000, 200), FrameRate::whole(30));
        let awake = RungSet::first(2);
        let cut = Cut { msn, frame, awake };
        assert_eq!(worker.says_cut(cut), expected, "{cut:?}");
    }
    let mut unplanned = Claims::new(start(2000, 200));
    let heard = Liar::usual().heard();
    assert_eq!(unplanned.cut(first_cut(), heard), Err(Fault::NoPlan));
}

#[test]
fn media_before_its_cut_is_a_fault() {
    let mut truth = Liar::usual();
    let parts: Vec<_> = (0..5).map(|n| truth.part(VIDEO, FIRST_MSN, n).0).collect();
    let segment = truth.ts(0, FIRST_MSN);

    let mut worker = Liar::silent(start(2000, 200), FrameRate::whole(30));
    worker.claims.init(VIDEO, "avc1.64001f", 700).unwrap();
    assert_eq!(worker.says(&parts[0]), Err(Fault::BadCut), "no cut at all");

    let mut worker = Liar::usual();
    for part in &parts[..4] {
        assert_eq!(worker.says(part), Ok(()));
    }
    assert_eq!(worker.says_ts(&segment), Err(Fault::BadCut));
    assert_eq!(worker.says(&parts[4]), Err(Fault::BadCut), "it ends where?");
}

/// Early cuts are allowed, but a playlist of nothing but short segments would never end its growth.
#[test]
fn too_many_early_cuts_are_a_fault() {
    let mut worker = Liar::usual();
    worker.elapsed = Duration::from_secs(600);
    let least = worker.log.lengths().least_segment_frames;
    let nominal = worker.log.lengths().segment_frames;
    let mut cuts = 1;
    let fault = loop {
        let next = worker.log.last().frame + least;
        assert!(worker.log.cut_at(next));
        worker.decide();
        if let Err(fault) = worker.tell(FIRST_MSN + cuts) {
            break fault;
        }
        cuts += 1;
    };
    let allowed = |cuts: u64| CUTS_BURST_MAX + CUTS_FACTOR * ((cuts - 1) * least / nominal);
    assert_eq!(fault, Fault::BadCut);
    assert!(
        cuts <= allowed(cuts) && cuts + 1 > allowed(cuts + 1),
        "{cuts}"
    );
}

#[test]
fn cuts_do_not_come_faster_than_real_time() {
    let mut worker = Liar::usual();
    let fault = worker.tell(FIRST_MSN + 100).unwrap_err();
    // The cut that begins at 13 s is more than a segment ahead of the media that may be there.
    assert_eq!((fault, worker.told), (Fault::Hasty, FIRST_MSN + 7));
}

#[test]
fn a_rung_that_sleeps_sends_nothing() {
    let mut worker = Liar::usual();
    worker.log.set_awake(RungSet::EMPTY.with(1));
    worker.makes(VIDEO, FIRST_MSN).unwrap();
    let segment = worker.ts(0, FIRST_MSN);
    worker.says_ts(&segment).unwrap();
    let (part, _) = worker.part(VIDEO, FIRST_MSN + 1, 0);
    assert_eq!(worker.says(&part), Err(Fault::LeftOut));
    let segment = worker.ts(0, FIRST_MSN + 1);
    assert_eq!(worker.says_ts(&segment), Err(Fault::LeftOut));
    let (part, _) = worker.part(SECOND, FIRST_MSN, 0);
    assert_eq!(worker.says(&part), Ok(()), "the other one does not sleep");
}

/// A rung ends its segment after the cut with which it falls asleep was told, and goes on with the
/// first segment in which it is awake again, perhaps with another initialization section.
#[test]
fn a_rung_that_sleeps_and_wakes_is_believed() {
    let mut worker = Liar::usual();
    let awake = [0b11, 0b10, 0b10, 0b01, 0b11, 0b10, 0b11];
    let set = |bits: u8| {
        let rungs = (0..2).filter(|rung| bits & (1 << rung) != 0);
        rungs.fold(RungSet::EMPTY, RungSet::with)
    };
    for (msn, bits) in (FIRST_MSN..).zip(awake) {
        if let Some(next) = awake.get((msn + 1 - FIRST_MSN) as usize) {
            worker.log.set_awake(set(*next));
        }
        // The cut that ends a segment is told first, and the rung falls asleep with it.
        worker.tell(msn + 1).unwrap();
        assert_eq!(worker.makes(AUDIO, msn), Ok(()));
        for (rung, track) in [(1, SECOND), (0, VIDEO)] {
            if !set(bits).contains(rung.into()) {
                continue;
            }
            let codec = format!("avc1.64001{}", msn % 10);
            assert_eq!(worker.claims.init(track, &codec, 700), Ok(()));
            assert_eq!(worker.makes(track, msn), Ok(()), "{track:?} {msn}");
            let segment = worker.ts(rung, msn);
            assert_eq!(worker.says_ts(&segment), Ok(()), "{track:?} {msn}");
        }
    }
}

/// Nothing is expected of a rung that sleeps, for however long, but what it made before.
#[test]
fn a_rung_that_sleeps_is_not_late() {
    let mut worker = Liar::usual();
    let limits = Limits::default();
    let after = |worker: &Liar| worker.claims.late(&limits).unwrap().at - worker.began;
    worker.log.set_awake(RungSet::EMPTY.with(1));
    for track in [VIDEO, SECOND, AUDIO] {
        worker.makes(track, FIRST_MSN).unwrap();
    }
    for video in [0, 1] {
        let segment = worker.ts(video, FIRST_MSN);
        worker.says_ts(&segment).unwrap();
    }
    for msn in FIRST_MSN + 1..FIRST_MSN + 200 {
        worker.makes(SECOND, msn).unwrap();
        worker.makes(AUDIO, msn).unwrap();
        let segment = worker.ts(1, msn);
        worker.says_ts(&segment).unwrap();
        assert!(after(&worker) > worker.elapsed, "{msn}");
    }
    // From the cut with which it wakes on, it has the usual time.
    let msn = FIRST_MSN + 200;
    worker.log.set_awake(RungSet::first(2));
    worker.decide();
    worker.tell(msn + 1).unwrap();
    worker.makes(SECOND, msn).unwrap();
    worker.makes(AUDIO, msn).unwrap();
    let woken = worker.elapsed;
    let part = worker.log.lengths().part_target();
    let what = |worker: &Liar| worker.claims.late(&limits).unwrap().what;
    worker.elapsed += limits.stall_max;
    for index in 0..3 {
        for track in [SECOND, AUDIO] {
            let (next, _) = worker.part(track, msn + 1, index);
            worker.says(&next).unwrap();
        }
    }
    assert_eq!(what(&worker), "picture");
    assert!(after(&worker) <= woken + part + limits.stall_max);
}
