//! The output half of a worker's graph: one per session, fixed for its life.
//!
//! ```text
//! canvas ─┬─▶ encoder ─▶ cutter ─┬─▶ cmafmux ─▶ parts
//!         │                      └─▶ hlssink3 ─▶ TS segments
//!         └─▶ scale ─┬─▶ encoder ─▶ …
//! samples ──▶ aac ──▶ cutter ─┬─▶ cmafmux ─▶ parts
//!                             └─▶ every hlssink3 that wants it
//! ```
//! Encoders and packagers are separate pipelines; the cutter joins them in Rust. So a slow TS branch
//! cannot hold CMAF back, and an error names the pipeline that failed.

mod cmaf;
mod cuts;
mod cutter;
mod encode;
mod failure;
mod feed;
mod mfhd;
mod spec;
mod thumbnail;
mod ts;

pub use cuts::Cuts;
pub use cutter::Counter;
pub use encode::encoder_values;
pub use spec::{Epoch, Spec};

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;

use super::events::Events;
use super::outbox::Outbox;
use super::template::{self, Library};

/// A running output half.
#[derive(Debug)]
pub struct Output {
    encode: encode::Encode,
    packagers: Vec<gst::Pipeline>,
    counters: Vec<Arc<Counter>>,
    rates: Vec<f64>,
}

/// Longest time a pipeline may take to flush before it is stopped anyway.
const DRAIN_MAX: Duration = Duration::from_secs(3);

impl Output {
    /// Builds and starts the output half. Later failures go to `events`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        spec: &Spec<'_>,
        library: &Library,
        outbox: &Outbox,
        events: &Events,
    ) -> Result<Self, template::Error> {
        let mut packagers = Vec::new();
        let mut video_ts = Vec::new();
        let mut audio_ts = Vec::new();
        if spec.ts {
            for index in 0..spec.plan.video.len() {
                let sink = ts::Sink::build(spec, index, library, outbox, events)?;
                packagers.push(sink.pipeline.clone());
                video_ts.push(sink.video);
                audio_ts.push(sink.audio);
            }
        }
        let cmaf = cmaf::build_all(spec, library, outbox, events)?;
        packagers.push(cmaf.pipeline.clone());
        let counters: Vec<_> = spec.plan.video.iter().map(|_| Arc::default()).collect();
        let taps = cutter::taps(spec, cmaf, video_ts, audio_ts, &counters, events);
        let encode = encode::Encode::build(spec, library, taps, outbox, events)?;
        let output = Self {
            encode,
            packagers,
            counters,
            rates: spec.plan.rates(),
        };
        output.play()?;
        Ok(output)
    }

    fn play(&self) -> Result<(), template::Error> {
        for pipeline in self.packagers.iter().chain([&self.encode.pipeline]) {
            let playing = pipeline.set_state(gst::State::Playing);
            playing.map_err(|error| template::Error::build(&pipeline.name(), error))?;
        }
        Ok(())
    }

    /// Whether the encoders keep up. When they do not, the caller should hold the picture back or
    /// leave it out.
    pub fn has_room(&self) -> bool {
        self.encode.has_room()
    }

    /// Encodes canvas frame number `frame` in every rung that has it.
    pub fn picture(&self, frame: u64, buffer: gst::Buffer) {
        self.encode.picture(frame, buffer);
    }

    /// Encodes AAC frame number `index`, 1024 stereo samples, at every bitrate.
    pub fn samples(&self, index: u64, buffer: gst::Buffer) {
        self.encode.samples(index, buffer);
    }

    /// Counters of the video renditions, in the order of the plan.
    pub fn counters(&self) -> &[Arc<Counter>] {
        &self.counters
    }

    /// Frames per second of the video renditions, in the order of the plan.
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// Flushes encoders and packagers, so that everything encoded is sent, and stops them.
    pub fn finish(self) {
        self.encode.end();
        wait_for_end(&self.encode.pipeline);
        for pipeline in &self.packagers {
            wait_for_end(pipeline);
        }
        for pipeline in self.packagers.iter().chain([&self.encode.pipeline]) {
            let _ = pipeline.set_state(gst::State::Null);
        }
    }
}

/// Waits until the end of the stream or an error is on the bus; the failure watch leaves both there.
fn wait_for_end(pipeline: &gst::Pipeline) {
    let Some(bus) = pipeline.bus() else { return };
    let timeout = gst::ClockTime::try_from(DRAIN_MAX).ok();
    bus.timed_pop_filtered(timeout, &[gst::MessageType::Eos, gst::MessageType::Error]);
}

#[cfg(test)]
mod tests;
