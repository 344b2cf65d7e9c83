//! How fast the decoder of a publisher's pictures takes them.

use std::time::Duration;

/// Frames that are further apart are not neighbours: those between them are missing.
const STEP_MAX: Duration = Duration::from_secs(1);
/// How long frames may wait per look for a decoder that keeps up. They hardly wait at all.
const WAITED_MAX: Duration = Duration::from_millis(500);

/// What the decoder has taken since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Feeding {
    /// How long frames waited for it.
    pub waited: Duration,
    /// The time that the frames fill.
    pub media: Duration,
}

/// Counts what the decoder takes.
#[derive(Debug, Default)]
pub struct Meter {
    last_ns: Option<i64>,
    seen: Feeding,
}

impl Feeding {
    /// Whether the decoder is slower than the source. One that makes up for lost time lets frames wait,
    /// too, but takes more than comes.
    pub fn is_slow(&self) -> bool {
        self.waited > WAITED_MAX && self.media < self.waited * 9 / 10
    }
}

impl Meter {
    /// The decoder has taken the frame that is decoded at `dts_ns`, which has `waited` for it.
    pub fn taken(&mut self, dts_ns: i64, waited: Duration) {
        self.seen.waited += waited;
        let step_ns = self
            .last_ns
            .replace(dts_ns)
            .map(|last| dts_ns.saturating_sub(last));
        let step = step_ns
            .and_then(|ns| u64::try_from(ns).ok())
            .map(Duration::from_nanos);
        self.seen.media += step.filter(|step| *step <= STEP_MAX).unwrap_or_default();
    }

    /// What was taken since the last call.
    pub fn take(&mut self) -> Feeding {
        std::mem::take(&mut self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_NS: i64 = 40_000_000;

    /// A look at a decoder that has taken `frames`, of which each waited so long.
    fn look(meter: &mut Meter, frames: std::ops::Range<i64>, wait_ms: u64) -> Feeding {
        for frame in frames {
            meter.taken(frame * FRAME_NS, Duration::from_millis(wait_ms));
        }
        meter.take()
    }

    #[test]
    fn a_decoder_is_slow_when_less_goes_in_than_time_passes() {
        let mut meter = Meter::default();
        assert!(!look(&mut meter, 0..25, 0).is_slow());
        // Half the source's speed, then twice.
        assert!(look(&mut meter, 25..38, 80).is_slow());
        assert!(!look(&mut meter, 38..88, 20).is_slow());
        // Its own.
        assert!(!look(&mut meter, 88..113, 40).is_slow());
    }

    #[test]
    fn frames_that_are_missing_were_not_taken() {
        let mut meter = Meter::default();
        look(&mut meter, 0..5, 0);
        let mut taken = |frame: i64| meter.taken(frame * FRAME_NS, Duration::ZERO);
        taken(5);
        taken(105);
        taken(106);
        // Another publisher's times.
        taken(-7);
        taken(-6);
        assert_eq!(meter.take().media, Duration::from_millis(3 * 40));
    }
}
