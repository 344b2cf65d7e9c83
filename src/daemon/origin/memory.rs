//! Keeps the origin within its limits of memory and time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::session::Session;
use super::streams::Origin;

impl Origin {
    /// Forgets ended sessions whose time is over. Call it about once per second. Opening a session
    /// and running out of memory call it, too.
    pub fn purge(&self) {
        let now = Instant::now();
        self.streams_mut().retain(|name, stream| {
            stream.sessions.retain(|session| {
                let over = session.over(now);
                if over {
                    tracing::info!(
                        stream = name,
                        session = session.name(),
                        "ended session forgotten"
                    );
                }
                !over
            });
            stream.expected || !stream.sessions.is_empty()
        });
    }

    /// Drops the oldest segments of the largest windows until everything fits, and whole sessions that
    /// have ended when that is not enough.
    pub(super) fn relieve(&self) {
        let limit = self.shared.limits.memory.bytes();
        if self.shared.bytes.load(Ordering::Relaxed) <= limit {
            self.shared.over.store(false, Ordering::Relaxed);
            return;
        }
        let mut sessions = self.sessions();
        let used = |sessions: &[Arc<Session>]| -> u64 { sessions.iter().map(|s| s.bytes()).sum() };
        if used(&sessions) <= limit {
            self.shared.over.store(false, Ordering::Relaxed);
            return;
        }
        self.purge();
        sessions = self.sessions();
        // Each round frees bytes, or takes a window that is at its shortest off `candidates`.
        let mut candidates = sessions.clone();
        while used(&sessions) > limit {
            let Some(largest) = (0..candidates.len())
                .max_by_key(|n| candidates.get(*n).map_or(0, |session| session.bytes()))
            else {
                if self.forget_ended() {
                    sessions = self.sessions();
                    continue;
                }
                self.over_limit(used(&sessions), limit);
                return;
            };
            let Some(session) = candidates.get(largest) else {
                return;
            };
            if session.change(|media| media.shorten()) == 0 {
                candidates.swap_remove(largest);
            }
        }
        self.shared.over.store(false, Ordering::Relaxed);
    }

    /// Forgets the session that ended first; false when none has ended.
    fn forget_ended(&self) -> bool {
        let mut streams = self.streams_mut();
        let ended = streams.iter().flat_map(|(name, stream)| {
            let sessions = stream.sessions.iter();
            sessions.filter_map(move |s| Some((s.ended()?, name.clone(), s.name().to_owned())))
        });
        let Some((_, stream, session)) = ended.min() else {
            return false;
        };
        tracing::info!(stream, session, "ended session forgotten: memory is short");
        if let Some(entry) = streams.get_mut(&stream) {
            entry.sessions.retain(|kept| kept.name() != session);
            if !entry.expected && entry.sessions.is_empty() {
                streams.remove(&stream);
            }
        }
        true
    }

    /// Warns once, until everything fits again.
    fn over_limit(&self, bytes: u64, limit_bytes: u64) {
        if !self.shared.over.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                bytes,
                limit_bytes,
                "every window is at three target durations and they still exceed hls.memory; \
                 raise it or run fewer streams"
            );
        }
    }

    fn sessions(&self) -> Vec<Arc<Session>> {
        let streams = self.streams();
        let sessions = streams.values().flat_map(|stream| &stream.sessions);
        sessions.cloned().collect()
    }
}
