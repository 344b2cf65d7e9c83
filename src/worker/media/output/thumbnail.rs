//! Makes a small JPEG of the stream every two seconds from the picture of the lowest rung.

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use crate::base::units::FrameRate;
use crate::wire::protocol::FromWorker;
use crate::worker::media::caps;
use crate::worker::media::element;
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Library, Values};

/// Seconds between two thumbnails.
const INTERVAL_S: u64 = 2;
/// Pixels along the longer side.
const LONG_SIDE: u32 = 400;

/// Adds the branch to `tee`, whose pictures are `size` large.
pub fn build(
    pipeline: &gst::Pipeline,
    tee: &gst::Element,
    size: (u32, u32),
    fps: FrameRate,
    library: &Library,
    outbox: &Outbox,
) -> Result<(), template::Error> {
    let fail = |error| template::Error::build("thumbnail", error);
    let queue = element::add(pipeline, "queue", "thumbnail")?;
    queue.set_property("max-size-buffers", 1u32);
    queue.set_property_from_str("leaky", "downstream");
    if let Some(pad) = queue.static_pad("sink") {
        let frames = fps
            .frame_at(std::time::Duration::from_secs(INTERVAL_S))
            .max(1);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let frame = info
                .buffer()
                .and_then(|b| b.pts())
                .map(|pts| fps.frame_at(pts.into()));
            // The very first picture is left out: many sources begin with a black one.
            match frame {
                Some(frame) if frame % frames == frames / 4 => gst::PadProbeReturn::Ok,
                _ => gst::PadProbeReturn::Handled,
            }
        });
    }
    let (first, last) = library
        .build_kind(Kind::Scale, &Values::default())?
        .add_to(pipeline.upcast_ref())?;
    let (width, height) = fitted(size);
    let sized = caps::picture(width, height).build();
    let sized = element::add_filter(pipeline, &sized, "thumbnail")?;
    let (jpeg_first, jpeg_last) = library
        .build_kind(Kind::Thumbnail, &Values::default())?
        .add_to(pipeline.upcast_ref())?;
    let sink = sink(outbox.clone());
    pipeline.add(&sink).map_err(fail)?;
    gst::Element::link_many([tee, &queue, &first]).map_err(fail)?;
    gst::Element::link_many([&last, &sized, &jpeg_first]).map_err(fail)?;
    jpeg_last.link(&sink).map_err(fail)
}

fn fitted((width, height): (u32, u32)) -> (u32, u32) {
    let long = width.max(height).max(1);
    let even = |side: u32| {
        let side = u64::from(side) * u64::from(LONG_SIDE.min(long)) / u64::from(long);
        u32::try_from(side / 2 * 2).unwrap_or(2).max(2)
    };
    (even(width), even(height))
}

fn sink(outbox: Outbox) -> AppSink {
    AppSink::builder()
        .sync(false)
        .async_(false)
        .max_buffers(1)
        .drop(true)
        .callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let map = sample
                        .buffer()
                        .and_then(|buffer| buffer.map_readable().ok());
                    if let Some(map) = map {
                        let jpeg = bytes::Bytes::copy_from_slice(&map);
                        outbox.send(FromWorker::Thumbnail(jpeg));
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build()
}
