//! The reports of the media threads to the worker's director.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::model::frame::Track;
use crate::model::ladder::SourceFormat;

/// Reports that may wait. Further reports are dropped: the oldest already say what is wrong.
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
    /// One rung's MPEG-TS muxer failed; CMAF goes on.
    TsFailed {
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
    },
    /// The daemon asks the worker to flush everything and exit.
    Finish,
}

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(SyncSender<Event>);

impl Events {
    /// A connected pair.
    pub fn new() -> (Self, Receiver<Event>) {
        let (sender, receiver) = sync_channel(EVENTS_MAX);
        (Self(sender), receiver)
    }

    /// Queues a report; a full queue drops it.
    pub fn send(&self, event: Event) {
        let _ = self.0.try_send(event);
    }
}
