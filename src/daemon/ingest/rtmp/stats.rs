//! What the server counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, or that goes up and down again.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }
}

/// Counters of one server; they are relaxed atomics, so reading them is free.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections open now.
    pub connections_open: Counter,
    /// Publishers connected now.
    pub publishers_open: Counter,
    /// Connections accepted since the start.
    pub accepted_total: Counter,
    /// Publishers that were refused: name, key, codec or too many of one address.
    pub refused_total: Counter,
    /// Strangers closed to make room.
    pub evicted_total: Counter,
    /// Publishers that another one took over from.
    pub revoked_total: Counter,
    /// Connections closed because they broke the protocol or kept us waiting.
    pub faults_total: Counter,
    /// Times that the listener failed to accept, as with too many open files.
    pub accept_errors_total: Counter,
    /// Bytes received.
    pub received_bytes_total: Counter,
}

/// Counts something as open for as long as it lives.
#[derive(Debug)]
pub(super) struct Open<'a>(&'a Counter);

impl<'a> Open<'a> {
    pub(super) fn count(counter: &'a Counter) -> Self {
        counter.add(1);
        Self(counter)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_counted_while_it_lives() {
        let stats = Stats::default();
        let first = Open::count(&stats.connections_open);
        let second = Open::count(&stats.connections_open);
        assert_eq!(stats.connections_open.get(), 2);
        drop(first);
        assert_eq!(stats.connections_open.get(), 1);
        drop(second);
        assert_eq!(stats.connections_open.get(), 0);
    }
}
