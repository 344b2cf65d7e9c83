//! When decoded media of a pull may go on to the pacer's queues.
//!
//! Servers send ahead: an MPEG transport stream by the delay of its multiplexer, a fragment by its
//! own length, a server that stores its last seconds by these, a file as fast as it is read. The
//! pacer's queues hold two seconds of raw pictures, so media waits before them, while what follows
//! is still compressed. A frame waits until its timestamp, counted from an *anchor*, has come. The
//! anchor is the moment of the slowest frame's arrival less that frame's timestamp. So a source that
//! sends a little later each time does not stop the picture each time.

use super::{MS_NS, SECOND_NS};

/// Media that comes later than this moves the anchor. Less is jitter, which the timeline hides.
const LATE_NS_MAX: i64 = 200 * MS_NS;
/// How much more than announced a live source may take: ffmpeg sends quiet sound in pieces of a
/// second, with a delay of 0.7 s.
const LIVE_ROOM_NS: i64 = 300 * MS_NS;
/// A wait above this is no wait but a jump of the timestamps: media passes in order, so each frame
/// waits little longer than the one before.
const WAIT_NS_MAX: i64 = 10 * SECOND_NS;
/// A frame that waits shorter than this has come just in time.
const JUST_IN_TIME_NS: i64 = 2 * MS_NS;
/// For how long all media must have waited until the anchor follows the source.
const WINDOW_NS: i64 = 10 * SECOND_NS;
/// How fast the anchor follows, in nanoseconds per second: 0.1 %, which nobody sees or hears. No
/// clock of a server is farther off.
const FOLLOW_NS_PER_S: i64 = MS_NS;

/// Tells how long each frame of one input has to wait.
#[derive(Debug, Default)]
pub struct Hold {
    live: bool,
    anchor_ns: Option<i64>,
    /// When the last frame came just in time.
    waits_since_ns: i64,
    follows: bool,
    asked_at_ns: i64,
}

impl Hold {
    /// Media that is made while it is sent, with timestamps from 0 on: its first bytes have come at
    /// `now_ns`. Without this call the media is stored, and its first frame sets the anchor.
    pub fn live_from(&mut self, now_ns: i64) {
        self.live = true;
        self.restart(0, now_ns.saturating_add(LIVE_ROOM_NS));
    }

    /// How long a frame with timestamp `pts_ns` that is there at `now_ns` has to wait, in
    /// nanoseconds. Frames of both tracks share one anchor.
    pub fn wait_ns(&mut self, pts_ns: i64, now_ns: i64) -> i64 {
        let since_ns = now_ns.saturating_sub(self.asked_at_ns).clamp(0, SECOND_NS);
        self.asked_at_ns = now_ns;
        let Some(anchor_ns) = self.anchor_ns else {
            return self.restart(pts_ns, now_ns);
        };
        let anchor_ns = match self.follows {
            true => anchor_ns.saturating_sub(since_ns / (SECOND_NS / FOLLOW_NS_PER_S)),
            false => anchor_ns,
        };
        self.anchor_ns = Some(anchor_ns);
        let wait_ns = pts_ns.saturating_add(anchor_ns).saturating_sub(now_ns);
        if !(-LATE_NS_MAX..=WAIT_NS_MAX).contains(&wait_ns) {
            return self.restart(pts_ns, now_ns);
        }
        self.watch(wait_ns, now_ns);
        wait_ns.max(0)
    }

    fn restart(&mut self, pts_ns: i64, now_ns: i64) -> i64 {
        self.anchor_ns = Some(now_ns.saturating_sub(pts_ns));
        self.waits_since_ns = now_ns;
        self.follows = false;
        0
    }

    /// A live source of which always something waits has a clock that is faster than this machine's,
    /// or has sent far ahead at its start. If the anchor stayed, the waiting media would grow until
    /// the source is not read any more.
    fn watch(&mut self, wait_ns: i64, now_ns: i64) {
        if wait_ns < JUST_IN_TIME_NS {
            self.follows = false;
            self.waits_since_ns = now_ns;
        } else if now_ns.saturating_sub(self.waits_since_ns) >= WINDOW_NS {
            self.follows = self.live;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_NS: i64 = 40 * MS_NS;

    fn live() -> Hold {
        let mut hold = Hold::default();
        hold.live_from(0);
        hold
    }

    /// Passes frames of 25 per second, of which frame n is there `arrives(n)` after the start, and
    /// returns when each of them passes.
    fn passes(hold: &mut Hold, frames: i64, arrives: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut free = 0;
        let pass = |n| {
            let at = arrives(n).max(free);
            free = at + hold.wait_ns(n * FRAME_NS, at);
            free
        };
        (0..frames).map(pass).collect()
    }

    fn longest_gap(passed: &[i64]) -> i64 {
        let gaps = passed.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }

    /// The transport stream of a multiplexer that sends sound in pieces of a second: each frame passes
    /// so long after its timestamp, from the first on.
    #[test]
    fn what_a_multiplexer_sends_ahead_passes_evenly() {
        let ahead = 700 * MS_NS;
        let mut hold = live();
        for n in 0..200 {
            let pts_ns = n * FRAME_NS + ahead;
            let arrival_ns = n / 25 * SECOND_NS + SECOND_NS;
            let passed_ns = arrival_ns + hold.wait_ns(pts_ns, arrival_ns);
            assert_eq!(passed_ns, pts_ns + LIVE_ROOM_NS);
        }
    }

    #[test]
    fn a_burst_at_the_start_is_worked_off_slowly() {
        // Four seconds come at once, then frames come as they are made.
        let arrives = |n: i64| (n - 100).max(0) * FRAME_NS;
        let passed = passes(&mut live(), 200_000, arrives);
        assert!(longest_gap(&passed) <= FRAME_NS);
        let late = |n: i64| passed[n as usize] - arrives(n);
        assert_eq!(late(100), 4 * SECOND_NS + LIVE_ROOM_NS);
        assert!(late(199_999) < FRAME_NS, "{}", late(199_999));
    }

    #[test]
    fn fragments_are_spread_over_their_time() {
        // Fragments of two seconds, each up to 150 ms late.
        let arrives = |n: i64| (n / 50) * 2 * SECOND_NS + (n / 50 * 7919 % 150) * MS_NS;
        let passed = passes(&mut live(), 5000, arrives);
        assert!(longest_gap(&passed) <= 200 * MS_NS);
        // They come 400 ms later from now on: the picture stands still once.
        let late = |n: i64| arrives(n) + if n < 2500 { 0 } else { 400 * MS_NS };
        let passed = passes(&mut live(), 5000, late);
        assert!(longest_gap(&passed[2600..]) <= 200 * MS_NS);
    }

    #[test]
    fn a_source_with_a_fast_clock_does_not_pile_up() {
        // 0.05 % fast: 4 s in 8000 s.
        let arrives = |n: i64| (n / 50) * 2 * SECOND_NS * 1999 / 2000;
        let passed = passes(&mut live(), 200_000, arrives);
        let waited = passed[199_999] - arrives(199_999);
        assert!(waited <= 2100 * MS_NS, "{waited}");
        assert!(longest_gap(&passed) <= FRAME_NS + 20 * MS_NS);
    }

    #[test]
    fn a_file_plays_at_its_own_speed() {
        let passed = passes(&mut Hold::default(), 5000, |_| 0);
        assert_eq!(passed[4999], 4999 * FRAME_NS);
    }

    #[test]
    fn jumps_of_the_timestamps_wait_for_nothing() {
        for mut hold in [live(), Hold::default()] {
            assert_eq!(hold.wait_ns(i64::MIN, 0), 0);
            assert_eq!(hold.wait_ns(3600 * SECOND_NS, SECOND_NS), 0);
            assert_eq!(hold.wait_ns(0, 2 * SECOND_NS), 0);
            assert_eq!(hold.wait_ns(i64::MAX, 3 * SECOND_NS), 0);
            assert_eq!(hold.wait_ns(SECOND_NS, 4 * SECOND_NS), 0);
        }
    }
}
