//! Tests of the whole pacer in virtual time: a publisher's clock drifts, and the network adds
//! jitter. The values of the sound's samples are their numbers, so that the output tells what is
//! heard when.

use std::time::Duration;

use proptest::prelude::*;

use super::audio::{BLOCK_FRAMES, BLOCK_VALUES, SampleQueue};
use super::timeline::Timeline;
use super::video::{PictureQueue, Taken};
use crate::base::units::FrameRate;
use crate::model::frame::Track;
use crate::model::ladder::Canvas;

const SECOND: f64 = 1e9;
/// 15 ms before sound is stretched, half a slot (17 ms at 30 fps) by which the grid moves pictures, and
/// 3 ms for the measurement. Viewers notice 40 ms.
const AV_OFFSET_MS_MAX: f64 = 35.0;

/// What viewers may notice after a start.
const START_OFFSET_MS_MAX: f64 = 40.0;

/// A seeded random number generator (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Mostly small, but sometimes nearly `max`.
    fn jitter(&mut self, max: f64) -> f64 {
        let unit = (self.next() % 10_000) as f64 / 10_000.0;
        max * unit * unit
    }
}

#[derive(Default)]
struct Network {
    seconds: u64,
    fps: u64,
    drift_ppm: f64,
    jitter_ms: f64,
    /// How long the network delivers nothing, from second 15 on.
    stall_ms: f64,
    /// For how long the publisher has sent when the output begins. The decoder held the pictures of
    /// that time back; its sound is lost.
    backlog_ms: f64,
    /// Time that the decoder needs for one picture.
    decode_ms: f64,
    /// When the publisher's sound begins.
    sound_from_s: f64,
    seed: u64,
}

/// What viewers notice.
struct Outcome {
    /// Largest difference of picture and sound after the first ten seconds, in milliseconds.
    av_offset_ms_max: f64,
    /// The same from the first second to the tenth.
    early_offset_ms_max: f64,
    /// Share of the slots from the first second to the tenth whose sound could be read.
    early_heard_share: f64,
    splices: u64,
    repeated_share: f64,
    /// Output time minus publisher's time of the last picture, in milliseconds.
    delay_ms: f64,
    /// Longest time that one picture stood still, in slots.
    longest_still: u64,
}

/// Arrivals as (output time, track, frame number), in the order of time.
fn arrivals(net: &Network) -> Vec<(f64, Track, u64)> {
    let mut noise = Noise(net.seed);
    let mut all = Vec::new();
    for (track, rate) in [
        (Track::Video, net.fps as f64),
        (Track::Audio, 48_000.0 / 1024.0),
    ] {
        let mut last = 0.0_f64;
        for n in 0..(net.seconds as f64 * rate) as u64 {
            let sent = n as f64 / rate * (1.0 + net.drift_ppm / 1e6) * SECOND;
            let sent = sent - net.backlog_ms * 1e6;
            let stall = 15.0 * SECOND..15.0 * SECOND + net.stall_ms * 1e6;
            let held = if stall.contains(&sent) {
                stall.end - sent
            } else {
                0.0
            };
            let path = 50e6 + held + noise.jitter(net.jitter_ms * 1e6);
            // TCP delivers in order.
            last = match track {
                Track::Video => (sent + path).max(last + net.decode_ms * 1e6),
                Track::Audio => (sent + path).max(last),
            };
            let begun = sent + path >= 0.0 && sent >= net.sound_from_s * SECOND;
            if track == Track::Video || begun {
                all.push((last, track, n));
            }
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

/// Timestamp of a frame on the publisher's clock, in whole milliseconds as in RTMP.
fn pts_ns(track: Track, fps: u64, n: u64) -> i64 {
    let ms = match track {
        Track::Video => n * 1000 / fps,
        Track::Audio => n * 1024 / 48,
    };
    ms as i64 * 1_000_000
}

/// The sound of a block: sample n is n modulo 32768 on the left and n / 32768 on the right.
fn numbered(block: u64) -> Vec<i16> {
    let from = block * BLOCK_FRAMES as u64 + 1;
    (from..from + BLOCK_FRAMES as u64)
        .flat_map(|n| [(n % 32_768) as i16, (n / 32_768) as i16])
        .collect()
}

fn simulate(net: &Network) -> Outcome {
    let fps = FrameRate::whole(30);
    let canvas = Canvas {
        width: 1920,
        height: 1080,
        fps,
    };
    let (mut timeline, mut pictures, mut sound) = (
        Timeline::default(),
        PictureQueue::new(canvas, Duration::ZERO),
        SampleQueue::default(),
    );
    let mut still = 0;
    let mut arrivals = arrivals(net).into_iter().peekable();
    let mut block_index = 0_u64;
    // Publisher's time minus output time of the block that is heard, in ms.
    let mut heard: Option<f64> = None;
    let mut outcome = Outcome {
        av_offset_ms_max: 0.0,
        early_offset_ms_max: 0.0,
        early_heard_share: 0.0,
        splices: 0,
        repeated_share: 0.0,
        delay_ms: 0.0,
        longest_still: 0,
    };
    let mut counted_from = None;
    for slot in 0..(net.seconds - 1) * 30 {
        let now = fps.time_of(slot);
        while let Some((at, track, n)) = arrivals.next_if(|a| a.0 <= now.as_nanos() as f64) {
            let pts = pts_ns(track, net.fps, n);
            let moved = timeline.arrived(track, pts, Duration::from_nanos(at as u64));
            pictures.shift(moved.video_ns);
            sound.shift(moved.audio_ns);
            let due = timeline.due(track, pts);
            match track {
                Track::Video => pictures.push(due, pts),
                Track::Audio => sound.push(due, &numbered(n)),
            }
        }
        let block_time = |index: u64| Duration::from_nanos(index * 1024 * 1_000_000_000 / 48_000);
        while block_time(block_index + 1) <= now {
            let mut out = [0; BLOCK_VALUES];
            sound.take(block_time(block_index), &mut out);
            heard = heard_at_middle(&out)
                .map(|ms| ms - block_time(block_index).as_nanos() as f64 / 1e6);
            block_index += 1;
        }
        let taken = pictures.take(now);
        still = if taken == Taken::Repeat { still + 1 } else { 0 };
        if slot > 300 {
            outcome.longest_still = outcome.longest_still.max(still);
        }
        if slot == 300 {
            counted_from = Some((sound.counters().splices, pictures.counters().repeated));
        }
        if let (Taken::New(pts), Some(sound_ms)) = (taken, heard) {
            let picture_ms = pts as f64 / 1e6 - now.as_nanos() as f64 / 1e6;
            let offset_ms = (picture_ms - sound_ms).abs();
            if slot > 300 {
                outcome.av_offset_ms_max = outcome.av_offset_ms_max.max(offset_ms);
                outcome.delay_ms = -picture_ms;
            } else if slot >= 30 {
                outcome.early_offset_ms_max = outcome.early_offset_ms_max.max(offset_ms);
                outcome.early_heard_share += 1.0 / 270.0;
            }
        }
    }
    let (splices, repeated) = counted_from.unwrap();
    outcome.splices = sound.counters().splices - splices;
    let slots = (net.seconds - 11) * 30;
    outcome.repeated_share = (pictures.counters().repeated - repeated) as f64 / slots as f64;
    outcome
}

/// Publisher's time of the block's first sample in ms, computed from its middle sample.
fn heard_at_middle(out: &[i16; BLOCK_VALUES]) -> Option<f64> {
    let (low, high) = (
        f64::from(out[BLOCK_FRAMES]),
        f64::from(out[BLOCK_FRAMES + 1]),
    );
    // Interpolation makes numbers near the wrap-around unreadable, and a fade all of them.
    let number = high * 32_768.0 + low;
    let step = f64::from(out[BLOCK_FRAMES + 2]) - low;
    (number > 0.0 && (1000.0..31_000.0).contains(&low) && (0.0..=2.0).contains(&step))
        .then(|| (number - BLOCK_FRAMES as f64 / 2.0) / 48.0)
}

#[test]
fn lips_and_voice_stay_together_over_minutes_of_drift() {
    for drift_ppm in [-300.0, -100.0, 100.0, 300.0] {
        let net = Network {
            seconds: 600,
            fps: 30,
            drift_ppm,
            jitter_ms: 40.0,
            seed: 7,
            ..Network::default()
        };
        let outcome = simulate(&net);
        assert!(
            outcome.av_offset_ms_max < AV_OFFSET_MS_MAX,
            "{}",
            outcome.av_offset_ms_max
        );
        assert_eq!(outcome.splices, 0, "{drift_ppm}");
        assert!(outcome.repeated_share < 0.002, "{}", outcome.repeated_share);
        // In ten minutes 100 ppm add up to 60 ms, but the delay stays what it was at the start.
        let drifted_ms = 600.0 * drift_ppm / 1000.0;
        let delay = outcome.delay_ms - drifted_ms;
        assert!((70.0..160.0).contains(&delay), "{drift_ppm}: {delay}");
    }
}

/// A short stall of the network raises the delay, but pictures must continue right after it.
#[test]
fn a_stall_costs_no_more_than_itself() {
    for (fps, stall_ms) in [(30, 600.0), (60, 600.0), (30, 1500.0), (60, 1200.0)] {
        let outcome = simulate(&Network {
            seconds: 60,
            fps,
            drift_ppm: 0.0,
            jitter_ms: 5.0,
            stall_ms,
            seed: 3,
            ..Network::default()
        });
        let slots = (stall_ms / 33.3) as u64 + 4;
        let longest = outcome.longest_still;
        assert!(
            longest <= slots,
            "{fps} fps, {stall_ms} ms: {longest} slots"
        );
        assert!(outcome.repeated_share < 0.05, "{}", outcome.repeated_share);
    }
}

/// A publisher whose microphone is switched on after 15 s.
#[test]
fn sound_that_begins_late_does_not_move_the_picture() {
    for seed in 0..20 {
        let outcome = simulate(&Network {
            seconds: 60,
            fps: 30,
            jitter_ms: 20.0,
            sound_from_s: 15.0,
            seed,
            ..Network::default()
        });
        assert!(outcome.longest_still <= 1, "{}", outcome.longest_still);
        assert!(outcome.repeated_share < 0.002, "{}", outcome.repeated_share);
        assert!(
            outcome.av_offset_ms_max < AV_OFFSET_MS_MAX,
            "{}",
            outcome.av_offset_ms_max
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ordinary_jitter_is_neither_heard_nor_seen(
        seed in any::<u64>(), jitter_ms in 0.0..60.0_f64, drift_ppm in -100.0..100.0_f64,
    ) {
        let net = Network { seconds: 60, fps: 30, drift_ppm, jitter_ms, seed, ..Network::default() };
        let outcome = simulate(&net);
        prop_assert!(outcome.av_offset_ms_max < AV_OFFSET_MS_MAX, "{}", outcome.av_offset_ms_max);
        prop_assert_eq!(outcome.splices, 0);
        prop_assert!(outcome.repeated_share < 0.02, "{}", outcome.repeated_share);
    }

    /// The output begins long after the publisher, whose pictures then come in a burst while sound
    /// comes live. Whoever looks sees lips and voice together from the first second.
    #[test]
    fn lips_and_voice_begin_together(
        seed in any::<u64>(), backlog_ms in 0.0..3000.0_f64, decode_ms in 1.0..7.0_f64,
        jitter_ms in 0.0..30.0_f64,
    ) {
        let fps = 30;
        let net = Network { seconds: 13, fps, backlog_ms, decode_ms, jitter_ms, seed, ..Network::default() };
        let outcome = simulate(&net);
        prop_assert!(outcome.early_offset_ms_max < START_OFFSET_MS_MAX, "{}", outcome.early_offset_ms_max);
        prop_assert!(outcome.early_heard_share > 0.8, "{}", outcome.early_heard_share);
    }
}
