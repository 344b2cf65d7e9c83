//! What the daemon and a worker say to each other over their socket.
//!
//! A message is a `u32` length in network byte order, then that many bytes of
//! [postcard](https://postcard.jamesmunns.com/wire-format) encoding of [`ToWorker`] or
//! [`FromWorker`]. A length above [`MESSAGE_BYTES_MAX`] or bytes that do not decode end the
//! connection. Both sides say hello first; a different [`VERSION`] ends the connection too.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::model::encoder::TemplateName;
use crate::model::frame::{EncodedFrame, InputFormat};
use crate::model::hls::{Part, TrackId, TsSegment};
use crate::model::ladder::{Plan, Rung};
use crate::model::source::Source;

/// Version of this protocol; any change of a message raises it.
pub const VERSION: u16 = 3;
/// Longest message either side accepts.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

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
    /// A publisher has come, or its format has changed: build a new input half.
    InputOpened(InputFormat),
    /// One access unit of the current publisher.
    Frame(EncodedFrame),
    /// The publisher has gone: keep the output going with the last picture.
    InputClosed,
    /// Flush everything, answer [`FromWorker::Finished`] and exit.
    Finish,
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
    /// The plan of the session when this worker continues one; else the worker makes it.
    pub plan: Option<Plan>,
    /// Media sequence number of the first segment.
    pub first_msn: u64,
    /// Folder of the user's own pipeline templates.
    pub pipelines: Option<PathBuf>,
}

/// How the output is cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cutting {
    /// Nominal segment duration.
    pub segment: Duration,
    /// Nominal part duration; zero makes a segment one part.
    pub part: Duration,
    /// Make the MPEG-TS set too.
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
    /// The source is known; the output half is built next.
    Planned {
        /// What is made; equal to [`Start::plan`] when that was given.
        plan: Plan,
        /// Encoder template of each video rendition, in the order of the plan.
        encoders: Vec<TemplateName>,
        /// Longest part of any rendition, constant for the session.
        part_target: Duration,
    },
    /// A rendition's initialization section; precedes its first part.
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
    /// The latest thumbnail, a JPEG.
    Thumbnail(Bytes),
    /// Sent every second.
    Stats(Stats),
    /// An event for the daemon's log.
    Log(Log),
    /// The input came, went, or is being fetched again.
    Input(InputState),
    /// An encoder failed; the worker exits after this. The supervisor starts another without it.
    EncoderFailed {
        /// Rung.
        rung: String,
        /// Its template.
        encoder: TemplateName,
        /// What it said.
        reason: String,
    },
    /// The worker cannot go on, for this reason, which is no encoder's; it exits after this.
    Failed(String),
    /// Answer to [`ToWorker::Finish`]: everything has been sent.
    Finished,
}

/// What a worker measured during the last second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Output position since the worker's first frame; the watchdog wants it to advance.
    pub position: Duration,
    /// One entry a video rendition.
    pub video: Vec<RungStats>,
    /// How the input arrives; `None` for the test signal, and before the first picture.
    pub input: Option<InputStats>,
}

/// How an input's pictures become the canvas's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputStats {
    /// Delay that is kept after the fastest arrival, so that jitter is not seen.
    pub delay: Duration,
    /// Frames of the canvas that showed the picture before once more, since the start.
    pub repeated: u64,
    /// Pictures that were not shown, since the start: late, or more than the canvas has room for.
    pub skipped: u64,
}

/// What one encoder did during the last second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RungStats {
    /// Seconds of video encoded in a second; 1 is real time.
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
    /// Rung it concerns.
    pub rung: Option<String>,
    /// What happened and why.
    pub message: String,
}

/// State of the input half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputState {
    /// Being fetched or waiting for its first picture.
    Connecting,
    /// Pictures or sound arrive.
    Live {
        /// Such as `H264, AAC`.
        description: String,
    },
    /// Gone; a pull is tried again after `retry_in`.
    Lost {
        /// Why.
        reason: String,
        /// When it is tried again.
        retry_in: Option<Duration>,
    },
}
