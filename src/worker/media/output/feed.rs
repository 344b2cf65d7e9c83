//! The entry of a pipeline of the output half: a source with a bounded number of bytes.

use gst::prelude::*;
use gst_app::AppSrc;

use crate::base::units::Bitrate;
use crate::worker::media::element;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::template::Error;

/// Seconds of encoded media that may wait for a packager at the rendition's bitrate.
const ENCODED_SECONDS_MAX: u64 = 10;
/// Bytes that may wait for a packager beside that, because one key frame may be that large.
const KEY_FRAME_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Feeds a pipeline. What waits is bounded in bytes: when the pipeline takes nothing for so long that
/// the bound is reached, the worker fails and another takes over.
#[derive(Debug, Clone)]
pub struct Feed {
    source: AppSrc,
    bytes_max: u64,
    events: Events,
}

impl Feed {
    /// Makes the source called `name` inside `bin`; with `None` its caps are set later.
    ///
    /// # Errors
    /// When `bin` has an element called `name`.
    pub fn add(
        bin: &impl IsA<gst::Bin>,
        name: &str,
        caps: Option<&gst::Caps>,
        bytes_max: u64,
        events: &Events,
    ) -> Result<Self, Error> {
        Ok(Self {
            source: element::add_source(bin, name, caps, bytes_max)?,
            bytes_max,
            events: events.clone(),
        })
    }

    /// The source element, to be linked.
    pub fn element(&self) -> &gst::Element {
        self.source.upcast_ref()
    }

    /// Sets the caps unless they have been set before.
    pub fn open(&self, caps: &gst::CapsRef) {
        if self.source.caps().is_none() {
            self.source.set_caps(Some(&caps.to_owned()));
        }
    }

    /// Makes the buffers that follow have these caps.
    pub fn retune(&self, caps: &gst::Caps) {
        if self.source.caps().as_ref() != Some(caps) {
            self.source.set_caps(Some(caps));
        }
    }

    /// Buffers that wait.
    pub fn waiting(&self) -> u64 {
        self.source.current_level_buffers()
    }

    /// Appends a buffer.
    ///
    /// # Errors
    /// [`gst::FlowError::Flushing`] while the pipeline stops, and when too much waits: then the worker
    /// has been told to end, and no element upstream is at fault.
    pub fn push(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.source.current_level_bytes() > self.bytes_max {
            let name = self.source.name();
            let pipeline = self.source.parent().map(|parent| parent.name());
            self.events.send(Event::Fatal(format!(
                "pipeline `{}` is stuck: `{name}` holds more than {} bytes",
                pipeline.unwrap_or_default(),
                self.bytes_max
            )));
            return Err(gst::FlowError::Flushing);
        }
        self.source.push_buffer(buffer)
    }

    /// Ends the stream.
    pub fn end(&self) {
        let _ = self.source.end_of_stream();
    }
}

/// Bytes of encoded media that may wait for a packager.
pub fn encoded_bytes_max(bitrate: Bitrate) -> u64 {
    let bytes = bitrate.bps().saturating_mul(ENCODED_SECONDS_MAX) / 8;
    bytes.saturating_add(KEY_FRAME_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_that_takes_nothing_fails_the_worker() {
        crate::worker::media::init().unwrap();
        let (events, reports) = Events::new();
        let pipeline = gst::Pipeline::with_name("stuck");
        let feed = Feed::add(&pipeline, "video", None, 1000, &events).unwrap();
        let buffer = || gst::Buffer::from_slice([0u8; 400]);
        for _ in 0..3 {
            assert_eq!(feed.push(buffer()), Ok(gst::FlowSuccess::Ok));
        }
        assert_eq!(reports.try_next(), None);
        assert_eq!(feed.push(buffer()), Err(gst::FlowError::Flushing));
        assert_eq!(feed.waiting(), 3);
        let told = "pipeline `stuck` is stuck: `video` holds more than 1000 bytes";
        assert_eq!(reports.try_next(), Some(Event::Fatal(told.to_owned())));
    }
}
