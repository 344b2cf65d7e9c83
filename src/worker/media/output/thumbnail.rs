//! Makes a small JPEG of the stream every two seconds from the picture of the lowest rung that is
//! awake: for lists, and for the seek bar.

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::failure;
use super::feed::Feed;
use super::tools::{Epoch, Tools};
use crate::base::units::FrameRate;
use crate::model::hls::THUMBNAIL_INTERVAL;
use crate::wire::protocol::FromWorker;
use crate::worker::media::caps;
use crate::worker::media::element;
use crate::worker::media::events::Event;
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Library, Values};

/// Pixels along the longer side. With the quality of the template a picture has about 10 KB.
const LONG_SIDE: u32 = 320;
/// Bytes of pictures that may wait: one picture, and at most one waits.
const PICTURE_BYTES_MAX: u64 = 8192 * 8192 * 2;

/// Makes the thumbnails.
pub struct Thumbnail {
    pipeline: gst::Pipeline,
    feed: Feed,
    sized: gst::Element,
    fps: FrameRate,
}

impl Thumbnail {
    /// Starts the pipeline.
    ///
    /// # Errors
    /// When an element is missing or the pipeline does not start.
    pub fn start(fps: FrameRate, tools: &Tools) -> Result<Self, template::Error> {
        let fail = |message: &str| template::Error::build("thumbnail", message);
        let pipeline = gst::Pipeline::with_name("thumbnail");
        let events = &tools.events;
        let feed = Feed::add(&pipeline, "pictures", None, PICTURE_BYTES_MAX, events)?;
        let build = |library: &Library, kind| {
            let chain = library.build_kind(kind, &Values::default())?;
            chain.add_to(pipeline.upcast_ref())
        };
        let (first, last) = build(&tools.library, Kind::Scale)?;
        let sized = element::add(&pipeline, "capsfilter", "thumbnail")?;
        let (jpeg_first, jpeg_last) = build(&tools.library, Kind::Thumbnail)?;
        let sink = sink(tools.outbox.clone(), tools.epoch.clone());
        pipeline.add(&sink).map_err(|_| fail("no sink"))?;
        let chain = [feed.element(), &first];
        gst::Element::link_many(chain).map_err(|_| fail("takes no pictures"))?;
        let chain = [&last, &sized, &jpeg_first];
        gst::Element::link_many(chain).map_err(|_| fail("makes no pictures"))?;
        jpeg_last.link(&sink).map_err(|_| fail("makes no JPEG"))?;
        failure::watch(&pipeline, &tools.events, |_, reason| Event::Fatal(reason));
        let playing = pipeline.set_state(gst::State::Playing);
        playing.map_err(|_| fail("does not start"))?;
        Ok(Self {
            pipeline,
            feed,
            sized,
            fps,
        })
    }

    /// Takes canvas frame `frame`, a picture of `size`, if a thumbnail is due.
    pub fn picture(&self, frame: u64, size: (u32, u32), picture: &gst::Buffer) {
        let every = self.fps.frame_at(THUMBNAIL_INTERVAL).max(1);
        // The very first picture is left out: many sources begin with a black one.
        if frame % every != every / 4 || self.feed.waiting() > 0 {
            return;
        }
        let (width, height) = fitted(size);
        let small = caps::picture(width, height).build();
        self.sized.set_property("caps", small);
        self.feed.retune(&caps::picture(size.0, size.1).build());
        // The memory is shared; the time is that of the frame, whoever scaled it.
        let mut picture = picture.copy();
        if let Some(picture) = picture.get_mut() {
            picture.set_pts(gst::ClockTime::try_from(self.fps.time_of(frame)).ok());
        }
        // The source refuses a picture only while the worker ends.
        let _ = self.feed.push(picture);
    }

    /// Stops the pipeline.
    pub fn stop(&self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn fitted((width, height): (u32, u32)) -> (u32, u32) {
    let long = width.max(height).max(1);
    let even = |side: u32| {
        let side = u64::from(side) * u64::from(LONG_SIDE.min(long)) / u64::from(long);
        u32::try_from(side / 2 * 2).unwrap_or(2).max(2)
    };
    (even(width), even(height))
}

fn sink(outbox: Outbox, epoch: Epoch) -> AppSink {
    AppSink::builder()
        .sync(false)
        .async_(false)
        .max_buffers(1)
        .drop(true)
        .callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let made = sample
                        .buffer()
                        .and_then(|buffer| Some((buffer.pts()?, buffer.map_readable().ok()?)));
                    if let Some((pts, jpeg)) = made {
                        outbox.send(FromWorker::Thumbnail {
                            date_ns: epoch.date_ns(pts.into()),
                            data: bytes::Bytes::copy_from_slice(&jpeg),
                        });
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_small_and_never_larger_than_their_source() {
        for (size, expected) in [
            ((1920, 1080), (320, 180)),
            ((1080, 1920), (180, 320)),
            ((426, 240), (320, 180)),
            ((160, 120), (160, 120)),
            ((320, 1), (320, 2)),
        ] {
            assert_eq!(fitted(size), expected, "{size:?}");
        }
    }
}
