//! Decoded pictures between an input and the output's grid.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::ladder::Canvas;

/// Memory that waiting pictures may take: two seconds of 1080p at 30 frames a second and more, the
/// longest delay by which jitter is hidden.
const WAITING_BYTES_MAX: u64 = 256 << 20;
/// Bounds of how many may wait, whatever their size.
const PICTURES_MIN: u64 = 16;
const PICTURES_MAX: u64 = 256;

/// What a slot of the grid shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken<F> {
    /// This picture.
    New(F),
    /// The one before.
    Repeat,
}

/// What became of the pictures, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Shown.
    pub shown: u64,
    /// Slots that showed the picture before once more.
    pub repeated: u64,
    /// Left out because a newer one was due in the same slot, or replaced by a later arrival
    /// that is due earlier.
    pub skipped: u64,
    /// Left out on arrival because the queue was full.
    pub overflowed: u64,
}

/// Pictures in the order of their arrival. When it is full a new one is left out: to drop one that
/// waits, the next to be shown, would leave nothing to show for as long as pictures come early.
///
/// Each slot shows the picture that is due nearest to it. A source of the output's own rate may
/// have its pictures due right between two slots, where a millisecond of rounding would show
/// one twice and skip the next; so the border between slots moves a little away from where
/// pictures fall (a Schmitt trigger on their phase).
#[derive(Debug)]
pub struct PictureQueue<F> {
    waiting: VecDeque<(Duration, F)>,
    slot_ns: i64,
    pictures_max: usize,
    border: Border,
    counters: Counters,
}

/// Which side of the middle between two slots divides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    Early,
    Late,
}

impl<F> PictureQueue<F> {
    /// A queue for an output of this canvas.
    pub fn new(canvas: Canvas) -> Self {
        let slot_ns = i64::try_from(canvas.fps.frame_duration().as_nanos()).unwrap_or(i64::MAX / 4);
        // 4:2:0: a byte and a half a pixel.
        let picture_bytes = u64::from(canvas.width) * u64::from(canvas.height) * 3 / 2;
        let pictures_max =
            (WAITING_BYTES_MAX / picture_bytes.max(1)).clamp(PICTURES_MIN, PICTURES_MAX);
        Self {
            waiting: VecDeque::new(),
            slot_ns: slot_ns.min(i64::MAX / 4),
            pictures_max: usize::try_from(pictures_max).unwrap_or(usize::MAX),
            border: Border::Late,
            counters: Counters::default(),
        }
    }

    /// A picture that is to be shown at `due`.
    pub fn push(&mut self, due: Duration, frame: F) {
        // A later picture is never shown before an earlier one: where the timeline has jumped
        // back, the new one takes the place of those that wait for later.
        while self.waiting.back().is_some_and(|(last, _)| *last >= due) {
            self.waiting.pop_back();
            self.counters.skipped += 1;
        }
        if self.waiting.len() >= self.pictures_max {
            self.counters.overflowed += 1;
            return;
        }
        self.waiting.push_back((due, frame));
    }

    /// The picture for the slot that starts at `slot`: the newest due before the border to the
    /// next slot. Older ones are dropped.
    pub fn take(&mut self, slot: Duration) -> Taken<F> {
        let hysteresis = self.slot_ns / 8;
        let middle = self.slot_ns / 2;
        let border = match self.border {
            Border::Early => middle - hysteresis,
            Border::Late => middle + hysteresis,
        };
        let mut taken = None;
        while self.phase(slot).is_some_and(|phase| phase <= border) {
            let phase = self.phase(slot);
            if let Some((_, frame)) = self.waiting.pop_front()
                && taken.replace((phase, frame)).is_some()
            {
                self.counters.skipped += 1;
            }
        }
        let accepted = taken.as_ref().and_then(|(phase, _)| *phase);
        if accepted.is_some_and(|phase| phase > middle - 2 * hysteresis) {
            self.border = Border::Late;
        } else if self
            .phase(slot)
            .is_some_and(|phase| phase < middle + 2 * hysteresis)
        {
            self.border = Border::Early;
        }
        self.count(taken.map(|(_, frame)| frame))
    }

    /// What became of the pictures so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How long after `slot` the next picture is due, in nanoseconds.
    fn phase(&self, slot: Duration) -> Option<i64> {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let (due, _) = self.waiting.front()?;
        Some(nanos(*due).saturating_sub(nanos(slot)))
    }

    fn count(&mut self, taken: Option<F>) -> Taken<F> {
        match taken {
            Some(frame) => {
                self.counters.shown += 1;
                Taken::New(frame)
            }
            None => {
                self.counters.repeated += 1;
                Taken::Repeat
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::units::FrameRate;

    const MS: Duration = Duration::from_millis(1);

    fn queue<F>(fps: FrameRate) -> PictureQueue<F> {
        PictureQueue::new(Canvas {
            width: 1920,
            height: 1080,
            fps,
        })
    }

    /// Numbers of the pictures that `slots` slots of `out` show of a source of rate `rate` whose
    /// picture n is due at `phase_us` + its time, rounded to the millisecond as RTMP does.
    fn shown(out: u32, rate: u32, phase_us: u64, drift_ppm: i64, slots: u64) -> Vec<u64> {
        let (out, rate) = (FrameRate::whole(out), FrameRate::whole(rate));
        let mut queue = queue(out);
        let (mut shown, mut next) = (Vec::new(), 0);
        for slot in 0..slots {
            let at = out.time_of(slot) + 1000 * MS;
            loop {
                let time = rate.time_of(next).as_nanos() as i64;
                let time = (time + time * drift_ppm / 1_000_000) / 1_000_000;
                let due = Duration::from_millis(time as u64) + Duration::from_micros(phase_us);
                if due > at + 30 * MS {
                    break;
                }
                queue.push(due + 1000 * MS, next);
                next += 1;
                // Only what is due within the slot or soon after has arrived.
                if due > out.time_of(slot) + 60 * MS {
                    break;
                }
            }
            if let Taken::New(n) = queue.take(at) {
                shown.push(n);
            }
        }
        shown
    }

    #[test]
    fn the_nearest_picture_is_shown_and_older_ones_are_not() {
        let mut queue = queue(FrameRate::whole(25));
        for (n, due) in [100, 108, 139, 180].into_iter().enumerate() {
            queue.push(due * MS, n);
        }
        assert_eq!(queue.take(120 * MS), Taken::New(2));
        assert_eq!(queue.take(121 * MS), Taken::Repeat);
        assert_eq!(queue.take(160 * MS), Taken::New(3));
        let expected = Counters {
            shown: 2,
            repeated: 1,
            skipped: 2,
            overflowed: 0,
        };
        assert_eq!(queue.counters(), expected);
    }

    #[test]
    fn a_full_queue_leaves_new_pictures_out() {
        let mut queue = queue(FrameRate::whole(25));
        let room = u32::try_from(queue.pictures_max).unwrap();
        assert!(room >= 60, "two seconds of 30 fps");
        for n in 0..room + 3 {
            queue.push(n * 40 * MS, n);
        }
        assert_eq!(queue.counters().overflowed, 3);
        assert_eq!(queue.take(Duration::ZERO), Taken::New(0));
        assert_eq!(queue.take(40 * MS), Taken::New(1));
    }

    /// Larger than their delay allows to hold: fewer pictures, but never none.
    #[test]
    fn pictures_too_large_to_hold_all_are_still_shown() {
        let fps = FrameRate::whole(60);
        let mut queue = PictureQueue::new(Canvas {
            width: 7680,
            height: 4320,
            fps,
        });
        let mut shown = 0;
        for slot in 0..600 {
            let now = fps.time_of(slot);
            queue.push(now + 2000 * MS, slot);
            shown += usize::from(queue.take(now) != Taken::Repeat);
        }
        assert!(shown >= 48, "{shown}");
    }

    #[test]
    fn after_a_jump_back_the_new_pictures_win() {
        let mut queue = queue(FrameRate::whole(25));
        queue.push(10_000 * MS, "old");
        queue.push(40 * MS, "new");
        assert_eq!(queue.take(40 * MS), Taken::New("new"));
        assert_eq!(queue.take(10_000 * MS), Taken::Repeat);
        assert_eq!(queue.counters().skipped, 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Wherever a source of the output's rate falls, no picture is left out.
        #[test]
        fn equal_rates_never_beat(phase_us in 0..40_000_u64, rate in prop::sample::select(vec![24, 25, 30, 50, 60])) {
            let shown = shown(rate, rate, phase_us, 0, 600);
            let first = shown[0];
            prop_assert!(shown.len() >= 598);
            prop_assert!(shown.iter().enumerate().all(|(i, n)| *n == first + i as u64), "{:?}", shown);
        }

        /// Half the rate shows every second picture, always the same ones.
        #[test]
        fn half_rates_never_beat(phase_us in 0..40_000_u64, rate in prop::sample::select(vec![25, 30])) {
            let shown = shown(rate, rate * 2, phase_us, 0, 600);
            prop_assert!(shown[2..].windows(2).all(|pair| pair[1] == pair[0] + 2), "{:?}", shown);
        }

        /// A drift of 100 ppm costs one picture in ten thousand, not a burst of them.
        #[test]
        fn drift_costs_single_pictures(phase_us in 0..33_000_u64, fast in any::<bool>()) {
            let ppm = if fast { -100 } else { 100 };
            let slots = 20_000;
            let shown = shown(30, 30, phase_us, ppm, slots);
            let skips = shown.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
            let repeats = slots as usize - shown.len();
            prop_assert!(skips <= 3 && repeats <= 4, "{} {}", skips, repeats);
        }
    }
}
