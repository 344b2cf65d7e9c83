//! Decodes the thumbnail of an earlier worker, which stands in for the picture that is not there yet.

use bytes::Bytes;
use gst::prelude::*;
use gst_app::AppSink;

use super::caps;
use super::element;
use super::template::{Error, Kind, Library, Values};
use crate::model::ladder::Canvas;

/// How long it may take.
const DECODE_MAX: gst::ClockTime = gst::ClockTime::from_seconds(1);

/// The picture in `jpeg`, on the canvas.
///
/// # Errors
/// When an element is missing, or `jpeg` is no JPEG.
pub fn picture(jpeg: Bytes, canvas: Canvas, library: &Library) -> Result<gst::Buffer, Error> {
    let pipeline = gst::Pipeline::with_name("last-picture");
    let decoded = decoded(&pipeline, jpeg, canvas, library);
    let _ = pipeline.set_state(gst::State::Null);
    decoded
}

fn decoded(
    pipeline: &gst::Pipeline,
    jpeg: Bytes,
    canvas: Canvas,
    library: &Library,
) -> Result<gst::Buffer, Error> {
    let fail = |message: &str| Error::build("last picture", message);
    let caps = gst::Caps::builder("image/jpeg").build();
    let source = element::add_source(pipeline, "jpeg", Some(&caps), 0)?;
    let decoder = element::add(pipeline, "jpegdec", "last picture")?;
    let fit = library.build_kind(Kind::VideoFit, &Values::default())?;
    let (first, last) = fit.add_to(pipeline.upcast_ref())?;
    let sized = caps::picture(canvas.width, canvas.height).build();
    let sized = element::add_filter(pipeline, &sized, "last picture")?;
    let sink = AppSink::builder().sync(false).build();
    pipeline.add(&sink).map_err(|_| fail("no sink"))?;
    let chain = [source.upcast_ref(), &decoder, &first];
    gst::Element::link_many(chain).map_err(|_| fail("takes no JPEG"))?;
    let chain = [&last, &sized, sink.upcast_ref()];
    gst::Element::link_many(chain).map_err(|_| fail("makes no picture"))?;
    let playing = pipeline.set_state(gst::State::Playing);
    playing.map_err(|_| fail("does not start"))?;
    let mut buffer = gst::Buffer::from_slice(jpeg);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    // Whether it was taken shows in what comes out.
    let _ = source.push_buffer(buffer);
    let _ = source.end_of_stream();
    let sample = sink.try_pull_sample(DECODE_MAX);
    let picture = sample.and_then(|sample| sample.buffer_owned());
    picture.ok_or_else(|| fail("is no JPEG"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::FrameRate;

    #[test]
    fn what_is_no_jpeg_is_an_error() {
        crate::worker::media::init().unwrap();
        let canvas = Canvas {
            width: 320,
            height: 180,
            fps: FrameRate::whole(30),
        };
        let (library, _) = Library::load(None);
        let junk = Bytes::from_static(&[0xff, 0xd8, 0xff, 0, 1, 2]);
        assert!(picture(junk, canvas, &library).is_err());
    }
}
