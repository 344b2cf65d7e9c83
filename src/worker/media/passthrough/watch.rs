//! Watches the frames of a publisher: whether they are good for the top rung, and which frame of the
//! canvas each one is. Pure.
//!
//! Frames come in decoding order. The *place* of a frame is its number in that order, counted in canvas
//! frames: a key frame that is shown in canvas frame n has place n, the frame behind it n + 1, and so on.
//! A *group* is a run of frames that are shown in the canvas frames of their places, in any order.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::base::backoff::Backoff;
use crate::model::passthrough::{Obstacle, Rung};

/// How long a source must be good before it is passed through; longer each time that it fails while it is.
const GOOD_MIN: Duration = Duration::from_secs(10);
const GOOD_MAX: Duration = Duration::from_secs(160);
/// A source that was good for so long is tried again soon.
const GOOD_FOR_LONG: Duration = Duration::from_secs(60);
/// Pictures in a row that are shown elsewhere than their times say. Fewer of them were late, because
/// the machine is busy; more of them mean that their place was taken from one that was late itself. Once
/// the source is passed through, its timeline tells.
const ASTRAY_MAX: u32 = 15;
/// How far from where it is due a frame may be shown, in canvas frames. The queue of decoded pictures
/// shows a picture in another one from 5/8 on.
const MOVED_MAX: f64 = 0.75;
/// For how long the bitrate is measured.
const MEASURE_S: f64 = 10.0;
/// A source that is set to the bitrate of a rung exceeds it a little, in thousandths.
const BITRATE_PER_MILLE_MAX: u64 = 1100;
/// How far a time may be from the grid of the canvas, in canvas frames: RTMP rounds to milliseconds.
const OFF_GRID_MAX: f64 = 0.3;
/// Frames that wait at most, and their bytes: more than a GOP and the longest delay of the pacer.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 32 << 20;

/// A frame that may be passed through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its place in decoding order.
    pub place: u64,
    /// The canvas frame in which it is shown.
    pub shown: u64,
    /// It is an IDR picture.
    pub key: bool,
    /// It is the last one of its group in decoding order.
    pub ends_group: bool,
    /// The access unit.
    pub data: Bytes,
}

/// A key frame at which a segment may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFrame {
    /// The canvas frame in which it is shown.
    pub frame: u64,
    /// The next one comes after so many canvas frames at the latest.
    pub distance: u64,
}

/// What is there of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The frame.
    Unit(Unit),
    /// The frame may come.
    NotYet,
    /// The source is not good any more.
    Over,
}

/// The frames of one publisher.
#[derive(Debug)]
pub struct Watch {
    rung: Rung,
    /// What in the source's format is against it.
    format: Option<Obstacle>,
    /// What its frames did wrong last.
    fault: Option<Obstacle>,
    /// Publisher's time of the picture that was shown last, and its canvas frame.
    anchor: Option<(i64, u64)>,
    /// How much later than it is shown the last key frame was due, in canvas frames.
    phase: f64,
    gop: Option<Gop>,
    /// Canvas frames of the longest GOP, and the furthest that a frame is shown before its place.
    gop_max: u64,
    reordered_max: u64,
    waiting: VecDeque<Unit>,
    /// So many of the frames that wait are in groups that are complete.
    complete: usize,
    /// A group was given away up to the first frame that waits. Its rest is given away whatever happens, for
    /// some of it is shown before what was.
    open: bool,
    waiting_bytes: usize,
    /// Sizes of the last frames, and their sum.
    sizes: VecDeque<usize>,
    bytes: u64,
    /// Pictures in a row that were shown elsewhere.
    astray: u32,
    /// Pictures that were shown where they belong since the last fault, and how many are needed.
    good: u64,
    needed: u64,
    backoff: Backoff,
    passed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Gop {
    first_ns: i64,
    /// Canvas frame of its key frame.
    frame: Option<u64>,
    frames: u64,
    /// The last canvas frame of it, counted from its key frame.
    latest: u64,
    /// Its frames in groups that are complete.
    complete: u64,
}

impl Watch {
    /// No publisher.
    pub fn new(rung: Rung) -> Self {
        let mut watch = Self {
            rung,
            format: Some(Obstacle::NoSource),
            fault: None,
            anchor: None,
            phase: 0.0,
            gop: None,
            gop_max: 0,
            reordered_max: 0,
            waiting: VecDeque::new(),
            complete: 0,
            open: false,
            waiting_bytes: 0,
            sizes: VecDeque::new(),
            bytes: 0,
            astray: 0,
            good: 0,
            needed: 0,
            backoff: Backoff::new(GOOD_MIN, GOOD_MAX),
            passed: false,
        };
        watch.needed = watch.frames_in(GOOD_MIN);
        watch
    }

    /// A publisher comes, goes or changes its format, which `obstacle` is against.
    pub fn opened(&mut self, obstacle: Option<Obstacle>) {
        self.start_again();
        *self = Self {
            format: obstacle,
            passed: self.passed,
            waiting: std::mem::take(&mut self.waiting),
            complete: self.complete,
            open: self.open,
            waiting_bytes: self.waiting_bytes,
            ..Self::new(self.rung)
        };
    }

    /// What is against passing the source through; `None` if nothing is.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let young = self.good < self.needed;
        let fault = self.fault.filter(|_| young);
        self.format.or(fault).or(young.then_some(Obstacle::Young))
    }

    /// Whether the format is good for the rung.
    pub fn has_good_format(&self) -> bool {
        self.format.is_none()
    }

    fn frames_in(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.rung.fps.as_f64()).ceil() as u64
    }

    /// `ns` in canvas frames.
    fn frames(&self, ns: i64) -> f64 {
        ns as f64 * self.rung.fps.as_f64() / 1e9
    }

    /// Takes a frame with the publisher's presentation time `time_ns`, in decoding order. Returns a key
    /// frame at which a segment may begin if the source is good.
    pub fn frame(&mut self, time_ns: i64, key: bool, data: Bytes) -> Option<KeyFrame> {
        if self.format.is_some() {
            return None;
        }
        self.weigh(data.len());
        if key {
            self.begin_gop(time_ns);
        }
        let gop = self.gop?;
        let offset = self.frames(time_ns.saturating_sub(gop.first_ns));
        let shown = offset.round();
        let wrong = if shown < 0.0 {
            Some(Obstacle::OpenGop)
        } else if shown >= self.rung.segment_frames as f64 {
            Some(Obstacle::key_frames(&self.rung))
        } else if (offset - shown).abs() > OFF_GRID_MAX {
            Some(Obstacle::rate(&self.rung))
        } else {
            self.place(gop, shown as u64, key, data)
        };
        if let Some(obstacle) = wrong {
            self.fail(obstacle);
            return None;
        }
        let good = key && self.obstacle().is_none();
        let frame = gop.frame.filter(|_| good)?;
        let distance = self.gop_max;
        Some(KeyFrame { frame, distance })
    }

    fn begin_gop(&mut self, time_ns: i64) {
        let frame = self.anchor.and_then(|(shown_ns, frame)| {
            let ahead = self.frames(time_ns.saturating_sub(shown_ns)).round();
            frame.checked_add_signed(ahead as i64)
        });
        if let Some(before) = self.gop {
            self.gop_max = self.gop_max.max(before.frames);
            let expected = before.frame.map(|first| first + before.frames);
            let whole = before.complete == before.frames;
            let follows = expected.zip(frame).is_none_or(|(a, b)| a == b);
            if !whole || !follows {
                self.fail(Obstacle::rate(&self.rung));
            }
        }
        self.gop = Some(Gop {
            first_ns: time_ns,
            frame,
            frames: 0,
            latest: 0,
            complete: 0,
        });
        if !self.passed {
            let shown = self.anchor.map_or(0, |(_, frame)| frame);
            while self.waiting.front().is_some_and(|it| it.place <= shown) {
                self.pop();
            }
        }
    }

    /// Gives a frame its place; it is shown `shown` canvas frames after its key frame.
    fn place(&mut self, mut gop: Gop, shown: u64, key: bool, data: Bytes) -> Option<Obstacle> {
        let is_open = gop.complete < gop.frames;
        if gop.frames > 0 && is_open && shown > gop.latest {
            // No group is begun in another: a picture is missing.
            return Some(Obstacle::rate(&self.rung));
        }
        let place = gop.frames;
        gop.frames += 1;
        gop.latest = gop.latest.max(shown);
        if place > gop.latest {
            return Some(Obstacle::rate(&self.rung));
        }
        if gop.frames - gop.complete > self.rung.part_frames {
            return Some(Obstacle::Reordered);
        }
        self.reordered_max = self.reordered_max.max(place.saturating_sub(shown));
        let whole = gop.latest == place;
        if whole {
            gop.complete = gop.frames;
        }
        self.gop = Some(gop);
        let first = gop.frame?;
        self.waiting_bytes += data.len();
        self.waiting.push_back(Unit {
            place: first + place,
            shown: first + shown,
            key,
            ends_group: whole,
            data,
        });
        if whole {
            self.complete = self.waiting.len();
        }
        let full = self.waiting.len() > WAITING_MAX || self.waiting_bytes > WAITING_BYTES_MAX;
        full.then(|| self.too_much())
    }

    fn weigh(&mut self, bytes: usize) {
        let window = ((MEASURE_S * self.rung.fps.as_f64()) as usize).max(1);
        self.sizes.push_back(bytes);
        self.bytes += bytes as u64;
        if self.sizes.len() > window
            && let Some(oldest) = self.sizes.pop_front()
        {
            self.bytes -= oldest as u64;
            let max = self.rung.bitrate.bps() / 1000 * BITRATE_PER_MILLE_MAX;
            if self.bitrate() > max {
                let obstacle = self.too_much();
                self.fail(obstacle);
            }
        }
    }

    /// Bits per second of the last frames.
    fn bitrate(&self) -> u64 {
        let frames = self.sizes.len().max(1) as f64;
        (self.bytes as f64 * 8.0 * self.rung.fps.as_f64() / frames) as u64
    }

    fn too_much(&self) -> Obstacle {
        Obstacle::Bitrate {
            is: self.bitrate(),
            max: self.rung.bitrate.bps(),
        }
    }

    /// The picture with the publisher's time `time_ns` is shown in canvas frame `frame`.
    pub fn shown(&mut self, time_ns: i64, frame: u64) {
        let Some((before_ns, before)) = self.anchor else {
            self.anchor = Some((time_ns, frame));
            return;
        };
        let step = self.frames(time_ns.saturating_sub(before_ns)).round();
        if step == frame as f64 - before as f64 {
            self.good = self.good.saturating_add(1);
        } else if self.passed || self.astray < ASTRAY_MAX {
            self.astray = self.astray.saturating_add(1);
            return;
        } else {
            self.start_again();
        }
        self.astray = 0;
        self.anchor = Some((time_ns, frame));
    }

    /// The output's timeline shows the frame with the publisher's time `time_ns` at `due`.
    pub fn due(&mut self, time_ns: i64, due: Duration) {
        let Some((shown_ns, frame)) = self.anchor else {
            return;
        };
        let ahead = self.frames(time_ns.saturating_sub(shown_ns)).round();
        let due = due.as_secs_f64() * self.rung.fps.as_f64();
        self.phase = due - (frame as f64 + ahead);
        if self.phase.abs() <= MOVED_MAX {
            return;
        }
        // Before the first pictures the timeline finds its place.
        match self.passed || self.good > 0 {
            true => self.fail(Obstacle::Unsteady),
            false => self.start_again(),
        }
        self.anchor = None;
    }

    /// How much later than it is shown a frame that is passed through is due, in canvas frames; `None` if
    /// none is.
    pub fn phase(&self) -> Option<f64> {
        self.passes().then_some(self.phase)
    }

    /// Whether the source is passed through and is good.
    pub fn passes(&self) -> bool {
        self.passed && self.obstacle().is_none()
    }

    /// The source was late, or is otherwise no good.
    pub fn fail(&mut self, obstacle: Obstacle) {
        if self.passed && self.good >= self.needed {
            if self.good >= self.frames_in(GOOD_FOR_LONG) {
                self.backoff.reset();
            }
            let wait = self.backoff.wait();
            self.needed = self.frames_in(wait);
        }
        self.fault = Some(obstacle);
        self.start_again();
    }

    /// What is known of the frames so far does not count any more.
    fn start_again(&mut self) {
        (self.gop, self.gop_max, self.reordered_max, self.good) = (None, 0, 0, 0);
        let kept = match self.open {
            true => self.waiting.iter().position(|unit| unit.ends_group),
            false => None,
        };
        self.waiting.truncate(kept.map_or(0, |last| last + 1));
        self.complete = self.waiting.len();
        self.waiting_bytes = self.waiting.iter().map(|unit| unit.data.len()).sum();
    }

    /// Begins to pass the source through with canvas frame `frame`; returns by how many canvas frames a
    /// frame is shown before its place at most. `None` if the source is not good or has no key frame
    /// there.
    pub fn begin(&mut self, frame: u64) -> Option<u64> {
        if self.obstacle().is_some() {
            return None;
        }
        let is = |unit: &Unit| unit.key && unit.place == frame;
        let at = self.waiting.iter().position(is)?;
        for _ in 0..at {
            self.pop();
        }
        self.passed = true;
        Some(self.reordered_max)
    }

    /// The source is not passed through any more.
    pub fn end(&mut self) {
        self.passed = false;
        while self.open {
            self.open = self.pop().is_some_and(|unit| !unit.ends_group);
        }
    }

    /// The frame at `place`, once its group is complete.
    pub fn take(&mut self, place: u64) -> Next {
        if self.obstacle().is_some() && !self.open {
            return Next::Over;
        }
        match self.waiting.front() {
            Some(unit) if unit.place != place => Next::Over,
            Some(unit) if self.complete > 0 => {
                self.open = !unit.ends_group;
                self.pop().map_or(Next::NotYet, Next::Unit)
            }
            _ => Next::NotYet,
        }
    }

    /// The frames behind the last one that was taken, up to the end of its group: what is shown before it
    /// and was not taken so far.
    pub fn rest_of_group(&self) -> impl Iterator<Item = &Unit> {
        let last = self.waiting.iter().position(|unit| unit.ends_group);
        let frames = last.filter(|_| self.open).map_or(0, |last| last + 1);
        self.waiting.iter().take(frames)
    }

    fn pop(&mut self) -> Option<Unit> {
        let unit = self.waiting.pop_front()?;
        self.complete = self.complete.saturating_sub(1);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(unit.data.len());
        Some(unit)
    }
}

#[cfg(test)]
mod tests;
