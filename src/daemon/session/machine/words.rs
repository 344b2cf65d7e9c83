//! The machine's events, actions and limits, and the states of what it follows.

use std::time::{Duration, Instant};

use crate::daemon::config::settings;

/// Limits of every wait in a stream's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a session goes on without its source.
    pub grace: Duration,
    /// Longest time from input to a plan, and again from the plan to the first output.
    pub startup_max: Duration,
    /// How long a part may be overdue before the worker counts as stuck.
    pub stall_max: Duration,
    /// How long a publisher may send nothing that can be decoded.
    pub key_frame_max: Duration,
    /// How long a worker may take to flush at the end.
    pub finish_max: Duration,
    /// How long a stream that runs while it is watched goes on after the last request.
    pub linger: Duration,
    /// Waits before a worker is replaced, in thousandths of the usual ones. Streams that lose their
    /// workers at the same time, each with a pace of its own, start again at different times.
    pub restart_pace_per_mille: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(30),
            startup_max: Duration::from_secs(10),
            stall_max: Duration::from_secs(3),
            // At its defaults and 25 frames per second, x264 makes a key frame every ten seconds.
            key_frame_max: Duration::from_secs(12),
            finish_max: Duration::from_secs(3),
            linger: Duration::from_secs(30),
            restart_pace_per_mille: 1000,
        }
    }
}

impl Limits {
    /// The same limits with those that the configuration sets.
    pub fn with_session(self, session: settings::Session) -> Self {
        Self {
            grace: session.grace,
            linger: session.linger,
            ..self
        }
    }

    /// The same limits with a restart pace of 0.75 to 1.25, drawn at random.
    pub fn with_random_pace(self) -> Self {
        // Without randomness all streams have the same pace, which does no harm.
        let random = getrandom::u32().unwrap_or(250);
        Self {
            restart_pace_per_mille: 750 + random % 501,
            ..self
        }
    }

    /// A wait before a replacement, at this pace.
    pub(super) fn paced(self, wait: Duration) -> Duration {
        wait * self.restart_pace_per_mille / 1000
    }
}

/// When output is late, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// When the worker counts as stuck.
    pub at: Instant,
    /// What is missing then.
    pub what: &'static str,
}

/// When a stream runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// While somebody publishes it.
    WhilePublished,
    /// While somebody watches it.
    WhileWatched,
    /// While somebody watches it, with a source that is elsewhere.
    FetchedWhileWatched,
    /// Always, with a source that is elsewhere.
    Always,
}

impl Schedule {
    /// Viewers start the stream, and keep it running.
    pub fn is_on_demand(self) -> bool {
        matches!(self, Self::WhileWatched | Self::FetchedWhileWatched)
    }

    /// The worker gets the media from elsewhere, whatever the protocol: the source may be away for
    /// any time, and the worker says when it comes and goes.
    pub fn is_fetched(self) -> bool {
        matches!(self, Self::FetchedWhileWatched | Self::Always)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A publisher has come, or has taken over.
    PublisherArrived,
    /// The publisher has gone.
    PublisherLeft,
    /// A viewer asked for a playlist.
    Demand,
    /// The worker that was asked for has been started.
    Hired,
    /// The worker is lost, or could not be started.
    Lost(String),
    /// The worker knows its source and has planned its renditions.
    Planned,
    /// The worker made a part.
    Produced,
    /// Every rendition has a complete segment.
    Playable,
    /// When the worker's output is late, unless it goes on before.
    Due(Late),
    /// The publisher has sent something that can be decoded: a key frame, or sound where it has no
    /// pictures.
    Decodable,
    /// The worker has reached its source.
    InputLive,
    /// The worker has lost its source.
    InputLost,
    /// The worker has flushed everything.
    Finished,
    /// The stream cannot be made.
    Abandon(String),
    /// The stream is removed or the daemon stops.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell that the stream starts because somebody watches it.
    TellWatched,
    /// Tell that the stream stops because nobody has watched it for the linger.
    TellUnwatched,
    /// Get a worker and start it at the session's next segment.
    Hire,
    /// The worker is lost: drop it and interrupt the session. Another follows after `again_in`.
    Replace {
        /// Why.
        cause: String,
        /// Time until the next worker is asked for.
        again_in: Duration,
    },
    /// Ask the worker to finish.
    Finish,
    /// The worker has finished: let it exit.
    Retire,
    /// Drop the worker, or stop waiting for one.
    Dismiss,
    /// Let viewers wait: a session is being made.
    Expect,
    /// Let viewers wait no longer: no session will come.
    GiveUp,
    /// End the session's playlists.
    EndSession,
    /// The stream failed for this reason: send the publisher away, if there is one.
    Abandon(String),
}

/// Whether media arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Absent,
    Present,
    Lost { since: Instant },
}

/// Whether somebody makes renditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worker {
    Off,
    Hiring,
    Backoff { until: Instant },
    Up(Up),
    Finishing { until: Instant },
}

/// A worker that has been started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Up {
    pub(super) since: Instant,
    /// When the worker must have a plan.
    pub(super) plan_by: Option<Instant>,
    /// When its output is late, once there is a plan.
    pub(super) late: Option<Late>,
    pub(super) productive: bool,
}

/// Whether there is something to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    None,
    Expected,
    Open { playable: bool },
}
