//! Fits decoded media to the output: pictures to the canvas, sound to the pacer's format.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::elements::{fail, make, pad};
use super::intake::Intake;
use super::upright;
use crate::base::units::FrameRate;
use crate::model::ladder::{Canvas, SourceFormat};
use crate::worker::media::caps;
use crate::worker::media::template::{self, Chain, Kind, Library, Values};

/// How long the frame rate of a source that does not announce it is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// Plausible frame rates; an announced or measured rate outside is ignored.
const FPS_RANGE: std::ops::RangeInclusive<f64> = 4.0..=130.0;
/// Frame rate when a plausible one is neither announced nor measured.
const FPS_DEFAULT: FrameRate = FrameRate::whole(25);

/// What the fitting of one input's pictures and sound needs.
#[derive(Clone)]
pub struct Fit {
    /// Receives the fitted media.
    pub intake: Arc<Intake>,
    /// Number of the input.
    pub input: u64,
    /// Nanoseconds by which a buffer's running time is after the publisher's time.
    pub shift_ns: i64,
    /// Frame rate announced outside of the video's own caps.
    pub fps_hint: Option<FrameRate>,
}

impl Fit {
    /// Adds the elements that fit the pictures of pad `raw`, and starts them.
    ///
    /// # Errors
    /// When an element is missing or does not link.
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
        self.fix_canvas(raw, filter.clone());
        append(pipeline, raw, chain, [filter, sink.upcast()])
    }

    /// Adds the elements that fit the sound of pad `raw`, and starts them.
    ///
    /// # Errors
    /// When an element is missing or does not link.
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
                let (values, _) = map.as_chunks();
                let samples: Vec<i16> = values.iter().copied().map(i16::from_le_bytes).collect();
                this.intake.sound(this.input, pts_ns, &samples);
            }
        });
        append(pipeline, raw, chain, [filter, sink.upcast()])
    }

    fn sink(&self, take: impl Fn(gst::Buffer, i64) + Send + Sync + 'static) -> AppSink {
        let shift_ns = self.shift_ns;
        let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(buffer) = sample.buffer_owned()
                && let Some(time_ns) = running_time_ns(&buffer, sample.segment())
            {
                take(buffer, time_ns - shift_ns);
            }
            Ok(gst::FlowSuccess::Ok)
        });
        AppSink::builder()
            .sync(false)
            .async_(false)
            .max_buffers(4)
            .callbacks(callbacks.build())
            .build()
    }

    /// Discards pictures until the canvas is known; then sets `filter` to its size.
    fn fix_canvas(&self, raw: &gst::Pad, filter: gst::Element) {
        let this = self.clone();
        let scout = Mutex::new(Scout::default());
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        raw.add_probe(mask, move |pad, info| {
            let mut scout = scout.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(event) = info.event() {
                scout.event(event);
                return gst::PadProbeReturn::Ok;
            }
            let Some(canvas) = this.canvas(&mut scout, pad) else {
                return gst::PadProbeReturn::Handled;
            };
            let fitted = caps::picture(canvas.width, canvas.height).build();
            filter.set_property("caps", fitted);
            gst::PadProbeReturn::Remove
        });
    }

    fn canvas(&self, scout: &mut Scout, pad: &gst::Pad) -> Option<Canvas> {
        self.intake.canvas().or_else(|| {
            let caps = pad.current_caps()?;
            let source = scout.source(&caps, self.fps_hint)?;
            self.intake.canvas_for(source)
        })
    }
}

fn running_time_ns(buffer: &gst::BufferRef, segment: Option<&gst::Segment>) -> Option<i64> {
    let time = segment?
        .downcast_ref::<gst::ClockTime>()?
        .to_running_time(buffer.pts()?)?;
    i64::try_from(time.nseconds()).ok()
}

/// Offers a pool for pictures with padding between their rows, as `GstVideoMeta` describes it:
/// a libav decoder then outputs the picture that it decoded into, not a copy.
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

/// Links `chain` and `rest` behind pad `raw`, and starts their elements, the last one first.
///
/// It leaves the other elements' states alone. A pipeline falls back to PAUSED for a moment while a
/// decoder is added to it, and a source that followed it there would abort its HTTP request.
fn append(
    pipeline: &gst::Pipeline,
    raw: &gst::Pad,
    chain: Chain,
    rest: [gst::Element; 2],
) -> Result<(), template::Error> {
    let mut added = chain.elements().to_vec();
    let (first, last) = chain.add_to(pipeline.upcast_ref())?;
    pipeline.add_many(&rest).map_err(fail)?;
    gst::Element::link_many(std::iter::once(&last).chain(&rest)).map_err(fail)?;
    raw.link(&pad(&first, "sink")?).map_err(fail)?;
    added.extend(rest);
    for element in added.iter().rev() {
        element.sync_state_with_parent().map_err(fail)?;
    }
    Ok(())
}

/// What is learned about a source before the canvas is fixed.
#[derive(Debug, Default)]
struct Scout {
    sideways: bool,
    first: Option<Instant>,
    /// Pictures since the first.
    pictures: u32,
}

impl Scout {
    fn event(&mut self, event: &gst::Event) {
        if let gst::EventView::Tag(tag) = event.view()
            && let Some(orientation) = tag.tag().get::<gst::tags::ImageOrientation>()
        {
            let text = orientation.get();
            self.sideways = text.contains("90") || text.contains("270");
        }
    }

    /// The format of the pictures as they are shown; `None` while their rate is measured.
    fn source(&mut self, caps: &gst::CapsRef, hint: Option<FrameRate>) -> Option<SourceFormat> {
        let info = gst_video::VideoInfo::from_caps(caps).ok()?;
        let rate = info.fps();
        let announced = u32::try_from(rate.numer())
            .ok()
            .zip(u32::try_from(rate.denom()).ok());
        let announced = announced.and_then(|(num, den)| FrameRate::new(num, den));
        let fps = announced
            .filter(plausible)
            .or(hint.filter(plausible))
            .or_else(|| self.measure())?;
        let (mut width, mut height) = with_square_pixels(&info);
        if self.sideways {
            std::mem::swap(&mut width, &mut height);
        }
        Some(SourceFormat { width, height, fps })
    }

    /// Counts pictures for [`MEASURE`].
    fn measure(&mut self) -> Option<FrameRate> {
        let Some(first) = self.first else {
            self.first = Some(Instant::now());
            return None;
        };
        self.pictures += 1;
        let elapsed = first.elapsed();
        if elapsed < MEASURE {
            return None;
        }
        let millihertz = f64::from(self.pictures) / elapsed.as_secs_f64() * 1000.0;
        let measured = FrameRate::new(millihertz as u32, 1000).filter(plausible);
        Some(measured.unwrap_or(FPS_DEFAULT))
    }
}

fn plausible(fps: &FrameRate) -> bool {
    FPS_RANGE.contains(&fps.as_f64())
}

/// The picture's size once its pixels are square: the height stays, so that no line is lost.
fn with_square_pixels(info: &gst_video::VideoInfo) -> (u32, u32) {
    let (num, den) = (info.par().numer(), info.par().denom());
    let width = u64::from(info.width()) * u64::from(num.unsigned_abs());
    let width = width / u64::from(den.unsigned_abs()).max(1);
    (u32::try_from(width).unwrap_or(info.width()), info.height())
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
            shift_ns: 0,
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
