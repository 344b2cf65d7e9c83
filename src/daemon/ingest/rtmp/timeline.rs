//! Turns RTMP's 32-bit millisecond timestamps into times that neither wrap nor decrease.

use crate::model::frame::Track;

/// A timestamp this far below the last one of its track means that the publisher's clock restarted;
/// a smaller step back is jitter.
const RESTART_MS: i64 = 1000;
/// A timestamp this far above the newest of all tracks also means a restart: a publisher that is
/// really silent for so long has already been closed.
const LEAP_MS: i64 = 60_000;

/// The position of one track.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    last_ms: Option<i64>,
    shift_ms: i64,
}

impl Place {
    /// Shifts the track when the publisher's clock restarted, and returns whether it did. The first
    /// track to restart continues at the newest time of all tracks, which avoids both a gap and a
    /// delay. The second track takes the shift of the first, which keeps audio and video in sync.
    fn follow(&mut self, raw_ms: i64, other: Self) -> bool {
        let Some(newest_ms) = self.last_ms.max(other.last_ms) else {
            return false;
        };
        let last_ms = self.last_ms.unwrap_or(i64::MIN);
        let plausible = last_ms.saturating_sub(RESTART_MS)..=newest_ms.saturating_add(LEAP_MS);
        let own_ms = raw_ms.saturating_add(self.shift_ms);
        let others_ms = raw_ms.saturating_add(other.shift_ms);
        let can_follow = other.last_ms.is_some()
            && other.shift_ms != self.shift_ms
            && plausible.contains(&others_ms);
        if plausible.contains(&own_ms) {
            // The other track's jump may exceed the limit just when this track's jump does not.
            let strays = own_ms < last_ms || own_ms > newest_ms.saturating_add(RESTART_MS);
            let is_nearer = others_ms.abs_diff(newest_ms) < own_ms.abs_diff(newest_ms);
            if !(can_follow && strays && is_nearer) {
                return false;
            }
        }
        self.shift_ms = match can_follow {
            true => other.shift_ms,
            false => newest_ms.saturating_sub(raw_ms),
        };
        true
    }
}

/// The clock of one publisher, shared by its tracks.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The last timestamp of any track, without wrap-around.
    last_raw_ms: Option<i64>,
    video: Place,
    audio: Place,
}

/// The times of one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// The message's own time, from which composition times count.
    pub(super) own_ms: i64,
    /// Decode time: the message's own time, raised where it would decrease within the track.
    pub(super) dts_ms: i64,
    /// Whether the publisher's clock restarted at this message.
    pub(super) restarted: bool,
}

impl Timeline {
    /// The times of a message with `timestamp_ms` (modulo 2^32).
    pub(super) fn place(&mut self, track: Track, timestamp_ms: u32) -> Moment {
        let raw_ms = self.unwrap(timestamp_ms);
        let (place, other) = match track {
            Track::Video => (&mut self.video, self.audio),
            Track::Audio => (&mut self.audio, self.video),
        };
        if place.last_ms.is_none() {
            place.shift_ms = other.shift_ms;
        }
        let restarted = place.follow(raw_ms, other);
        let own_ms = raw_ms.saturating_add(place.shift_ms);
        let dts_ms = place.last_ms.map_or(own_ms, |last_ms| own_ms.max(last_ms));
        place.last_ms = Some(dts_ms);
        Moment {
            own_ms,
            dts_ms,
            restarted,
        }
    }

    /// "Timestamps are 32 bits long and roll over every 49 days [...] an application could assume
    /// that all adjacent timestamps are within 2^31 - 1 milliseconds" (RTMP 1.0 section 3).
    fn unwrap(&mut self, timestamp_ms: u32) -> i64 {
        let raw_ms = match self.last_raw_ms {
            None => i64::from(timestamp_ms),
            Some(last_ms) => {
                let last_low = u32::try_from(last_ms.rem_euclid(1 << 32)).unwrap_or(0);
                let step_ms = timestamp_ms.wrapping_sub(last_low).cast_signed();
                last_ms.saturating_add(step_ms.into())
            }
        };
        self.last_raw_ms = Some(raw_ms);
        raw_ms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Track::{Audio, Video};
    use super::*;

    fn dts(timeline: &mut Timeline, messages: &[(Track, u32)]) -> Vec<i64> {
        messages
            .iter()
            .map(|&(track, timestamp_ms)| timeline.place(track, timestamp_ms).dts_ms)
            .collect()
    }

    #[test]
    fn timestamps_wrap_for_both_tracks_at_once() {
        let messages = [
            (Video, u32::MAX - 9),
            (Audio, u32::MAX - 4),
            (Video, 10),
            (Audio, u32::MAX),
            (Audio, 15),
        ];
        let base = i64::from(u32::MAX);
        assert_eq!(
            dts(&mut Timeline::default(), &messages),
            [base - 9, base - 4, base + 11, base, base + 16]
        );
    }

    #[test]
    fn a_small_step_back_is_held_up() {
        let mut timeline = Timeline::default();
        timeline.place(Video, 1000);
        let moment = timeline.place(Video, 990);
        assert_eq!(
            (moment.own_ms, moment.dts_ms, moment.restarted),
            (990, 1000, false)
        );
    }

    #[test]
    fn a_clock_that_starts_again_goes_on_with_tracks_in_step() {
        let mut timeline = Timeline::default();
        let before = [(Video, 60_000), (Audio, 60_010), (Video, 60_040)];
        assert_eq!(dts(&mut timeline, &before), [60_000, 60_010, 60_040]);
        assert!(timeline.place(Video, 0).restarted);
        let after = [(Audio, 5), (Video, 40), (Audio, 26)];
        assert_eq!(dts(&mut timeline, &after), [60_045, 60_080, 60_066]);
    }

    #[test]
    fn a_restart_goes_on_from_the_newest_of_all_tracks() {
        type Case = (&'static [(Track, u32)], &'static [i64]);
        let cases: [Case; 6] = [
            // Sound is ahead of the picture, and stays ahead by as much.
            (
                &[(Video, 58_000), (Audio, 60_000), (Video, 0), (Audio, 2000)],
                &[58_000, 60_000, 60_000, 62_000],
            ),
            (
                &[(Video, 58_000), (Audio, 60_000), (Audio, 2020), (Video, 40)],
                &[58_000, 60_000, 60_000, 58_020],
            ),
            // The second track comes late.
            (
                &[
                    (Video, 60_000),
                    (Audio, 60_000),
                    (Video, 0),
                    (Video, 50_000),
                    (Audio, 49_990),
                ],
                &[60_000, 60_000, 60_000, 110_000, 109_990],
            ),
            // A message of the old clock comes between.
            (
                &[
                    (Video, 60_000),
                    (Audio, 60_000),
                    (Video, 0),
                    (Audio, 60_023),
                    (Audio, 46),
                ],
                &[60_000, 60_000, 60_000, 60_023, 60_046],
            ),
            // The same jump is a restart of one track, but would be jitter of the other.
            (
                &[
                    (Video, 60_000),
                    (Audio, 60_000),
                    (Video, 58_990),
                    (Audio, 59_010),
                ],
                &[60_000, 60_000, 60_000, 60_020],
            ),
            // The same the other way: just too long a leap, and one that is not.
            (
                &[
                    (Video, 60_000),
                    (Audio, 60_200),
                    (Audio, 120_223),
                    (Video, 120_040),
                ],
                &[60_000, 60_200, 60_200, 60_017],
            ),
        ];
        for (messages, expected) in cases {
            assert_eq!(
                dts(&mut Timeline::default(), messages),
                expected,
                "{messages:?}"
            );
        }
    }

    #[test]
    fn a_track_that_restarts_alone_leaves_the_other_where_it_is() {
        let mut timeline = Timeline::default();
        let before = [(Video, 60_000), (Audio, 60_010), (Video, 55_000)];
        assert_eq!(dts(&mut timeline, &before), [60_000, 60_010, 60_010]);
        // Its jitter too.
        let after = [(Audio, 60_030), (Audio, 60_020), (Video, 55_040)];
        assert_eq!(dts(&mut timeline, &after), [60_030, 60_030, 60_050]);
    }

    #[test]
    fn a_clock_that_leaps_ahead_goes_on_with_tracks_in_step() {
        let mut timeline = Timeline::default();
        dts(&mut timeline, &[(Video, 0), (Audio, 10)]);
        assert!(timeline.place(Video, 1_000_000).restarted);
        let after = [(Audio, 1_000_005), (Video, 1_000_040), (Audio, 1_000_026)];
        assert_eq!(dts(&mut timeline, &after), [15, 50, 36]);
    }

    #[test]
    fn a_track_may_pause_for_longer_than_a_leap() {
        let mut timeline = Timeline::default();
        dts(&mut timeline, &[(Video, 0), (Audio, 10)]);
        for second in 1..200 {
            timeline.place(Video, second * 1000);
        }
        assert_eq!(dts(&mut timeline, &[(Audio, 199_000)]), [199_000]);
    }

    #[test]
    fn a_track_that_comes_late_takes_the_shift_of_the_other() {
        let mut timeline = Timeline::default();
        dts(&mut timeline, &[(Video, 60_000), (Video, 0)]);
        assert_eq!(dts(&mut timeline, &[(Audio, 20)]), [60_020]);
    }

    #[test]
    fn leaps_without_end_do_not_overflow() {
        let mut timeline = Timeline::default();
        let mut timestamp_ms = 0_u32;
        for _ in 0..10_000 {
            timestamp_ms = timestamp_ms.wrapping_add(0x7fff_ffff);
            let moment = timeline.place(Video, timestamp_ms);
            assert!(moment.dts_ms <= 0x7fff_ffff);
        }
    }

    proptest! {
        #[test]
        fn tracks_stay_in_step_whatever_their_clock_does(
            jump_ms in prop_oneof![-70_000..70_000, -1100..-900, 59_900..60_100, any::<i32>()],
            audio_ahead_ms in -400..400_i32,
            switch_at in 10..20_i32,
            count in 40..60_i32,
        ) {
            let mut timeline = Timeline::default();
            let mut apart_ms = [None; 2];
            let mut newest_ms = i64::MIN;
            for at in 0..count {
                let track = if at % 2 == 0 { Video } else { Audio };
                let ahead_ms = if track == Audio { audio_ahead_ms } else { 0 };
                let jumped_ms = if at < switch_at { 0 } else { jump_ms };
                let timestamp_ms = (1_000_000 + at * 20 + ahead_ms).wrapping_add(jumped_ms);
                let moment = timeline.place(track, timestamp_ms.cast_unsigned());
                if moment.restarted {
                    prop_assert!((moment.own_ms - newest_ms).abs() <= 1000, "{:?}", moment);
                }
                newest_ms = newest_ms.max(moment.dts_ms);
                let low = moment.own_ms.rem_euclid(1 << 32);
                let apart = low - i64::from(timestamp_ms.cast_unsigned());
                apart_ms[usize::from(track == Audio)] = Some(apart.rem_euclid(1 << 32));
            }
            prop_assert_eq!(apart_ms[0], apart_ms[1]);
        }

        #[test]
        fn no_decode_time_falls(messages in prop::collection::vec((any::<bool>(), any::<u32>()), 0..50)) {
            let mut timeline = Timeline::default();
            let mut last = [i64::MIN; 2];
            for (video, timestamp_ms) in messages {
                let track = if video { Video } else { Audio };
                let moment = timeline.place(track, timestamp_ms);
                prop_assert!(moment.dts_ms >= last[usize::from(video)]);
                last[usize::from(video)] = moment.dts_ms;
            }
        }
    }
}
