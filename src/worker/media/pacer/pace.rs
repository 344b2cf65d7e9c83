//! How long a picture may stand still before viewers are told that the source is away: as long as
//! fits the source's own pace. A slide show that sends a picture every two seconds is not away in
//! between.

use std::time::Duration;

use super::nanos;

/// The least patience, and the whole of it once the source has gone.
const PATIENCE_MIN: Duration = Duration::from_millis(1500);
/// The most.
const PATIENCE_MAX: Duration = Duration::from_secs(30);
/// Patience with a source whose pace is not known yet: it has sent one picture.
const PATIENCE_UNKNOWN: Duration = Duration::from_secs(10);
/// Of a source that sends a picture in each gap, the picture is away after so many gaps.
const GAPS: u32 = 3;
/// The longest gap counts for this long at least, and for twice as long at most: who shares a
/// screen moves the mouse for a while and then reads.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The pace of one input's pictures.
#[derive(Debug, Default)]
pub struct Pace {
    connected: bool,
    /// Publisher's time of the last picture, in nanoseconds.
    last_ns: Option<i64>,
    /// The longest gap of this period and of the one before.
    longest: [Option<Duration>; 2],
    /// When this period began.
    since: Duration,
    /// When sound last came.
    sound_at: Option<Duration>,
}

impl Pace {
    /// A new input begins, with a pace of its own.
    pub fn opened(&mut self) {
        *self = Self::default();
    }

    /// The input has gone.
    pub fn closed(&mut self) {
        self.connected = false;
    }

    /// A picture with timestamp `pts_ns` arrived at output time `now`. The gap is measured on the
    /// publisher's clock: a network that holds pictures up does not change the source's pace.
    pub fn picture(&mut self, pts_ns: i64, now: Duration) {
        self.connected = true;
        let last_ns = self.last_ns.replace(pts_ns);
        let Some(gap_ns) = last_ns.map(|last| pts_ns.saturating_sub(last)) else {
            return;
        };
        if now.saturating_sub(self.since) > REMEMBERED {
            self.since = now;
            self.longest = [None, self.longest[0]];
        }
        let gap = Duration::from_nanos(u64::try_from(gap_ns).unwrap_or(0));
        self.longest[0] = self.longest[0].max(Some(gap));
    }

    /// Sound arrived at output time `now`.
    pub fn sound(&mut self, now: Duration) {
        self.connected = true;
        self.sound_at = Some(now);
    }

    /// How long a picture may stand still, as of output time `now`.
    pub fn patience(&self, now: Duration) -> Duration {
        if !self.connected {
            return PATIENCE_MIN;
        }
        // While sound comes the network delivers, and the picture stands still because the source
        // has no other.
        let hears = |at: Duration| nanos(now).saturating_sub(nanos(at)) < nanos(PATIENCE_MIN);
        if self.sound_at.is_some_and(hears) {
            return PATIENCE_MAX;
        }
        let [this, before] = self.longest;
        this.max(before)
            .map_or(PATIENCE_UNKNOWN, |gap| gap.saturating_mul(GAPS))
            .clamp(PATIENCE_MIN, PATIENCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// `count` pictures, one every `gap`, from `from` on; returns the time of the last.
    fn pictures(pace: &mut Pace, from: Duration, gap: Duration, count: u32) -> Duration {
        for n in 0..count {
            let now = from + n * gap;
            pace.picture(nanos(now), now);
        }
        from + (count - 1) * gap
    }

    #[test]
    fn patience_is_three_gaps_within_bounds() {
        for (gap_ms, patience_ms) in [(33, 1500), (500, 1500), (2000, 6000), (40_000, 30_000)] {
            let mut pace = Pace::default();
            let last = pictures(&mut pace, MS, gap_ms * MS, 4);
            assert_eq!(pace.patience(last), patience_ms * MS, "{gap_ms} ms");
        }
    }

    #[test]
    fn without_a_source_it_is_the_least() {
        let mut pace = Pace::default();
        assert_eq!(pace.patience(MS), PATIENCE_MIN);
        let last = pictures(&mut pace, MS, 2000 * MS, 4);
        pace.closed();
        assert_eq!(pace.patience(last), PATIENCE_MIN);
        pace.opened();
        pace.picture(0, last);
        assert_eq!(pace.patience(last), PATIENCE_UNKNOWN, "one picture");
    }

    #[test]
    fn a_network_that_stalls_does_not_slow_the_source_down() {
        let mut pace = Pace::default();
        pictures(&mut pace, MS, 33 * MS, 30);
        // The next picture is 33 ms younger, and comes 5 s later.
        pace.picture(nanos(MS + 30 * 33 * MS), 6000 * MS);
        assert_eq!(pace.patience(6000 * MS), PATIENCE_MIN);
    }

    #[test]
    fn a_shared_screen_is_known_to_pause() {
        let mut pace = Pace::default();
        let last = pictures(&mut pace, MS, 3000 * MS, 3);
        let last = pictures(&mut pace, last, 33 * MS, 1200);
        assert_eq!(pace.patience(last), 9000 * MS, "for a minute and more");
        let last = pictures(&mut pace, last, 33 * MS, 3000);
        assert_eq!(pace.patience(last), PATIENCE_MIN);
    }

    #[test]
    fn while_sound_comes_the_source_is_there() {
        let mut pace = Pace::default();
        let last = pictures(&mut pace, MS, 33 * MS, 30);
        pace.sound(last + 1000 * MS);
        assert_eq!(pace.patience(last + 2000 * MS), PATIENCE_MAX);
        assert_eq!(pace.patience(last + 3000 * MS), PATIENCE_MIN);
    }
}
