//! The pacer's thread: the session's clock at work.
//!
//! For each slot of the canvas grid it takes the picture that is due, for each 1024 samples the
//! sound that is due, and offers both to the output half. It never waits for an input: without
//! one it repeats the last picture, then shows it dimmed under a note, with silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::input::Intake;
use super::outbox::Outbox;
use super::output::Output;
use super::pacer::presence::{Presence, State};
use super::pacer::video::Taken;
use super::still::Stills;
use super::test_source::TestSource;
use crate::model::ladder::Canvas;
use crate::model::ladder::clock::{AAC_FRAME_SAMPLES, LadderClock, aac_time};
use crate::wire::protocol::{FromWorker, Level, RungStats, Stats};

/// How often statistics are sent.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// How late the output may become before pictures are left out.
const BEHIND_MAX: Duration = Duration::from_millis(500);
/// An output that late is not caught up with: the daemon sees it stand still and replaces the
/// worker.
const HOPELESS_AFTER: Duration = Duration::from_secs(5);
/// How often room is looked for.
const ROOM_POLL: Duration = Duration::from_millis(3);
/// An AAC encoder gives sound back this many frames late (its priming, 1024 samples with
/// libavcodec's) under the timestamps of what it took; so it takes what is due that much later.
const PRIMING_BLOCKS: u64 = 1;
/// Interleaved samples of one AAC frame.
const BLOCK: usize = 2 * AAC_FRAME_SAMPLES as usize;

/// Where pictures and sound come from.
pub enum Feed {
    /// An input half.
    Input(Arc<Intake>),
    /// The built-in test signal.
    Test(Box<TestSource>),
}

/// A running pacer.
#[derive(Debug)]
pub struct Engine {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Output>>,
}

impl Engine {
    /// Starts pacing at `start`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        output: Output,
        feed: Feed,
        canvas: Canvas,
        clock: &LadderClock,
        start: Instant,
        outbox: Outbox,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let pacer = Pacer {
            stop: stop.clone(),
            feed,
            canvas,
            cuts: clock.clone(),
            start,
            stills: Stills::new(canvas),
            presence: Presence::default(),
            report: Report::new(&output, start),
            outbox,
            output,
        };
        let thread = std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || pacer.run())?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Stops pacing, and flushes the output half.
    pub fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(output) = self.thread.take().and_then(|thread| thread.join().ok()) {
            output.finish();
        }
    }
}

struct Pacer {
    stop: Arc<AtomicBool>,
    feed: Feed,
    canvas: Canvas,
    cuts: LadderClock,
    start: Instant,
    stills: Stills,
    presence: Presence,
    report: Report,
    outbox: Outbox,
    output: Output,
}

impl Pacer {
    fn run(mut self) -> Output {
        let (mut frame, mut block) = (0u64, 0u64);
        while !self.stop.load(Ordering::Relaxed) {
            let picture_due = self.canvas.fps.time_of(frame);
            if self.start.elapsed().saturating_sub(picture_due) > HOPELESS_AFTER {
                let message = "the output is 5 s behind its clock; another worker will go on";
                self.outbox.log(Level::Error, None, message);
                break;
            }
            // A block of sound is taken when its last sample is due.
            let sound_due = aac_time(block + 1 + PRIMING_BLOCKS);
            if picture_due <= sound_due {
                self.sleep_until(picture_due);
                self.picture(frame, picture_due);
                frame += 1;
            } else {
                self.sleep_until(sound_due);
                self.sound(block);
                block += 1;
            }
            if let Some(stats) = self.report.due(&self.output, &self.feed) {
                self.outbox.send(FromWorker::Stats(stats));
            }
        }
        self.output
    }

    fn sleep_until(&self, due: Duration) {
        let wait = due.saturating_sub(self.start.elapsed());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    fn picture(&mut self, frame: u64, slot: Duration) {
        let picture = match &mut self.feed {
            Feed::Test(test) => test.picture(frame, slot),
            Feed::Input(intake) => {
                let taken = intake
                    .media()
                    .as_mut()
                    .map(|media| media.pictures.take(slot));
                if let Some(Taken::New(picture)) = taken {
                    self.presence.seen(slot);
                    self.stills.keep(picture);
                }
                match self.presence.state(slot) {
                    State::Live => self.stills.last(),
                    State::Reconnecting => self.stills.reconnecting(),
                    State::Waiting => self.stills.waiting(),
                }
            }
        };
        if self.has_room(slot) || self.cuts.locate(frame).starts_part {
            self.output.picture(frame, picture);
        } else {
            self.report.dropped += 1;
        }
    }

    /// Waits for encoders that are behind, as after a busy moment of the machine, as long as the
    /// output is no more than [`BEHIND_MAX`] late. After that pictures are left out, but never the
    /// one that begins a part: a part must have a frame in every rendition.
    fn has_room(&self, slot: Duration) -> bool {
        while !self.output.has_room() {
            if self.start.elapsed().saturating_sub(slot) > BEHIND_MAX {
                return false;
            }
            std::thread::sleep(ROOM_POLL);
        }
        true
    }

    fn sound(&mut self, block: u64) {
        let mut samples = [0i16; BLOCK];
        let at = aac_time(block + PRIMING_BLOCKS);
        match &mut self.feed {
            Feed::Test(test) => test.sound(at, &mut samples),
            Feed::Input(intake) => {
                if let Some(media) = intake.media().as_mut() {
                    media.samples.take(at, &mut samples);
                }
            }
        }
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.output
            .samples(block, gst::Buffer::from_mut_slice(bytes));
    }
}

/// Collects what is reported every second.
struct Report {
    start: Instant,
    next: Duration,
    last: Duration,
    dropped: u64,
    rates: Vec<f64>,
}

impl Report {
    fn new(output: &Output, start: Instant) -> Self {
        Self {
            start,
            next: STATS_EVERY,
            last: Duration::ZERO,
            dropped: 0,
            rates: output.rates().to_vec(),
        }
    }

    fn due(&mut self, output: &Output, feed: &Feed) -> Option<Stats> {
        let now = self.start.elapsed();
        if now < self.next {
            return None;
        }
        let period = (now - self.last).as_secs_f64().max(0.001);
        self.last = now;
        self.next = now + STATS_EVERY;
        let video = output.counters().iter().zip(&self.rates);
        let video = video
            .map(|(counter, fps)| RungStats {
                speed: (counter.take() as f64 / fps / period) as f32,
                dropped: self.dropped,
            })
            .collect();
        Some(Stats {
            position: output.position(),
            video,
            input: match feed {
                Feed::Input(intake) => intake.stats(),
                Feed::Test(_) => None,
            },
        })
    }
}
