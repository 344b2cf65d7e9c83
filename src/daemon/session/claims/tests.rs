//! Each lie of a worker, and that an honest one is believed.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::base::units::{Bitrate, FrameRate};
use crate::model::ladder::{Rung, SourceFormat, clock::aac_time, plan};
use crate::model::source::Source;

const VIDEO: TrackId = TrackId::Video(0);
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
        plan: None,
        first_msn: FIRST_MSN,
    }
}

fn made(start: &Start, fps: FrameRate) -> Plan {
    let (width, height) = (1280, 720);
    plan(&start.rungs, SourceFormat { width, height, fps })
}

/// A worker, and the time at which the daemon hears it.
struct Liar {
    claims: Claims,
    clock: LadderClock,
    began: Instant,
    elapsed: Duration,
}

impl Liar {
    /// One that has planned, and sent its initialization sections.
    fn new(start: Start, fps: FrameRate) -> Self {
        let plan = made(&start, fps);
        let clock = LadderClock::new(Settings {
            fps: plan.canvas.fps,
            grid: plan.grid(),
            segment: start.cutting.segment,
            part: start.cutting.part,
            first_msn: start.first_msn,
        });
        let mut liar = Self {
            claims: Claims::new(start),
            clock,
            began: Instant::now(),
            elapsed: Duration::ZERO,
        };
        let encoders = vec!["x264".into(); plan.video.len()];
        let target = liar.clock.part_target();
        let heard = liar.heard();
        liar.claims
            .planned(&plan, &encoders, target, heard)
            .unwrap();
        for (track, codec) in [
            (VIDEO, "avc1.64001f"),
            (TrackId::Video(1), "avc1.64001f"),
            (AUDIO, "mp4a.40.2"),
        ] {
            liar.claims.init(track, codec, 700).unwrap();
        }
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

    /// What an honest worker sends as this part, with the time at which it ends.
    fn part(&self, track: TrackId, msn: u64, index: u32) -> (Part, Duration) {
        let (time, parts): (fn(u64) -> Duration, _) = match track {
            TrackId::Video(_) => (frame_time, self.clock.parts_in_segment(msn)),
            TrackId::Audio(_) => (aac_time, self.clock.audio().parts_in_segment(msn)),
        };
        let starts = |frame| match track {
            TrackId::Video(_) => self.clock.locate(frame),
            TrackId::Audio(_) => self.clock.audio().locate(frame),
        };
        let from = (0..).find(|n| (starts(*n).msn, starts(*n).part) == (msn, index));
        let from = from.unwrap();
        let to = (from + 1..).find(|n| starts(*n).starts_part).unwrap();
        let (begin, end) = (time(from), time(to));
        let part = Part {
            track,
            msn,
            index,
            duration: end - begin,
            independent: index == 0,
            last: index + 1 == parts,
            date_ns: EPOCH_NS + begin.as_nanos() as u64,
            data: Bytes::from_static(&[0; 1000]),
        };
        (part, end)
    }

    fn says(&mut self, part: &Part) -> Result<(), Fault> {
        let heard = self.heard();
        self.claims.part(part, heard)
    }

    fn ts(&mut self, msn: u64) -> TsSegment {
        let start = self.clock.segment_time(msn);
        TsSegment {
            video: 0,
            msn,
            duration: self.clock.segment_time(msn + 1) - start,
            date_ns: EPOCH_NS + start.as_nanos() as u64,
            data: Bytes::from_static(&[0; 1000]),
        }
    }
}

/// Start of a frame of [`Liar::usual`].
fn frame_time(frame: u64) -> Duration {
    FrameRate::whole(30).time_of(frame)
}

#[test]
fn a_working_worker_is_believed() {
    let mut worker = Liar::usual();
    for msn in FIRST_MSN..FIRST_MSN + 4 {
        for track in [VIDEO, TrackId::Video(1), AUDIO] {
            for index in 0..100 {
                let (part, end) = worker.part(track, msn, index);
                worker.elapsed = worker.elapsed.max(end);
                assert_eq!(worker.says(&part), Ok(()), "{part:?}");
                if part.last {
                    break;
                }
            }
        }
        let (segment, heard) = (worker.ts(msn), worker.heard());
        assert_eq!(worker.claims.ts_segment(&segment, heard), Ok(()));
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
        let (mut segment, heard) = (worker.ts(FIRST_MSN), worker.heard());
        segment.duration = Duration::from_millis(100);
        assert_eq!(worker.claims.ts_segment(&segment, heard), expected);
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
        let (mut segment, heard) = (worker.ts(FIRST_MSN), worker.heard());
        lie(&mut segment);
        assert_eq!(
            worker.claims.ts_segment(&segment, heard),
            Err(*fault),
            "case {case}"
        );
    }
    let mut without = start(2000, 200);
    without.cutting.ts = false;
    let mut worker = Liar::new(without, FrameRate::whole(30));
    let (segment, heard) = (worker.ts(FIRST_MSN), worker.heard());
    let unasked = worker.claims.ts_segment(&segment, heard);
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
        let mut said = (plan, vec!["x264".into(); 2], worker.clock.part_target());
        lie(&mut said);
        let mut claims = Claims::new(start);
        let result = claims.planned(&said.0, &said.1, said.2, worker.heard());
        assert_eq!(result, Err(*fault), "case {case}");
    }
}

proptest! {
    /// No cutting and no frame rate makes the checks refuse what the clock says.
    #[test]
    fn the_clock_of_every_ladder_is_believed(
        segment_ms in 1000_u64..10_000,
        part_ms in prop_oneof![Just(0_u64), 100_u64..1000],
        rate in 0_usize..18,
        segments in 2_u64..4,
    ) {
        let fps = crate::model::ladder::standard_rates()[rate];
        let mut worker = Liar::new(start(segment_ms, part_ms), fps);
        worker.elapsed = Duration::from_secs(60);
        let (clock, audio) = (worker.clock.clone(), worker.clock.audio());
        let canvas = made(&start(segment_ms, part_ms), fps).canvas.fps;
        for msn in FIRST_MSN..FIRST_MSN + segments {
            // Where parts begin, and where the last one ends.
            let frames = clock.segment_start(msn)..clock.segment_start(msn + 1);
            let video = frames.clone().filter(|frame| clock.locate(*frame).starts_part);
            let video = video.chain([frames.end]).map(|frame| canvas.time_of(frame));
            let frames = audio.segment_start(msn)..audio.segment_start(msn + 1);
            let sound = frames.clone().filter(|frame| audio.locate(*frame).starts_part);
            let sound = sound.chain([frames.end]).map(aac_time);
            let (video, sound): (Vec<Duration>, Vec<Duration>) = (video.collect(), sound.collect());
            for (track, bounds) in [(VIDEO, video), (AUDIO, sound)] {
                let parts = bounds.len() - 1;
                for (index, bound) in bounds.windows(2).enumerate() {
                    let (date, duration) = (bound[0], bound[1] - bound[0]);
                    let part = Part {
                        track,
                        msn,
                        index: u32::try_from(index).unwrap(),
                        duration,
                        independent: true,
                        last: index + 1 == parts,
                        date_ns: EPOCH_NS + date.as_nanos() as u64,
                        data: Bytes::from_static(b"part"),
                    };
                    prop_assert_eq!(worker.says(&part), Ok(()), "{:?}", part);
                }
            }
            let segment = worker.ts(msn);
            let heard = worker.heard();
            prop_assert_eq!(worker.claims.ts_segment(&segment, heard), Ok(()));
        }
    }
}

#[test]
fn output_is_late_when_one_rendition_is() {
    let second = TrackId::Video(1);
    let mut worker = Liar::usual();
    let late = |worker: &Liar| {
        let late = worker.claims.late(&Limits::default()).unwrap();
        let expected = match late.what {
            "MPEG-TS" => Duration::from_secs(2),
            _ => worker.clock.part_target(),
        };
        (late.what, late.at - worker.began - expected)
    };
    let secs = Duration::from_secs;
    // Until something comes, the encoders may still be built.
    assert_eq!(late(&worker), ("picture", secs(10 + 3)));
    for (heard_s, tracks, index, expected) in [
        (5, vec![VIDEO, second], 0, ("picture", secs(5 + 3))),
        (6, vec![AUDIO, VIDEO], 0, ("picture", secs(5 + 3))),
        (7, vec![VIDEO, second], 1, ("sound", secs(6 + 3))),
        (13, vec![VIDEO, second, AUDIO], 2, ("MPEG-TS", secs(10 + 2))),
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
    let (segment, heard) = (worker.ts(FIRST_MSN), worker.heard());
    worker.claims.ts_segment(&segment, heard).unwrap();
    assert_eq!(late(&worker), ("MPEG-TS", secs(10 + 2)));
}
