//! The queue of messages from the media threads to the daemon.

use std::sync::Arc;

use super::mailbox::{self, Receiver, Sender, mailbox};
use crate::wire::protocol::{FromWorker, Level, Log};

/// Bytes of messages that may wait for the socket: more than every rendition's segment at the largest
/// bitrates. The daemon reads all the time, so more waits only when the daemon has stopped or the
/// machine is overloaded, and then the worker fails.
const BYTES_MAX: usize = 128 * 1024 * 1024;
/// Counted for a message beside its media.
const MESSAGE_BYTES: usize = 256;

/// The sending end; cheap to clone. It never makes a media thread wait.
#[derive(Clone)]
pub struct Outbox {
    messages: Sender<FromWorker>,
    full: Arc<dyn Fn() + Send + Sync>,
}

impl Outbox {
    /// A connected pair. `full` is called when a message finds no place; it ends the worker.
    pub fn new(full: impl Fn() + Send + Sync + 'static) -> (Self, Receiver<FromWorker>) {
        let (messages, receiver) = mailbox(BYTES_MAX);
        let full = Arc::new(full);
        (Self { messages, full }, receiver)
    }

    /// Queues a message. What ends the worker is queued even when there is no place for more.
    pub fn send(&self, message: FromWorker) {
        if message.is_last() {
            return self.messages.send_urgent(message);
        }
        let weight = MESSAGE_BYTES.saturating_add(media_bytes(&message));
        if let Err(mailbox::Full) = self.messages.send(message, weight) {
            (self.full)();
        }
    }

    /// Queues a line for the daemon's log.
    pub fn log(&self, level: Level, rung: Option<&str>, message: impl Into<String>) {
        self.send(FromWorker::Log(Log {
            level,
            rung: rung.map(str::to_owned),
            message: message.into(),
        }));
    }
}

fn media_bytes(message: &FromWorker) -> usize {
    match message {
        FromWorker::Init { data, .. } | FromWorker::Thumbnail { data, .. } => data.len(),
        FromWorker::Part(part) => part.data.len(),
        FromWorker::TsSegment(segment) => segment.data.len(),
        FromWorker::Rest { rest, .. } => rest.data.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_full_outbox_says_so_and_still_takes_the_end() {
        let overflows = Arc::new(AtomicUsize::new(0));
        let counted = overflows.clone();
        let (outbox, messages) = Outbox::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let picture = FromWorker::Thumbnail {
            date_ns: 0,
            data: Bytes::from(vec![0; BYTES_MAX / 8]),
        };
        for _ in 0..8 {
            outbox.send(picture.clone());
        }
        assert_eq!(overflows.load(Ordering::Relaxed), 1);
        outbox.send(FromWorker::Failed("x".into()));
        drop(outbox);
        let last = messages.last();
        assert_eq!(last, Some(FromWorker::Failed("x".into())));
        assert_eq!(overflows.load(Ordering::Relaxed), 1);
    }
}
