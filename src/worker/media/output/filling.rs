//! One encoder at work: `appsrc ! encoder ! appsink` in a pipeline of its own, so that it can fail,
//! hang and be replaced alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::cuts::Cuts;
use super::failure::{self, End};
use super::tools::Tools;
use crate::base::units::FrameRate;
use crate::model::encoder::TemplateName;
use crate::model::hls::TrackId;
use crate::model::ladder::{Canvas, VideoRendition};
use crate::worker::media::caps;
use crate::worker::media::element;
use crate::worker::media::template::{self, Values, Variable};

/// Pixels per second for one encoder thread: 1080p at 60 frames per second. Fewer threads cost less
/// CPU and delay; a faster picture needs more threads.
const PIXELS_PER_SECOND_PER_THREAD: u64 = 1920 * 1080 * 60;

/// What a filling tells its rung.
#[derive(Debug)]
pub enum Report {
    /// A frame.
    Encoded(Encoded),
    /// Its last frame was told.
    Ended,
    /// It failed, for this reason.
    Failed(String),
}

/// An encoded frame on the time line of the output.
#[derive(Debug)]
pub struct Encoded {
    /// Number of the filling that made it.
    pub filling: u64,
    /// Its bytes; DTS equals PTS if weir has encoded it, because weir's encoders make no B-frames.
    pub buffer: gst::Buffer,
    /// Its place in decoding order, as the time of a canvas frame. Parts and segments are cut by it.
    pub start: gst::ClockTime,
    /// Its caps.
    pub caps: gst::Caps,
    /// The publisher has encoded it.
    pub passed: bool,
    /// The frames of the publisher behind it, up to the one before which nothing more is shown.
    pub rest: Vec<gst::Buffer>,
}

/// A running encoder.
#[derive(Debug)]
pub struct Filling {
    number: u64,
    template: TemplateName,
    hardware: bool,
    pipeline: gst::Pipeline,
    source: AppSrc,
    ended: AtomicBool,
    failed: Arc<OnceLock<String>>,
}

impl Filling {
    /// Starts an encoder for `rendition` from the template called `name`, with the template's settings
    /// for a machine that is too slow if `is_cheaper`.
    ///
    /// # Errors
    /// When an element is missing, refuses its settings or does not start.
    pub fn start(
        number: u64,
        (name, is_cheaper): (&TemplateName, bool),
        rendition: &VideoRendition,
        canvas: Canvas,
        tools: &Tools,
        report: impl Fn(u64, Report) + Clone + Send + Sync + 'static,
    ) -> Result<Self, template::Error> {
        let fail = |message: &str| template::Error::build(name.as_str(), message);
        let template = tools.library.get(name);
        let template = template.ok_or_else(|| fail("there is no such template"))?;
        let fps = canvas.fps.divided(rendition.divisor);
        let pipeline = gst::Pipeline::with_name(&format!("rung-{}-{number}", rendition.name));
        let pictures = caps::picture(rendition.width, rendition.height)
            .field("framerate", caps::fraction(fps))
            .build();
        // The rung looks at how much waits.
        let source = element::add_source(&pipeline, "pictures", Some(&pictures), 0)?;
        let chain = template::build(
            template,
            &encoder_values(rendition, fps).cheaper(is_cheaper),
        )?;
        carry_parameter_sets(chain.elements());
        let (first, last) = chain.add_to(pipeline.upcast_ref())?;
        let sink = sink(number, report.clone());
        pipeline.add(&sink).map_err(|_| fail("no sink"))?;
        source.link(&first).map_err(|_| fail("takes no pictures"))?;
        last.link(&sink).map_err(|_| fail("makes no H.264"))?;
        let pad = first
            .static_pad("sink")
            .ok_or_else(|| fail("no sink pad"))?;
        force_key_frames(&pad, tools.cuts.clone());

        let failed: Arc<OnceLock<String>> = Arc::default();
        let noted = failed.clone();
        failure::watch_end(&pipeline, &tools.events, move |end| {
            if let End::Failed(_, reason) = end {
                let _ = noted.set(reason.clone());
                report(number, Report::Failed(reason));
            }
            None
        });
        if pipeline.set_state(gst::State::Playing).is_err() {
            let reason = failed.get().map_or("does not start", String::as_str);
            let error = fail(reason);
            tools.grave.bury(&pipeline);
            return Err(error);
        }
        Ok(Self {
            number,
            template: name.clone(),
            hardware: template.body.hardware,
            pipeline,
            source,
            ended: AtomicBool::new(false),
            failed,
        })
    }

    /// Its number among the fillings of its rung.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The template that it was built from.
    pub fn template(&self) -> &TemplateName {
        &self.template
    }

    /// Whether it runs on a GPU or a video block.
    pub fn is_hardware(&self) -> bool {
        self.hardware
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Its pipeline, to be stopped.
    pub fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

    /// Pictures that wait for it.
    pub fn waiting(&self) -> u64 {
        self.source.current_level_buffers()
    }

    /// Gives it a picture.
    pub fn push(&self, picture: gst::Buffer) {
        // The source refuses a picture only once the pipeline has failed, which is reported.
        let _ = self.source.push_buffer(picture);
    }

    /// Tells it that no picture follows.
    pub fn end(&self) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            let _ = self.source.end_of_stream();
        }
    }
}

fn sink(number: u64, report: impl Fn(u64, Report) + Clone + Send + Sync + 'static) -> AppSink {
    let ended = report.clone();
    AppSink::builder()
        .sync(false)
        .async_(false)
        .max_buffers(2)
        .callbacks(
            AppSinkCallbacks::builder()
                .eos(move |_| ended(number, Report::Ended))
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(encoded) = retimed(number, &sample) {
                        report(number, Report::Encoded(encoded));
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build()
}

/// A copy of the sample's buffer on the time line of the output.
pub fn retimed(filling: u64, sample: &gst::Sample) -> Option<Encoded> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let caps = sample.caps_owned()?;
    let mut buffer = sample.buffer_owned()?;
    let start = segment.to_running_time(buffer.pts()?)?;
    let writable = buffer.make_mut();
    writable.set_pts(start);
    writable.set_dts(start);
    Some(Encoded {
        filling,
        buffer,
        start,
        caps,
        passed: false,
        rest: Vec::new(),
    })
}

/// Makes every key frame carry SPS and PPS. A rung may get another encoder without a discontinuity;
/// demuxers that read only the first `moov` (ffmpeg and mpv do) decode the new frames by these.
fn carry_parameter_sets(elements: &[gst::Element]) {
    for element in elements {
        let parser = element.factory().is_some_and(|f| f.name() == "h264parse");
        if parser {
            element.set_property("config-interval", -1i32);
        }
    }
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

/// Asks the encoder for an IDR frame right before the first frame of each further segment. So the key frames of all rungs are the same canvas frames.
fn force_key_frames(pad: &gst::Pad, cuts: Cuts) {
    /// No segment has this number.
    const FIRST: u64 = u64::MAX;
    let segment = AtomicU64::new(FIRST);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) else {
            return gst::PadProbeReturn::Ok;
        };
        let msn = cuts.locate(TrackId::Video(0), pts).msn;
        let before = segment.swap(msn, Ordering::Relaxed);
        // An encoder's first frame is an IDR frame in any case, and a request for it would stand in the
        // way: `GstVideoEncoder` drops a request that comes before the last one was met.
        // When the segment's first frame was left out, the next frame starts the segment.
        if before != FIRST && before != msn {
            let request = gst_video::DownstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            pad.send_event(request);
        }
        gst::PadProbeReturn::Ok
    });
}
