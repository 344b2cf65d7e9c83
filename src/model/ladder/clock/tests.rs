use proptest::prelude::*;

use super::*;
use crate::model::ladder::standard_rates;

fn clock(fps: FrameRate, grid: u32, segment_ms: u64, part_ms: u64) -> LadderClock {
    LadderClock::new(Settings {
        fps,
        grid,
        segment: Duration::from_millis(segment_ms),
        part: Duration::from_millis(part_ms),
        first_msn: 1,
    })
}

#[test]
fn the_shipped_defaults_at_30_fps() {
    let clock = clock(FrameRate::whole(30), 1, 2000, 200);
    assert_eq!((clock.segment_frames(1), clock.segment_frames(2)), (30, 60));
    assert_eq!(
        (clock.parts_in_segment(1), clock.parts_in_segment(2)),
        (5, 10)
    );
    assert_eq!(clock.part_target(), Duration::from_millis(200));
    assert_eq!(clock.audio().part_frames, 9);
    assert_eq!(clock.segment_start(3), 90);
    assert_eq!(clock.segment_time(3), Duration::from_secs(3));
    let at = |frame| {
        let p = clock.locate(frame);
        (p.msn, p.part, p.starts_segment, p.starts_part)
    };
    assert_eq!(at(0), (1, 0, true, true));
    assert_eq!(at(5), (1, 0, false, false));
    assert_eq!(at(6), (1, 1, false, true));
    assert_eq!(at(29), (1, 4, false, false));
    assert_eq!(at(30), (2, 0, true, true));
    assert_eq!(at(89), (2, 9, false, false));
    assert_eq!(at(90), (3, 0, true, true));
}

#[test]
fn part_targets_of_common_rates() {
    let target = |num, den, part_ms| {
        clock(FrameRate::new(num, den).unwrap(), 1, 2000, part_ms).part_target()
    };
    assert_eq!(target(24, 1, 200), Duration::from_nanos(208_333_334));
    assert_eq!(target(30_000, 1001, 200), Duration::from_micros(200_200));
    assert_eq!(target(25, 1, 200), Duration::from_millis(200));
    // Three AAC frames are only 80 % of 80 ms, so audio parts have four and set the PART-TARGET.
    assert_eq!(target(25, 2, 100), Duration::from_nanos(85_333_334));
}

#[test]
fn without_parts_a_segment_is_one() {
    let clock = clock(FrameRate::whole(25), 1, 2000, 0);
    assert_eq!(clock.parts_in_segment(2), 1);
    for msn in 1..50 {
        assert_eq!(clock.audio().parts_in_segment(msn), 1, "{msn}");
    }
    // 94 AAC frames cover two seconds.
    assert_eq!(clock.part_target(), aac_time_ceil(94));
}

#[test]
fn years_ahead_nothing_overflows() {
    let clock = clock(FrameRate::new(60_000, 1001).unwrap(), 6, 2000, 200);
    for frame in [u64::MAX, u64::MAX - 1, u64::MAX / 2] {
        assert!(clock.locate(frame).msn > 1);
        assert!(clock.audio().locate(frame).msn > 1);
    }
    assert!(clock.segment_start(u64::MAX) > 0);
    assert!(clock.audio().segment_start(u64::MAX) > 0);
}

/// Lengths in frames of the parts of segment `msn`, found by locating each frame.
fn parts(start: u64, frames: u64, locate: impl Fn(u64) -> Position, msn: u64) -> Vec<u64> {
    let mut parts = Vec::new();
    for frame in start..start + frames {
        let position = locate(frame);
        assert_eq!(position.msn, msn);
        assert_eq!(position.starts_segment, frame == start);
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

    /// All parts keep the limits of RFC 8216bis, 4.4.4.9, and all renditions have a frame at each
    /// cut.
    #[test]
    fn parts_keep_the_rules(
        fps in prop::sample::select(standard_rates()), grid in 1..=6_u32, segment_ms in 1000..=10_000_u64,
        part_ms in 20..=1000_u64, msn in 1..2000_u64,
    ) {
        let clock = clock(fps, grid, segment_ms, part_ms);
        let (start, frames) = (clock.segment_start(msn), clock.segment_frames(msn));
        prop_assert_eq!(start % u64::from(grid), 0);
        prop_assert_eq!(clock.part_frames % u64::from(grid), 0);
        prop_assert_eq!(clock.segment_start(msn + 1), start + frames);
        let video = parts(start, frames, |f| clock.locate(f), msn);
        prop_assert_eq!(video.len(), clock.parts_in_segment(msn) as usize);
        check_lengths(&video, |n| fps.time_of(n), clock.part_target());

        let audio = clock.audio();
        let (start, frames) = (audio.segment_start(msn), audio.segment_frames(msn));
        let lead = aac_time(start).checked_sub(clock.segment_time(msn));
        // A nanosecond of tolerance, as both times are rounded down.
        prop_assert!(lead.unwrap_or_default() < Duration::from_nanos(21_333_335));
        prop_assert!(lead.is_some() || aac_time(start) + Duration::from_nanos(1) >= clock.segment_time(msn));
        let sound = parts(start, frames, |f| audio.locate(f), msn);
        prop_assert_eq!(sound.len(), audio.parts_in_segment(msn) as usize);
        check_lengths(&sound, aac_time, clock.part_target());
        prop_assert!(audio.locate(start + frames).starts_segment);
    }

    /// A part is within half a grid step of its nominal length, but never shorter than a step.
    #[test]
    fn rounding_is_to_the_nearest(fps in prop::sample::select(standard_rates()), grid in 1..=6_u32, part_ms in 100..=900_u64) {
        let clock = clock(fps, grid, 4000, part_ms);
        let step = fps.time_of(u64::from(grid));
        let off = fps.time_of(clock.part_frames).abs_diff(Duration::from_millis(part_ms));
        prop_assert!(
            off <= step / 2 + Duration::from_nanos(2) || clock.part_frames == u64::from(grid)
        );
    }
}
