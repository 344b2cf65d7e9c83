//! All streams of the origin, and the names of their sessions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;

use super::limits::Limits;
use super::session::Session;

/// The windows of all streams. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Origin {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    streams: RwLock<HashMap<String, Stream>>,
    /// Milliseconds since the Unix epoch in the name of the last session.
    last_session_ms: AtomicU64,
    /// A random number of this process. It tells its sessions from those of an earlier process
    /// whose clock was ahead.
    run: u32,
    /// Bytes of all sessions, those included that are forgotten but still read.
    pub(super) bytes: Arc<AtomicU64>,
    /// The last append did not fit into [`Limits::memory`].
    pub(super) over: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Stream {
    /// A session is being made.
    pub(super) expected: bool,
    /// Oldest first; the multivariant playlist is that of the last.
    pub(super) sessions: Vec<Arc<Session>>,
    /// The latest thumbnail as JPEG, and when it came.
    pub(super) thumbnail: Option<(Bytes, SystemTime)>,
    /// Wakes those who wait for the multivariant playlist.
    pub(super) changed: watch::Sender<()>,
}

impl Stream {
    pub(super) fn new() -> Self {
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
            bytes: Arc::default(),
            over: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes requests for the stream's multivariant playlist wait until a session is playable.
    pub fn expect(&self, stream: &str) {
        self.set_expected(stream, true);
    }

    /// Ends the wait that [`expect`](Self::expect) began: no session will come.
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

    /// A session's name: milliseconds of now, or one more than in the last name, and the number of
    /// this run, in base 36. It never repeats, not even after a restart.
    pub(super) fn session_name(&self) -> String {
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

    pub(super) fn streams(&self) -> RwLockReadGuard<'_, HashMap<String, Stream>> {
        let streams = self.shared.streams.read();
        streams.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn streams_mut(&self) -> RwLockWriteGuard<'_, HashMap<String, Stream>> {
        let streams = self.shared.streams.write();
        streams.unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for the stream's multivariant playlist.
    pub(super) fn stream_changed(&self, stream: &str) {
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
mod tests {
    use super::*;

    #[test]
    fn base36_is_short_and_unique() {
        assert_eq!(base36(0), "0");
        assert_eq!(base36(35), "z");
        assert_eq!(base36(36 * 36 + 1), "101");
    }
}
