//! Queue of decoded pictures between an input and the output's grid.

use std::collections::VecDeque;
use std::time::Duration;

use super::{moved, nanos};
use crate::model::ladder::Canvas;

/// Memory of the pictures that wait: enough for 2 s, the timeline's largest margin, of 1080p at
/// 30 frames per second.
const WAITING_BYTES_MAX: u64 = 256 << 20;
/// Bounds of the number of pictures that wait, whatever their size.
const PICTURES_MIN: u64 = 16;
const PICTURES_MAX: u64 = 256;

/// What one slot of the grid shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken<F> {
    /// This picture.
    New(F),
    /// The picture of the slot before.
    Repeat,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Slots that repeated the picture before.
    pub repeated: u64,
    /// Pictures left out: a newer one was due in the same slot, a later one is due earlier, or the
    /// queue was full.
    pub skipped: u64,
}

/// Pictures in the order of their arrival. A full queue refuses new pictures: if it dropped the
/// oldest, which is shown next, it would never have one to show while pictures arrive early.
///
/// Each slot shows the picture whose due time is nearest. The pictures of a source with the output's
/// own rate may fall in the middle between two slots, where a rounding error of one millisecond
/// would repeat a picture and skip the next. Therefore the border between slots has a hysteresis: it
/// moves away from the pictures' due times.
#[derive(Debug)]
pub struct PictureQueue<F> {
    waiting: VecDeque<(Duration, F)>,
    slot_ns: i64,
    pictures_max: usize,
    border: Border,
    counters: Counters,
    counts: bool,
    /// Time of the first slot.
    from: Duration,
}

/// On which side of the middle between two slots their border is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    Early,
    Late,
}

impl<F> PictureQueue<F> {
    /// A queue for an output of this canvas, whose first slot is that at `from`.
    pub fn new(canvas: Canvas, from: Duration) -> Self {
        // 4:2:0: 1.5 bytes per pixel.
        let picture_bytes = u64::from(canvas.width) * u64::from(canvas.height) * 3 / 2;
        let pictures_max =
            (WAITING_BYTES_MAX / picture_bytes.max(1)).clamp(PICTURES_MIN, PICTURES_MAX);
        Self {
            waiting: VecDeque::new(),
            slot_ns: nanos(canvas.fps.frame_duration()).min(i64::MAX / 4),
            pictures_max: usize::try_from(pictures_max).unwrap_or(usize::MAX),
            border: Border::Late,
            counters: Counters::default(),
            counts: true,
            from,
        }
    }

    /// Queues a picture that is due at `due`.
    pub fn push(&mut self, due: Duration, frame: F) {
        // Pictures keep their order. When the timeline has jumped back, the new picture replaces
        // those that are due later.
        while self.waiting.back().is_some_and(|(last, _)| *last >= due) {
            self.waiting.pop_back();
            self.skip();
        }
        if due <= self.from {
            // Nobody will see the pictures before.
            self.waiting.clear();
        }
        if self.is_full() {
            self.skip();
            return;
        }
        self.waiting.push_back((due, frame));
    }

    /// Whether a picture that is due in the middle between two slots is shown in the second of them.
    pub fn rounds_up(&self) -> bool {
        self.border == Border::Early
    }

    /// Goes on with the border of another queue, so that each picture is shown in the slot in which that
    /// one showed it.
    pub fn set_rounds_up(&mut self, rounds_up: bool) {
        self.border = match rounds_up {
            true => Border::Early,
            false => Border::Late,
        };
    }

    /// Counts what is repeated and skipped, or does not while pictures are not needed.
    pub fn set_counts(&mut self, counts: bool) {
        self.counts = counts;
    }

    fn skip(&mut self) {
        self.counters.skipped += u64::from(self.counts);
    }

    /// Moves the due times of the pictures that wait, as the timeline says.
    pub fn shift(&mut self, by_ns: i64) {
        for (due, _) in &mut self.waiting {
            *due = moved(*due, by_ns);
        }
    }

    /// The picture of the slot that starts at `slot`: the newest that is due before the border to
    /// the next slot. Drops older ones.
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
                self.skip();
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
        match taken {
            Some((_, frame)) => Taken::New(frame),
            None => {
                self.counters.repeated += u64::from(self.counts);
                Taken::Repeat
            }
        }
    }

    /// Whether a further picture would be refused.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= self.pictures_max
    }

    /// Whether it is settled which picture the slot at `slot` shows.
    pub fn reaches(&self, slot: Duration) -> bool {
        let last = self.waiting.back();
        last.is_some_and(|(due, _)| nanos(*due) >= nanos(slot).saturating_add(self.slot_ns))
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How long after `slot` the next picture is due, in nanoseconds.
    fn phase(&self, slot: Duration) -> Option<i64> {
        let (due, _) = self.waiting.front()?;
        Some(nanos(*due).saturating_sub(nanos(slot)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::units::FrameRate;

    const MS: Duration = Duration::from_millis(1);

    fn queue<F>(fps: FrameRate) -> PictureQueue<F> {
        let canvas = Canvas {
            width: 1920,
            height: 1080,
            fps,
        };
        PictureQueue::new(canvas, Duration::ZERO)
    }

    /// Numbers of the pictures that `slots` slots at rate `out` show. Picture n of a source at `rate`
    /// is due at `phase_us` + its time, which is rounded to milliseconds as in RTMP.
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
            repeated: 1,
            skipped: 2,
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
        assert_eq!(queue.counters().skipped, 3);
        assert_eq!(queue.take(Duration::ZERO), Taken::New(0));
        assert_eq!(queue.take(40 * MS), Taken::New(1));
    }

    /// The queue is too short for the delay: many pictures are lost, but not all of them.
    #[test]
    fn pictures_too_large_to_hold_all_are_still_shown() {
        let fps = FrameRate::whole(60);
        let canvas = Canvas {
            width: 7680,
            height: 4320,
            fps,
        };
        let mut queue = PictureQueue::new(canvas, Duration::ZERO);
        let mut shown = 0;
        for slot in 0..600 {
            let now = fps.time_of(slot);
            queue.push(now + 2000 * MS, slot);
            shown += usize::from(queue.take(now) != Taken::Repeat);
        }
        assert!(shown >= 48, "{shown}");
    }

    /// A publisher's last eight seconds come once more, and the output begins in their middle.
    #[test]
    fn of_the_pictures_before_the_first_slot_the_last_is_kept() {
        let mut queue = queue(FrameRate::whole(25));
        queue.from = 6000 * MS;
        for n in 0..160 {
            queue.push(n * 40 * MS, n);
        }
        assert_eq!(queue.counters().skipped, 0);
        assert!(queue.reaches(6000 * MS) && !queue.reaches(6340 * MS));
        assert_eq!(queue.take(6000 * MS), Taken::New(150));
        assert_eq!(queue.take(6040 * MS), Taken::New(151));
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

        /// The pictures of the last two seconds come once more, to another queue: each slot shows the picture
        /// that it would have shown, wherever the due times have moved to before.
        #[test]
        fn another_queue_shows_the_same_pictures(
            phase_us in 0..33_000_i64,
            moves_us in prop::collection::vec(-40_000..40_000_i64, 0..3),
        ) {
            let fps = FrameRate::whole(30);
            let mut queue = queue(fps);
            let mut due_us = 100_000 + phase_us;
            let due = |n: u64, due_us: i64| {
                let time_ms = fps.time_of(n).as_millis() as u64;
                Duration::from_micros((time_ms * 1000).saturating_add_signed(due_us))
            };
            let (mut moves, mut next) = (moves_us.into_iter(), 0);
            let mut other = None;
            for slot in 0..240 {
                if slot % 30 == 29 && let Some(by_us) = moves.next() {
                    queue.shift(by_us * 1000);
                    due_us += by_us;
                }
                while due(next, due_us) < fps.time_of(slot + 3) {
                    queue.push(due(next, due_us), next);
                    if let Some(other) = &mut other {
                        PictureQueue::push(other, due(next, due_us), next);
                    }
                    next += 1;
                }
                if slot == 180 {
                    let mut begun = self::queue(fps);
                    begun.from = fps.time_of(slot);
                    begun.set_rounds_up(queue.rounds_up());
                    (next - 60..next).for_each(|n| begun.push(due(n, due_us), n));
                    other = Some(begun);
                }
                let at = fps.time_of(slot);
                let expected = queue.take(at);
                if let Some(other) = &mut other {
                    let found = other.take(at);
                    prop_assert_eq!(found, expected, "slot {}", slot);
                }
            }
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
