//! What the media threads report to the worker's director.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::model::frame::Track;
use crate::model::ladder::SourceFormat;

/// Reports that may wait; when there are more, the oldest already say what is wrong.
const EVENTS_MAX: usize = 64;

/// Something the director acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first picture's format, which the session's plan is made from.
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
    /// One track of an input cannot be decoded now; it is tried again.
    Undecodable {
        /// The input's number.
        input: u64,
        /// Which track.
        track: Track,
        /// What its decoder said.
        reason: String,
    },
    /// One rung's encoder failed.
    EncoderFailed {
        /// Index of the video rendition.
        video: usize,
        /// What it said.
        reason: String,
    },
    /// One rung's MPEG-TS failed; CMAF goes on.
    TsFailed {
        /// Index of the video rendition.
        video: usize,
        /// What it said.
        reason: String,
    },
    /// Something the worker cannot go on without failed.
    Fatal(String),
    /// An input half has been opened; `pictures` tells whether it has any.
    Opened {
        /// It has video.
        pictures: bool,
    },
    /// The daemon wants everything flushed and this process gone.
    Finish,
}

/// Where reports go; cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(SyncSender<Event>);

impl Events {
    /// A connected pair.
    pub fn new() -> (Self, Receiver<Event>) {
        let (sender, receiver) = sync_channel(EVENTS_MAX);
        (Self(sender), receiver)
    }

    /// Reports; dropped when too many wait already.
    pub fn send(&self, event: Event) {
        let _ = self.0.try_send(event);
    }
}
