//! The pacer's thread, which runs the session's clock.
//!
//! It sends a picture to the output half for each slot of the canvas grid, and a block of 1024 sound
//! samples whenever one is due. It never waits for an input: without a new picture it repeats the
//! last one, then shows it dimmed under a note, with silence. When that is, the source's own pace
//! says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::catch_up::CatchUp;
use super::input::{Intake, Media};
use super::outbox::Outbox;
use super::output::{Cuts, Output, Slot};
use super::pacer::audio::BLOCK_VALUES;
use super::pacer::video::Taken;
use super::still::Stills;
use super::test_source::TestSource;
use crate::model::frame::Track;
use crate::model::ladder::Canvas;
use crate::model::ladder::lengths::aac_time;
use crate::model::passthrough::Obstacle;
use crate::wire::protocol::{FromWorker, Level, Mapping, RungStats, Stats};

/// What `GST_DEBUG=weir:6` shows: which picture each frame of the canvas got.
static FRAMES: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "weir",
        gst::DebugColorFlags::empty(),
        Some("frames of weir"),
    )
});
/// Interval of the statistics.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// How late the output may be before it drops pictures.
const BEHIND_MAX: Duration = Duration::from_millis(500);
/// How late the output may be before it stops. The daemon then replaces the worker.
const HOPELESS_AFTER: Duration = Duration::from_secs(5);
/// Interval at which the encoders are asked for room.
const ROOM_POLL: Duration = Duration::from_millis(3);
/// AAC frames by which an encoder's output is late under the timestamps of its input (libavcodec's
/// priming is 1024 samples). The encoder gets the sound that is due so much later.
const PRIMING_BLOCKS: u64 = 1;

/// The mapping of the input is told when its offset has changed by so much.
const MAPPED_STEP_NS: u64 = 2_000_000;

/// Where the pacer takes pictures and sound from.
pub enum Inputs {
    /// A publisher or a pull.
    Intake(Arc<Intake>),
    /// The built-in test signal.
    Test(Box<TestSource>),
}

/// Where a pacer begins.
#[derive(Debug)]
pub struct Beginning {
    /// Output time zero.
    pub start: Instant,
    /// The first canvas frame.
    pub frame: u64,
    /// The first AAC frame.
    pub block: u64,
    /// How it makes up for the time since then.
    pub catch_up: CatchUp,
    /// The picture that is shown before the input has one.
    pub picture: Option<gst::Buffer>,
}

/// What the pacer counts.
#[derive(Debug, Default)]
struct Strain {
    /// Pictures left out since the start, because the encoders were behind.
    dropped: AtomicU64,
    /// The same since the last look.
    left_out: AtomicU64,
    /// Pictures that were due since the last look, but for those of the past that were made up for.
    due: AtomicU64,
    /// The latest that one of them was, in milliseconds.
    late_ms: AtomicU64,
}

/// How the output kept up with the clock since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// Pictures that were due.
    pub due: u64,
    /// Those among them that were left out, because the encoders were behind.
    pub left_out: u64,
    /// The latest that one of them was.
    pub late: Duration,
}

impl Strain {
    fn take(&self) -> Timing {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Timing {
            due: take(&self.due),
            left_out: take(&self.left_out),
            late: Duration::from_millis(take(&self.late_ms)),
        }
    }

    fn paced(&self, late: Duration) {
        let ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        self.late_ms.fetch_max(ms, Ordering::Relaxed);
        self.due.fetch_add(1, Ordering::Relaxed);
    }

    fn left_out(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }
}

/// A running pacer.
#[derive(Debug)]
pub struct Engine {
    strain: Arc<Strain>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Output>,
}

impl Engine {
    /// Starts pacing.
    ///
    /// # Errors
    /// When the system cannot create a thread.
    pub fn start(
        output: Output,
        inputs: Inputs,
        canvas: Canvas,
        cuts: &Cuts,
        beginning: Beginning,
        outbox: Outbox,
    ) -> std::io::Result<Self> {
        let mut stills = Stills::new(canvas);
        if let Some(picture) = beginning.picture {
            stills.keep(picture, canvas.fps.time_of(beginning.frame));
        }
        let (stop, strain) = (Arc::new(AtomicBool::new(false)), Arc::<Strain>::default());
        let pacer = Pacer {
            stop: stop.clone(),
            inputs,
            canvas,
            cuts: cuts.clone(),
            start: beginning.start,
            catch_up: beginning.catch_up,
            stills,
            reported: Instant::now(),
            mapped: None,
            strain: strain.clone(),
            obstacle: None,
            outbox,
            output,
        };
        let thread = std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || pacer.run(beginning.frame, beginning.block))?;
        Ok(Self {
            strain,
            stop,
            thread,
        })
    }

    /// How the output kept up since the last call.
    pub fn timing(&self) -> Timing {
        self.strain.take()
    }

    /// Stops pacing, and flushes the output half.
    pub fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Ok(output) = self.thread.join() {
            output.finish();
        }
    }
}

struct Pacer {
    stop: Arc<AtomicBool>,
    inputs: Inputs,
    canvas: Canvas,
    cuts: Cuts,
    start: Instant,
    catch_up: CatchUp,
    stills: Stills,
    /// When statistics were last sent.
    reported: Instant,
    /// The mapping of the input that was told last.
    mapped: Option<Mapping>,
    strain: Arc<Strain>,
    /// What the daemon knows to be against passing the source through.
    obstacle: Option<Option<Obstacle>>,
    outbox: Outbox,
    output: Output,
}

impl Pacer {
    fn run(mut self, mut frame: u64, mut block: u64) -> Output {
        while !self.stop.load(Ordering::Relaxed) {
            let picture_due = self.canvas.fps.time_of(frame);
            let catches_up = self.catch_up.is_late(picture_due);
            if !catches_up && self.start.elapsed().saturating_sub(picture_due) > HOPELESS_AFTER {
                let message = "the output is 5 s behind its clock; another worker takes over";
                self.outbox.log(Level::Error, None, message);
                break;
            }
            // A block of sound is taken when its last sample is due.
            let sound_due = aac_time(block + 1 + PRIMING_BLOCKS);
            if picture_due <= sound_due {
                self.sleep_until(picture_due);
                self.picture(frame, picture_due);
                if !catches_up {
                    let late = self.start.elapsed().saturating_sub(picture_due);
                    self.strain.paced(late);
                }
                frame += 1;
            } else {
                self.sleep_until(sound_due);
                self.sound(block);
                block += 1;
            }
            self.report();
        }
        self.output
    }

    fn sleep_until(&self, due: Duration) {
        std::thread::sleep(due.saturating_sub(self.start.elapsed()));
    }

    fn picture(&mut self, frame: u64, slot: Duration) {
        let picture = match &mut self.inputs {
            Inputs::Test(test) => test.picture(frame, slot),
            Inputs::Intake(intake) => {
                let settled = |media: &Media| media.pictures.reaches(slot);
                self.catch_up.wait_for(intake, Track::Video, settled);
                let taken = intake.media().as_mut().map(|media| media.take(slot));
                let (taken, patience) = taken.unwrap_or((Taken::Repeat, Some(Duration::ZERO)));
                if let Taken::New(picture) = taken {
                    gst::log!(
                        FRAMES,
                        "frame {frame} at {slot:?} shows {:?}",
                        picture.pts()
                    );
                    // Pictures that were decoded late tell nothing of where frames are shown.
                    if patience.is_some()
                        && let Some(pts) = picture.pts()
                    {
                        let time_ns = i64::try_from(pts.nseconds()).unwrap_or(i64::MAX);
                        intake.passthrough.shown(time_ns, frame);
                    }
                    self.stills.keep(picture, slot);
                }
                self.stills.at(slot, patience.unwrap_or(Duration::MAX))
            }
        };
        // The encoders get a frame only when it is decided whether the next one begins a segment, so
        // that each part can be closed with its last frame.
        for cut in self.cuts.decide(frame.saturating_add(1)) {
            self.outbox.send(FromWorker::Cut(cut));
        }
        // Every rendition needs a frame in each part, so a picture that begins a part is never
        // dropped.
        if self.has_room(slot) || self.cuts.starts_part(frame) {
            self.output.picture(frame, picture);
        } else {
            self.strain.left_out();
        }
    }

    /// Waits for encoders that are behind, until the output is more than [`BEHIND_MAX`] late.
    fn has_room(&mut self, slot: Duration) -> bool {
        while !self.output.has_room() {
            if !self.catch_up.is_late(slot)
                && self.start.elapsed().saturating_sub(slot) > BEHIND_MAX
            {
                return false;
            }
            std::thread::sleep(ROOM_POLL);
        }
        true
    }

    fn sound(&mut self, block: u64) {
        let mut samples = [0i16; BLOCK_VALUES];
        let at = aac_time(block + PRIMING_BLOCKS);
        match &mut self.inputs {
            Inputs::Test(test) => test.sound(at, &mut samples),
            Inputs::Intake(intake) => {
                let settled = |media: &Media| media.samples.reaches(at);
                self.catch_up.wait_for(intake, Track::Audio, settled);
                if let Some(media) = intake.media().as_mut() {
                    media.samples.take(at, &mut samples);
                }
            }
        }
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.output
            .samples(block, gst::Buffer::from_mut_slice(bytes));
    }

    /// Sends statistics, once per [`STATS_EVERY`].
    fn report(&mut self) {
        self.map();
        let period = self.reported.elapsed();
        if period < STATS_EVERY {
            return;
        }
        self.reported = Instant::now();
        let rung = |slot: &Arc<Slot>| {
            let fps = self.canvas.fps.divided(slot.rendition().divisor).as_f64();
            RungStats {
                speed: (slot.take_count() as f64 / fps / period.as_secs_f64()) as f32,
                dropped: self.strain.dropped.load(Ordering::Relaxed),
            }
        };
        let video = self.output.slots().iter().map(rung).collect();
        let input = match &self.inputs {
            Inputs::Intake(intake) => intake.stats(),
            Inputs::Test(_) => None,
        };
        self.outbox.send(FromWorker::Stats(Stats { video, input }));
        if let Inputs::Intake(intake) = &self.inputs {
            let obstacle = intake.passthrough.obstacle();
            if self.obstacle.replace(obstacle) != Some(obstacle) {
                self.outbox.send(FromWorker::Passthrough(obstacle));
            }
        }
    }

    /// Tells how the input's times are mapped, when that has changed.
    fn map(&mut self) {
        let Inputs::Intake(intake) = &self.inputs else {
            return;
        };
        let Some(mapping) = intake.mapping() else {
            return;
        };
        let is_news = |told: Mapping| {
            told.rounds_up != mapping.rounds_up
                || told.offset_ns.abs_diff(mapping.offset_ns) >= MAPPED_STEP_NS
        };
        if self.mapped.is_none_or(is_news) {
            self.mapped = Some(mapping);
            self.outbox.send(FromWorker::Mapped(mapping));
        }
    }
}
