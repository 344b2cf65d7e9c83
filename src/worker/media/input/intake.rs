//! Where decoded media waits until the pacer takes it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::feeding::Meter;
use crate::model::frame::{EncodedFrame, Track};
use crate::model::ladder::{Canvas, SourceFormat};
use crate::wire::protocol::{InputStats, Mapping};
use crate::worker::media::events::{Event, Events};
use crate::worker::media::pacer::audio::SampleQueue;
use crate::worker::media::pacer::pace::Pace;
use crate::worker::media::pacer::timeline::Timeline;
use crate::worker::media::pacer::video::{PictureQueue, Taken};
use crate::worker::media::passthrough::Passthrough;

/// How long a decoder waits for the output half to be built around its first picture.
const CANVAS_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long after a rest a decoder has made up for it.
const DECODED_AFTER_MAX: Duration = Duration::from_secs(3);
/// How long decoded media waits at most for room in its queue while the output makes up for lost time.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(5);
/// Interval at which a queue is asked for room.
const ROOM_POLL: Duration = Duration::from_millis(3);

/// Where the output takes up the input.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// When the output's time began.
    pub start: Instant,
    /// Output time of the first picture.
    pub from: Duration,
    /// How the times of the first input's media become output times, where another worker has found it
    /// out.
    pub mapping: Option<Mapping>,
    /// Up to this output time, the output may make up for lost time.
    pub late_until: Duration,
}

/// The queues between the input half and the pacer.
#[derive(Debug)]
pub struct Media {
    /// Converts the publisher's times to output times.
    pub timeline: Timeline,
    /// Pictures, of the canvas's size.
    pub pictures: PictureQueue<gst::Buffer>,
    /// Sound, as stereo samples at 48 kHz.
    pub samples: SampleQueue,
    /// How often a new picture may be expected.
    pub pace: Pace,
}

impl Media {
    /// The picture of the slot at `slot`, and how long one may stand still: without end (`None`) while
    /// the decoder rests, or makes up for it.
    pub fn take(&mut self, slot: Duration) -> (Taken<gst::Buffer>, Option<Duration>) {
        let rested = self.timeline.excuses_pictures(slot);
        self.pictures.set_counts(!rested);
        let patience = self.pace.patience(slot);
        (self.pictures.take(slot), (!rested).then_some(patience))
    }
}

#[derive(Debug, Default)]
struct State {
    canvas: Option<Canvas>,
    /// Number of the input whose media is accepted; an older input may still be stopping.
    current: u64,
    /// How the output began.
    opening: Option<Opening>,
    /// When the last picture, and the last sound, was decoded.
    pictured: Option<Instant>,
    sounded: Option<Instant>,
    /// Number of the last input that was reported as flowing.
    announced: u64,
}

/// The queues and their state, shared by the input's threads and the pacer's.
#[derive(Debug)]
pub struct Intake {
    state: Mutex<State>,
    ready: Condvar,
    media: Mutex<Option<Media>>,
    events: Events,
    feeding: Mutex<Meter>,
    /// Takes the publisher's own frames.
    pub passthrough: Passthrough,
}

impl Intake {
    /// An intake without queues. The first picture's format is reported to `events`.
    pub fn new(events: Events) -> Self {
        Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            media: Mutex::default(),
            events,
            feeding: Mutex::default(),
            passthrough: Passthrough::default(),
        }
    }

    /// How fast the decoder of a publisher's pictures takes them.
    pub fn feeding(&self) -> MutexGuard<'_, Meter> {
        self.feeding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queues; `None` before [`Intake::begin`].
    pub fn media(&self) -> MutexGuard<'_, Option<Media>> {
        self.media.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fixes the canvas and begins the output's time. Decoders that waited for the canvas continue.
    pub fn begin(&self, canvas: Canvas, opening: Opening) {
        let mut state = self.state();
        // A mapping holds for the frames that follow the order to start, not for a later input.
        let resumed = opening.mapping.filter(|_| state.current <= 1);
        let timeline = resumed.map(|it| Timeline::resumed(it.offset_ns, opening.late_until));
        let mut timeline = timeline.unwrap_or_default();
        timeline.set_lead(self.passthrough.lead());
        let mut pictures = PictureQueue::new(canvas, opening.from);
        if let Some(mapping) = resumed {
            pictures.set_rounds_up(mapping.rounds_up);
        }
        *self.media() = Some(Media {
            timeline,
            pictures,
            samples: SampleQueue::new(opening.from),
            pace: Pace::default(),
        });
        state.opening = Some(opening);
        state.canvas = Some(canvas);
        drop(state);
        self.ready.notify_all();
    }

    /// The canvas; `None` before [`Intake::begin`].
    pub fn canvas(&self) -> Option<Canvas> {
        self.state().canvas
    }

    /// Reports the source's format, and waits for the canvas for 2 s at most.
    pub fn canvas_for(&self, source: SourceFormat) -> Option<Canvas> {
        let state = self.state();
        if state.canvas.is_none() {
            self.events.send(Event::Found(source));
        }
        let (state, _) = self
            .ready
            .wait_timeout_while(state, CANVAS_WAIT_MAX, |state| state.canvas.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.canvas
    }

    /// Begins a new input and returns its number. Media of earlier inputs is refused from now on.
    pub fn open(&self) -> u64 {
        let mut state = self.state();
        state.current += 1;
        let number = state.current;
        drop(state);
        // The first input finds the timeline as the output began it.
        if let Some(media) = self.media().as_mut().filter(|_| number > 1) {
            media.timeline.opened();
            media.pace.opened();
        }
        number
    }

    /// Takes a publisher's picture as it was encoded; `shift_ns` is added to its times. Returns whether it
    /// need not be decoded.
    pub fn encoded(&self, frame: &EncodedFrame, shift_ns: i64) -> bool {
        self.passthrough.frame(frame, shift_ns);
        let rests = self.passthrough.rests();
        let opening = self.state().opening;
        let mut media = self.media();
        let Some((media, opening)) = media.as_mut().zip(opening) else {
            return false;
        };
        if rests {
            let now = opening.start.elapsed();
            media.timeline.excuse_pictures(now + DECODED_AFTER_MAX);
            media.pace.picture(frame.pts_ns, now);
        }
        if frame.key {
            media.timeline.set_lead(self.passthrough.lead());
            let due = media.timeline.due(Track::Video, frame.pts_ns);
            self.passthrough
                .due(frame.pts_ns.saturating_add(shift_ns), due);
        }
        rests && !frame.key
    }

    /// Ends the current input: its media is refused from now on.
    pub fn close(&self) {
        self.state().current += 1;
        self.passthrough.opened(None);
        if let Some(media) = self.media().as_mut() {
            media.pace.closed();
        }
    }

    /// Whether media of input number `input` is accepted.
    pub fn is_current(&self, input: u64) -> bool {
        self.state().current == input
    }

    /// When the last picture or sound was decoded.
    pub fn last_arrival(&self) -> Option<Instant> {
        let state = self.state();
        state.pictured.max(state.sounded)
    }

    /// When the last frame of `track` was decoded.
    pub fn last_of(&self, track: Track) -> Option<Instant> {
        let state = self.state();
        match track {
            Track::Video => state.pictured,
            Track::Audio => state.sounded,
        }
    }

    /// Notes an arrival and returns its output time; `None` when the output has not begun, or when
    /// `input` is not the current one.
    fn arrival(&self, input: u64, track: Track) -> Option<Duration> {
        let mut state = self.state();
        if state.current != input {
            return None;
        }
        let arrived = match track {
            Track::Video => &mut state.pictured,
            Track::Audio => &mut state.sounded,
        };
        *arrived = Some(Instant::now());
        if state.announced != input {
            state.announced = input;
            self.events.send(Event::Flowing { input });
        }
        state.opening.map(|opening| opening.start.elapsed())
    }

    /// Statistics of the pictures' arrival; `None` before the first one.
    pub fn stats(&self) -> Option<InputStats> {
        let media = self.media();
        let media = media.as_ref()?;
        let counters = media.pictures.counters();
        Some(InputStats {
            delay: media.timeline.margin()?,
            repeated: counters.repeated,
            skipped: counters.skipped,
        })
    }

    /// Queues a picture of input number `input`.
    pub fn picture(&self, input: u64, pts_ns: i64, picture: gst::Buffer) {
        self.wait_for_room(|media| !media.pictures.is_full());
        self.queue(input, Track::Video, pts_ns, |media, due| {
            media.pictures.push(due, picture);
        });
    }

    /// Queues interleaved stereo samples of input number `input`.
    pub fn sound(&self, input: u64, pts_ns: i64, samples: &[i16]) {
        self.wait_for_room(|media| !media.samples.is_full());
        self.queue(input, Track::Audio, pts_ns, |media, due| {
            media.samples.push(due, samples);
        });
    }

    /// While the output makes up for lost time, decoders are ahead of it, and what they have decoded
    /// must not be lost.
    fn wait_for_room(&self, has_room: impl Fn(&Media) -> bool) {
        let opening = self.state().opening;
        let is_late = |opening: Opening| opening.start.elapsed() < opening.late_until;
        let began = Instant::now();
        while opening.is_some_and(is_late)
            && began.elapsed() < ROOM_WAIT_MAX
            && self.media().as_ref().is_some_and(|media| !has_room(media))
        {
            std::thread::sleep(ROOM_POLL);
        }
    }

    /// How the times of the input's frames become output times. Frames that are passed through stay where
    /// they are when the offset moves a little, so their mapping is another one then.
    pub fn mapping(&self) -> Option<Mapping> {
        let frame = self.canvas()?.fps.frame_duration();
        let media = self.media();
        let media = media.as_ref()?;
        let mapping = Mapping {
            offset_ns: media.timeline.offset_ns()?,
            rounds_up: media.pictures.rounds_up(),
        };
        let phase = self.passthrough.phase();
        Some(phase.map_or(mapping, |phase| passed(mapping, phase, frame)))
    }

    fn queue(
        &self,
        input: u64,
        track: Track,
        pts_ns: i64,
        push: impl FnOnce(&mut Media, Duration),
    ) {
        let Some(now) = self.arrival(input, track) else {
            return;
        };
        if let Some(media) = self.media().as_mut() {
            let moved = media.timeline.arrived(track, pts_ns, now);
            media.pictures.shift(moved.video_ns);
            media.samples.shift(moved.audio_ns);
            match track {
                Track::Video if self.passthrough.rests() => {}
                Track::Video => media.pace.picture(pts_ns, now),
                Track::Audio => media.pace.sound(now),
            }
            let due = media.timeline.due(track, pts_ns);
            push(media, due);
        }
    }
}

/// The mapping by which a picture that is due `phase` canvas frames, of the duration `frame`, later than it
/// is shown is shown there.
fn passed(mapping: Mapping, phase: f64, frame: Duration) -> Mapping {
    /// A queue of pictures has room for an error on both sides then.
    const PHASE_MAX: f64 = 0.5;
    let beyond = phase - phase.clamp(-PHASE_MAX, PHASE_MAX);
    let beyond_ns = (beyond * frame.as_nanos() as f64) as i64;
    Mapping {
        offset_ns: mapping.offset_ns.saturating_sub(beyond_ns),
        rounds_up: phase < 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::FrameRate;

    /// Another worker shows each picture in the canvas frame in which it was passed through, wherever in
    /// between the offset has moved to, and though the offset is told to 2 ms.
    #[test]
    fn another_worker_shows_pictures_where_they_were_passed_through() {
        let fps = FrameRate::whole(30);
        let (width, height) = (640, 360);
        for (step, error_ns) in (-75..=75).flat_map(|step| [(step, -2_000_000), (step, 2_000_000)])
        {
            let phase = f64::from(step) / 100.0;
            let due_ns = (phase * fps.frame_duration().as_nanos() as f64) as i64;
            let told = Mapping {
                offset_ns: due_ns,
                rounds_up: phase > 0.0,
            };
            let told = passed(told, phase, fps.frame_duration());
            let canvas = Canvas { width, height, fps };
            let mut pictures = PictureQueue::new(canvas, fps.time_of(30));
            pictures.set_rounds_up(told.rounds_up);
            for frame in 10..100 {
                let due = fps.time_of(frame).as_nanos() as i64 + told.offset_ns + error_ns;
                pictures.push(Duration::from_nanos(due as u64), frame);
            }
            for frame in 30..90 {
                let shown = pictures.take(fps.time_of(frame));
                assert_eq!(shown, Taken::New(frame), "{phase} {error_ns}");
            }
        }
    }
}
