//! What the API says of a stream.

use serde::Serialize;

/// State of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is made; an on-demand source waits for its first viewer.
    Idle,
    /// A source is there, the first segments are being made.
    Starting,
    /// Playable and fed.
    Live,
    /// Playable; the source is away and has its grace to return.
    Waiting,
    /// It cannot be made; see `last_error`.
    Failed,
}

/// One stream as `/api/v1/streams` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamStatus {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
    /// Source without credentials: `push:`, `test:`, or an address.
    pub source: String,
    /// When the state was entered, RFC 3339 in UTC.
    pub since: String,
    /// Viewers: address and agent with a playlist request within 10 s.
    pub viewers: usize,
    /// How the source arrives, once it does; always `None` for `test:`.
    pub input: Option<InputStatus>,
    /// What is made; empty while idle.
    pub rungs: Vec<RungStatus>,
    /// Process id of the worker.
    pub worker_pid: Option<u32>,
    /// The last thing that went wrong, with the next step.
    pub last_error: Option<String>,
}

/// How a source's pictures become the ladder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InputStatus {
    /// Delay by which jitter is hidden, in milliseconds.
    pub delay_ms: u64,
    /// Frames that showed the picture before once more.
    pub repeated: u64,
    /// Pictures that were not shown: late, or more than the ladder's frame rate has room for.
    pub skipped: u64,
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
    /// Frames a second.
    pub fps: f64,
    /// Bits per second.
    pub bitrate: u64,
    /// Encoder family.
    pub encoder: String,
    /// Seconds of video encoded in a second.
    pub speed: f32,
    /// Frames left out.
    pub dropped: u64,
}
