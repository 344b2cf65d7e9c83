//! The reports of the media threads to the worker's director.

use super::mailbox::{Receiver, Sender, mailbox};
use crate::model::frame::Track;
use crate::model::ladder::SourceFormat;

/// Reports that may wait. Further reports are dropped, because the oldest already say what is wrong;
/// what ends the worker is never dropped for them.
const EVENTS_MAX: usize = 64;

/// Something the director acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first picture's format, from which the session's plan is made.
    Found(SourceFormat),
    /// The first media of an input half has been decoded.
    Flowing {
        /// Its number.
        input: u64,
    },
    /// An input half ended.
    Lost {
        /// Its number.
        input: u64,
        /// Why.
        reason: String,
    },
    /// One track of an input cannot be decoded; its decoder will be tried again.
    Undecodable {
        /// The input's number.
        input: u64,
        /// The track.
        track: Track,
        /// What the decoder reported.
        reason: String,
    },
    /// One rung's encoder failed.
    EncoderFailed {
        /// Index of the video rendition.
        video: usize,
        /// What the element reported.
        reason: String,
    },
    /// A failure after which the worker cannot continue.
    Fatal(String),
    /// An input half was opened.
    Opened {
        /// Whether it has video.
        pictures: bool,
        /// Whether the publisher has said that pictures come.
        announced: bool,
    },
    /// The daemon asks the worker to flush everything and exit.
    Finish,
}

impl Event {
    /// The worker ends after this.
    fn is_last(&self) -> bool {
        matches!(
            self,
            Self::EncoderFailed { .. } | Self::Fatal(_) | Self::Finish
        )
    }
}

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(Sender<Event>);

impl Events {
    /// A connected pair.
    pub fn new() -> (Self, Receiver<Event>) {
        let (sender, receiver) = mailbox(EVENTS_MAX);
        (Self(sender), receiver)
    }

    /// Queues a report. A full queue drops it, unless it ends the worker.
    pub fn send(&self, event: Event) {
        if event.is_last() {
            return self.0.send_urgent(event);
        }
        // The oldest reports already say what is wrong.
        let _ = self.0.send(event, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_the_worker_is_not_lost_to_a_full_queue() {
        let failed = Event::EncoderFailed {
            video: 0,
            reason: "x".into(),
        };
        for last in [Event::Finish, Event::Fatal("x".into()), failed] {
            let (events, reports) = Events::new();
            for input in 0..2 * EVENTS_MAX as u64 {
                events.send(Event::Flowing { input });
            }
            events.send(last.clone());
            drop(events);
            let reports: Vec<_> = reports.collect();
            assert_eq!(reports.len(), EVENTS_MAX + 1);
            assert_eq!(reports.last(), Some(&last));
        }
    }
}
