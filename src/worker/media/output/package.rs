//! The two packagings of one rung.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cmaf::{Muxer, Writer, Written};
use super::direct::Direct;
use super::filling::Encoded;
use super::joint::Seed;
use super::tools::Tools;
use super::ts;
use crate::base::units::Bitrate;
use crate::model::hls::TrackId;
use crate::model::ladder::cuts::Position;
use crate::model::ladder::{Plan, VideoRendition};
use crate::worker::media::template;

/// What a packager tells its rung.
#[derive(Debug, Clone, Copy)]
pub enum Packed {
    /// A muxer has written something.
    Cmaf(Written),
    /// The last MPEG-TS segment is complete.
    Ts,
}

/// Packs what the encoders of one rung make, one after the other.
pub struct Package {
    track: TrackId,
    video: u8,
    rendition: VideoRendition,
    sound: Bitrate,
    tools: Tools,
    writer: Writer,
    told: Box<dyn Fn() -> Told + Send>,
    /// The last one takes frames.
    muxers: Vec<Muxer>,
    /// Takes the publisher's own frames, instead.
    direct: Option<Direct>,
    /// Number of the filling whose frames it takes.
    filling: Option<u64>,
    makes_ts: bool,
    ts: Option<Ts>,
    /// Frames of which no part has been sent. Where an encoder fails, the next one makes these frames
    /// again, so MPEG-TS gets none of them before.
    unsent: VecDeque<Encoded>,
    ending: bool,
}

/// The way back to the rung.
pub type Told = Arc<dyn Fn(Packed) + Send + Sync>;

/// The MPEG-TS of a rung that is awake.
struct Ts {
    sink: ts::Sink,
    /// The segment of its last frame.
    open_msn: Option<u64>,
    /// Its first segment, once that is known.
    from_msn: Option<u64>,
    /// The segment in which the rung sleeps, once that is known.
    until_msn: Option<u64>,
}

impl Package {
    /// The packagings of video rendition `video`, whose parts begin at `seed`. `told` makes the way back
    /// to the rung.
    pub fn new(
        plan: &Plan,
        (video, rendition): (u8, &VideoRendition),
        seed: Seed,
        makes_ts: bool,
        tools: &Tools,
        told: impl Fn() -> Told + Send + 'static,
    ) -> Self {
        let track = TrackId::Video(video);
        let sound = plan.audio_of(rendition).map(|audio| audio.bitrate);
        Self {
            track,
            video,
            rendition: rendition.clone(),
            sound: sound.unwrap_or(rendition.bitrate),
            writer: Writer::new(track, seed, tools),
            tools: tools.clone(),
            told: Box::new(told),
            muxers: Vec::new(),
            direct: None,
            filling: None,
            makes_ts,
            ts: None,
            unsent: VecDeque::new(),
            ending: false,
        }
    }

    /// Makes ready for a rung that wakes.
    ///
    /// # Errors
    /// When an element is missing or a pipeline does not start.
    pub fn prepare(&mut self) -> Result<(), template::Error> {
        if self.makes_ts && self.ts.is_none() {
            let muxed = ts::Muxed {
                video: self.video,
                name: &self.rendition.name,
                picture: self.rendition.bitrate,
                sound: self.sound,
            };
            let told = (self.told)();
            let sink = ts::Sink::start(muxed, &self.tools, move || told(Packed::Ts))?;
            self.ts = Some(Ts {
                sink,
                open_msn: None,
                from_msn: None,
                until_msn: None,
            });
        }
        Ok(())
    }

    /// The rung is awake from segment `msn` on, whether or not it has an encoder.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare), if that has not been called.
    pub fn begin(&mut self, msn: u64) -> Result<(), template::Error> {
        self.prepare()?;
        self.ending = false;
        if let Some(ts) = &mut self.ts {
            ts.sink.begin(msn);
            ts.from_msn = Some(msn);
        }
        Ok(())
    }

    /// The rung sleeps from segment `msn` on.
    pub fn until(&mut self, msn: u64) {
        if let Some(ts) = &mut self.ts {
            ts.until_msn = Some(msn);
        }
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// When another muxer is needed and does not start.
    pub fn push(&mut self, encoded: Encoded) -> Result<(), template::Error> {
        if self.filling != Some(encoded.filling) {
            self.follow(&encoded)?;
        }
        if let Some(direct) = &mut self.direct {
            direct.push(&encoded);
        } else if let Some(muxer) = self.muxers.last() {
            // The muxer's source refuses a frame only when the worker ends.
            let _ = muxer.push(encoded.buffer.clone());
        }
        self.unsent.push_back(encoded);
        self.release();
        Ok(())
    }

    /// Another filling goes on, in a muxer of its own, which takes its caps from the first frame.
    fn follow(&mut self, encoded: &Encoded) -> Result<(), template::Error> {
        self.end_muxer();
        self.filling = Some(encoded.filling);
        if encoded.passed {
            let direct = Direct::start(&self.writer, &self.tools.cuts, self.track, &encoded.caps);
            let fail = || template::Error::build("pass-through", "no encoder has made a section");
            self.direct = Some(direct.ok_or_else(fail)?);
            return Ok(());
        }
        let told = (self.told)();
        let (tools, bitrate) = (&self.tools, self.rendition.bitrate);
        let (library, events) = (&tools.library, &tools.events);
        let muxer = Muxer::start(&self.writer, bitrate, library, events, move |written| {
            told(Packed::Cmaf(written));
        })?;
        muxer.open(&encoded.caps);
        self.muxers.push(muxer);
        Ok(())
    }

    /// The muxer that takes frames gets no more; false when there is none.
    fn end_muxer(&mut self) -> bool {
        if let Some(direct) = self.direct.take() {
            direct.end();
            return true;
        }
        self.muxers.last().inspect(|muxer| muxer.end()).is_some()
    }

    /// Whether the publisher's own frames can be packed: an encoder has made an initialization section.
    pub fn can_pass(&self) -> bool {
        self.writer.section().is_some()
    }

    /// Gives MPEG-TS the frames whose part was sent.
    pub fn release(&mut self) {
        self.release_until(self.writer.next_frame());
    }

    fn release_until(&mut self, next: u64) {
        while self
            .unsent
            .front()
            .is_some_and(|frame| self.frame_of(frame) < next)
        {
            self.release_one();
        }
    }

    fn frame_of(&self, encoded: &Encoded) -> u64 {
        let fps = self.tools.cuts.lengths().fps;
        fps.frame_at(encoded.start.into())
    }

    fn release_one(&mut self) {
        let Some(frame) = self.unsent.pop_front() else {
            return;
        };
        if let Some(ts) = &mut self.ts {
            let msn = self.tools.cuts.locate(self.track, frame.start).msn;
            // An encoder that fails may have lost the segment's first frame.
            if ts.open_msn.replace(msn).is_some_and(|open| open != msn) {
                ts.sink.split(msn);
            }
            ts.sink.video.place(&frame);
            ts.sink.video.push(&frame.buffer, &frame.caps);
        }
    }

    /// Drops what is not in a part that was sent; returns the first frame that has to be made again.
    pub fn abandon(&mut self) -> u64 {
        self.writer.forget();
        let next = self.writer.lacks_from();
        self.direct = None;
        self.release_until(next);
        self.unsent.clear();
        for muxer in self.muxers.drain(..) {
            self.tools.grave.bury(muxer.pipeline());
        }
        self.filling = None;
        next
    }

    /// The first frame that is in no part that was sent, nor left over by one.
    pub fn lacks_from(&self) -> u64 {
        self.writer.lacks_from()
    }

    /// The first frame that is in no part that was sent.
    pub fn next_frame(&self) -> u64 {
        self.writer.next_frame()
    }

    /// No frame follows before the rung wakes again.
    pub fn end(&mut self) {
        self.ending = true;
        self.filling = None;
        self.end_muxer();
        if self.muxers.is_empty() {
            self.end_ts();
        }
    }

    /// Takes sound of the rendition that is played with this rung.
    pub fn sound(&self, buffer: &gst::Buffer, caps: &gst::CapsRef, position: Position) {
        let Some(ts) = &self.ts else { return };
        if ts.until_msn.is_some_and(|until| position.msn >= until) {
            ts.sink.audio.end();
        } else if ts.from_msn.is_some_and(|from| position.msn >= from) {
            ts.sink.audio.push(buffer, caps);
        }
    }

    /// The sound has ended.
    pub fn end_sound(&self) {
        if let Some(ts) = &self.ts {
            ts.sink.audio.end();
        }
    }

    /// A packager has told something.
    pub fn packed(&mut self, packed: Packed) {
        match packed {
            Packed::Cmaf(Written::Part) => self.release(),
            Packed::Cmaf(Written::All(number)) => {
                for muxer in self.muxers.extract_if(.., |muxer| muxer.number() == number) {
                    self.tools.grave.bury(muxer.pipeline());
                }
                if self.ending && self.muxers.is_empty() {
                    self.end_ts();
                }
            }
            Packed::Ts => {
                if let Some(ts) = self.ts.take() {
                    self.tools.grave.bury(&ts.sink.pipeline);
                }
            }
        }
    }

    /// All parts have been sent.
    fn end_ts(&mut self) {
        while !self.unsent.is_empty() {
            self.release_one();
        }
        if let Some(ts) = &self.ts {
            ts.sink.video.end();
        }
    }

    /// Whether everything has been packed that was pushed before the [end](Self::end).
    pub fn is_empty(&self) -> bool {
        self.muxers.is_empty() && self.direct.is_none() && self.ts.is_none()
    }
}
