//! The cut log, shared by everything that cuts or is cut.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::hls::TrackId;
use crate::model::ladder::RungSet;
use crate::model::ladder::cuts::{Cut, CutLog, Position};
use crate::model::ladder::lengths::{Lengths, aac_frame_at};

/// The session's cut log; cheap to clone.
#[derive(Debug, Clone)]
pub struct Cuts(Arc<Mutex<CutLog>>);

impl Cuts {
    /// Shares `log`.
    pub fn new(log: CutLog) -> Self {
        Self(Arc::new(Mutex::new(log)))
    }

    fn log(&self) -> MutexGuard<'_, CutLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log as it is now.
    #[cfg(test)]
    pub fn snapshot(&self) -> CutLog {
        self.log().clone()
    }

    /// The lengths that the cuts follow.
    pub fn lengths(&self) -> Lengths {
        *self.log().lengths()
    }

    /// The newest cut.
    pub fn last(&self) -> Cut {
        self.log().last()
    }

    /// Decides all cuts up to canvas frame `frame`; returns the new ones.
    pub fn decide(&self, frame: u64) -> Vec<Cut> {
        self.log().decide(frame)
    }

    /// Whether canvas frame `frame`, which is decided, begins a part.
    pub fn starts_part(&self, frame: u64) -> bool {
        self.log().locate(frame).starts_part
    }

    /// Whether canvas frame `frame`, which is decided, begins a segment.
    pub fn starts_segment(&self, frame: u64) -> bool {
        self.log().locate(frame).starts_segment
    }

    /// Number of canvas frame `frame`, which is decided, in its part, from 0.
    pub fn offset_in_part(&self, frame: u64) -> u64 {
        let log = self.log();
        frame.saturating_sub(log.cut_of(frame).frame) % log.lengths().part_frames
    }

    /// The segment that canvas frame `frame` lies in, and the rungs that are awake in it.
    pub fn segment_of(&self, frame: u64) -> (u64, RungSet) {
        let cut = self.log().cut_of(frame);
        (cut.msn, cut.awake)
    }

    /// Output time at which segment `msn` starts; `None` before that is decided.
    pub fn segment_time(&self, msn: u64) -> Option<Duration> {
        self.log().segment_time(msn)
    }

    /// Ends the segment before a source's key frame if it has to; see [`CutLog::follow_key_frame`].
    pub fn follow_key_frame(&self, frame: u64, distance: u64) {
        self.log().follow_key_frame(frame, distance);
    }

    /// Ends segment `msn` as soon as it can be, unless its end is decided.
    pub fn end_segment(&self, msn: u64) {
        let mut log = self.log();
        if log.last().msn == msn {
            log.cut_soon();
        }
    }

    /// Makes `rung` awake from the next segment on.
    pub fn wake(&self, rung: usize) {
        let mut log = self.log();
        let awake = log.awake_next().with(rung);
        log.set_awake(awake);
    }

    /// Makes `rung` sleep from the next segment on.
    pub fn put_to_sleep(&self, rung: usize) {
        let mut log = self.log();
        let awake = log.awake_next().without(rung);
        log.set_awake(awake);
    }

    /// Keeps `rung` awake; false when it sleeps already.
    pub fn stay_awake(&self, rung: usize) -> bool {
        let mut log = self.log();
        let still = log.last().awake.contains(rung);
        if still {
            let awake = log.awake_next().with(rung);
            log.set_awake(awake);
        }
        still
    }

    /// The rungs that are awake from the next segment on.
    pub fn awake_next(&self) -> RungSet {
        self.log().awake_next()
    }

    /// The canvas frame after the last one of a part, as far as cuts are decided.
    pub fn part_end(&self, position: Position) -> u64 {
        self.log().part_end(position.msn, position.part)
    }

    /// The first canvas frame of a part; 0 for a part of a segment that is forgotten.
    pub fn part_start(&self, position: Position) -> u64 {
        let start = self.log().part_start(position.msn, position.part);
        start.unwrap_or(0)
    }

    /// Number of a part among all parts of a video rendition, from 0; the same in every rung.
    pub fn part_number(&self, position: Position) -> u64 {
        self.log().part_number(position.msn, position.part)
    }

    /// Output time up to which cuts are decided.
    pub fn decided(&self) -> Duration {
        self.log().decided()
    }

    /// Where the frame of `track` that starts at `time` lies.
    pub fn locate(&self, track: TrackId, time: gst::ClockTime) -> Position {
        let log = self.log();
        match track {
            TrackId::Video(_) => log.locate(log.lengths().fps.frame_at(time.into())),
            TrackId::Audio(_) => log.locate_audio(aac_frame_at(time.into())),
        }
    }

    /// Whether the part at `position` of `track` is the last of its segment, as far as is decided.
    pub fn ends_segment(&self, track: TrackId, position: Position) -> bool {
        let log = self.log();
        match track {
            TrackId::Video(_) => log.ends_segment(position.msn, position.part),
            TrackId::Audio(_) => log.ends_audio_segment(position.msn, position.part),
        }
    }
}
