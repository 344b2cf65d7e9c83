//! Decoded sound between an input and the output's blocks.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::ladder::clock::{AAC_FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Stereo samples in one output block: one AAC frame.
pub const BLOCK_FRAMES: usize = AAC_FRAME_SAMPLES as usize;
/// Interleaved values in one output block.
pub const BLOCK_VALUES: usize = 2 * BLOCK_FRAMES;

/// One sample of left and right.
type Stereo = [i16; 2];

/// Eight seconds of sound wait at most: tracks may be five apart, and two more hide jitter.
const QUEUED_MAX: usize = 8 * SAMPLE_RATE_HZ as usize;
/// Unconnected pieces of sound that wait at most.
const RUNS_MAX: usize = 32;
/// Fades last 5 ms.
const FADE_FRAMES: usize = SAMPLE_RATE_HZ as usize / 200;
/// Off by more than this, sound is stretched...
const STRETCH_FROM_NS: i64 = 20 * MS_NS;
/// ...until it is off by less than this.
const STRETCH_UNTIL_NS: i64 = 2 * MS_NS;
/// Off by more than this, it jumps.
const JUMP_NS: i64 = 150 * MS_NS;
/// Samples a block may be stretched by: 1 %.
const STRETCH_FRAMES: usize = BLOCK_FRAMES / 100;
/// Each block moves the run's idea of when it is due by this fraction of the difference.
const SMOOTHING: i64 = 16;

const MS_NS: i64 = 1_000_000;

/// What was done to the sound, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Times it fell silent, began again or jumped.
    pub splices: u64,
    /// Blocks stretched by up to 1 %.
    pub stretched_blocks: u64,
    /// Stereo samples of silence put in.
    pub silence_frames: u64,
    /// Stereo samples left out because the queue was full.
    pub overflowed_frames: u64,
}

/// Sound at 48 kHz, stereo, interleaved, in the order of its arrival. When eight seconds wait
/// the oldest go.
///
/// Connected sound passes sample after sample, however its due times jitter. When it is more
/// than 20 ms from where it ought to be, it is stretched by up to 1 % until it is there again;
/// beyond 150 ms it jumps. Where sound ends, begins or jumps, a mirror image of the last 5 ms
/// fades out into what follows.
#[derive(Debug, Default)]
pub struct SampleQueue {
    runs: VecDeque<Run>,
    playing: bool,
    stretching: bool,
    splicer: Splicer,
    counters: Counters,
}

/// Connected sound.
#[derive(Debug)]
struct Run {
    /// When its next sample is due.
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
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sound that is to be heard from `due` on: interleaved values, left first.
    pub fn push(&mut self, due: Duration, values: &[i16]) {
        let due_ns = nanos(due);
        let samples = values.chunks_exact(2).map(|pair| match pair {
            [left, right] => [*left, *right],
            _ => [0, 0],
        });
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

    /// Fills `out` with what is to be heard from output time `at` on.
    ///
    /// To be called once for each block, when the output clock has passed its end: what is due
    /// within it has then arrived.
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

    /// What was done to the sound so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn bound(&mut self) {
        while self.runs.len() > RUNS_MAX {
            let dropped = self.runs.pop_front().map_or(0, |run| run.samples.len());
            self.counters.overflowed_frames += dropped as u64;
        }
        let queued: usize = self.runs.iter().map(|run| run.samples.len()).sum();
        let mut excess = queued.saturating_sub(QUEUED_MAX);
        self.counters.overflowed_frames += excess as u64;
        while let Some(run) = self.runs.front_mut().filter(|_| excess > 0) {
            let dropped = excess.min(run.samples.len());
            run.skip(dropped);
            excess -= dropped;
            if run.samples.is_empty() && self.runs.len() > 1 {
                self.runs.pop_front();
            }
        }
    }

    /// A later run that is due already, or before the front one, takes its place: the timeline
    /// has jumped.
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

    /// From now on something else is heard than what would have followed.
    fn interrupt(&mut self, block: &[Stereo]) {
        if self.playing {
            self.playing = false;
            self.stretching = false;
            self.counters.splices += 1;
            self.splicer.start(block);
        }
    }

    /// Silence until the front run is due; then it begins on time, less what comes too late.
    fn begin(&mut self, time_ns: i64, block: &mut Vec<Stereo>) {
        let rest = BLOCK_FRAMES - block.len().min(BLOCK_FRAMES);
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
        self.counters.silence_frames += wait as u64;
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

    /// Plays the front run to the end of the block, or to its own end.
    fn play(&mut self, time_ns: i64, block: &mut Vec<Stereo>) {
        let Some(run) = self.runs.front_mut() else {
            return self.interrupt(block);
        };
        let late_ns = time_ns.saturating_sub(run.head_due_ns);
        if run.samples.is_empty() || late_ns.saturating_abs() > JUMP_NS {
            self.drop_spent();
            return self.interrupt(block);
        }
        let rest = BLOCK_FRAMES - block.len().min(BLOCK_FRAMES);
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
            block.extend(
                run.samples
                    .iter()
                    .take(frames)
                    .map(|s| self.splicer.mix(*s)),
            );
            run.skip(frames);
        }
    }
}

/// The first `from` samples as one block, by linear interpolation. Output sample i lies at
/// i * from / block, so that the next block goes on at sample `from` exactly.
fn stretch(samples: &VecDeque<Stereo>, from: usize, mut emit: impl FnMut(Stereo)) {
    let unit = BLOCK_FRAMES;
    for i in 0..BLOCK_FRAMES {
        let (index, fraction) = (i * from / unit, i * from % unit);
        let here = samples.get(index).copied().unwrap_or_default();
        let next = samples.get(index + 1).copied().unwrap_or(here);
        emit(between(here, next, fraction, unit));
    }
}

/// `a` at 0, `b` at `unit`.
fn between(a: Stereo, b: Stereo, fraction: usize, unit: usize) -> Stereo {
    let (fraction, unit) = (fraction as i64, unit as i64);
    let mix = |a: i16, b: i16| {
        let mixed = (i64::from(a) * (unit - fraction) + i64::from(b) * fraction) / unit;
        i16::try_from(mixed).unwrap_or(0)
    };
    let ([al, ar], [bl, br]) = (a, b);
    [mix(al, bl), mix(ar, br)]
}

/// Hides that sound breaks off: what was heard last goes on backwards and fades out, while what
/// follows fades in.
#[derive(Debug, Default)]
struct Splicer {
    /// The end of the output before the current block, not more than a fade long.
    heard: VecDeque<Stereo>,
    /// What fades out, next sample first.
    fading: VecDeque<Stereo>,
}

impl Splicer {
    /// The next output sample will not follow on the last one of `block`.
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
    frames.saturating_mul(1_000_000_000) / SAMPLE_RATE_HZ as i64
}

/// Whole samples in a time, to the nearest; none in a negative one.
fn frames_in(time_ns: i64) -> usize {
    let rate = i128::from(SAMPLE_RATE_HZ);
    let frames = (i128::from(time_ns.max(0)) * rate + 500_000_000) / 1_000_000_000;
    usize::try_from(frames).unwrap_or(usize::MAX)
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone whose samples tell where they are from: phase-exact and never quite silent.
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
    fn connected_sound_passes_bit_for_bit() {
        let mut queue = SampleQueue::new();
        let mut heard = Vec::new();
        for block in 0..200 {
            // Due times are rounded to milliseconds and tremble by up to 15.
            let tremble = (block * 7919 % 31) as u32;
            let due =
                Duration::from_millis(at(block).as_millis() as u64) + 1000 * MS + tremble * MS;
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
        let mut queue = SampleQueue::new();
        queue.push(Duration::from_nanos(frames_ns(300) as u64), &[1000; 2000]);
        let out = take(&mut queue, 0);
        assert!(out[..600].iter().all(|v| *v == 0));
        assert!(out[600] < 20 && out[700] > 100, "it fades in");
        assert_eq!(
            out[600 + 2 * FADE_FRAMES..],
            [1000; 2048][600 + 2 * FADE_FRAMES..]
        );
        // What comes too late is left out.
        let mut queue = SampleQueue::new();
        queue.push(Duration::ZERO, &tone(0, 4096));
        let out = take(&mut queue, 1);
        assert_eq!(out[2 * FADE_FRAMES..], tone(1024, 1024)[2 * FADE_FRAMES..]);
    }

    #[test]
    fn a_gap_is_silent_and_does_not_click() {
        let mut queue = SampleQueue::new();
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
            let mut queue = SampleQueue::new();
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
            // A tone of 440 Hz rises by at most 691 a sample, 1 % more when compressed.
            assert!(steepest(&heard) <= 720, "{}", steepest(&heard));
        }
    }

    #[test]
    fn a_large_offset_is_jumped_over_without_a_click() {
        for shift_ms in [-600_i64, 600] {
            let mut queue = SampleQueue::new();
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
        let mut queue = SampleQueue::new();
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
        assert!(queue.counters().overflowed_frames > 0);
    }

    #[test]
    fn an_empty_queue_is_silent() {
        let mut queue = SampleQueue::new();
        assert_eq!(take(&mut queue, 0), [0; BLOCK_VALUES]);
        queue.push(at(1), &[]);
        assert_eq!(take(&mut queue, 1), [0; BLOCK_VALUES]);
        assert_eq!(queue.counters().splices, 0);
    }
}
