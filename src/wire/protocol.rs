//! The messages that the daemon and a worker exchange over their socket.
//!
//! A message is a `u32` length in network byte order, then that many bytes of
//! [postcard](https://postcard.jamesmunns.com/wire-format) encoding of [`ToWorker`] or
//! [`FromWorker`]. Each side sends `Hello` first. The connection ends on a length above that of the
//! kind of message ([`Message::bytes_max`]), on bytes that do not decode, and on a different
//! [`VERSION`].

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::encoder::{Filling, OnFailure, TemplateName};
use crate::model::frame::{EncodedFrame, InputFormat};
use crate::model::hls::{Part, TrackId, TsSegment};
use crate::model::ladder::cuts::{Cut, Tail};
use crate::model::ladder::{Plan, Rung, RungSet};
use crate::model::passthrough::{Obstacle, Policy};
use crate::model::source::Source;

/// Version of this protocol. Raise it with every change of a message.
pub const VERSION: u16 = 10;
/// Length of the longest message that either side accepts.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Length of the longest message of a worker that carries no media. Texts and lists are longer in
/// memory than in a message: 24 times, if all texts are empty.
pub const WORD_BYTES_MAX: usize = 64 * 1024;
/// Length of the longest message with a thumbnail.
pub const THUMBNAIL_BYTES_MAX: usize = 1024 * 1024;

/// What one side sends.
pub trait Message: Serialize + DeserializeOwned {
    /// Length of the longest message whose first byte is `kind`.
    fn bytes_max(kind: u8) -> usize;
}

impl Message for ToWorker {
    fn bytes_max(_: u8) -> usize {
        MESSAGE_BYTES_MAX
    }
}

impl Message for FromWorker {
    fn bytes_max(kind: u8) -> usize {
        match kind {
            kind::PART | kind::TS_SEGMENT | kind::REST => MESSAGE_BYTES_MAX,
            kind::THUMBNAIL => THUMBNAIL_BYTES_MAX,
            _ => WORD_BYTES_MAX,
        }
    }
}

/// The first byte of the messages of a worker that carry media: the number of the variant, from 0.
mod kind {
    pub(super) const PART: u8 = 3;
    pub(super) const TS_SEGMENT: u8 = 4;
    pub(super) const THUMBNAIL: u8 = 5;
    pub(super) const REST: u8 = 19;
}

/// From the daemon to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// First message.
    Hello {
        /// The daemon's [`VERSION`].
        version: u16,
    },
    /// Makes a spare worker this stream's worker. Sent once.
    Start(Box<Start>),
    /// A publisher has connected or changed its format: build a new input half.
    InputOpened(InputFormat),
    /// One access unit of the current publisher.
    Frame(EncodedFrame),
    /// The publisher has left: continue the output with the last picture.
    InputClosed,
    /// Flush everything, answer with [`FromWorker::Finished`], and exit.
    Finish,
    /// The rungs that somebody watches, or that are to be encoded in any case. The others may sleep
    /// from the next segment on.
    Wanted(RungSet),
}

/// Everything a worker needs to know about its session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Name of the stream, for logs.
    pub stream: String,
    /// Where the media comes from.
    pub source: Source,
    /// The stream's part of the ladder, top first.
    pub rungs: Vec<Rung>,
    /// How the output is cut.
    pub cutting: Cutting,
    /// Encoder templates to use, best first; each has passed a test encode.
    pub encoders: Vec<TemplateName>,
    /// What happens when an encoder fails.
    pub on_failure: OnFailure,
    /// Whether the publisher's frames may be the top rung's.
    pub passthrough: Policy,
    /// The plan of the session that this worker continues; `None` lets the worker make the plan.
    pub plan: Option<Plan>,
    /// Media sequence number of the first segment.
    pub first_msn: u64,
    /// Where the worker before has stopped, if this one goes on without a trace; `plan` is set then.
    pub resume: Option<Resume>,
    /// [`Shed::steps`] of the worker before: what it could not make, this one cannot, either.
    pub shed: u8,
}

/// Where a worker has stopped, for the one that goes on in the middle of a segment: on the same
/// timeline, with the first part that each rendition lacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The cuts that were told, from those that something lacking depends on.
    pub cuts: Tail,
    /// The session's clock.
    pub clock: Clock,
    /// How the times of the frames that follow [`Start`] become output times; `None` where no such
    /// frames are there.
    pub mapping: Option<Mapping>,
    /// The first part that each rendition lacks, in the order of the plan.
    pub video: Vec<Place>,
    /// The same of the sound.
    pub audio: Vec<Place>,
    /// Media sequence number of the first MPEG-TS segment that each rung lacks; empty without
    /// MPEG-TS.
    pub ts: Vec<u64>,
    /// What the last part of each video rendition has left over of the publisher's frames.
    pub rests: Vec<Option<Rest>>,
    /// The initialization sections that hold now.
    pub inits: Vec<(TrackId, Bytes)>,
    /// The last picture, a JPEG, which is shown until there is another.
    pub picture: Option<Bytes>,
    /// The rungs that are to be made, until [`ToWorker::Wanted`] follows.
    pub wanted: RungSet,
}

/// A place in a rendition's playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Media sequence number of the segment.
    pub msn: u64,
    /// Number of the part inside it, from 0.
    pub part: u32,
    /// Parts that the rendition's workers made before it.
    pub made: u64,
}

/// The publisher's frames behind a part whose last ones are shown after frames of the next part: what is
/// shown in between. Whoever goes on without the publisher's frames puts these before the next part, in
/// the same part, and begins with the frame that is shown behind them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Canvas frames from the first one of the next part up to the first one that is in neither.
    pub frames: u32,
    /// The frames, as `moof` and `mdat`.
    pub data: Bytes,
}

/// How the times of a publisher's frames become output times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// What is added to them, in nanoseconds.
    pub offset_ns: i64,
    /// A picture that is due in the middle between two canvas frames is shown in the second of them.
    pub rounds_up: bool,
}

/// A session's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Output time zero on `CLOCK_MONOTONIC`, which all processes of a machine share.
    pub zero: Duration,
    /// Wall-clock time of output time zero, in nanoseconds since the Unix epoch.
    pub date_ns: u64,
}

/// How the output is cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cutting {
    /// Nominal segment duration.
    pub segment: Duration,
    /// Nominal part duration; with zero, a segment is one part.
    pub part: Duration,
    /// Also make the MPEG-TS set.
    pub ts: bool,
}

/// From a worker to the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// First message.
    Hello {
        /// The worker's [`VERSION`].
        version: u16,
    },
    /// The source is known, and the worker now builds the output half.
    Planned {
        /// The renditions; equal to [`Start::plan`] where that is set.
        plan: Plan,
        /// Encoder template of every video rendition, in the order of the plan.
        encoders: Vec<TemplateName>,
        /// Longest part of any rendition, constant for the session.
        part_target: Duration,
    },
    /// A rendition's initialization section; precedes the first part of the segment from which on it
    /// holds. Where a rung gets another encoder in the middle of a segment, the decoder finds what it
    /// needs in the key frame, and the section comes with the next segment.
    Init {
        /// Rendition.
        track: TrackId,
        /// RFC 6381 codec string, such as `avc1.640028` or `mp4a.40.2`.
        codec: String,
        /// `ftyp` and `moov`.
        data: Bytes,
    },
    /// One part (`moof` and `mdat`) of a rendition, in order.
    Part(Part),
    /// One whole MPEG-TS segment of a video rendition, in order.
    TsSegment(TsSegment),
    /// The latest thumbnail.
    Thumbnail {
        /// Wall-clock time of its frame, nanoseconds since the Unix epoch; on the clock of the parts.
        date_ns: u64,
        /// A JPEG.
        data: Bytes,
    },
    /// Sent every second.
    Stats(Stats),
    /// An event for the daemon's log.
    Log(Log),
    /// The state of the input half has changed.
    Input(InputState),
    /// An encoder failed and no other one may take over. The worker exits after this message.
    EncoderFailed {
        /// Rung.
        rung: String,
        /// Template of the encoder.
        encoder: TemplateName,
        /// What the encoder reported.
        reason: String,
    },
    /// The worker cannot continue, for a reason other than an encoder; it exits after this message.
    Failed(String),
    /// Answer to [`ToWorker::Finish`]: everything has been sent.
    Finished,
    /// The next segment of all renditions begins with this cut; precedes the last part of the segment
    /// before. The first cut follows [`FromWorker::Planned`].
    Cut(Cut),
    /// What a rung is made by has changed.
    Filled {
        /// Index into [`Plan::video`].
        video: u8,
        /// What it is made by now.
        filling: Filling,
        /// What went wrong; `None` when the daemon has wished it.
        trouble: Option<Trouble>,
    },
    /// The session's clock runs; sent once, before the first part, by the worker that starts it.
    Began(Clock),
    /// How the times of the publisher's frames become output times; sent when it has changed.
    Mapped(Mapping),
    /// How much of the ladder the worker gives up because the machine is too slow has changed.
    Shed(Shed),
    /// What is against passing the publisher's frames through; `None` if nothing is.
    Passthrough(Option<Obstacle>),
    /// A decoder gives the input's pictures now, or another one has to take over from it.
    Decoding {
        /// Name of its element, such as `avdec_h264`.
        decoder: String,
        /// What went wrong with it; `None` when it gives pictures.
        trouble: Option<Trouble>,
    },
    /// What the next part of a video rendition leaves over; precedes that part.
    Rest {
        /// Index into [`Plan::video`].
        video: u8,
        /// What it leaves over.
        rest: Rest,
    },
}

/// How much of the ladder is given up because the machine is too slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shed {
    /// Steps taken; with zero, all is made as configured.
    pub steps: u8,
    /// No step is left, and pictures are left out still.
    pub exhausted: bool,
}

/// Something that went wrong with a rung or a decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What failed and how.
    pub cause: String,
    /// What happens now.
    pub next: String,
}

impl FromWorker {
    /// The worker exits after this message.
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Self::EncoderFailed { .. } | Self::Failed(_) | Self::Finished
        )
    }
}

/// Measurements of a worker over the last second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// One entry per video rendition.
    pub video: Vec<RungStats>,
    /// How the input arrives; `None` for the test signal, and before the first picture.
    pub input: Option<InputStats>,
}

/// How the pictures of an input are fitted to the frame grid of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputStats {
    /// Delay after the fastest arrival, which hides jitter.
    pub delay: Duration,
    /// Frames that repeated the previous picture, since the start.
    pub repeated: u64,
    /// Pictures left out since the start because they were late or above the rate of the canvas.
    pub skipped: u64,
}

/// The work of one encoder during the last second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RungStats {
    /// Seconds of video encoded per second; 1 is real time.
    pub speed: f32,
    /// Frames left out since the start because the encoder could not keep up.
    pub dropped: u64,
}

/// Severity of a [`Log`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something works less well than it should.
    Warn,
    /// Worth knowing.
    Info,
    /// For developers.
    Debug,
}

/// An event for the daemon's log, which adds stream and pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Severity.
    pub level: Level,
    /// The rung concerned.
    pub rung: Option<String>,
    /// What happened and why.
    pub message: String,
}

/// State of the input half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputState {
    /// A pull connects, or waits for its first picture.
    Connecting,
    /// Pictures or sound arrive.
    Live {
        /// Codecs or transport, such as `H264, AAC`.
        description: String,
    },
    /// The input is lost; the worker tries a pull again after `retry_in`.
    Lost {
        /// Why.
        reason: String,
        /// Time until the next attempt; `None` without one.
        retry_in: Option<Duration>,
    },
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn media_is_told_by_the_first_byte() {
        let data = Bytes::new();
        let part = Part {
            track: TrackId::Video(0),
            msn: 0,
            index: 0,
            duration: Duration::ZERO,
            independent: true,
            last: true,
            date_ns: 0,
            data: data.clone(),
        };
        let segment = TsSegment {
            video: 0,
            msn: 0,
            duration: Duration::ZERO,
            date_ns: 0,
            data: data.clone(),
        };
        let thumbnail = FromWorker::Thumbnail {
            date_ns: 0,
            data: data.clone(),
        };
        let rest = Rest { frames: 1, data };
        for (message, kind) in [
            (FromWorker::Part(part), kind::PART),
            (FromWorker::TsSegment(segment), kind::TS_SEGMENT),
            (thumbnail, kind::THUMBNAIL),
            (FromWorker::Rest { video: 0, rest }, kind::REST),
        ] {
            let bytes = postcard::to_stdvec(&message).unwrap();
            assert_eq!(bytes.first(), Some(&kind));
        }
    }
}
