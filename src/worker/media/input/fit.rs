//! From raw decoded media to the canvas and the pacer's sound.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::{Intake, fail, upright};
use crate::base::units::FrameRate;
use crate::model::ladder::{Canvas, SourceFormat};
use crate::worker::media::caps;
use crate::worker::media::template::{self, Chain, Kind, Library, Values};

/// A source that does not tell its rate is measured for so long.
const MEASURE: Duration = Duration::from_secs(1);
/// Rates outside of this are not believed.
const FPS_RANGE: std::ops::RangeInclusive<f64> = 4.0..=130.0;
/// Rate assumed when it cannot be measured.
const FPS_DEFAULT: FrameRate = FrameRate::whole(25);

/// How decoded times become the publisher's.
#[derive(Debug, Clone, Copy)]
pub enum Times {
    /// Decoded PTS minus this many nanoseconds.
    Shifted(i64),
    /// The source carries no times: the moment of arrival counts.
    Arrival,
}

impl Times {
    fn of(self, buffer: &gst::BufferRef, segment: Option<&gst::Segment>) -> Option<i64> {
        match self {
            Self::Arrival => Some(since_first_use()),
            Self::Shifted(shift) => {
                let pts = buffer.pts()?;
                let time = segment?
                    .downcast_ref::<gst::ClockTime>()?
                    .to_running_time(pts)?;
                Some(i64::try_from(time.nseconds()).ok()? - shift)
            }
        }
    }
}

/// Nanoseconds of a clock that never goes back.
fn since_first_use() -> i64 {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let first = FIRST.get_or_init(Instant::now);
    i64::try_from(first.elapsed().as_nanos()).unwrap_or(i64::MAX)
}

/// What both kinds of fitting need.
#[derive(Clone)]
pub struct Fit {
    /// Where the media goes.
    pub intake: Arc<Intake>,
    /// Number of the input.
    pub input: u64,
    /// How times are read.
    pub times: Times,
    /// Frames are let out in real time: for sources that deliver in bursts.
    pub paced: bool,
    /// Rate announced beside the stream.
    pub fps_hint: Option<FrameRate>,
}

impl Fit {
    /// Adds the chain behind a raw video pad.
    pub fn video(
        &self,
        pipeline: &gst::Pipeline,
        raw: &gst::Pad,
        library: &Library,
    ) -> Result<(), template::Error> {
        let chain = library.build_kind(Kind::VideoFit, &Values::default())?;
        upright::spare_copies(chain.elements());
        let filter = make("capsfilter")?;
        let this = self.clone();
        let sink = self.sink(move |buffer, pts_ns| {
            this.intake.picture(this.input, pts_ns, buffer);
        });
        take_any_layout(&sink);
        self.scout(raw, filter.clone());
        append(pipeline, raw, chain, [filter, sink.upcast()])
    }

    /// Adds the chain behind a raw audio pad.
    pub fn audio(
        &self,
        pipeline: &gst::Pipeline,
        raw: &gst::Pad,
        library: &Library,
    ) -> Result<(), template::Error> {
        let chain = library.build_kind(Kind::AudioFit, &Values::default())?;
        let filter = make("capsfilter")?;
        filter.set_property("caps", caps::samples());
        let this = self.clone();
        let sink = self.sink(move |buffer, pts_ns| {
            if let Ok(map) = buffer.map_readable() {
                let samples: Vec<i16> = map
                    .chunks_exact(2)
                    .filter_map(|pair| pair.try_into().ok().map(i16::from_le_bytes))
                    .collect();
                this.intake.sound(this.input, pts_ns, &samples);
            }
        });
        append(pipeline, raw, chain, [filter, sink.upcast()])
    }

    fn sink(&self, take: impl Fn(gst::Buffer, i64) + Send + Sync + 'static) -> AppSink {
        let times = self.times;
        AppSink::builder()
            .sync(self.paced)
            .async_(false)
            .max_buffers(4)
            .callbacks(
                AppSinkCallbacks::builder()
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        let segment = sample.segment().cloned();
                        if let Some(buffer) = sample.buffer_owned()
                            && let Some(pts_ns) = times.of(&buffer, segment.as_ref())
                        {
                            take(buffer, pts_ns);
                        }
                        Ok(gst::FlowSuccess::Ok)
                    })
                    .build(),
            )
            .build()
    }

    /// Watches the raw pad until the canvas is known, then fits everything to it.
    fn scout(&self, raw: &gst::Pad, filter: gst::Element) {
        let this = self.clone();
        let scout = Mutex::new(Scout::default());
        raw.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
            move |pad, info| {
                let mut scout = scout.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(event) = info.event() {
                    scout.event(event);
                    return gst::PadProbeReturn::Ok;
                }
                if scout.fitted {
                    return gst::PadProbeReturn::Ok;
                }
                match this.canvas(&mut scout, pad) {
                    Some(canvas) => {
                        scout.fitted = true;
                        let fitted = caps::picture(canvas.width, canvas.height).build();
                        filter.set_property("caps", fitted);
                        gst::PadProbeReturn::Ok
                    }
                    None => gst::PadProbeReturn::Handled,
                }
            },
        );
    }

    fn canvas(&self, scout: &mut Scout, pad: &gst::Pad) -> Option<Canvas> {
        if let Some(canvas) = self.intake.canvas() {
            return Some(canvas);
        }
        let caps = pad.current_caps()?;
        let source = scout.source(&caps, self.fps_hint)?;
        self.intake.canvas_for(source)
    }
}

/// Offers a pool for pictures whose rows may lie apart from each other, as `GstVideoMeta` says:
/// then a decoder of libav hands out the picture that it decoded into, not a copy of it.
fn take_any_layout(sink: &AppSink) {
    let Some(pad) = sink.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        let Some(gst::QueryViewMut::Allocation(query)) =
            info.query_mut().map(gst::QueryRef::view_mut)
        else {
            return gst::PadProbeReturn::Ok;
        };
        let (caps, _) = query.get_owned();
        let size = caps.and_then(|caps| gst_video::VideoInfo::from_caps(&caps).ok());
        if let Some(size) = size.and_then(|info| u32::try_from(info.size()).ok()) {
            let pool = gst_video::VideoBufferPool::new();
            query.add_allocation_pool(Some(&pool), size, 0, 0);
            query.add_allocation_meta::<gst_video::VideoMeta>(None);
        }
        gst::PadProbeReturn::Handled
    });
}

fn make(factory: &str) -> Result<gst::Element, template::Error> {
    gst::ElementFactory::make(factory).build().map_err(fail)
}

/// Adds `chain` and `rest` behind the pad, and starts them, the last first: elements added to a
/// running pipeline follow its state only when told to.
///
/// Only they are told. A pipeline falls back to PAUSED for a moment while a decoder is added to it; a
/// source that followed it there would give up its request.
fn append(
    pipeline: &gst::Pipeline,
    raw: &gst::Pad,
    chain: Chain,
    rest: [gst::Element; 2],
) -> Result<(), template::Error> {
    let mut added = chain.elements().to_vec();
    let (first, last) = chain.add_to(pipeline.upcast_ref())?;
    pipeline.add_many(&rest).map_err(fail)?;
    let entry = first
        .static_pad("sink")
        .ok_or_else(|| fail("fit has no sink pad"))?;
    added.extend(rest.iter().cloned());
    gst::Element::link_many(std::iter::once(&last).chain(&rest)).map_err(fail)?;
    raw.link(&entry).map_err(fail)?;
    for element in added.iter().rev() {
        element.sync_state_with_parent().map_err(fail)?;
    }
    Ok(())
}

/// What is learned of a source before its canvas is fixed.
#[derive(Debug, Default)]
struct Scout {
    sideways: bool,
    fitted: bool,
    first: Option<Instant>,
    frames: u32,
}

impl Scout {
    fn event(&mut self, event: &gst::Event) {
        if let gst::EventView::Tag(tag) = event.view() {
            let orientation = tag.tag().get::<gst::tags::ImageOrientation>();
            if let Some(orientation) = orientation {
                let text = orientation.get();
                self.sideways = text.contains("90") || text.contains("270");
            }
        }
    }

    fn source(&mut self, caps: &gst::CapsRef, hint: Option<FrameRate>) -> Option<SourceFormat> {
        let info = gst_video::VideoInfo::from_caps(caps).ok()?;
        let told = FrameRate::new(
            u32::try_from(info.fps().numer()).unwrap_or(0),
            u32::try_from(info.fps().denom()).unwrap_or(0),
        );
        let fps = told
            .filter(|fps| FPS_RANGE.contains(&fps.as_f64()))
            .or(hint.filter(|fps| FPS_RANGE.contains(&fps.as_f64())))
            .or_else(|| self.measure())?;
        let (width, height) = square(&info);
        let (width, height) = if self.sideways {
            (height, width)
        } else {
            (width, height)
        };
        Some(SourceFormat { width, height, fps })
    }

    /// Counts frames for [`MEASURE`].
    fn measure(&mut self) -> Option<FrameRate> {
        let Some(first) = self.first else {
            self.first = Some(Instant::now());
            return None;
        };
        self.frames += 1;
        let elapsed = first.elapsed();
        if elapsed < MEASURE {
            return None;
        }
        let millihertz = f64::from(self.frames) / elapsed.as_secs_f64() * 1000.0;
        FrameRate::new(millihertz as u32, 1000)
            .filter(|fps| FPS_RANGE.contains(&fps.as_f64()))
            .or(Some(FPS_DEFAULT))
    }
}

/// Size with square pixels: the wider reading of non-square ones, as no line is lost so.
fn square(info: &gst_video::VideoInfo) -> (u32, u32) {
    let par = info.par();
    let width = u64::from(info.width());
    let wide =
        width * par.numer().unsigned_abs() as u64 / (par.denom().unsigned_abs() as u64).max(1);
    (u32::try_from(wide).unwrap_or(info.width()), info.height())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::media::events::Events;

    /// A pipeline falls back to PAUSED for a moment whenever a decoder is added to it.
    #[test]
    fn a_source_that_plays_is_not_paused() {
        crate::worker::media::init().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.set_state(gst::State::Paused).unwrap();
        let source = make("audiotestsrc").unwrap();
        let decoder = make("identity").unwrap();
        pipeline.add_many([&source, &decoder]).unwrap();
        source.set_state(gst::State::Playing).unwrap();
        let (events, _reports) = Events::new();
        let fit = Fit {
            intake: Arc::new(Intake::new(events)),
            input: 0,
            times: Times::Shifted(0),
            paced: false,
            fps_hint: None,
        };
        let raw = decoder.static_pad("src").unwrap();
        let (library, _) = Library::load(None);
        fit.audio(&pipeline, &raw, &library).unwrap();
        assert_eq!(source.current_state(), gst::State::Playing);
        let added = pipeline.iterate_sinks().next().unwrap().unwrap();
        assert_eq!(added.current_state(), gst::State::Paused);
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
