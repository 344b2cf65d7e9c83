//! The queue of messages from the media threads to the daemon.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::wire::protocol::{FromWorker, Level, Log};

/// Messages that may wait for the socket. A full outbox makes the sending media thread wait. The
/// daemon reads all the time, so a full outbox means that the daemon has ended or the machine is
/// overloaded.
const MESSAGES_MAX: usize = 512;

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox(SyncSender<FromWorker>);

impl Outbox {
    /// A connected pair.
    pub fn new() -> (Self, Receiver<FromWorker>) {
        let (sender, receiver) = sync_channel(MESSAGES_MAX);
        (Self(sender), receiver)
    }

    /// Queues a message. The message is lost when the daemon has ended, which also ends this process.
    pub fn send(&self, message: FromWorker) {
        let _ = self.0.send(message);
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
