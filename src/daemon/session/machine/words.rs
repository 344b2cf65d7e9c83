//! What the machine is told, what it says, and its bounds.

use std::time::Duration;

/// Bounds of every wait in a stream's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a source may be gone before its session ends.
    pub grace: Duration,
    /// From input to a plan, and from a plan to the first output.
    pub startup_max: Duration,
    /// How long a worker's output may stand still.
    pub stall_max: Duration,
    /// How long a worker may take to flush at the end.
    pub finish_max: Duration,
    /// How long an on-demand source goes on after the last request.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(30),
            startup_max: Duration::from_secs(10),
            stall_max: Duration::from_secs(3),
            finish_max: Duration::from_secs(3),
            linger: Duration::from_secs(15),
        }
    }
}

impl Limits {
    /// The same, with the configured grace.
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }
}

/// When a stream runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// While somebody publishes it.
    WhilePublished,
    /// While somebody watches it.
    WhileWatched,
    /// Always.
    Always,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A publisher came, or took over.
    PublisherArrived,
    /// The publisher has gone.
    PublisherLeft,
    /// A viewer asked for a playlist.
    Demand,
    /// The worker asked for is there and has been started.
    Hired,
    /// The worker is lost, or could not be had.
    Lost(String),
    /// The worker is lost with its encoder; another family takes over at once.
    EncoderLost(String),
    /// The worker knows its source and builds its output.
    Planned,
    /// The worker made a part.
    Produced,
    /// Every rendition has a complete segment.
    Playable,
    /// The worker's output position.
    Position(Duration),
    /// The worker has reached the source of a stream that always runs.
    InputLive,
    /// The worker has lost the source of a stream that always runs.
    InputLost,
    /// The worker has flushed everything.
    Finished,
    /// The session must end and another, of different renditions, begin.
    Renew,
    /// The stream cannot be made.
    Abandon(String),
    /// The stream is removed or the daemon stops.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Get a worker and start it where the session is.
    Hire,
    /// The worker is lost: drop it, level the session; another follows after `again_in`.
    Replace {
        /// Why.
        cause: String,
        /// When the next one is asked for.
        again_in: Duration,
    },
    /// Ask the worker to finish.
    Finish,
    /// The worker has said that it is finished: let it exit.
    Retire,
    /// Drop the worker, or the wait for one.
    Dismiss,
    /// Let viewers wait for a session.
    Expect,
    /// Let them wait no longer.
    GiveUp,
    /// End the session's playlists.
    EndSession,
    /// The stream ends for this reason; the publisher, if any, is sent away.
    Abandon(String),
}
