//! The output half of a worker's graph: one per session.
//!
//! ```text
//! canvas ─▶ slot: encoder ─┬─▶ cmafmux ─▶ parts
//!    │                     └─▶ hlssink3 ─▶ TS segments
//!    └─▶ scale ─▶ slot …
//! samples ──▶ aac ─┬─▶ cmafmux ─▶ parts
//!                  └─▶ every hlssink3 that wants it
//! ```
//! Every piece is a pipeline of its own, joined in Rust. So an encoder that fails or hangs is replaced
//! alone, a slow TS branch cannot hold CMAF back, and an error names the pipeline that failed.

mod boxes;
mod cascade;
mod cmaf;
mod cuts;
mod direct;
mod failure;
mod feed;
mod filling;
mod fragment;
mod grave;
mod health;
mod joint;
mod line;
mod package;
mod passing;
mod relay;
mod slot;
mod sound;
mod thumbnail;
mod tools;
mod ts;

pub use cuts::Cuts;
pub use filling::{Filling, encoder_values};
pub use grave::Grave;
pub use joint::Joint;
pub use slot::Slot;
pub use tools::{Epoch, Tools};

use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade::Cascade;
use sound::Sound;

use super::template;
use crate::base::units::FrameRate;
use crate::model::ladder::Plan;
use crate::model::ladder::lengths::aac_time;

/// Longest time that a pipeline may take to flush before it is stopped anyway.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// A running output half; cheap to clone.
#[derive(Clone)]
pub struct Output {
    cascade: Arc<Cascade>,
    sound: Arc<Sound>,
    slots: Arc<[Arc<Slot>]>,
    fps: FrameRate,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

impl Output {
    /// Builds and starts the output half of `plan` from `joint` on, also in MPEG-TS if `ts`. Its rungs
    /// have no encoders yet. Later failures are events.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        plan: &Plan,
        joint: &Joint,
        ts: bool,
        tools: &Tools,
    ) -> Result<Self, template::Error> {
        let slots = 0..plan.video.len();
        let slots = slots.filter_map(|index| Slot::new(plan, index, joint, ts, tools));
        let slots: Vec<_> = slots.collect();
        Ok(Self {
            sound: Arc::new(Sound::start(plan, joint, &slots, tools)?),
            cascade: Cascade::start(plan.canvas, &slots, tools)?,
            slots: slots.into(),
            fps: plan.canvas.fps,
        })
    }

    /// Whether the encoders keep up. When they do not, the caller should hold the picture back or
    /// leave it out.
    pub fn has_room(&self) -> bool {
        self.cascade.has_room() && self.slots.iter().all(|slot| slot.has_room())
    }

    /// Encodes canvas frame number `frame` in every rung that is awake and has it.
    pub fn picture(&self, frame: u64, mut picture: gst::Buffer) {
        let start = self.fps.time_of(frame);
        stamp(&mut picture, start, self.fps.time_of(frame + 1) - start);
        self.cascade.picture(frame, &picture);
        let now = Instant::now();
        for slot in self.slots.iter() {
            slot.check(now);
        }
    }

    /// Encodes AAC frame number `index`, 1024 stereo samples, at every bitrate.
    pub fn samples(&self, index: u64, mut samples: gst::Buffer) {
        let start = aac_time(index);
        stamp(&mut samples, start, aac_time(index + 1) - start);
        self.sound.samples(samples);
    }

    /// The rungs, in the order of the plan.
    pub fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    /// Flushes encoders and packagers, so that everything encoded is sent, and stops them.
    pub fn finish(self) {
        self.cascade.finish(DRAIN_MAX);
        self.sound.finish(DRAIN_MAX);
        for slot in self.slots.iter() {
            slot.finish(DRAIN_MAX);
        }
    }
}

fn stamp(buffer: &mut gst::Buffer, start: Duration, duration: Duration) {
    let buffer = buffer.make_mut();
    let time = |d: Duration| gst::ClockTime::try_from(d).ok();
    buffer.set_pts(time(start));
    buffer.set_dts(gst::ClockTime::NONE);
    buffer.set_duration(time(duration));
}

#[cfg(test)]
mod tests;
