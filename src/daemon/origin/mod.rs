//! Live windows in memory, and the readers that wait on them.
//!
//! [`Origin`] maps a stream's name to its sessions; a session is a [`Presentation`] under a mutex
//! that is held for the time of an append or a rendering, never across an await. Readers that
//! wait subscribe to their rendition's edge first and look second, so no wake-up is lost.
//!
//! [`Presentation`]: crate::model::hls::Presentation

mod address;
mod memory;
mod read;
mod session;
mod writer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;

use crate::base::units::ByteSize;
use crate::model::ladder::Plan;
use session::Session;

pub use crate::model::hls::{Packaging, Reload};
pub use read::{Document, Missing, Object, Usage};
pub use writer::SessionWriter;

/// Bounds of everything an [`Origin`] keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How far back a viewer can seek; also how long an ended session stays.
    pub window: Duration,
    /// Bytes of all windows of all streams together; windows shorten first. Playlists never
    /// become shorter than three target durations (RFC 8216bis section 6.2.2): when even those
    /// do not fit, this is exceeded and a warning logged.
    pub memory: ByteSize,
    /// `PART-HOLD-BACK` and `HOLD-BACK`, where it is more than the three part targets and three
    /// target durations that `None` gives.
    pub hold_back: Option<Duration>,
}

/// What a session makes, fixed when it opens.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// Renditions.
    pub plan: Plan,
    /// Nominal segment duration.
    pub segment: Duration,
    /// Longest part of any rendition; zero when low latency is off.
    pub part_target: Duration,
    /// There is an MPEG-TS set.
    pub ts: bool,
}

/// All streams' windows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Origin {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    streams: RwLock<HashMap<String, Stream>>,
    /// Milliseconds since the Unix epoch in the last session's name.
    last_session_ms: AtomicU64,
    /// Tells this process's sessions from those of one before it whose clock was ahead.
    run: u32,
    /// The last append did not fit into [`Limits::memory`].
    over: AtomicBool,
}

#[derive(Debug)]
struct Stream {
    /// A session is being made.
    expected: bool,
    /// Oldest first; the last is the one a master names.
    sessions: Vec<Arc<Session>>,
    thumbnail: Option<(Bytes, SystemTime)>,
    /// Wakes those who wait for the master.
    changed: watch::Sender<()>,
}

impl Stream {
    fn new() -> Self {
        Self {
            expected: false,
            sessions: Vec::new(),
            thumbnail: None,
            changed: watch::Sender::new(()),
        }
    }
}

impl Origin {
    /// An empty origin.
    pub fn new(limits: Limits) -> Self {
        let shared = Shared {
            limits,
            streams: RwLock::default(),
            last_session_ms: AtomicU64::new(0),
            // Without randomness the milliseconds alone have to do.
            run: getrandom::u32().unwrap_or_default(),
            over: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes requests for the stream's master wait (up to 10 s) for a session to become playable.
    pub fn expect(&self, stream: &str) {
        self.set_expected(stream, true);
    }

    /// Ends that wait without a session: the source went before anything was playable.
    pub fn give_up(&self, stream: &str) {
        self.set_expected(stream, false);
    }

    fn set_expected(&self, stream: &str, expected: bool) {
        let mut streams = self.streams_mut();
        if !expected && !streams.contains_key(stream) {
            return;
        }
        let stream = streams.entry(stream.to_owned()).or_insert_with(Stream::new);
        stream.expected = expected;
        stream.changed.send_replace(());
    }

    /// Opens a new session under addresses never used before. The stream's previous session
    /// keeps its own for `window`.
    pub fn open(&self, stream: &str, spec: SessionSpec) -> SessionWriter {
        self.purge();
        let limits = self.shared.limits;
        let session = Arc::new(Session::new(self.session_name(), spec, &limits));
        tracing::info!(stream, session = session.name(), "session opened");
        let mut streams = self.streams_mut();
        let entry = streams.entry(stream.to_owned()).or_insert_with(Stream::new);
        entry.expected = false;
        entry.sessions.push(Arc::clone(&session));
        entry.changed.send_replace(());
        drop(streams);
        SessionWriter::new(self.clone(), stream.to_owned(), session)
    }

    /// Milliseconds of now, or one more than the last name's, and the number of this run, in
    /// base 36: never the same twice, also after a restart.
    fn session_name(&self) -> String {
        use std::sync::atomic::Ordering::Relaxed;
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let next = |last: u64| now_ms.max(last.saturating_add(1));
        let last = &self.shared.last_session_ms;
        let previous = last.fetch_update(Relaxed, Relaxed, |last| Some(next(last)));
        let ms = next(previous.unwrap_or_default());
        format!("{}-{}", base36(ms), base36(u64::from(self.shared.run)))
    }

    fn streams(&self) -> RwLockReadGuard<'_, HashMap<String, Stream>> {
        let streams = self.shared.streams.read();
        streams.unwrap_or_else(PoisonError::into_inner)
    }

    fn streams_mut(&self) -> RwLockWriteGuard<'_, HashMap<String, Stream>> {
        let streams = self.shared.streams.write();
        streams.unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for the stream's master.
    fn stream_changed(&self, stream: &str) {
        if let Some(stream) = self.streams().get(stream) {
            stream.changed.send_replace(());
        }
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.extend(char::from_digit(digit, 36));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests;
