//! The scale cascade and the encoders.

use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;
use gst_app::AppSink;

use super::cuts::Cuts;
use super::cutter::{Tap, Taps};
use super::failure;
use super::feed::Feed;
use super::spec::Spec;
use super::thumbnail;
use crate::base::units::FrameRate;
use crate::model::hls::TrackId;
use crate::model::ladder::lengths::aac_time;
use crate::model::ladder::{AudioRendition, VideoRendition};
use crate::worker::media::caps;
use crate::worker::media::element;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Library, Values, Variable};

/// Canvas frames that may wait for the encoders. Above that the encoders are too slow: frames wait
/// before the pipeline and are then left out.
const BACKLOG_FRAMES_MAX: u64 = 12;
/// Canvas frames that wait at most, even of those that begin a part, which are never left out. With
/// more the worker fails.
const CANVAS_FRAMES_MAX: u64 = 48;
/// Bytes of raw sound that may wait for the encoders: ten seconds. With more the worker fails.
const SAMPLES_BYTES_MAX: u64 = 10 * 48_000 * 4;
/// Raw frames that may wait for one encoder.
const QUEUE_FRAMES_MAX: u32 = 6;
/// Pixels per second for one encoder thread: 1080p at 60 frames per second. Fewer threads cost less
/// CPU and delay; a faster picture needs more threads.
const PIXELS_PER_SECOND_PER_THREAD: u64 = 1920 * 1080 * 60;

/// The encoding pipeline.
#[derive(Debug)]
pub struct Encode {
    /// The pipeline itself.
    pub pipeline: gst::Pipeline,
    pictures: Feed,
    samples: Feed,
    fps: FrameRate,
}

impl Encode {
    /// Builds the pipeline; encoded frames go into `taps`.
    pub fn build(
        spec: &Spec<'_>,
        library: &Library,
        taps: Taps,
        outbox: &Outbox,
        events: &Events,
    ) -> Result<Self, template::Error> {
        let pipeline = gst::Pipeline::with_name("encode");
        let canvas = spec.plan.canvas;
        let picture_bytes = u64::from(canvas.width) * u64::from(canvas.height) * 3 / 2;
        let pictures = Feed::add(
            &pipeline,
            "canvas",
            Some(&caps::canvas(canvas)),
            picture_bytes.saturating_mul(CANVAS_FRAMES_MAX),
            events,
        )?;
        let samples = Feed::add(
            &pipeline,
            "samples",
            Some(&caps::samples()),
            SAMPLES_BYTES_MAX,
            events,
        )?;
        build_video(
            &pipeline,
            pictures.element(),
            spec,
            library,
            taps.video,
            outbox,
        )?;
        build_audio(&pipeline, samples.element(), spec, library, taps.audio)?;
        failure::watch(&pipeline, events, |child, reason| {
            match child.strip_prefix("rung-").and_then(|n| n.parse().ok()) {
                Some(video) => Event::EncoderFailed { video, reason },
                None => Event::Fatal(reason),
            }
        });
        Ok(Self {
            pipeline,
            pictures,
            samples,
            fps: spec.plan.canvas.fps,
        })
    }

    /// See [`super::Output::has_room`].
    pub fn has_room(&self) -> bool {
        self.pictures.waiting() < BACKLOG_FRAMES_MAX
    }

    /// See [`super::Output::picture`].
    pub fn picture(&self, frame: u64, mut buffer: gst::Buffer) {
        let start = self.fps.time_of(frame);
        stamp(&mut buffer, start, self.fps.time_of(frame + 1) - start);
        // The source refuses a buffer only while the pipeline or the worker ends.
        let _ = self.pictures.push(buffer);
    }

    /// See [`super::Output::samples`].
    pub fn samples(&self, index: u64, mut buffer: gst::Buffer) {
        let start = aac_time(index);
        stamp(&mut buffer, start, aac_time(index + 1) - start);
        // The source refuses a buffer only while the pipeline or the worker ends.
        let _ = self.samples.push(buffer);
    }

    /// Ends both streams.
    pub fn end(&self) {
        self.pictures.end();
        self.samples.end();
    }
}

fn stamp(buffer: &mut gst::Buffer, start: std::time::Duration, duration: std::time::Duration) {
    let buffer = buffer.make_mut();
    let time = |d: std::time::Duration| gst::ClockTime::try_from(d).ok();
    buffer.set_pts(time(start));
    buffer.set_dts(gst::ClockTime::NONE);
    buffer.set_duration(time(duration));
}

fn fail(message: impl ToString) -> template::Error {
    template::Error::build("encode", message)
}

fn build_video(
    pipeline: &gst::Pipeline,
    canvas: &gst::Element,
    spec: &Spec<'_>,
    library: &Library,
    taps: Vec<Tap>,
    outbox: &Outbox,
) -> Result<(), template::Error> {
    let mut tee = element::add(pipeline, "tee", "encode")?;
    canvas.link(&tee).map_err(fail)?;
    let mut above = (spec.plan.canvas.width, spec.plan.canvas.height);
    for (index, (rendition, tap)) in spec.plan.video.iter().zip(taps).enumerate() {
        let size = (rendition.width, rendition.height);
        if size != above {
            let (first, last) = library
                .build_kind(Kind::Scale, &Values::default())?
                .add_to(pipeline.upcast_ref())?;
            let sized = caps::picture(size.0, size.1).build();
            let sized = element::add_filter(pipeline, &sized, "encode")?;
            let next = element::add(pipeline, "tee", "encode")?;
            tee.link(&first).map_err(fail)?;
            gst::Element::link_many([&last, &sized, &next]).map_err(fail)?;
            tee = next;
            above = size;
        }
        let encoder = encoder_bin(index, rendition, spec, library, tap)?;
        pipeline.add(&encoder).map_err(fail)?;
        tee.link(&encoder).map_err(fail)?;
    }
    thumbnail::build(pipeline, &tee, above, spec.plan.canvas.fps, library, outbox)
}

/// Makes `queue ! encoder ! appsink` of one rung in a bin of its own; the bin's name in an error
/// message tells which rung failed.
fn encoder_bin(
    index: usize,
    rendition: &VideoRendition,
    spec: &Spec<'_>,
    library: &Library,
    tap: Tap,
) -> Result<gst::Bin, template::Error> {
    let bin = gst::Bin::with_name(&format!("rung-{index}"));
    let queue = element::add(&bin, "queue", "encode")?;
    queue.set_property("max-size-buffers", QUEUE_FRAMES_MAX);
    queue.set_property("max-size-bytes", 0u32);
    queue.set_property("max-size-time", 0u64);
    let name = spec.encoders.get(index).cloned().unwrap_or_default();
    let template = library
        .get(&name)
        .ok_or_else(|| fail(format!("no encoder template `{name}`")))?;
    let fps = spec.plan.canvas.fps.divided(rendition.divisor);
    let chain = template::build(template, &encoder_values(rendition, fps))?;
    let (first, last) = chain.add_to(&bin)?;
    queue.link(&first).map_err(fail)?;
    let sink = tap.into_sink();
    bin.add(&sink).map_err(fail)?;
    last.link(&sink).map_err(fail)?;

    let pad = first
        .static_pad("sink")
        .ok_or_else(|| fail("encoder without sink pad"))?;
    thin_out(&queue, spec.plan.canvas.fps, rendition.divisor)?;
    force_key_frames(&pad, spec.cuts.clone());

    let entry = queue
        .static_pad("sink")
        .ok_or_else(|| fail("queue without sink pad"))?;
    let ghost = gst::GhostPad::with_target(&entry).map_err(fail)?;
    bin.add_pad(&ghost).map_err(fail)?;
    Ok(bin)
}

/// The values that an encoder template may bind.
pub fn encoder_values(rendition: &VideoRendition, fps: FrameRate) -> Values {
    /// Longest GOP in seconds. weir forces a key frame per segment, so this is only a safety net.
    const GOP_SECONDS_MAX: u64 = 20;
    let rate = u64::from(fps.num()).div_ceil(u64::from(fps.den()));
    let pixels = u64::from(rendition.width) * u64::from(rendition.height) * rate;
    Values::default()
        .with(Variable::BitrateBps, rendition.bitrate.bps())
        .with(Variable::BitrateKbps, rendition.bitrate.kbps())
        .with(Variable::GopFramesMax, rate * GOP_SECONDS_MAX)
        .with(
            Variable::Lines,
            u64::from(rendition.width.min(rendition.height)),
        )
        .with(
            Variable::Threads,
            pixels.div_ceil(PIXELS_PER_SECOND_PER_THREAD),
        )
}

fn frame_of(buffer: &gst::BufferRef, fps: FrameRate) -> Option<u64> {
    buffer.pts().map(|pts| fps.frame_at(pts.into()))
}

/// Lets every `divisor`-th canvas frame through, and puts the lower rate into the caps.
fn thin_out(queue: &gst::Element, fps: FrameRate, divisor: u32) -> Result<(), template::Error> {
    if divisor <= 1 {
        return Ok(());
    }
    let pad = queue
        .static_pad("sink")
        .ok_or_else(|| fail("queue without sink pad"))?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        match info.buffer().and_then(|buffer| frame_of(buffer, fps)) {
            Some(frame) if frame % u64::from(divisor) != 0 => gst::PadProbeReturn::Handled,
            _ => gst::PadProbeReturn::Ok,
        }
    });
    let rate = caps::fraction(fps.divided(divisor));
    let out = queue
        .static_pad("src")
        .ok_or_else(|| fail("queue without src pad"))?;
    out.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let Some(gst::PadProbeData::Event(event)) = &mut info.data else {
            return gst::PadProbeReturn::Ok;
        };
        if let gst::EventView::Caps(caps) = event.view() {
            let mut caps = caps.caps_owned();
            caps.make_mut().set("framerate", rate);
            *event = gst::event::Caps::new(&caps);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// Asks the encoder for an IDR frame right before the first frame of each segment. So the key frames
/// of all rungs are the same canvas frames.
fn force_key_frames(pad: &gst::Pad, cuts: Cuts) {
    // No segment has this number: the first frame starts one.
    let segment = AtomicU64::new(u64::MAX);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) else {
            return gst::PadProbeReturn::Ok;
        };
        let msn = cuts.locate(TrackId::Video(0), pts).msn;
        // When the segment's first frame was left out, the next frame starts the segment.
        if segment.swap(msn, Ordering::Relaxed) != msn {
            let request = gst_video::DownstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            pad.send_event(request);
        }
        gst::PadProbeReturn::Ok
    });
}

fn build_audio(
    pipeline: &gst::Pipeline,
    samples: &gst::Element,
    spec: &Spec<'_>,
    library: &Library,
    taps: Vec<Tap>,
) -> Result<(), template::Error> {
    let tee = element::add(pipeline, "tee", "encode")?;
    samples.link(&tee).map_err(fail)?;
    for (rendition, tap) in spec.plan.audio.iter().zip(taps) {
        build_aac(pipeline, &tee, rendition, library, tap)?;
    }
    Ok(())
}

fn build_aac(
    pipeline: &gst::Pipeline,
    tee: &gst::Element,
    rendition: &AudioRendition,
    library: &Library,
    tap: Tap,
) -> Result<(), template::Error> {
    let queue = element::add(pipeline, "queue", "encode")?;
    let values = Values::default().with(Variable::BitrateBps, rendition.bitrate.bps());
    let (first, last) = library
        .build_kind(Kind::AudioEncoder, &values)?
        .add_to(pipeline.upcast_ref())?;
    let sink: AppSink = tap.into_sink();
    pipeline.add(&sink).map_err(fail)?;
    gst::Element::link_many([tee, &queue, &first]).map_err(fail)?;
    last.link(&sink).map_err(fail)
}
