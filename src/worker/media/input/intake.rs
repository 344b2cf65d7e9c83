//! Where decoded media waits for the pacer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::frame::Track;
use crate::model::ladder::{Canvas, SourceFormat};
use crate::wire::protocol::InputStats;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::pacer::audio::SampleQueue;
use crate::worker::media::pacer::timeline::Timeline;
use crate::worker::media::pacer::video::PictureQueue;

/// How long a decoder waits for the output half to be built around its first picture.
const CANVAS_WAIT_MAX: Duration = Duration::from_secs(2);

/// The queues between the input half and the pacer.
#[derive(Debug)]
pub struct Media {
    /// Publisher's times to output times.
    pub timeline: Timeline,
    /// Pictures of the canvas's size.
    pub pictures: PictureQueue<gst::Buffer>,
    /// Sound.
    pub samples: SampleQueue,
}

#[derive(Debug, Default)]
struct State {
    canvas: Option<Canvas>,
    /// The input whose media is accepted; an older one may still be winding down.
    current: u64,
    /// Output time zero.
    start: Option<Instant>,
    /// When anything was last decoded.
    arrived: Option<Instant>,
    /// The input whose first media has been announced.
    announced: u64,
}

/// Shared by the input's threads and the pacer's.
#[derive(Debug)]
pub struct Intake {
    state: Mutex<State>,
    ready: Condvar,
    media: Mutex<Option<Media>>,
    events: Events,
}

impl Intake {
    /// Empty queues; the first picture's format goes to `events`.
    pub fn new(events: Events) -> Self {
        Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            media: Mutex::default(),
            events,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queues; `None` before [`Intake::begin`].
    pub fn media(&self) -> MutexGuard<'_, Option<Media>> {
        self.media.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fixes the canvas and begins the output's time line at `start`; decoders that waited for it
    /// go on.
    pub fn begin(&self, canvas: Canvas, start: Instant) {
        *self.media() = Some(Media {
            timeline: Timeline::new(),
            pictures: PictureQueue::new(canvas),
            samples: SampleQueue::new(),
        });
        let mut state = self.state();
        state.start = Some(start);
        state.canvas = Some(canvas);
        drop(state);
        self.ready.notify_all();
    }

    /// The canvas, when it is fixed already.
    pub fn canvas(&self) -> Option<Canvas> {
        self.state().canvas
    }

    /// Announces the source and waits, bounded, for the canvas.
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

    /// Begins a new input; media of any earlier one is refused from now on. Gives its number.
    pub fn open(&self) -> u64 {
        let mut state = self.state();
        state.current += 1;
        let number = state.current;
        drop(state);
        if let Some(media) = self.media().as_mut() {
            media.timeline.opened();
        }
        number
    }

    /// Refuses further media of whatever input there is.
    pub fn close(&self) {
        self.state().current += 1;
    }

    /// Media of this input is accepted.
    pub fn is_current(&self, input: u64) -> bool {
        self.state().current == input
    }

    /// When anything was last decoded.
    pub fn last_arrival(&self) -> Option<Instant> {
        self.state().arrived
    }

    /// Output time of an arrival, when the output has begun and `input` is the current one.
    fn arrival(&self, input: u64) -> Option<Duration> {
        let mut state = self.state();
        if state.current != input {
            return None;
        }
        state.arrived = Some(Instant::now());
        if state.announced != input {
            state.announced = input;
            self.events.send(Event::Flowing { input });
        }
        state.start.map(|start| start.elapsed())
    }

    /// How the pictures arrive; `None` before the first.
    pub fn stats(&self) -> Option<InputStats> {
        let media = self.media();
        let media = media.as_ref()?;
        let counters = media.pictures.counters();
        Some(InputStats {
            delay: media.timeline.margin()?,
            repeated: counters.repeated,
            skipped: counters.skipped + counters.overflowed,
        })
    }

    /// Takes a picture of input number `input`.
    pub fn picture(&self, input: u64, pts_ns: i64, picture: gst::Buffer) {
        let Some(now) = self.arrival(input) else {
            return;
        };
        if let Some(media) = self.media().as_mut() {
            media.timeline.arrived(Track::Video, pts_ns, now);
            let due = media.timeline.due(Track::Video, pts_ns);
            media.pictures.push(due, picture);
        }
    }

    /// Takes interleaved stereo samples of input number `input`.
    pub fn sound(&self, input: u64, pts_ns: i64, samples: &[i16]) {
        let Some(now) = self.arrival(input) else {
            return;
        };
        if let Some(media) = self.media().as_mut() {
            media.timeline.arrived(Track::Audio, pts_ns, now);
            let due = media.timeline.due(Track::Audio, pts_ns);
            media.samples.push(due, samples);
        }
    }
}
