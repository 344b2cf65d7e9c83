//! MPEG-TS: one `hlssink3` per rung, for as long as the rung is awake. Its inner `splitmuxsink` is told where to cut. weir
//! uses only its fragment streams and discards its playlist.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gst::prelude::*;

use super::cuts::Cuts;
use super::failure;
use super::feed::{Feed, encoded_bytes_max};
use super::filling::Encoded;
use super::tools::{Epoch, Tools};
use crate::base::units::Bitrate;
use crate::model::hls::TsSegment;
use crate::wire::protocol::FromWorker;
use crate::worker::media::element;
use crate::worker::media::events::Event;
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Values};

/// Marks a frame that depends on others while `splitmuxsink` has it, see [`hand_on_each_frame`].
const DEPENDENT: gst::BufferFlags = gst::BufferFlags::NON_DROPPABLE;

/// One rung's TS pipeline and its entries.
pub struct Sink {
    /// The pipeline.
    pub pipeline: gst::Pipeline,
    /// Entry for H.264.
    pub video: Input,
    /// Entry for AAC.
    pub audio: Input,
    /// The inner `splitmuxsink`.
    splitter: gst::Element,
    cuts: Cuts,
    segments: Arc<Mutex<Segments>>,
}

/// Whose MPEG-TS it is.
#[derive(Debug, Clone, Copy)]
pub struct Muxed<'a> {
    /// Index into [`Plan::video`](crate::model::ladder::Plan::video).
    pub video: u8,
    /// The rung's name, for errors.
    pub name: &'a str,
    /// Bitrate of the picture.
    pub picture: Bitrate,
    /// Bitrate of the sound.
    pub sound: Bitrate,
}

/// An entry of a TS pipeline.
#[derive(Debug, Clone)]
pub struct Input {
    source: Feed,
    places: Places,
}

/// Decode times of frames that wait, and their places in decoding order.
type Places = Arc<Mutex<VecDeque<(gst::ClockTime, gst::ClockTime)>>>;

impl Input {
    /// Notes where a frame that is appended next comes in decoding order, if that is not the time at which
    /// it is shown.
    pub fn place(&self, encoded: &Encoded) {
        if let Some(dts) = encoded.buffer.dts()
            && encoded.passed
        {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.push_back((dts, encoded.start));
        }
    }

    /// Appends a frame.
    pub fn push(&self, buffer: &gst::Buffer, caps: &gst::CapsRef) {
        self.source.open(caps);
        // The source refuses a buffer only while the pipeline or the worker ends.
        let _ = self.source.push(buffer.clone());
    }

    /// Ends the stream.
    pub fn end(&self) {
        self.source.end();
    }
}

impl Sink {
    /// Starts the TS branch of a rung; `ended` is called once its last segment is complete.
    ///
    /// # Errors
    /// When an element is missing or the pipeline does not start.
    pub fn start(
        muxed: Muxed<'_>,
        tools: &Tools,
        ended: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, template::Error> {
        let pipeline = gst::Pipeline::with_name(&format!("ts-{}", muxed.video));
        let chain = tools.library.build_kind(Kind::Ts, &Values::default())?;
        let (sink, _) = chain.add_to(pipeline.upcast_ref())?;
        let splitter = sink
            .downcast_ref::<gst::Bin>()
            .and_then(|bin| bin.by_name("split_mux_sink"))
            .ok_or_else(|| fail("hlssink3 has no inner `split_mux_sink`"))?;
        let segments = Arc::new(Mutex::new(Segments::new(muxed.video, tools)));
        connect_streams(&sink, &segments);

        let source = |name, bitrate| {
            let bytes_max = encoded_bytes_max(bitrate);
            Feed::add(&pipeline, name, None, bytes_max, &tools.events)
        };
        let video = source("video", muxed.picture)?;
        let audio = source("audio", muxed.sound)?;
        let caps = byte_stream();
        let out = branch(&pipeline, &video, "h264parse", &caps, &sink, "video")?;
        let places = Places::default();
        hand_on_each_frame(&out, &sink, &places)?;
        branch(&pipeline, &audio, "aacparse", &adts(), &sink, "audio")?;
        let (rung, written) = (muxed.name.to_owned(), segments.clone());
        failure::watch_end(&pipeline, &tools.events, move |end| match end {
            failure::End::Eos => {
                lock(&written).close();
                ended();
                None
            }
            failure::End::Failed(_, reason) => {
                Some(Event::Fatal(format!("MPEG-TS of {rung}: {reason}")))
            }
        });
        let playing = pipeline.set_state(gst::State::Playing);
        playing.map_err(|error| template::Error::build(&pipeline.name(), error))?;
        let input = |source| Input {
            source,
            places: places.clone(),
        };
        Ok(Self {
            video: input(video),
            audio: input(audio),
            pipeline,
            splitter,
            cuts: tools.cuts.clone(),
            segments,
        })
    }

    /// The first segment will be `msn`. Call it before the first frame.
    pub fn begin(&self, msn: u64) {
        lock(&self.segments).next_msn = msn;
    }

    /// Segment `msn` begins with the next video frame.
    pub fn split(&self, msn: u64) {
        if let Some(start) = self.cuts.segment_time(msn) {
            let start = u64::try_from(start.as_nanos()).unwrap_or(u64::MAX);
            let name = "split-at-running-time";
            self.splitter.emit_by_name::<()>(name, &[&start]);
        }
    }
}

fn lock(segments: &Mutex<Segments>) -> MutexGuard<'_, Segments> {
    segments.lock().unwrap_or_else(PoisonError::into_inner)
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
///
/// It also takes the time at which a frame is shown for the place of the frame, so in front of it a frame
/// of the publisher is shown at its place, and behind it when it really is.
fn hand_on_each_frame(
    before: &gst::Pad,
    sink: &gst::Element,
    places: &Places,
) -> Result<(), template::Error> {
    let bin = sink.downcast_ref::<gst::Bin>();
    let muxer = bin.and_then(|bin| bin.by_name("mpeg-ts_mux"));
    let behind = muxer.and_then(|muxer| muxer.sink_pads().into_iter().next());
    let behind = behind.ok_or_else(|| fail("hlssink3 has no inner `mpeg-ts_mux`"))?;
    exchange(before, gst::BufferFlags::DELTA_UNIT, DEPENDENT);
    exchange(&behind, DEPENDENT, gst::BufferFlags::DELTA_UNIT);
    let places = places.clone();
    before.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut() {
            let shown = buffer.pts();
            let place = shown.and_then(|_| place_of(&places, buffer.dts()));
            // The parser has counted bytes in the offset, which nobody reads behind it.
            let buffer = buffer.make_mut();
            let carried = shown.filter(|_| place.is_some());
            buffer.set_offset(carried.map_or(u64::MAX, gst::ClockTime::nseconds));
            buffer.set_pts(place.or(shown));
        }
        gst::PadProbeReturn::Ok
    });
    behind.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && buffer.offset() != u64::MAX
        {
            let shown = gst::ClockTime::from_nseconds(buffer.offset());
            buffer.make_mut().set_pts(shown);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// The place of the frame that is decoded at `dts`; `None` when it is shown there.
fn place_of(places: &Places, dts: Option<gst::ClockTime>) -> Option<gst::ClockTime> {
    let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
    while places.front().is_some_and(|(first, _)| Some(*first) < dts) {
        places.pop_front();
    }
    let (_, place) = *places.front().filter(|(first, _)| Some(*first) == dts)?;
    places.pop_front();
    Some(place)
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

/// Collects the segments of one rung and sends each when it is complete.
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
    fn new(video: u8, tools: &Tools) -> Self {
        Self {
            video,
            cuts: tools.cuts.clone(),
            epoch: tools.epoch.clone(),
            outbox: tools.outbox.clone(),
            open: None,
            next_msn: 0,
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

fn connect_streams(sink: &gst::Element, segments: &Arc<Mutex<Segments>>) {
    let segments = segments.clone();
    sink.connect("get-fragment-stream", false, move |_| {
        Some(lock(&segments).open().to_value())
    });
    sink.connect("get-playlist-stream", false, |_| {
        let nowhere = gio::WriteOutputStream::new(std::io::sink());
        Some(nowhere.upcast::<gio::OutputStream>().to_value())
    });
    sink.connect("delete-fragment", false, |_| Some(true.to_value()));
}
