//! Queue of decoded sound between an input and the output's blocks.

use std::collections::VecDeque;
use std::time::Duration;

use super::{MS_NS, SECOND_NS, nanos};
use crate::model::ladder::lengths::{AAC_FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Stereo samples in one output block: one AAC frame.
pub const BLOCK_FRAMES: usize = AAC_FRAME_SAMPLES as usize;
/// Interleaved values in one output block.
pub const BLOCK_VALUES: usize = 2 * BLOCK_FRAMES;

/// One sample of left and right.
type Stereo = [i16; 2];

/// Most samples that wait, 8 s: the timeline allows 5 s between tracks and 2 s of jitter.
const QUEUED_MAX: usize = 8 * SAMPLE_RATE_HZ as usize;
/// Sound before the first block that is kept: it settles when the run is due.
const LEAD_NS: i64 = SECOND_NS / 2;
/// Most runs (pieces of continuous sound) that wait.
const RUNS_MAX: usize = 32;
/// Length of a fade: 5 ms.
const FADE_FRAMES: usize = SAMPLE_RATE_HZ as usize / 200;
/// Sound that is off by more than this is stretched: with the 17 ms by which the grid moves pictures at 30
/// fps, picture and sound are less apart than viewers notice, 40 ms...
const STRETCH_FROM_NS: i64 = 15 * MS_NS;
/// ...until it is off by less than this.
const STRETCH_UNTIL_NS: i64 = 2 * MS_NS;
/// Sound that is off by more than this jumps.
const JUMP_NS: i64 = 150 * MS_NS;
/// The same where the timeline has moved the sound. The grid moves pictures by up to 20 ms, and
/// viewers notice 40 ms.
const MOVED_JUMP_NS: i64 = 10 * MS_NS;
/// By how many samples one block is stretched or compressed: 1 %.
const STRETCH_FRAMES: usize = BLOCK_FRAMES / 100;
/// A block that is due at another time than its run continues moves the run's due time by this
/// fraction of the difference: due times jitter.
const SMOOTHING: i64 = 16;

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Times that sound began, fell silent or jumped.
    pub splices: u64,
    /// Blocks that were stretched or compressed.
    pub stretched_blocks: u64,
}

/// Stereo sound at 48 kHz in the order of its arrival. When eight seconds wait, the oldest sound is
/// dropped.
///
/// Samples of one run play one after another, however their due times jitter. Sound that is more
/// than 15 ms early or late is stretched or compressed by 1 % until it is on time; beyond 150 ms it
/// jumps. It also jumps where the timeline has moved it, for the picture jumps then too. Where sound
/// begins, ends or jumps, a mirror image of the last 5 ms fades out over what follows, so that
/// nothing clicks.
#[derive(Debug, Default)]
pub struct SampleQueue {
    runs: VecDeque<Run>,
    playing: bool,
    stretching: bool,
    /// The timeline has moved what waits since the last block.
    shifted: bool,
    /// When the first block begins.
    from_ns: i64,
    splicer: Splicer,
    counters: Counters,
}

/// Continuous sound.
#[derive(Debug)]
struct Run {
    /// When the first sample is due.
    head_due_ns: i64,
    samples: VecDeque<Stereo>,
}

impl Run {
    fn end_due_ns(&self) -> i64 {
        self.head_due_ns
            .saturating_add(frames_ns(self.samples.len()))
    }

    fn skip(&mut self, frames: usize) {
        let frames = frames.min(self.samples.len());
        self.samples.drain(..frames);
        self.head_due_ns = self.head_due_ns.saturating_add(frames_ns(frames));
    }
}

impl SampleQueue {
    /// A queue for an output whose first block begins at `from`.
    pub fn new(from: Duration) -> Self {
        Self {
            from_ns: nanos(from),
            ..Self::default()
        }
    }

    /// Whether it is settled what the block from output time `at` on contains.
    pub fn reaches(&self, at: Duration) -> bool {
        let end_ns = nanos(at).saturating_add(frames_ns(BLOCK_FRAMES));
        self.runs
            .back()
            .is_some_and(|run| run.end_due_ns() >= end_ns)
    }

    /// Whether further sound should wait.
    pub fn is_full(&self) -> bool {
        let queued: usize = self.runs.iter().map(|run| run.samples.len()).sum();
        queued >= QUEUED_MAX * 3 / 4
    }

    /// Queues interleaved values, left first, that are due from `due` on.
    pub fn push(&mut self, due: Duration, values: &[i16]) {
        let due_ns = nanos(due);
        let end_ns = due_ns.saturating_add(frames_ns(values.len() / 2));
        if end_ns < self.from_ns.saturating_sub(LEAD_NS) {
            return;
        }
        let samples = values.as_chunks().0.iter().copied();
        match self.runs.back_mut() {
            Some(run) if due_ns.saturating_sub(run.end_due_ns()).saturating_abs() <= JUMP_NS => {
                let off = due_ns.saturating_sub(run.end_due_ns());
                run.head_due_ns = run.head_due_ns.saturating_add(off / SMOOTHING);
                run.samples.extend(samples);
            }
            _ => self.runs.push_back(Run {
                head_due_ns: due_ns,
                samples: samples.collect(),
            }),
        }
        self.bound();
    }

    /// Moves the due times of the sound that waits, as the timeline says.
    pub fn shift(&mut self, by_ns: i64) {
        for run in &mut self.runs {
            run.head_due_ns = run.head_due_ns.saturating_add(by_ns);
        }
        self.shifted |= by_ns != 0;
    }

    /// Fills `out` with the sound from output time `at` on.
    ///
    /// To be called once per block, when the output's clock has passed the block's end: everything
    /// that is due in the block has arrived by then.
    pub fn take(&mut self, at: Duration, out: &mut [i16; BLOCK_VALUES]) {
        let at_ns = nanos(at);
        let mut block: Vec<Stereo> = Vec::with_capacity(BLOCK_FRAMES);
        while block.len() < BLOCK_FRAMES {
            let time_ns = at_ns.saturating_add(frames_ns(block.len()));
            self.leave_superseded(time_ns, &block);
            if self.playing {
                self.play(time_ns, &mut block);
            } else {
                self.begin(time_ns, &mut block);
            }
        }
        self.splicer.end_block(&block);
        for (values, sample) in out.chunks_exact_mut(2).zip(block) {
            values.copy_from_slice(&sample);
        }
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn bound(&mut self) {
        while self.runs.len() > RUNS_MAX {
            self.runs.pop_front();
        }
        let queued: usize = self.runs.iter().map(|run| run.samples.len()).sum();
        let mut excess = queued.saturating_sub(QUEUED_MAX);
        while let Some(run) = self.runs.front_mut().filter(|_| excess > 0) {
            let dropped = excess.min(run.samples.len());
            run.skip(dropped);
            excess -= dropped;
            if run.samples.is_empty() && self.runs.len() > 1 {
                self.runs.pop_front();
            }
        }
    }

    /// Drops the front run when the next one is due already, or due before the front one: the
    /// timeline has jumped.
    fn leave_superseded(&mut self, time_ns: i64, block: &[Stereo]) {
        while let (Some(front), Some(next)) = (self.runs.front(), self.runs.get(1))
            && (next.head_due_ns <= time_ns || next.head_due_ns <= front.head_due_ns)
        {
            self.runs.pop_front();
            self.interrupt(block);
        }
        if self.runs.is_empty() {
            self.interrupt(block);
        }
    }

    /// Stops playing: what follows does not continue the sound of `block`.
    fn interrupt(&mut self, block: &[Stereo]) {
        if self.playing {
            self.playing = false;
            self.stretching = false;
            self.counters.splices += 1;
            self.splicer.start(block);
        }
    }

    /// Fills `block` with silence until the front run is due. Skips samples that are overdue.
    fn begin(&mut self, time_ns: i64, block: &mut Vec<Stereo>) {
        let rest = BLOCK_FRAMES.saturating_sub(block.len());
        let wait = match self.runs.front_mut() {
            Some(run) => {
                let early = frames_in(run.head_due_ns.saturating_sub(time_ns));
                run.skip(frames_in(time_ns.saturating_sub(run.head_due_ns)));
                if run.samples.is_empty() { rest } else { early }
            }
            None => rest,
        };
        if wait >= rest {
            self.drop_spent();
        }
        let wait = wait.min(rest);
        for _ in 0..wait {
            block.push(self.splicer.mix([0, 0]));
        }
        if wait < rest {
            self.playing = true;
            self.counters.splices += 1;
            self.splicer.start(block);
        }
    }

    fn drop_spent(&mut self) {
        if self.runs.front().is_some_and(|run| run.samples.is_empty()) {
            self.runs.pop_front();
        }
    }

    /// Plays the front run until the block or the run ends.
    fn play(&mut self, time_ns: i64, block: &mut Vec<Stereo>) {
        let Some(run) = self.runs.front_mut() else {
            return self.interrupt(block);
        };
        let late_ns = time_ns.saturating_sub(run.head_due_ns);
        // A picture follows the timeline at once. Sound that were stretched to its new time would
        // be apart from the picture for seconds.
        let jump_ns = if std::mem::take(&mut self.shifted) {
            MOVED_JUMP_NS
        } else {
            JUMP_NS
        };
        if run.samples.is_empty() || late_ns.saturating_abs() > jump_ns {
            self.drop_spent();
            return self.interrupt(block);
        }
        let rest = BLOCK_FRAMES.saturating_sub(block.len());
        self.stretching = late_ns.saturating_abs()
            > if self.stretching {
                STRETCH_UNTIL_NS
            } else {
                STRETCH_FROM_NS
            };
        let wanted = match (self.stretching && rest == BLOCK_FRAMES, late_ns > 0) {
            (false, _) => rest,
            (true, true) => BLOCK_FRAMES + STRETCH_FRAMES,
            (true, false) => BLOCK_FRAMES - STRETCH_FRAMES,
        };
        if wanted != rest && run.samples.len() >= wanted {
            self.counters.stretched_blocks += 1;
            stretch(&run.samples, wanted, |s| block.push(self.splicer.mix(s)));
            run.skip(wanted);
        } else {
            let frames = rest.min(run.samples.len());
            let samples = run.samples.iter().take(frames);
            block.extend(samples.map(|s| self.splicer.mix(*s)));
            run.skip(frames);
        }
    }
}

/// Resamples the first `from` samples to one block by linear interpolation. Output sample i is at
/// i * `from` / block, so that the next block continues exactly at sample `from`.
fn stretch(samples: &VecDeque<Stereo>, from: usize, mut emit: impl FnMut(Stereo)) {
    for i in 0..BLOCK_FRAMES {
        let (index, fraction) = (i * from / BLOCK_FRAMES, i * from % BLOCK_FRAMES);
        let here = samples.get(index).copied().unwrap_or_default();
        let next = samples.get(index + 1).copied().unwrap_or(here);
        emit(between(here, next, fraction, BLOCK_FRAMES));
    }
}

/// Linear interpolation: `a` where `fraction` is 0, `b` where it is `unit`.
fn between([al, ar]: Stereo, [bl, br]: Stereo, fraction: usize, unit: usize) -> Stereo {
    let (fraction, unit) = (fraction as i64, unit as i64);
    let mix = |a: i16, b: i16| {
        let mixed = (i64::from(a) * (unit - fraction) + i64::from(b) * fraction) / unit;
        i16::try_from(mixed).unwrap_or(0)
    };
    [mix(al, bl), mix(ar, br)]
}

/// Hides breaks in the sound: the last samples continue backwards and fade out, while what follows
/// fades in.
#[derive(Debug, Default)]
struct Splicer {
    /// The last samples of the block before, at most one fade.
    heard: VecDeque<Stereo>,
    /// Samples that fade out, in the order of play.
    fading: VecDeque<Stereo>,
}

impl Splicer {
    /// Begins a fade: the next output sample will not continue `block`.
    fn start(&mut self, block: &[Stereo]) {
        let backwards = block.iter().rev().chain(self.heard.iter().rev());
        self.fading = backwards.take(FADE_FRAMES).copied().collect();
    }

    fn mix(&mut self, sample: Stereo) -> Stereo {
        let left = self.fading.len();
        match self.fading.pop_front() {
            Some(old) => between(sample, old, left, FADE_FRAMES),
            None => sample,
        }
    }

    fn end_block(&mut self, block: &[Stereo]) {
        let skip = block.len().saturating_sub(FADE_FRAMES);
        self.heard.clear();
        self.heard.extend(block.iter().skip(skip));
    }
}

fn frames_ns(frames: usize) -> i64 {
    let frames = i64::try_from(frames).unwrap_or(i64::MAX);
    frames.saturating_mul(SECOND_NS) / SAMPLE_RATE_HZ as i64
}

/// Samples in a time, rounded to the nearest; zero when it is negative.
fn frames_in(time_ns: i64) -> usize {
    let rate = i128::from(SAMPLE_RATE_HZ);
    let frames = (i128::from(time_ns.max(0)) * rate + 500_000_000) / 1_000_000_000;
    usize::try_from(frames).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part of a continuous tone of 440 Hz. Its channels differ.
    fn tone(from: usize, frames: usize) -> Vec<i16> {
        (from..from + frames)
            .flat_map(|n| {
                let angle = n as f64 * 2.0 * std::f64::consts::PI * 440.0 / 48_000.0;
                let value = (angle.sin() * 12_000.0) as i16;
                [value, value / 2]
            })
            .collect()
    }

    fn at(block: usize) -> Duration {
        Duration::from_nanos(frames_ns(block * BLOCK_FRAMES) as u64)
    }

    fn take(queue: &mut SampleQueue, block: usize) -> Vec<i16> {
        let mut out = [7; BLOCK_VALUES];
        queue.take(at(block), &mut out);
        out.to_vec()
    }

    /// Largest step between neighbouring left samples.
    fn steepest(values: &[i16]) -> i32 {
        let left: Vec<i32> = values.iter().step_by(2).map(|v| i32::from(*v)).collect();
        left.windows(2).map(|w| (w[1] - w[0]).abs()).max().unwrap()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn continuous_sound_passes_bit_for_bit() {
        let mut queue = SampleQueue::default();
        let mut heard = Vec::new();
        for block in 0..200 {
            // Due times are rounded to milliseconds and jitter by up to 30 ms.
            let jitter = (block * 7919 % 31) as u32;
            let due = Duration::from_millis(at(block).as_millis() as u64) + 1000 * MS + jitter * MS;
            queue.push(due, &tone(block * BLOCK_FRAMES, BLOCK_FRAMES));
            if block >= 3 {
                heard.extend(take(&mut queue, block - 3 + 47));
            }
        }
        let expected = tone(0, 200 * BLOCK_FRAMES);
        let fade_end = heard.iter().position(|v| *v != 0).unwrap() + 2 * FADE_FRAMES + 2;
        let window = &heard[fade_end..fade_end + 2000];
        let from = expected.windows(2000).position(|w| w == window).unwrap();
        assert_eq!(
            heard[fade_end..],
            expected[from..from + heard.len() - fade_end]
        );
        assert_eq!(queue.counters().splices, 1);
        assert_eq!(queue.counters().stretched_blocks, 0);
    }

    #[test]
    fn sound_begins_when_it_is_due() {
        let mut queue = SampleQueue::default();
        queue.push(Duration::from_nanos(frames_ns(300) as u64), &[1000; 2000]);
        let out = take(&mut queue, 0);
        assert!(out[..600].iter().all(|v| *v == 0));
        assert!(out[600] < 20 && out[700] > 100, "it fades in");
        assert_eq!(
            out[600 + 2 * FADE_FRAMES..],
            [1000; 2048][600 + 2 * FADE_FRAMES..]
        );
        // Overdue samples are left out.
        let mut queue = SampleQueue::default();
        queue.push(Duration::ZERO, &tone(0, 4096));
        let out = take(&mut queue, 1);
        assert_eq!(out[2 * FADE_FRAMES..], tone(1024, 1024)[2 * FADE_FRAMES..]);
    }

    #[test]
    fn a_gap_is_silent_and_does_not_click() {
        let mut queue = SampleQueue::default();
        queue.push(Duration::ZERO, &tone(0, 3000));
        queue.push(400 * MS, &tone(77, 8000));
        let heard: Vec<i16> = (0..24).flat_map(|block| take(&mut queue, block)).collect();
        assert!(steepest(&heard) <= 1600, "{}", steepest(&heard));
        let gap = &heard[2 * (3000 + FADE_FRAMES)..2 * 19_200];
        assert!(gap.iter().all(|v| *v == 0));
        assert_eq!(heard[2 * 20_000..2 * 21_000], tone(77 + 800, 1000));
        assert_eq!(queue.counters().splices, 3);
    }

    #[test]
    fn a_small_offset_is_stretched_away() {
        for shift_ms in [-60_i64, -25, 25, 60] {
            let mut queue = SampleQueue::default();
            let mut heard = Vec::new();
            for block in 0..700 {
                let shift = if block < 20 { 0 } else { shift_ms };
                let due = at(block) + Duration::from_millis((1000 + shift) as u64);
                queue.push(due, &tone(block * BLOCK_FRAMES, BLOCK_FRAMES));
                if block >= 8 {
                    heard.extend(take(&mut queue, block - 8 + 47));
                }
            }
            let run = &queue.runs[0];
            let off = nanos(at(700 - 8 + 47)) - run.head_due_ns;
            assert!(off.abs() <= STRETCH_UNTIL_NS + MS_NS, "{shift_ms}: {off}");
            assert!(queue.counters().stretched_blocks > 50);
            assert_eq!(queue.counters().splices, 1, "{shift_ms}");
            // A tone of 440 Hz rises by at most 691 per sample, 1 % more when compressed.
            assert!(steepest(&heard) <= 720, "{}", steepest(&heard));
        }
    }

    #[test]
    fn a_large_offset_is_jumped_over_without_a_click() {
        for shift_ms in [-600_i64, 600] {
            let mut queue = SampleQueue::default();
            let mut heard = Vec::new();
            for block in 0..200 {
                let shift = if block < 80 { 0 } else { shift_ms };
                let due = at(block) + Duration::from_millis((1000 + shift) as u64);
                queue.push(due, &tone(block * BLOCK_FRAMES, BLOCK_FRAMES));
                if block >= 40 {
                    heard.extend(take(&mut queue, block - 40 + 47));
                }
            }
            let run = &queue.runs[0];
            let off = nanos(at(200 - 40 + 47)) - run.head_due_ns;
            assert!(off.abs() <= MS_NS, "{shift_ms}: {off}");
            assert!(steepest(&heard) <= 1600, "{}", steepest(&heard));
        }
    }

    #[test]
    fn eight_seconds_wait_at_most() {
        let mut queue = SampleQueue::default();
        for block in 0..1000 {
            queue.push(at(block), &tone(block * BLOCK_FRAMES, BLOCK_FRAMES));
        }
        queue.push(at(1000), &vec![0; 4 * QUEUED_MAX]);
        assert!(
            queue
                .runs
                .iter()
                .map(|run| run.samples.len())
                .sum::<usize>()
                <= QUEUED_MAX
        );
        for n in 0..1000 {
            queue.push(n * 1000 * MS, &[1, 1]);
        }
        assert!(queue.runs.len() <= RUNS_MAX);
    }

    #[test]
    fn an_empty_queue_is_silent() {
        let mut queue = SampleQueue::default();
        assert_eq!(take(&mut queue, 0), [0; BLOCK_VALUES]);
        queue.push(at(1), &[]);
        assert_eq!(take(&mut queue, 1), [0; BLOCK_VALUES]);
        assert_eq!(queue.counters().splices, 0);
    }
}
