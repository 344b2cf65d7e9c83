//! MPEG-TS: one `hlssink3` per video rendition. Its inner `splitmuxsink` is told where to cut. weir
//! uses only its fragment streams and discards its playlist.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gst::prelude::*;

use super::cuts::Cuts;
use super::failure;
use super::feed::{Feed, encoded_bytes_max};
use super::spec::{Epoch, Spec};
use crate::model::hls::TsSegment;
use crate::model::ladder::cuts::Position;
use crate::wire::protocol::FromWorker;
use crate::worker::media::element;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Library, Values};

/// Marks a frame that depends on others while `splitmuxsink` has it, see [`hand_on_each_frame`].
const DEPENDENT: gst::BufferFlags = gst::BufferFlags::NON_DROPPABLE;

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
    source: Feed,
    /// The inner `splitmuxsink`; only the video entry has it, because video decides the cuts.
    splitter: Option<gst::Element>,
    cuts: Cuts,
}

impl Input {
    /// Appends a frame. The first video frame of a segment ends the segment before.
    pub fn push(&self, buffer: &gst::Buffer, caps: &gst::CapsRef, position: Position) {
        let first = self.source.open(caps);
        let splits = position.starts_segment && !first;
        if let Some(splitter) = self.splitter.as_ref().filter(|_| splits)
            && let Some(start) = self.cuts.segment_time(position.msn)
        {
            let start = u64::try_from(start.as_nanos()).unwrap_or(u64::MAX);
            splitter.emit_by_name::<()>("split-at-running-time", &[&start]);
        }
        // The source refuses a buffer only while the pipeline or the worker ends.
        let _ = self.source.push(buffer.clone());
    }

    /// Ends the stream.
    pub fn end(&self) {
        self.source.end();
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

        let rendition = spec
            .plan
            .video
            .get(index)
            .ok_or_else(|| fail("no such rung"))?;
        let sound = spec.plan.audio_of(rendition).map(|audio| audio.bitrate);
        let source =
            |name, bitrate| Feed::add(&pipeline, name, None, encoded_bytes_max(bitrate), events);
        let video = source("video", rendition.bitrate)?;
        let audio = source("audio", sound.unwrap_or(rendition.bitrate))?;
        let caps = byte_stream();
        let out = branch(&pipeline, &video, "h264parse", &caps, &sink, "video")?;
        hand_on_each_frame(&out, &sink)?;
        branch(&pipeline, &audio, "aacparse", &adts(), &sink, "audio")?;
        let rung = rendition.name.clone();
        failure::watch(&pipeline, events, move |_, reason| {
            Event::Fatal(format!("MPEG-TS of {rung}: {reason}"))
        });
        let input = |source, splitter| Input {
            source,
            splitter,
            cuts: spec.cuts.clone(),
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

/// Links a source to a pad of the sink; returns the pad that feeds the sink.
fn branch(
    pipeline: &gst::Pipeline,
    source: &Feed,
    parser: &str,
    caps: &gst::Caps,
    sink: &gst::Element,
    pad: &str,
) -> Result<gst::Pad, template::Error> {
    let parse = element::add(pipeline, parser, "ts")?;
    if parse.has_property("config-interval") {
        // A viewer may start at any segment, so each key frame needs SPS and PPS in front of it.
        parse.set_property("config-interval", -1i32);
    }
    let filter = element::add_filter(pipeline, caps, "ts")?;
    gst::Element::link_many([source.element(), &parse, &filter]).map_err(fail)?;
    let out = filter.static_pad("src").ok_or_else(|| fail("no src pad"))?;
    let entry = sink
        .request_pad_simple(pad)
        .ok_or_else(|| fail(format!("hlssink3 gives no `{pad}` pad")))?;
    out.link(&entry).map_err(fail)?;
    Ok(out)
}

/// Makes `splitmuxsink` hand on each frame at once. It collects a GOP before it decides to which
/// fragment the GOP belongs, so a fragment would close one GOP after its end. Since weir says where to
/// cut, every frame may count as a GOP of its own: in front of `splitmuxsink` each frame passes for a
/// key frame, and behind it the muxer, which marks key frames in the stream, is told the truth again.
///
/// Call it when the sink has its video pad and no other.
fn hand_on_each_frame(before: &gst::Pad, sink: &gst::Element) -> Result<(), template::Error> {
    let bin = sink.downcast_ref::<gst::Bin>();
    let muxer = bin.and_then(|bin| bin.by_name("mpeg-ts_mux"));
    let behind = muxer.and_then(|muxer| muxer.sink_pads().into_iter().next());
    let behind = behind.ok_or_else(|| fail("hlssink3 has no inner `mpeg-ts_mux`"))?;
    exchange(before, gst::BufferFlags::DELTA_UNIT, DEPENDENT);
    exchange(&behind, DEPENDENT, gst::BufferFlags::DELTA_UNIT);
    Ok(())
}

/// Replaces one flag of the buffers that pass the pad by another. A buffer that has the other flag of
/// its own, as an encoder may have set it, loses it.
fn exchange(pad: &gst::Pad, from: gst::BufferFlags, to: gst::BufferFlags) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info
            .buffer_mut()
            .filter(|b| b.flags().intersects(from | to))
        {
            let buffer = buffer.make_mut();
            let exchanged = buffer.flags().contains(from);
            buffer.unset_flags(from | to);
            if exchanged {
                buffer.set_flags(to);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Collects the segments of one rendition and sends each when it is complete.
struct Segments {
    video: u8,
    cuts: Cuts,
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
            cuts: spec.cuts.clone(),
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
        let Some(start) = self.cuts.segment_time(msn) else {
            return;
        };
        // The last segment of all ends with what has been decided.
        let end = self.cuts.segment_time(msn + 1);
        let end = end.unwrap_or_else(|| self.cuts.decided());
        self.outbox.send(FromWorker::TsSegment(TsSegment {
            video: self.video,
            msn,
            duration: end.saturating_sub(start),
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
