//! CMAF: one `cmafmux` at a time per rendition. It is told where to cut; an appsink takes its parts.
//!
//! With `buffer-list=true` each sample of the appsink is one buffer list, which is one part. A first
//! buffer with the flags `DISCONT|HEADER` is an initialization section; any other first buffer
//! carries the PTS of the part. Timestamps come from the running time, so a new muxer goes on where
//! the one before has ended.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::boxes;
use super::cuts::Cuts;
use super::failure;
use super::feed::{Feed, encoded_bytes_max};
use super::joint::Seed;
use super::relay::Relay;
use super::tools::{Epoch, Tools};
use crate::base::units::Bitrate;
use crate::model::hls::{Part, TrackId};
use crate::model::ladder::cuts::Position;
use crate::wire::protocol::{FromWorker, Rest};
use crate::worker::media::caps;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::outbox::Outbox;
use crate::worker::media::template::{self, Kind, Library, Values};

/// What a muxer has written.
#[derive(Debug, Clone, Copy)]
pub enum Written {
    /// A part.
    Part,
    /// The last part of the muxer of this number.
    All(u64),
}

/// A running muxer.
#[derive(Debug)]
pub struct Muxer {
    number: u64,
    pipeline: gst::Pipeline,
    source: Feed,
    codec: Arc<OnceLock<String>>,
}

impl Muxer {
    /// Starts a muxer whose parts come after those of the muxers that `writer` has begun before.
    /// `told` is called when it has written something.
    ///
    /// # Errors
    /// When an element is missing or the pipeline does not start.
    pub fn start(
        writer: &Writer,
        bitrate: Bitrate,
        library: &Library,
        events: &Events,
        told: impl Fn(Written) + Clone + Send + Sync + 'static,
    ) -> Result<Self, template::Error> {
        let track = writer.track;
        let fail = |error| template::Error::build("cmaf", error);
        let number = writer.begin();
        let pipeline = gst::Pipeline::with_name(&format!("cmaf-{track:?}-{number}"));
        let source = Feed::add(
            &pipeline,
            "encoded",
            None,
            encoded_bytes_max(bitrate),
            events,
        )?;
        let (first, last) = library
            .build_kind(Kind::Cmaf, &Values::default())?
            .add_to(pipeline.upcast_ref())?;
        let pad = first
            .static_pad("sink")
            .or_else(|| first.sink_pads().into_iter().next());
        if let Some(pad) = pad {
            cut(&pad, track, writer.cuts.clone());
        }
        let codec = Arc::default();
        let sink = sink(writer, number, &codec, told);
        pipeline.add(&sink).map_err(fail)?;
        source.element().link(&first).map_err(fail)?;
        last.link(&sink).map_err(fail)?;
        failure::watch(&pipeline, events, |_, reason| Event::Fatal(reason));
        let playing = pipeline.set_state(gst::State::Playing);
        playing.map_err(|error| template::Error::build(&pipeline.name(), error))?;
        Ok(Self {
            number,
            pipeline,
            source,
            codec,
        })
    }

    /// Its number among the muxers of its rendition.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its pipeline, to be stopped.
    pub fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

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

fn sink(
    writer: &Writer,
    number: u64,
    codec: &Arc<OnceLock<String>>,
    told: impl Fn(Written) + Clone + Send + Sync + 'static,
) -> AppSink {
    let ended = told.clone();
    let (taking, ending) = (writer.clone(), writer.clone());
    let codec = codec.clone();
    AppSink::builder()
        .sync(false)
        .async_(false)
        .buffer_list(true)
        .callbacks(
            AppSinkCallbacks::builder()
                .eos(move |_| {
                    ending.ended(number);
                    ended(Written::All(number));
                })
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    taking.take(number, Made::new(&sample, codec.get()));
                    told(Written::Part);
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build()
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

/// What a muxer gives at once: a part, and before the first one its initialization section.
#[derive(Debug)]
struct Made {
    init: Option<(String, Bytes)>,
    /// PTS and duration of the part, and its bytes.
    part: Option<(gst::ClockTime, gst::ClockTime, BytesMut)>,
    /// The first one of its muxer.
    first: bool,
    /// What it leaves over.
    rest: Option<Rest>,
}

impl Made {
    fn new(sample: &gst::Sample, codec: Option<&String>) -> Self {
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
        let codec = codec.cloned().unwrap_or_default();
        let mut section = join(&init);
        boxes::forget_times(&mut section);
        let timed = |head: &gst::Buffer| Some((head.pts()?, head.duration().unwrap_or_default()));
        let times = part.first().and_then(timed);
        let mut data = join(&part);
        boxes::widen_time(&mut data);
        Self {
            first: !init.is_empty(),
            init: (!init.is_empty()).then(|| (codec, section.freeze())),
            part: times.map(|(pts, duration)| (pts, duration, data)),
            rest: None,
        }
    }
}

/// Turns what the muxers of one rendition make into messages; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    track: TrackId,
    cuts: Cuts,
    epoch: Epoch,
    outbox: Outbox,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    relay: Relay<Made>,
    /// Number of the newest muxer.
    muxer: u64,
    /// Number of the last fragment, counted from 1 over the worker's life.
    fragment: u64,
    /// The initialization section that was sent last.
    sent_init: Option<Bytes>,
    /// One that has to wait for the next segment.
    next_init: Option<(String, Bytes)>,
    /// The first canvas frame that no part has that was sent.
    next_frame: u64,
    /// Segment and number of the first part that is sent. Earlier ones only lead up to it.
    from: (u64, u32),
    /// The first canvas frame of that part that is encoded, of a picture.
    first_frame: u64,
    /// What the last part has left over of the publisher's frames.
    rest: Option<Rest>,
}

impl Writer {
    /// A writer for one rendition, whose parts begin at `seed`.
    pub fn new(track: TrackId, seed: Seed, tools: &Tools) -> Self {
        Self {
            track,
            cuts: tools.cuts.clone(),
            epoch: tools.epoch.clone(),
            outbox: tools.outbox.clone(),
            state: Arc::new(Mutex::new(State {
                fragment: seed.made,
                sent_init: seed.init,
                next_frame: seed.frame,
                from: seed.place,
                first_frame: seed.frame + frames_of(seed.rest.as_ref()),
                rest: seed.rest,
                ..State::default()
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another muxer comes after those that have begun; returns its number.
    pub fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.muxer += 1;
        let number = state.muxer;
        state.relay.begin(number);
        number
    }

    /// The first canvas frame that no part has that was sent.
    pub fn next_frame(&self) -> u64 {
        self.lock().next_frame
    }

    /// The first canvas frame that is lacking: it is in no part that was sent, and none has left it over.
    pub fn lacks_from(&self) -> u64 {
        let state = self.lock();
        state.next_frame + frames_of(state.rest.as_ref())
    }

    /// Drops what muxers have not written so far.
    pub fn forget(&self) {
        self.lock().relay.forget();
    }

    /// The initialization section of the rendition; `None` before there is one.
    pub fn section(&self) -> Option<Bytes> {
        let state = self.lock();
        let next = state.next_init.as_ref().map(|(_, data)| data.clone());
        next.or(state.sent_init.clone())
    }

    /// Takes a part of muxer `number`, whose init section is `init` if it is the first: the frames up to
    /// the second of `frames`, which leave `rest` over.
    pub fn direct(
        &self,
        number: u64,
        init: Option<(String, Bytes)>,
        frames: (u64, u64),
        data: BytesMut,
        rest: Option<Rest>,
    ) {
        let fps = self.cuts.lengths().fps;
        let time = |frame| gst::ClockTime::try_from(fps.time_of(frame)).unwrap_or_default();
        let (start, end) = (time(frames.0), time(frames.1));
        let made = Made {
            first: init.is_some(),
            init,
            part: Some((start, end.saturating_sub(start), data)),
            rest,
        };
        self.take(number, made);
    }

    /// Muxer `number` has ended.
    pub fn end(&self, number: u64) {
        self.ended(number);
    }

    fn ended(&self, muxer: u64) {
        let mut state = self.lock();
        for made in state.relay.ended(muxer) {
            self.write(&mut state, made);
        }
    }

    fn take(&self, muxer: u64, made: Made) {
        let mut state = self.lock();
        if let Some(made) = state.relay.take(muxer, made) {
            self.write(&mut state, made);
        }
    }

    fn write(&self, state: &mut State, made: Made) {
        if let Some((codec, data)) = made.init {
            // An encoder of the same settings makes the same section, which then stays.
            let same = state.sent_init.as_ref() == Some(&data);
            state.next_init = (!same).then_some((codec, data));
        }
        let Some((pts, duration, data)) = made.part else {
            return;
        };
        let position = self.cuts.locate(self.track, pts);
        let frame = self.cuts.lengths().fps.frame_at(pts.into());
        if (position.msn, position.part) < state.from || frame < state.first_frame {
            return;
        }
        // A later section holds from the next segment on; until then the decoder takes what the key
        // frame carries.
        if position.part == 0 || state.sent_init.is_none() {
            self.announce(state);
        } else if state.next_init.is_some() {
            self.cuts.end_segment(position.msn);
        }
        let part = (pts, duration, data);
        self.part(state, position, part, (made.first, made.rest));
    }

    fn announce(&self, state: &mut State) {
        if let Some((codec, data)) = state.next_init.take() {
            state.sent_init = Some(data.clone());
            self.outbox.send(FromWorker::Init {
                track: self.track,
                codec,
                data,
            });
        }
    }

    fn part(
        &self,
        state: &mut State,
        position: Position,
        (pts, duration, mut data): (gst::ClockTime, gst::ClockTime, BytesMut),
        (first, rest): (bool, Option<Rest>),
    ) {
        state.fragment = match self.track {
            // A rung that sleeps shows the parts of another one, whose numbers must go on from its own.
            TrackId::Video(_) => self.cuts.part_number(position).wrapping_add(1),
            TrackId::Audio(_) => state.fragment.wrapping_add(1),
        };
        boxes::number(&mut data, state.fragment as u32);
        // A muxer that goes on has what it left over itself. A rung that has slept meanwhile goes on elsewhere.
        let follows = first && self.cuts.part_start(position) == state.next_frame;
        if let Some(before) = state.rest.take().filter(|_| follows) {
            let mut both = BytesMut::from(before.data.as_ref());
            boxes::number(&mut both, state.fragment as u32);
            both.extend_from_slice(&data);
            data = both;
        }
        self.leave(state, rest);
        let (pts, duration) = match self.track {
            TrackId::Video(_) if first => self.whole(position, (pts, duration)),
            _ => (pts, duration),
        };
        state.next_frame = self.cuts.part_end(position);
        let audio = matches!(self.track, TrackId::Audio(_));
        self.outbox.send(FromWorker::Part(Part {
            track: self.track,
            msn: position.msn,
            index: position.part,
            duration: duration.into(),
            independent: position.part == 0 || first || audio,
            last: self.cuts.ends_segment(self.track, position),
            date_ns: self.epoch.date_ns(pts.into()),
            data: data.freeze(),
        }));
    }
}

impl Writer {
    /// The part that comes next leaves `rest` over. The daemon keeps it for the worker that may have to go
    /// on behind that part.
    fn leave(&self, state: &mut State, rest: Option<Rest>) {
        state.rest = rest;
        if let (TrackId::Video(video), Some(rest)) = (self.track, state.rest.clone()) {
            self.outbox.send(FromWorker::Rest { video, rest });
        }
    }

    /// Start and duration of the part of an encoder that takes over. Where a publisher's frames were not
    /// shown in their order, some that lie in this part were shown before it, and the encoder begins with
    /// a later one.
    fn whole(
        &self,
        position: Position,
        (pts, duration): (gst::ClockTime, gst::ClockTime),
    ) -> (gst::ClockTime, gst::ClockTime) {
        let fps = self.cuts.lengths().fps;
        let start = gst::ClockTime::try_from(fps.time_of(self.cuts.part_start(position)));
        match start {
            Ok(start) if start < pts => (start, duration + (pts - start)),
            _ => (pts, duration),
        }
    }
}

/// Canvas frames that are left over.
fn frames_of(rest: Option<&Rest>) -> u64 {
    rest.map_or(0, |rest| u64::from(rest.frames))
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
