//! The reports of the media threads to the worker's director.

use super::mailbox::{Receiver, Sender, mailbox};
use crate::model::encoder::TemplateName;
use crate::model::frame::Track;
use crate::model::ladder::{RungSet, SourceFormat};
use crate::wire::protocol::Trouble;

/// Reports that may wait. Further reports are dropped, because the oldest already say what is wrong;
/// what the rungs or the worker depend on is never dropped for them.
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
    /// A decoder gives pictures now, or another one has to take over from it.
    Decoding {
        /// The input's number.
        input: u64,
        /// Name of its element.
        decoder: String,
        /// What went wrong with it; `None` when it gives pictures.
        trouble: Option<Trouble>,
    },
    /// The decoder of a pull's pictures, one in hardware, failed.
    DecoderFailed {
        /// The input's number.
        input: u64,
        /// Name of its element.
        decoder: String,
        /// What it did wrong.
        reason: String,
        /// It was given nothing, and the input goes on with another one.
        at_once: bool,
    },
    /// One rung's encoder failed. The rung is vacant, unless the encoder was only to take over.
    EncoderFailed {
        /// Index of the video rendition.
        video: usize,
        /// Its template.
        encoder: TemplateName,
        /// What it did wrong.
        reason: String,
    },
    /// The publisher's own frames are a rung's from now on.
    Passing {
        /// Index of the video rendition.
        video: usize,
    },
    /// The publisher's frames are no good any more: the rung needs an encoder.
    PassingEnded {
        /// Index of the video rendition.
        video: usize,
    },
    /// A rung that sleeps has sent everything of the time when it was awake.
    Emptied,
    /// An encoder that was ordered for a rung is ready, or why it is not.
    Ordered {
        /// Index of the video rendition.
        video: usize,
        /// Number of the order.
        order: u64,
        /// Why there is no encoder.
        refused: Option<String>,
    },
    /// The rungs that are wanted.
    Wanted(RungSet),
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
    /// The rungs or the worker depend on it.
    fn must_arrive(&self) -> bool {
        matches!(
            self,
            Self::EncoderFailed { .. }
                | Self::Ordered { .. }
                | Self::Emptied
                | Self::Passing { .. }
                | Self::PassingEnded { .. }
                | Self::Wanted(_)
                | Self::Fatal(_)
                | Self::Finish
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

    /// Queues a report. A full queue drops it, unless it must arrive.
    pub fn send(&self, event: Event) {
        if event.must_arrive() {
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
    fn what_must_arrive_is_not_lost_to_a_full_queue() {
        let failed = Event::EncoderFailed {
            video: 0,
            encoder: "x264".into(),
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
