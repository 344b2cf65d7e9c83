//! One rung of the ladder: a place that an encoder fills, and that another encoder, or none, fills
//! from a cut on.
//!
//! The slot keeps the pictures of which no part has been sent. So when its encoder fails, the next one
//! makes them again, and the playlist goes on with the very part that comes next.

mod passed;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::filling::{Encoded, Filling, Report};
use super::health::Health;
use super::joint::{Joint, RungJoint};
use super::package::{Package, Packed, Told};
use super::passing::Passing;
use super::relay::Relay;
use super::tools::Tools;
use crate::model::encoder::TemplateName;
use crate::model::hls::TrackId;
use crate::model::ladder::cuts::Position;
use crate::model::ladder::{Canvas, Plan, VideoRendition};
use crate::worker::media::events::Event;
use crate::worker::media::template::{self, Template};

/// Pictures that a slot keeps at most while its encoder is exchanged. With more the worker fails.
const KEPT_MAX: usize = 96;
/// Frames of an encoder that wait at most for the last ones of the encoder before it.
const WAITING_MAX: usize = 30;
/// The same where all are in software: a machine with too much to do delays the last frames, too.
const SOFTWARE_WAITING_MAX: usize = 60;
/// Pictures that may wait for one encoder. Above that the encoder is too slow: the picture waits
/// before the ladder, and is then left out.
const BACKLOG_MAX: u64 = 12;

/// A rung.
pub struct Slot {
    index: usize,
    rendition: VideoRendition,
    canvas: Canvas,
    tools: Tools,
    fillings: AtomicU64,
    encoded: AtomicU64,
    /// Every second picture is left out.
    halved: AtomicBool,
    /// Where it begins.
    joint: RungJoint,
    /// Its next encoder does as little as it can.
    cheaper: AtomicBool,
    state: Mutex<State>,
    emptied: Condvar,
    this: Weak<Self>,
}

struct State {
    /// The encoders at work, in the order of their frames; the last one gets the pictures.
    fillings: VecDeque<Filling>,
    /// The publisher's own frames are the media, once the encoders before have ended.
    passing: Option<Passing>,
    relay: Relay<Encoded>,
    /// The encoder that takes over at the next segment.
    ready: Option<Filling>,
    /// It has had no encoder yet, or its encoder has failed and no other has taken over so far.
    vacant: bool,
    /// The rung has media of its own.
    awake: bool,
    /// Pictures of which no part has been sent.
    kept: VecDeque<(u64, gst::Buffer)>,
    /// The last picture that belongs to this rung, and the last one that came.
    due: Option<u64>,
    came: Option<u64>,
    /// Number of the filling whose frame came last, and the place of that frame.
    last: Option<(u64, Position)>,
    package: Package,
    health: Health,
}

impl Slot {
    /// A rung for video rendition `index` of the plan, without an encoder; `None` when there is no such
    /// rendition.
    pub fn new(
        plan: &Plan,
        index: usize,
        joint: &Joint,
        ts: bool,
        tools: &Tools,
    ) -> Option<Arc<Self>> {
        let video = u8::try_from(index).ok()?;
        let rendition = plan.video.get(index)?;
        let seed = joint.seed(TrackId::Video(video));
        let joint = *joint.rungs.get(index)?;
        Some(Arc::new_cyclic(|this: &Weak<Self>| {
            let back = this.clone();
            let told = move || -> Told {
                let back = back.clone();
                Arc::new(move |packed| {
                    if let Some(slot) = back.upgrade() {
                        slot.packed(packed);
                    }
                })
            };
            let fps = plan.canvas.fps.divided(rendition.divisor);
            Self {
                index,
                rendition: rendition.clone(),
                canvas: plan.canvas,
                tools: tools.clone(),
                fillings: AtomicU64::new(0),
                encoded: AtomicU64::new(0),
                halved: AtomicBool::new(false),
                joint,
                cheaper: AtomicBool::new(false),
                state: Mutex::new(State {
                    fillings: VecDeque::new(),
                    passing: None,
                    relay: Relay::default(),
                    ready: None,
                    vacant: joint.from.is_some(),
                    awake: false,
                    kept: VecDeque::new(),
                    due: None,
                    came: None,
                    last: None,
                    package: Package::new(plan, (video, rendition), seed, ts, tools, told),
                    health: Health::new(fps.frame_duration()),
                }),
                emptied: Condvar::new(),
                this: this.clone(),
            }
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rendition that it makes.
    pub fn rendition(&self) -> &VideoRendition {
        &self.rendition
    }

    /// Frames encoded since the last call.
    pub fn take_count(&self) -> u64 {
        self.encoded.swap(0, Ordering::Relaxed)
    }

    /// Makes an encoder for this rung, which may take as long as the driver wants.
    ///
    /// # Errors
    /// When it cannot be built or does not start.
    pub fn make(&self, template: &TemplateName) -> Result<Filling, template::Error> {
        let number = self.fillings.fetch_add(1, Ordering::Relaxed) + 1;
        let slot = self.this.clone();
        let report = move |number, report| {
            if let Some(slot) = slot.upgrade() {
                slot.report(number, report);
            }
        };
        Filling::start(
            number,
            (template, self.cheaper.load(Ordering::Relaxed)),
            &self.rendition,
            self.canvas,
            &self.tools,
            report,
        )
    }

    /// Gives the rung an encoder. A rung whose encoder has failed takes it at once, and makes again
    /// what was not sent; any other takes it with the next segment in which it is awake.
    ///
    /// # Errors
    /// Why the encoder has failed meanwhile, or why the packaging cannot be prepared.
    pub fn fill(&self, filling: Filling) -> Result<(), String> {
        let mut state = self.lock();
        let state = &mut *state;
        if let Some(reason) = filling.failure() {
            let reason = reason.to_owned();
            self.tools.grave.bury(filling.pipeline());
            return Err(reason);
        }
        state.package.prepare().map_err(|error| error.to_string())?;
        let over = state.passing.as_ref().map(Passing::is_over);
        if over == Some(false) {
            // The rung needs no encoder.
            self.tools.grave.bury(filling.pipeline());
            return Ok(());
        }
        if over == Some(true) {
            state.passing = None;
            state.relay.forget();
            for before in state.fillings.drain(..).chain(state.ready.take()) {
                self.tools.grave.bury(before.pipeline());
            }
        } else if !state.vacant {
            if let Some(before) = state.ready.replace(filling) {
                self.tools.grave.bury(before.pipeline());
            }
            return Ok(());
        }
        state.vacant = false;
        // The encoder that leads up to the first part may have frames to give.
        let next = match state.fillings.is_empty() {
            true => {
                state.last = None;
                state.package.abandon()
            }
            false => state.package.lacks_from(),
        };
        state.kept.retain(|(frame, _)| *frame >= next);
        for (_, picture) in &state.kept {
            filling.push(picture.clone());
        }
        state.health.begin(state.kept.len(), Instant::now());
        state.relay.begin(filling.number());
        state.fillings.push_back(filling);
        state.rest();
        Ok(())
    }

    /// Canvas frame `frame`, which comes next, belongs to this rung, which is awake in segment `msn`.
    pub fn expect(&self, frame: u64, msn: u64) {
        if !self.takes(frame) {
            return;
        }
        let mut state = self.lock();
        state.due = Some(frame);
        if !state.awake {
            state.awake = true;
            if let Err(error) = state.package.begin(msn) {
                self.tools.events.send(Event::Fatal(error.to_string()));
            }
        }
    }

    /// The rung sleeps from segment `msn` on.
    pub fn sleep(&self, msn: u64) {
        let mut state = self.lock();
        if state.awake {
            state.awake = false;
            state.package.until(msn);
            state.rest();
        }
    }

    fn takes(&self, frame: u64) -> bool {
        // What a rung that lacks nothing has made, others may have to make again.
        frame >= self.joint.from.unwrap_or(self.joint.parts_from)
            && frame.is_multiple_of(u64::from(self.rendition.divisor.max(1)))
    }

    /// How many encoders it needs to begin with: none if it sleeps, and one more for the frames that
    /// only MPEG-TS lacks.
    pub fn encoders_needed(&self) -> usize {
        let from = self.joint.from;
        from.map_or(0, |from| 1 + usize::from(from < self.joint.parts_from))
    }

    /// Encodes every second picture only, or all of them again.
    pub fn halve(&self, halved: bool) {
        self.halved.store(halved, Ordering::Relaxed);
    }

    /// Whether an encoder has settings for a machine that is too slow.
    pub fn has_cheaper(&self, template: &TemplateName) -> bool {
        let template = self.tools.library.get(template);
        template.is_some_and(Template::has_cheaper)
    }

    /// Encoders that are made from now on have those settings, or the usual ones again.
    pub fn economize(&self, cheaper: bool) {
        self.cheaper.store(cheaper, Ordering::Relaxed);
    }

    /// Whether a rung of half its rate has the picture: every second one of each part, so that each
    /// part keeps its first one.
    fn is_kept(&self, frame: u64) -> bool {
        let own = self.tools.cuts.offset_in_part(frame) / u64::from(self.rendition.divisor.max(1));
        own.is_multiple_of(2)
    }

    /// Encodes a picture.
    pub fn picture(&self, frame: u64, picture: &gst::Buffer) {
        if !self.takes(frame) {
            return;
        }
        let mut state = self.lock();
        state.came = Some(frame);
        if self.halved.load(Ordering::Relaxed) && !self.is_kept(frame) {
            return state.rest();
        }
        let starts = self.tools.cuts.starts_segment(frame);
        let next = state.package.next_frame();
        while state.kept.front().is_some_and(|(kept, _)| *kept < next) {
            state.kept.pop_front();
        }
        state.kept.push_back((frame, picture.clone()));
        if state.kept.len() > KEPT_MAX {
            let rung = &self.rendition.name;
            let cause = format!("rung {rung} has had no encoder that works for too long");
            self.tools.events.send(Event::Fatal(cause));
            return;
        }
        state.package.release();
        self.hand_over(&mut state, frame, starts);
        if starts {
            self.pass(&mut state, frame);
        }
        if state.passing.is_some() {
            return self.advance(&mut state);
        }
        if let Some(filling) = state.fillings.back().filter(|_| !state.vacant) {
            filling.push(picture.clone());
            state.health.pushed(Instant::now());
        }
        state.rest();
    }

    /// Lets the encoder that is ready take over, if frame `frame` is the place for it.
    fn hand_over(&self, state: &mut State, frame: u64, starts_segment: bool) {
        let first = self.joint.parts_from;
        let joins = frame == first && self.joint.from.is_some_and(|from| from < first);
        // Up to its first part the rung makes frames again, whatever segments they are in.
        let due = joins || (starts_segment && frame > first) || state.fillings.is_empty();
        if !due || state.vacant {
            return;
        }
        match state.ready.take() {
            Some(filling) => state.exchange(filling),
            None if joins => {
                if let Some(before) = state.fillings.back() {
                    before.end();
                }
                // Whoever comes begins with this frame.
                state.vacant = true;
            }
            None => {}
        }
    }

    fn report(&self, number: u64, report: Report) {
        match report {
            Report::Encoded(encoded) => {
                let mut state = self.lock();
                state.health.encoded(Instant::now());
                if let Some(encoded) = state.relay.take(number, encoded) {
                    self.deliver(&mut state, encoded);
                } else if state.waits_too_long() {
                    self.fail(&mut state, "does not give its last frames");
                }
            }
            Report::Ended => self.ended(number),
            Report::Failed(reason) => self.failed(number, &reason),
        }
    }

    fn deliver(&self, state: &mut State, encoded: Encoded) {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        let (number, track) = (encoded.filling, TrackId::Video(0));
        let position = self.tools.cuts.locate(track, encoded.start);
        let begins = state
            .last
            .is_none_or(|(filling, last)| filling != number || last.msn != position.msn);
        // A segment must start with an IDR frame (CMAF, ISO/IEC 23000-19 section 7.3.2.3).
        if begins
            && encoded
                .buffer
                .flags()
                .contains(gst::BufferFlags::DELTA_UNIT)
        {
            return self.fail(state, "made no key frame where one was asked for");
        }
        state.last = Some((number, position));
        if let Err(error) = state.package.push(encoded) {
            self.tools.events.send(Event::Fatal(error.to_string()));
        }
    }

    fn ended(&self, number: u64) {
        let mut state = self.lock();
        if state.fillings.iter().all(|f| f.number() != number) {
            return;
        }
        for encoded in state.relay.ended(number) {
            self.deliver(&mut state, encoded);
        }
        let ended = state.fillings.iter().position(|f| f.number() == number);
        if let Some(filling) = ended.and_then(|at| state.fillings.remove(at)) {
            self.tools.grave.bury(filling.pipeline());
        }
        if state.fillings.is_empty() && !state.vacant && state.passing.is_none() {
            state.package.end();
            self.look_empty(&mut state);
        }
    }

    fn failed(&self, number: u64, reason: &str) {
        let mut state = self.lock();
        let is = |filling: &Filling| filling.number() == number;
        if state.ready.as_ref().is_some_and(is) {
            if let Some(filling) = state.ready.take() {
                // Nobody else makes the frames from the next cut on.
                state.vacant = state.fillings.is_empty();
                self.tools.grave.bury(filling.pipeline());
                self.tell(&filling, reason);
            }
        } else if state.fillings.iter().any(is) {
            self.fail(&mut state, reason);
        }
    }

    /// The rung needs another encoder.
    fn fail(&self, state: &mut State, reason: &str) {
        state.relay.forget();
        state.passing = None;
        state.vacant = true;
        if let Some(filling) = state.fillings.back() {
            self.tell(filling, reason);
        }
        for filling in state.fillings.drain(..).chain(state.ready.take()) {
            self.tools.grave.bury(filling.pipeline());
        }
    }

    fn tell(&self, filling: &Filling, reason: &str) {
        self.tools.events.send(Event::EncoderFailed {
            video: self.index,
            encoder: filling.template().clone(),
            reason: reason.to_owned(),
        });
    }

    fn packed(&self, packed: Packed) {
        let mut state = self.lock();
        state.package.packed(packed);
        self.look_empty(&mut state);
    }

    fn look_empty(&self, state: &mut State) {
        if state.is_empty() {
            state.kept.clear();
            state.due = None;
            self.emptied.notify_all();
            self.tools.events.send(Event::Emptied);
        }
    }

    /// Whether an encoder waits for the next segment in which the rung is awake.
    pub fn is_ready(&self) -> bool {
        self.lock().ready.is_some()
    }

    /// Whether the rung needs an encoder at once.
    pub fn is_vacant(&self) -> bool {
        let state = self.lock();
        state.vacant || state.passing.as_ref().is_some_and(Passing::is_over)
    }

    /// Whether the rung has nothing left of the time when it was awake.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether the encoder keeps up. A hardware encoder that does not will be replaced, and holds
    /// nobody up.
    pub fn has_room(&self) -> bool {
        let state = self.lock();
        let mut fillings = state.fillings.iter();
        fillings.all(|f| f.is_hardware() || f.waiting() < BACKLOG_MAX)
    }

    /// Finds out whether the encoder still works.
    pub fn check(&self, now: Instant) {
        let mut state = self.lock();
        self.advance(&mut state);
        let Some(filling) = state.fillings.back().filter(|_| !state.vacant) else {
            return;
        };
        let behind = filling.is_hardware() && filling.waiting() >= BACKLOG_MAX;
        let hardware = filling.is_hardware();
        if let Some(reason) = state.health.complaint(now, hardware, behind) {
            self.fail(&mut state, reason);
        }
    }

    /// Makes the encoder fail.
    #[cfg(test)]
    pub fn break_encoder(&self) {
        self.fail(&mut self.lock(), "broken by the test");
    }

    /// Takes sound of the rendition that is played with this rung.
    pub fn sound(&self, buffer: &gst::Buffer, caps: &gst::CapsRef, position: Position) {
        self.lock().package.sound(buffer, caps, position);
    }

    /// The sound has ended.
    pub fn end_sound(&self) {
        self.lock().package.end_sound();
    }

    /// Flushes the encoder and the packagers; waits up to `wait_max` for them.
    pub fn finish(&self, wait_max: Duration) {
        let mut state = self.lock();
        state.awake = false;
        state.due = state.came;
        state.rest();
        if let Some(passing) = state.passing.take() {
            for encoded in state.relay.ended(passing.number()) {
                self.deliver(&mut state, encoded);
            }
        }
        if state.fillings.is_empty() {
            state.package.end();
        }
        let (mut state, _) = self
            .emptied
            .wait_timeout_while(state, wait_max, |state| !state.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        for filling in state.fillings.drain(..) {
            self.tools.grave.bury(filling.pipeline());
        }
        state.package.abandon();
    }
}

impl State {
    /// Another encoder takes the pictures from now on.
    fn exchange(&mut self, filling: Filling) {
        if let Some(before) = self.fillings.back() {
            before.end();
        }
        self.health.begin(0, Instant::now());
        self.relay.begin(filling.number());
        self.fillings.push_back(filling);
    }

    /// Whether the encoder before the present one takes too long to its last frames.
    fn waits_too_long(&self) -> bool {
        let max = match self.fillings.iter().any(Filling::is_hardware) {
            true => WAITING_MAX,
            false => SOFTWARE_WAITING_MAX,
        };
        self.relay.waiting() > max
    }

    /// Ends the encoder of a rung that sleeps once it has all its pictures.
    fn rest(&mut self) {
        let complete = self.due.is_some_and(|due| self.came >= Some(due));
        if !self.awake
            && complete
            && !self.vacant
            && let Some(filling) = self.fillings.back()
        {
            filling.end();
        }
    }

    fn is_empty(&self) -> bool {
        !self.awake
            && !self.vacant
            && self.passing.is_none()
            && self.fillings.is_empty()
            && self.package.is_empty()
    }
}
