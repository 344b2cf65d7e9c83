//! Counters of the RTMP server, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that is read without a lock. Totals only grow; the other numbers also fall.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The present value.
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

/// Counters of one server.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections open now.
    pub connections_open: Counter,
    /// Publishers connected now.
    pub publishers_open: Counter,
    /// Connections accepted since the start.
    pub accepted_total: Counter,
    /// Publishers refused for their name, key or codec, or for too many streams from one address.
    pub refused_total: Counter,
    /// Connections closed before they published, to make room for others.
    pub evicted_total: Counter,
    /// Publishers closed because their lease was revoked.
    pub revoked_total: Counter,
    /// Connections closed because the peer violated the protocol or exceeded a time limit.
    pub faults_total: Counter,
    /// Failures of the listener to accept a connection, such as too many open files.
    pub accept_errors_total: Counter,
    /// Bytes received.
    pub received_bytes_total: Counter,
}

/// Adds one to a counter until it is dropped.
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
