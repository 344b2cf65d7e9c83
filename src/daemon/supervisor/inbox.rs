//! The queue of messages from the daemon to one worker.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::model::frame::EncodedFrame;
use crate::wire::protocol::ToWorker;

/// The queue accepts no more frames once it holds this many messages...
const QUEUE_MESSAGES_SOFT_MAX: usize = 256;
/// ...or this many bytes.
const QUEUE_BYTES_SOFT_MAX: usize = 8 * 1024 * 1024;
/// Most messages in the queue. There is room for a whole GOP, which is replayed without waiting.
pub(super) const QUEUE_MESSAGES_MAX: usize = 8192;

/// The queue of messages for a worker. Cheap to clone.
///
/// Frames may be pushed only while there is [room](WorkerInbox::has_room). All other messages may be
/// pushed at any time; above [`QUEUE_MESSAGES_MAX`] the worker counts as stuck.
#[derive(Debug, Clone, Default)]
pub struct WorkerInbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    pushed: Notify,
    stuck: CancellationToken,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<ToWorker>,
    bytes: usize,
    /// What is left at most of the messages that were in the queue when it was [given](WorkerInbox::replay)
    /// the past, and of their bytes.
    past: (usize, usize),
}

impl Queue {
    fn has_room(&mut self) -> bool {
        let (messages, bytes) = self.past;
        self.past = (messages.min(self.messages.len()), bytes.min(self.bytes));
        // What is new may wait behind what is not.
        self.messages.len() < QUEUE_MESSAGES_SOFT_MAX.saturating_add(self.past.0)
            && self.bytes < QUEUE_BYTES_SOFT_MAX.saturating_add(self.past.1)
    }
}

impl WorkerInbox {
    /// Appends a message.
    pub fn push(&self, message: ToWorker) {
        let mut queue = self.queue();
        if queue.messages.len() >= QUEUE_MESSAGES_MAX {
            return self.give_up();
        }
        queue.bytes += payload_bytes(&message);
        queue.messages.push_back(message);
        drop(queue);
        self.0.pushed.notify_one();
    }

    /// Whether there is room for a frame now.
    pub fn has_room(&self) -> bool {
        self.queue().has_room()
    }

    /// Appends frames of the past, which a new worker needs to go on. They leave as much room as before
    /// for those that come meanwhile.
    pub fn replay(&self, frames: impl IntoIterator<Item = EncodedFrame>) {
        for frame in frames {
            self.push(ToWorker::Frame(frame));
        }
        let mut queue = self.queue();
        queue.past = (queue.messages.len(), queue.bytes);
    }

    /// Removes the oldest message, waiting for one. Cancel-safe; for one caller at a time.
    pub(super) async fn pop(&self) -> ToWorker {
        loop {
            if let Some(message) = self.try_pop() {
                return message;
            }
            self.0.pushed.notified().await;
        }
    }

    /// The worker does not take its messages.
    pub(super) fn give_up(&self) {
        self.0.stuck.cancel();
    }

    /// Waits until the worker was given up, or a message came when the queue was full. Cancel-safe.
    pub(super) async fn stuck(&self) {
        self.0.stuck.cancelled().await;
    }

    fn try_pop(&self) -> Option<ToWorker> {
        let mut queue = self.queue();
        let message = queue.messages.pop_front()?;
        queue.bytes = queue.bytes.saturating_sub(payload_bytes(&message));
        Some(message)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of media in a message; everything else in a message is small and not counted.
fn payload_bytes(message: &ToWorker) -> usize {
    match message {
        ToWorker::Frame(frame) => frame.data.len(),
        _ => 0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::frame::Track;

    pub(in crate::daemon::supervisor) fn frame(bytes: usize) -> ToWorker {
        let data = Bytes::from(vec![0; bytes]);
        let track = Track::Video;
        ToWorker::Frame(EncodedFrame {
            track,
            pts_ns: 0,
            dts_ns: 0,
            key: true,
            data,
        })
    }

    #[test]
    fn a_full_queue_overflows() {
        let inbox = WorkerInbox::default();
        for _ in 0..2 * QUEUE_MESSAGES_MAX {
            inbox.push(ToWorker::InputClosed);
        }
        assert_eq!(inbox.queue().messages.len(), QUEUE_MESSAGES_MAX);
        assert!(inbox.0.stuck.is_cancelled());
    }

    /// The past of a worker that has died may be longer than the queue of one that keeps up.
    #[test]
    fn the_past_takes_no_room_from_what_is_new() {
        let inbox = WorkerInbox::default();
        let ToWorker::Frame(one) = frame(1) else {
            unreachable!()
        };
        inbox.replay(vec![one; 3 * QUEUE_MESSAGES_SOFT_MAX]);
        let mut new = 0;
        while inbox.has_room() {
            inbox.push(frame(1));
            new += 1;
        }
        assert_eq!(new, QUEUE_MESSAGES_SOFT_MAX);
        while inbox.try_pop().is_some() {}
        let mut later = 0;
        while inbox.has_room() {
            inbox.push(frame(1));
            later += 1;
        }
        assert_eq!(later, QUEUE_MESSAGES_SOFT_MAX);
    }

    #[test]
    fn frames_have_room_up_to_a_number_and_up_to_a_size() {
        let many = WorkerInbox::default();
        let big = WorkerInbox::default();
        while many.has_room() {
            many.push(frame(1));
        }
        while big.has_room() {
            big.push(frame(1024 * 1024));
        }
        assert_eq!(many.queue().messages.len(), QUEUE_MESSAGES_SOFT_MAX);
        assert_eq!(big.queue().bytes, QUEUE_BYTES_SOFT_MAX);
        big.push(ToWorker::InputClosed);
        assert_eq!(big.queue().messages.back(), Some(&ToWorker::InputClosed));
        assert!(big.try_pop().is_some() && big.has_room());
    }
}
