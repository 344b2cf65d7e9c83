//! The status of a stream, as the API shows it.

use serde::Serialize;

use super::encoder::TemplateName;

/// State of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is encoded; an on-demand source waits for its first viewer.
    Idle,
    /// The source has started; the first segments are not complete yet.
    Starting,
    /// Playable, and the source delivers.
    Live,
    /// Playable; the source is lost but may return within the grace period.
    Waiting,
    /// The stream cannot be produced; `last_error` says why.
    Failed,
}

/// One stream as `/api/v1/streams` shows it on the admin port.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamStatus {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
    /// `push:`, `test:`, or scheme, host and port of an address.
    pub source: String,
    /// When the stream entered this state, RFC 3339 in UTC.
    pub since: String,
    /// Number of viewers: players that requested a playlist within 10 s, by the id that they send, or by
    /// address and user agent.
    pub viewers: usize,
    /// How the input is timed; `None` before media arrives, and always for `test:`.
    pub input: Option<InputStatus>,
    /// Whether the source could be the top rung without being encoded again; `None` before that is known.
    pub passthrough: Option<PassthroughStatus>,
    /// Rungs that are encoded; empty while idle.
    pub rungs: Vec<RungStatus>,
    /// Process id of the worker.
    pub worker_pid: Option<u32>,
    /// CPU seconds per second that the worker has used in the last ten seconds; `None` at its start.
    pub worker_cpu: Option<f64>,
    /// Name of the element that decodes the pictures of the source, such as `avdec_h264`; `None` before
    /// it has given one.
    pub decoder: Option<String>,
    /// The last error, with the next step; `None` once the stream has been live for ten seconds
    /// without another.
    pub last_error: Option<String>,
}

/// How pictures from the source are fitted to the ladder's frame rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InputStatus {
    /// Delay that hides the jitter of the source, in milliseconds.
    pub delay_ms: u64,
    /// Frames that repeated the previous picture.
    pub repeated: u64,
    /// Pictures left out because they were late or above the ladder's frame rate.
    pub skipped: u64,
}

/// Whether a source is good for the top rung as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassthroughStatus {
    /// It is.
    pub fits: bool,
    /// What is against it.
    pub reason: Option<String>,
    /// What to set in OBS, in the words of its settings.
    pub advice: Option<String>,
}

/// One rung of a stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RungStatus {
    /// Name.
    pub name: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Bits per second.
    pub bitrate: u64,
    /// Number of viewers whose last playlist of a picture was this rung's.
    pub viewers: usize,
    /// Pipeline template of the last encoder.
    pub encoder: TemplateName,
    /// What makes its media: `encoder NAME`, `passthrough` for the publisher's own frames, or `asleep`
    /// while it shows another rung.
    pub filling: String,
    /// Why.
    pub reason: String,
    /// It is being made.
    #[serde(skip)]
    pub awake: bool,
    /// How often it has woken in this session.
    #[serde(skip)]
    pub wakes: u64,
    /// How often another encoder has taken over in this session.
    #[serde(skip)]
    pub encoder_replacements: u64,
    /// Seconds of video encoded per second of wall-clock time.
    pub speed: f32,
    /// Frames left out because the encoder was too slow.
    pub dropped: u64,
}

impl RungStatus {
    /// [`filling`](Self::filling) of a rung with the publisher's own frames.
    pub const PASS_THROUGH: &str = "passthrough";

    /// Whether it has the publisher's own frames.
    pub fn is_passed_through(&self) -> bool {
        self.filling == Self::PASS_THROUGH
    }
}

/// What viewers may know of a stream: `/api/v1/streams` on the public port.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublicStatus {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
    /// When the stream entered this state, RFC 3339 in UTC.
    pub since: String,
    /// Number of viewers.
    pub viewers: usize,
    /// Rungs that can be watched; empty while idle.
    pub rungs: Vec<PublicRung>,
}

/// What viewers may know of a rung.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublicRung {
    /// Name.
    pub name: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Bits per second.
    pub bitrate: u64,
    /// Number of viewers whose last playlist of a picture was this rung's.
    pub viewers: usize,
    /// It is being made; otherwise it shows another rung until somebody watches it.
    pub awake: bool,
}

impl From<StreamStatus> for PublicStatus {
    fn from(status: StreamStatus) -> Self {
        Self {
            name: status.name,
            state: status.state,
            since: status.since,
            viewers: status.viewers,
            rungs: status.rungs.into_iter().map(PublicRung::from).collect(),
        }
    }
}

impl From<RungStatus> for PublicRung {
    fn from(rung: RungStatus) -> Self {
        Self {
            name: rung.name,
            width: rung.width,
            height: rung.height,
            fps: rung.fps,
            bitrate: rung.bitrate,
            viewers: rung.viewers,
            awake: rung.awake,
        }
    }
}
