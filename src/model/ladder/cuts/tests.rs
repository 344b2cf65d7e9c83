use proptest::prelude::*;

use super::*;
use crate::base::units::FrameRate;
use crate::model::ladder::lengths::{Settings, aac_time};
use crate::model::ladder::standard_rates;

const ALL: RungSet = RungSet::EMPTY;

fn log(fps: FrameRate, grid: u32, segment_ms: u64, part_ms: u64) -> CutLog {
    let lengths = Lengths::new(Settings {
        fps,
        grid,
        segment: Duration::from_millis(segment_ms),
        part: Duration::from_millis(part_ms),
    });
    let first = Cut {
        msn: 1,
        frame: 0,
        awake: ALL,
    };
    CutLog::new(lengths, first)
}

fn usual() -> CutLog {
    log(FrameRate::whole(30), 1, 2000, 200)
}

fn frames(cuts: &[Cut]) -> Vec<(u64, u64)> {
    cuts.iter().map(|cut| (cut.msn, cut.frame)).collect()
}

#[test]
fn without_a_wish_segments_are_as_long_as_nominal() {
    let mut log = usual();
    assert_eq!(log.decide(29), []);
    assert_eq!(frames(&log.decide(30)), [(2, 30)]);
    assert_eq!(frames(&log.decide(200)), [(3, 90), (4, 150)]);
    let at = |frame| {
        let p = log.locate(frame);
        (p.msn, p.part, p.starts_segment, p.starts_part)
    };
    assert_eq!(at(0), (1, 0, true, true));
    assert_eq!(at(5), (1, 0, false, false));
    assert_eq!(at(6), (1, 1, false, true));
    assert_eq!(at(29), (1, 4, false, false));
    assert_eq!(at(30), (2, 0, true, true));
    assert_eq!(at(89), (2, 9, false, false));
    assert_eq!(at(90), (3, 0, true, true));
    assert_eq!(log.segment_time(3), Some(Duration::from_secs(3)));
    assert_eq!(log.segment_time(5), None);
    let last = |part| log.ends_segment(2, part);
    assert_eq!(
        (last(8), last(9), log.ends_segment(4, 9)),
        (false, true, false)
    );
    assert!(log.ends_audio_segment(2, 10) && !log.ends_audio_segment(2, 9));
}

#[test]
fn a_cut_can_be_brought_forward_but_neither_changed_nor_put_off() {
    let mut log = usual();
    log.decide(40);
    // Frame 40 is in the second part of segment 2, which began with frame 30.
    assert_eq!(log.cut_soon(), 42);
    assert_eq!(log.cut_soon(), 42);
    assert!(!log.cut_at(50));
    assert_eq!(frames(&log.decide(42)), [(3, 42)]);
    assert!(log.ends_segment(2, 1));
    // Two parts have more frames than an encoder looks ahead to.
    assert_eq!(log.cut_soon(), 54);
    // No cut is put off or made twice.
    for frame in [0, 42, 43, 53, 55, 1000] {
        assert!(!log.cut_at(frame), "{frame}");
    }
    assert_eq!(frames(&log.decide(115)), [(4, 54), (5, 114)]);
    assert!(!log.cut_at(125));
    assert!(log.cut_at(126));
    assert_eq!(frames(&log.decide(300)), [(6, 126), (7, 186), (8, 246)]);
}

#[test]
fn cuts_fall_on_frames_that_every_rung_has() {
    let mut log = log(FrameRate::whole(60), 2, 2000, 200);
    log.decide(100);
    assert!(!log.cut_at(121));
    assert!(log.cut_at(122));
}

/// Wherever the key frames of a source lie, a segment soon begins with one, and then every one does that
/// has to.
#[test]
fn segments_come_to_begin_with_the_key_frames_of_a_source() {
    for (distance, phase) in
        (0..60).flat_map(|phase| [30, 45, 60].map(|distance| (distance, phase)))
    {
        let (mut log, mut cuts) = (usual(), Vec::new());
        let keys = (0..20).map(|n| 600 + phase + n * distance);
        let keys: Vec<u64> = keys.collect();
        for frame in 0..600 + 20 * distance {
            // Which frame is a key frame is known a frame ahead.
            if keys.contains(&(frame + 1)) {
                log.follow_key_frame(frame + 1, distance);
            }
            cuts.extend(log.decide(frame).iter().map(|cut| cut.frame));
        }
        let first = cuts.iter().find(|cut| keys.contains(cut));
        let first = *first.unwrap_or_else(|| panic!("{distance} {phase}: {cuts:?}"));
        assert!(
            first <= keys[0] + 3 * distance,
            "{distance} {phase}: {cuts:?}"
        );
        let mut after = cuts.iter().filter(|cut| **cut >= first);
        assert!(
            after.all(|cut| keys.contains(cut)),
            "{distance} {phase}: {cuts:?}"
        );
    }
}

#[test]
fn rungs_wake_and_sleep_with_a_cut() {
    let (one, two) = (RungSet::first(1), RungSet::first(2));
    let mut log = usual();
    log.set_awake(two);
    log.decide(35);
    log.set_awake(one);
    log.decide(89);
    let awake = |log: &CutLog| [0, 30, 89, 90].map(|frame| log.cut_of(frame).awake);
    assert_eq!(awake(&log), [ALL, two, two, two]);
    log.decide(90);
    assert_eq!(awake(&log), [ALL, two, two, one]);
    assert_eq!((log.awake_next(), log.last().awake), (one, one));
}

#[test]
fn another_log_takes_only_cuts_that_can_follow() {
    let mut told = usual();
    let cut = |msn, frame| Cut {
        msn,
        frame,
        awake: ALL,
    };
    for wrong in [
        cut(1, 30),
        cut(3, 30),
        cut(2, 31),
        cut(2, 5),
        cut(2, 0),
        cut(2, u64::MAX),
    ] {
        assert!(!told.accept(wrong), "{wrong:?}");
    }
    assert!(told.accept(cut(2, 30)));
    assert!(!told.accept(cut(3, 41)));
    assert!(told.accept(cut(3, 42)));
    assert!(!told.accept(cut(4, 103)));
    assert!(told.accept(cut(4, 102)));
}

#[test]
fn a_log_is_bounded_and_never_overflows() {
    let mut log = log(FrameRate::new(60_000, 1001).unwrap(), 6, 2000, 200);
    for n in 1..2000 {
        log.decide(n * 100);
        log.cut_soon();
    }
    assert_eq!(log.cuts.len(), CUTS_MAX);
    assert_eq!(log.cut(1), None);
    for frame in [u64::MAX, u64::MAX / 2] {
        assert!(log.locate(frame).msn > 1);
        assert!(log.locate_audio(frame).msn > 1);
    }
    assert_eq!(log.locate(0).msn, log.cuts[0].msn);
}

#[test]
fn parts_are_numbered_without_gaps_however_segments_are_cut() {
    let mut log = usual();
    let mut expected = 0;
    for frame in 0..60_000 {
        log.decide(frame + 1);
        if frame % 777 == 0 {
            log.cut_soon();
        }
        let position = log.locate(frame);
        if position.starts_part {
            assert_eq!(log.part_number(position.msn, position.part), expected);
            expected += 1;
        }
    }
}

/// Lengths in frames of the parts of segment `msn`, found by locating each frame.
fn parts(frames: std::ops::Range<u64>, locate: impl Fn(u64) -> Position, msn: u64) -> Vec<u64> {
    let mut parts = Vec::new();
    for frame in frames.clone() {
        let position = locate(frame);
        assert_eq!(position.msn, msn);
        assert_eq!(position.starts_segment, frame == frames.start);
        if position.starts_part {
            parts.push(0);
        }
        assert_eq!(position.part as usize + 1, parts.len());
        *parts.last_mut().unwrap() += 1;
    }
    parts
}

fn check_lengths(parts: &[u64], length: impl Fn(u64) -> Duration, target: Duration) {
    let (last, others) = parts.split_last().unwrap();
    for part in others {
        let length = length(*part);
        assert!(length <= target, "{length:?} > {target:?}");
        assert!(
            length.as_nanos() * 100 >= target.as_nanos() * 85 - 200,
            "{length:?}"
        );
    }
    assert!(length(*last) <= target);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever asks for cuts: all parts keep the limits of RFC 8216bis, 4.4.4.9, all renditions have a
    /// frame at each cut, sound is cut less than a frame later, and another log believes each cut.
    #[test]
    fn parts_keep_the_rules(
        fps in prop::sample::select(standard_rates()), grid in 1..=6_u32, segment_ms in 1000..=10_000_u64,
        part_ms in 20..=1000_u64, wishes in prop::collection::vec((0..2000_u64, prop::option::of(0..500_u64)), 0..6),
    ) {
        let mut log = log(fps, grid, segment_ms, part_ms);
        let mut told = log.clone();
        let mut cuts = vec![log.last()];
        for frame in 0..4000 {
            for cut in log.decide(frame) {
                prop_assert!(told.accept(cut));
                cuts.push(cut);
            }
            match wishes.iter().find(|(at, _)| *at == frame) {
                Some((_, Some(ahead))) => { log.cut_at(frame + ahead); }
                Some((_, None)) => { log.cut_soon(); }
                None => {}
            }
        }
        cuts.retain(|cut| log.cut(cut.msn).is_some());
        let (lengths, target) = (*log.lengths(), log.lengths().part_target());
        for pair in cuts.windows(2) {
            let (cut, next) = (pair[0], pair[1]);
            prop_assert!(next.frame - cut.frame <= lengths.segment_frames);
            prop_assert_eq!(next.frame % lengths.grid_frames, 0);
            let video = parts(cut.frame..next.frame, |f| log.locate(f), cut.msn);
            check_lengths(&video, |n| fps.time_of(n), target);
            let last = u32::try_from(video.len() - 1).unwrap();
            prop_assert!(log.ends_segment(cut.msn, last));
            prop_assert!(last == 0 || !log.ends_segment(cut.msn, last - 1));

            let from = |frame| lengths.aac_frame_from(frame);
            let lead = aac_time(from(cut.frame)).checked_sub(fps.time_of(cut.frame));
            // A nanosecond of tolerance, as both times are rounded down.
            prop_assert!(lead.unwrap_or_default() < Duration::from_nanos(21_333_335));
            let sound = parts(from(cut.frame)..from(next.frame), |f| log.locate_audio(f), cut.msn);
            check_lengths(&sound, aac_time, target);
            let last = u32::try_from(sound.len() - 1).unwrap();
            prop_assert!(log.ends_audio_segment(cut.msn, last));
            prop_assert!(last == 0 || !log.ends_audio_segment(cut.msn, last - 1));
        }
    }
}
