//! CMAF: one `cmafmux` per rendition. Each is told where to cut; an appsink takes its parts.
//!
//! With `buffer-list=true` each sample of the appsink is one buffer list, which is one part. A first
//! buffer with the flags `DISCONT|HEADER` is an initialization section; any other first buffer
//! carries the PTS of the part.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::BytesMut;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::cuts::Cuts;
use super::failure;
use super::feed::{Feed, encoded_bytes_max};
use super::mfhd;
use super::spec::{Epoch, Spec};
use crate::model::hls::{Part, TrackId};
use crate::model::ladder::cuts::Position;
use crate::wire::protocol::FromWorker;
use crate::worker::media::caps;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Library, Values};

/// The CMAF pipeline and its entries, in the order of the plan.
pub struct Cmaf {
    /// All muxers.
    pub pipeline: gst::Pipeline,
    /// Entries of the video renditions.
    pub video: Vec<Entry>,
    /// Entries of the audio renditions.
    pub audio: Vec<Entry>,
}

/// The entry for one rendition's encoded frames.
#[derive(Clone)]
pub struct Entry {
    source: Feed,
    codec: Arc<OnceLock<String>>,
}

impl Entry {
    /// Sets the encoder's caps. Call it before the first frame.
    pub fn open(&self, caps: &gst::CapsRef) {
        if let Some(codec) = caps::codec_string(caps) {
            let _ = self.codec.set(codec);
        }
        self.source.open(caps);
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// As [`Feed::push`].
    pub fn push(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.source.push(buffer)
    }

    /// Ends the stream.
    pub fn end(&self) {
        self.source.end();
    }
}

/// Builds every rendition's muxer.
pub fn build_all(
    spec: &Spec<'_>,
    library: &Library,
    outbox: &Outbox,
    events: &Events,
) -> Result<Cmaf, template::Error> {
    let pipeline = gst::Pipeline::with_name("cmaf");
    let mut entries = (Vec::new(), Vec::new());
    let source = |track, bitrate| {
        let (name, bytes_max) = (format!("cmaf-{track:?}"), encoded_bytes_max(bitrate));
        Feed::add(&pipeline, &name, None, bytes_max, events)
    };
    for (rendition, index) in spec.plan.video.iter().zip(0..=u8::MAX) {
        let track = TrackId::Video(index);
        let source = source(track, rendition.bitrate)?;
        let writer = Writer::new(track, spec, outbox);
        entries
            .0
            .push(build_one(&pipeline, library, source, writer)?);
    }
    for (rendition, index) in spec.plan.audio.iter().zip(0..=u8::MAX) {
        let track = TrackId::Audio(index);
        let source = source(track, rendition.bitrate)?;
        let writer = Writer::new(track, spec, outbox);
        entries
            .1
            .push(build_one(&pipeline, library, source, writer)?);
    }
    failure::watch(&pipeline, events, |_, reason| Event::Fatal(reason));
    Ok(Cmaf {
        pipeline,
        video: entries.0,
        audio: entries.1,
    })
}

fn build_one(
    pipeline: &gst::Pipeline,
    library: &Library,
    source: Feed,
    writer: Writer,
) -> Result<Entry, template::Error> {
    let fail = |error| template::Error::build("cmaf", error);
    let (first, last) = library
        .build_kind(Kind::Cmaf, &Values::default())?
        .add_to(pipeline.upcast_ref())?;
    let pad = first
        .static_pad("sink")
        .or_else(|| first.sink_pads().into_iter().next());
    if let Some(pad) = pad {
        cut(&pad, writer.track, writer.cuts.clone());
    }
    let codec = writer.codec.clone();
    let sink = writer.into_sink();
    pipeline.add(&sink).map_err(fail)?;
    source.element().link(&first).map_err(fail)?;
    last.link(&sink).map_err(fail)?;
    Ok(Entry { source, codec })
}

/// Sends the muxer an event right before each frame that begins a part or a segment. An appsrc does
/// not queue custom events; on the muxer's pad, frame and event keep their order.
fn cut(pad: &gst::Pad, track: TrackId, cuts: Cuts) {
    let last: Mutex<Option<Position>> = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) else {
            return gst::PadProbeReturn::Ok;
        };
        let position = cuts.locate(track, pts);
        let before = last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(position);
        let Some(before) = before else {
            return gst::PadProbeReturn::Ok;
        };
        let segment = before.msn != position.msn;
        if segment || before.part != position.part {
            let split = gst::Structure::builder("FMP4MuxSplitNow")
                .field("chunk", !segment)
                .build();
            pad.send_event(gst::event::CustomDownstream::new(split));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Turns one muxer's buffer lists into messages.
struct Writer {
    track: TrackId,
    cuts: Cuts,
    codec: Arc<OnceLock<String>>,
    epoch: Epoch,
    outbox: Outbox,
    /// Number of the last fragment, counted from 1 over the worker's life.
    fragment: u32,
}

impl Writer {
    fn new(track: TrackId, spec: &Spec<'_>, outbox: &Outbox) -> Self {
        Self {
            track,
            cuts: spec.cuts.clone(),
            codec: Arc::default(),
            epoch: spec.epoch.clone(),
            outbox: outbox.clone(),
            fragment: 0,
        }
    }

    fn into_sink(mut self) -> AppSink {
        AppSink::builder()
            .sync(false)
            .async_(false)
            .buffer_list(true)
            .callbacks(
                AppSinkCallbacks::builder()
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        self.take(&sample);
                        Ok(gst::FlowSuccess::Ok)
                    })
                    .build(),
            )
            .build()
    }

    fn take(&mut self, sample: &gst::Sample) {
        let list = sample.buffer_list_owned();
        let single = sample.buffer_owned();
        let buffers: Vec<gst::Buffer> = match list {
            Some(list) => list.iter_owned().collect(),
            None => single.into_iter().collect(),
        };
        let is_init = |buffer: &gst::Buffer| {
            let flags = buffer.flags();
            flags.contains(gst::BufferFlags::DISCONT) && flags.contains(gst::BufferFlags::HEADER)
        };
        let (init, part): (Vec<_>, Vec<_>) = buffers.into_iter().partition(is_init);
        if !init.is_empty() {
            self.outbox.send(FromWorker::Init {
                track: self.track,
                codec: self.codec.get().cloned().unwrap_or_default(),
                data: join(&init).freeze(),
            });
        }
        if let Some(head) = part.first() {
            self.part(head, join(&part));
        }
    }

    fn part(&mut self, head: &gst::Buffer, mut data: BytesMut) {
        let Some(pts) = head.pts() else { return };
        self.fragment = self.fragment.wrapping_add(1);
        mfhd::number(&mut data, self.fragment);
        let position = self.cuts.locate(self.track, pts);
        let independent = position.starts_segment || matches!(self.track, TrackId::Audio(_));
        self.outbox.send(FromWorker::Part(Part {
            track: self.track,
            msn: position.msn,
            index: position.part,
            duration: head.duration().unwrap_or_default().into(),
            independent,
            last: self.cuts.ends_segment(self.track, position),
            date_ns: self.epoch.date_ns(pts.into()),
            data: data.freeze(),
        }));
    }
}

fn join(buffers: &[gst::Buffer]) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(buffers.iter().map(|b| b.size()).sum());
    for buffer in buffers {
        if let Ok(map) = buffer.map_readable() {
            bytes.extend_from_slice(&map);
        }
    }
    bytes
}
