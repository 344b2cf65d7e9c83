//! The connections of a listener: their tasks, and how many are open.

use prometheus_client::metrics::gauge::Gauge;
use tokio::task::{JoinError, JoinSet};

/// The tasks of a listener's connections. Dropping this ends them all.
#[derive(Debug, Default)]
pub struct Connections(JoinSet<()>);

impl Connections {
    /// Runs the task of a connection.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Waits until every connection has ended by itself.
    pub async fn ended(&mut self) {
        while self.next_ended().await.is_some() {}
    }

    /// Ends the connections that are left.
    pub async fn cut_off(&mut self) {
        let left = self.0.len();
        tracing::warn!(
            left,
            "connections were still busy at shutdown and are cut off"
        );
        self.0.shutdown().await;
    }

    /// Waits until one connection has ended; `None` when there is none.
    pub(super) async fn next_ended(&mut self) -> Option<()> {
        self.0.join_next().await.map(report)
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked; the others go on");
    }
}

/// Counts a connection as open until dropped.
#[derive(Debug)]
pub struct Open(Gauge);

impl Open {
    /// Adds one connection to `open`.
    pub fn count(open: &Gauge) -> Self {
        open.inc();
        Self(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_while_it_lives() {
        let gauge = Gauge::default();
        let (first, second) = (Open::count(&gauge), Open::count(&gauge));
        assert_eq!(gauge.get(), 2);
        drop(first);
        assert_eq!(gauge.get(), 1);
        drop(second);
        assert_eq!(gauge.get(), 0);
    }

    #[tokio::test]
    async fn a_panic_ends_one_connection_only() {
        let mut connections = Connections::default();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        connections.spawn(async { panic!("on purpose") });
        connections.spawn(async { sender.send(()).unwrap() });
        connections.ended().await;
        assert_eq!(receiver.await, Ok(()));
    }
}
