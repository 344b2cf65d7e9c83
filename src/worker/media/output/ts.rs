//! MPEG-TS: one `hlssink3` per video rendition. Its inner `splitmuxsink` is told where to cut. weir
//! uses only its fragment streams and discards its playlist.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gst::prelude::*;
use gst_app::AppSrc;

use super::failure;
use super::spec::{Epoch, Spec};
use crate::model::hls::TsSegment;
use crate::model::ladder::clock::{LadderClock, Position};
use crate::wire::protocol::{FromWorker, Level};
use crate::worker::media::element;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Library, Values};

/// Encoded media that may wait for a TS muxer. Above that, the TS of the rendition stops.
const BACKLOG_MAX: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// One rendition's TS pipeline and its entries.
pub struct Sink {
    /// The pipeline.
    pub pipeline: gst::Pipeline,
    /// Entry for H.264.
    pub video: Input,
    /// Entry for AAC.
    pub audio: Input,
}

/// An entry of a TS pipeline.
#[derive(Debug, Clone)]
pub struct Input {
    source: AppSrc,
    /// The inner `splitmuxsink`; only the video entry has it, because video decides the cuts.
    splitter: Option<gst::Element>,
    state: Arc<State>,
    clock: LadderClock,
}

#[derive(Debug)]
struct State {
    /// The muxer was too far behind and receives no more media.
    given_up: AtomicBool,
    outbox: Outbox,
    rung: String,
}

impl Input {
    /// Appends a frame. The first video frame of a segment announces where that segment ends.
    pub fn push(&self, buffer: &gst::Buffer, caps: &gst::CapsRef, position: Position) {
        if self.state.given_up.load(Ordering::Relaxed) {
            return;
        }
        if self
            .source
            .current_level_time()
            .is_some_and(|level| level > BACKLOG_MAX)
        {
            self.give_up();
            return;
        }
        if self.source.caps().is_none() {
            self.source.set_caps(Some(&caps.to_owned()));
        }
        if let Some(splitter) = self.splitter.as_ref().filter(|_| position.starts_segment) {
            let next = self.clock.segment_time(position.msn + 1);
            let next = u64::try_from(next.as_nanos()).unwrap_or(u64::MAX);
            splitter.emit_by_name::<()>("split-at-running-time", &[&next]);
        }
        // The source refuses a buffer only while the pipeline stops.
        let _ = self.source.push_buffer(buffer.clone());
    }

    fn give_up(&self) {
        if !self.state.given_up.swap(true, Ordering::Relaxed) {
            self.state.outbox.log(
                Level::Error,
                Some(&self.state.rung),
                "the MPEG-TS muxer is 10 s behind and was stopped; CMAF goes on",
            );
        }
    }

    /// Ends the stream.
    pub fn end(&self) {
        let _ = self.source.end_of_stream();
    }
}

impl Sink {
    /// Builds the TS branch of video rendition `index`.
    pub fn build(
        spec: &Spec<'_>,
        index: usize,
        library: &Library,
        outbox: &Outbox,
        events: &Events,
    ) -> Result<Self, template::Error> {
        let pipeline = gst::Pipeline::with_name(&format!("ts-{index}"));
        let chain = library.build_kind(Kind::Ts, &Values::default())?;
        let (sink, _) = chain.add_to(pipeline.upcast_ref())?;
        let splitter = sink
            .downcast_ref::<gst::Bin>()
            .and_then(|bin| bin.by_name("split_mux_sink"))
            .ok_or_else(|| fail("hlssink3 has no inner `split_mux_sink`"))?;
        connect_streams(&sink, Segments::new(spec, index, outbox));

        let video = element::add_source(&pipeline, "video", None, "ts")?;
        let audio = element::add_source(&pipeline, "audio", None, "ts")?;
        branch(
            &pipeline,
            &video,
            "h264parse",
            &byte_stream(),
            &sink,
            "video",
        )?;
        branch(&pipeline, &audio, "aacparse", &adts(), &sink, "audio")?;
        failure::watch(&pipeline, events, move |_, reason| Event::TsFailed {
            video: index,
            reason,
        });
        let rung = spec.plan.video.get(index).map(|v| v.name.clone());
        let state = Arc::new(State {
            given_up: AtomicBool::new(false),
            outbox: outbox.clone(),
            rung: rung.unwrap_or_default(),
        });
        let input = |source, splitter| Input {
            source,
            splitter,
            state: state.clone(),
            clock: spec.clock.clone(),
        };
        Ok(Self {
            video: input(video, Some(splitter)),
            audio: input(audio, None),
            pipeline,
        })
    }
}

fn fail(message: impl ToString) -> template::Error {
    template::Error::build("ts", message)
}

fn byte_stream() -> gst::Caps {
    gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build()
}

fn adts() -> gst::Caps {
    gst::Caps::builder("audio/mpeg")
        .field("stream-format", "adts")
        .build()
}

fn branch(
    pipeline: &gst::Pipeline,
    source: &AppSrc,
    parser: &str,
    caps: &gst::Caps,
    sink: &gst::Element,
    pad: &str,
) -> Result<(), template::Error> {
    let parse = element::add(pipeline, parser, "ts")?;
    if parse.has_property("config-interval") {
        // A viewer may start at any segment, so each key frame needs SPS and PPS in front of it.
        parse.set_property("config-interval", -1i32);
    }
    let filter = element::add_filter(pipeline, caps, "ts")?;
    gst::Element::link_many([source.upcast_ref(), &parse, &filter]).map_err(fail)?;
    let out = filter.static_pad("src").ok_or_else(|| fail("no src pad"))?;
    let entry = sink
        .request_pad_simple(pad)
        .ok_or_else(|| fail(format!("hlssink3 gives no `{pad}` pad")))?;
    out.link(&entry).map_err(fail)?;
    Ok(())
}

/// Collects the segments of one rendition and sends each when it is complete.
struct Segments {
    video: u8,
    clock: LadderClock,
    epoch: Epoch,
    outbox: Outbox,
    /// Media sequence number of the fragment being written, and its bytes.
    open: Option<(u64, Fragment)>,
    next_msn: u64,
}

/// Bytes of a fragment, shared with the stream that `hlssink3` writes to.
type Fragment = Arc<Mutex<Vec<u8>>>;

impl Segments {
    fn new(spec: &Spec<'_>, index: usize, outbox: &Outbox) -> Self {
        Self {
            video: u8::try_from(index).unwrap_or(u8::MAX),
            clock: spec.clock.clone(),
            epoch: spec.epoch.clone(),
            outbox: outbox.clone(),
            open: None,
            next_msn: spec.first_msn,
        }
    }

    /// Starts a segment and sends the previous one: `hlssink3` opens a fragment only after it has
    /// written the previous one completely.
    fn open(&mut self) -> gio::OutputStream {
        self.close();
        let fragment = Fragment::default();
        self.open = Some((self.next_msn, fragment.clone()));
        self.next_msn += 1;
        gio::WriteOutputStream::new(Writer(fragment)).upcast()
    }

    fn close(&mut self) {
        let Some((msn, fragment)) = self.open.take() else {
            return;
        };
        let data = std::mem::take(&mut *fragment.lock().unwrap_or_else(PoisonError::into_inner));
        if data.is_empty() {
            return;
        }
        let start = self.clock.segment_time(msn);
        self.outbox.send(FromWorker::TsSegment(TsSegment {
            video: self.video,
            msn,
            duration: self.clock.segment_time(msn + 1) - start,
            date_ns: self.epoch.date_ns(start),
            data: Bytes::from(data),
        }));
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer(Fragment);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn connect_streams(sink: &gst::Element, segments: Segments) {
    let segments = Mutex::new(segments);
    sink.connect("get-fragment-stream", false, move |_| {
        let mut segments = segments.lock().unwrap_or_else(PoisonError::into_inner);
        Some(segments.open().to_value())
    });
    sink.connect("get-playlist-stream", false, |_| {
        let nowhere = gio::WriteOutputStream::new(std::io::sink());
        Some(nowhere.upcast::<gio::OutputStream>().to_value())
    });
    sink.connect("delete-fragment", false, |_| Some(true.to_value()));
}
