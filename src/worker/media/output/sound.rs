//! The encoders of sound: one per distinct bitrate, always at work.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::cmaf::{Muxer, Writer};
use super::failure;
use super::feed::Feed;
use super::filling::retimed;
use super::joint::Joint;
use super::slot::Slot;
use super::tools::Tools;
use crate::model::hls::TrackId;
use crate::model::ladder::{AudioRendition, Plan};
use crate::worker::media::caps;
use crate::worker::media::element;
use crate::worker::media::events::Event;
use crate::worker::media::template::{self, Kind, Values, Variable};

/// Bytes of raw sound that may wait for the encoders: ten seconds. With more the worker fails.
const SAMPLES_BYTES_MAX: u64 = 10 * 48_000 * 4;

/// Encodes and packs the sound.
pub struct Sound {
    pipeline: gst::Pipeline,
    samples: Feed,
    tools: Tools,
    muxers: Vec<Arc<Muxer>>,
}

impl Sound {
    /// Starts an encoder for each audio rendition of the plan, whose parts begin at `joint`.
    ///
    /// # Errors
    /// When an element is missing, refuses its settings or does not start.
    pub fn start(
        plan: &Plan,
        joint: &Joint,
        slots: &[Arc<Slot>],
        tools: &Tools,
    ) -> Result<Self, template::Error> {
        let fail = |message: &str| template::Error::build("sound", message);
        let pipeline = gst::Pipeline::with_name("sound");
        let raw = Some(caps::samples());
        let samples = Feed::add(
            &pipeline,
            "samples",
            raw.as_ref(),
            SAMPLES_BYTES_MAX,
            &tools.events,
        )?;
        let tee = element::add(&pipeline, "tee", "sound")?;
        let entry = samples.element().link(&tee);
        entry.map_err(|_| fail("takes no sound"))?;
        let mut muxers = Vec::new();
        for (rendition, index) in plan.audio.iter().zip(0..=u8::MAX) {
            let track = TrackId::Audio(index);
            let writer = Writer::new(track, joint.seed(track), tools);
            let (library, events) = (&tools.library, &tools.events);
            let muxer = Muxer::start(&writer, rendition.bitrate, library, events, |_| ())?;
            let muxer = Arc::new(muxer);
            let of = |slot: &&Arc<Slot>| slot.rendition().audio == usize::from(index);
            let tap = Tap {
                track,
                muxer: muxer.clone(),
                slots: slots.iter().filter(of).cloned().collect(),
                tools: tools.clone(),
            };
            muxers.push(muxer);
            build_aac(&pipeline, &tee, rendition, tap)?;
        }
        failure::watch(&pipeline, &tools.events, |_, reason| Event::Fatal(reason));
        let playing = pipeline.set_state(gst::State::Playing);
        playing.map_err(|_| fail("does not start"))?;
        Ok(Self {
            pipeline,
            samples,
            tools: tools.clone(),
            muxers,
        })
    }

    /// Encodes a block of samples.
    pub fn samples(&self, samples: gst::Buffer) {
        // The source refuses a buffer only while the pipeline or the worker ends.
        let _ = self.samples.push(samples);
    }

    /// Flushes the encoders; waits up to `wait_max` for them.
    pub fn finish(&self, wait_max: Duration) {
        self.samples.end();
        failure::wait_for_end(&self.pipeline, wait_max);
        self.tools.grave.bury(&self.pipeline);
        for muxer in &self.muxers {
            failure::wait_for_end(muxer.pipeline(), wait_max);
            self.tools.grave.bury(muxer.pipeline());
        }
    }
}

fn build_aac(
    pipeline: &gst::Pipeline,
    tee: &gst::Element,
    rendition: &AudioRendition,
    tap: Tap,
) -> Result<(), template::Error> {
    let fail = |message: &str| template::Error::build("sound", message);
    let queue = element::add(pipeline, "queue", "sound")?;
    let values = Values::default().with(Variable::BitrateBps, rendition.bitrate.bps());
    let (first, last) = tap
        .tools
        .library
        .build_kind(Kind::AudioEncoder, &values)?
        .add_to(pipeline.upcast_ref())?;
    let sink = tap.into_sink();
    pipeline.add(&sink).map_err(|_| fail("no sink"))?;
    let chain = [tee, &queue, &first];
    gst::Element::link_many(chain).map_err(|_| fail("takes no sound"))?;
    last.link(&sink).map_err(|_| fail("makes no AAC"))
}

/// The way of one encoder's frames to the packagers.
struct Tap {
    track: TrackId,
    muxer: Arc<Muxer>,
    /// The rungs that this sound is played with.
    slots: Vec<Arc<Slot>>,
    tools: Tools,
}

impl Tap {
    fn into_sink(self) -> AppSink {
        let tap = Arc::new(self);
        let ending = tap.clone();
        AppSink::builder()
            .sync(false)
            .async_(false)
            .max_buffers(2)
            .callbacks(
                AppSinkCallbacks::builder()
                    .eos(move |_| ending.end())
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        tap.take(&sample)
                    })
                    .build(),
            )
            .build()
    }

    fn take(&self, sample: &gst::Sample) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(frame) = retimed(0, sample) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let position = self.tools.cuts.locate(self.track, frame.start);
        self.muxer.open(&frame.caps);
        for slot in &self.slots {
            slot.sound(&frame.buffer, &frame.caps, position);
        }
        self.muxer.push(frame.buffer)
    }

    fn end(&self) {
        self.muxer.end();
        for slot in &self.slots {
            slot.end_sound();
        }
    }
}
