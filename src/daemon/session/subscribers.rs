//! Those who receive what sessions make, besides the origin: recorders, for instance.
//!
//! The origin takes everything first, and its answers steer the session. Subscribers only listen:
//! they receive what the origin has taken, in that order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::daemon::origin::SessionSpec;
use crate::model::hls::{Part, TrackId, TsSegment};

/// Events that may wait in a [`Queue`], whatever their size.
const QUEUE_EVENTS_MAX: usize = 4096;

/// Somebody who receives what every session makes.
pub trait Subscriber: Send + Sync {
    /// A session of `stream` was opened; returns the recipient of what the session makes. Must
    /// return at once, like [`Recipient::take`].
    fn opened(&self, stream: &str, spec: &SessionSpec) -> Box<dyn Recipient>;
}

/// One session's end of a [`Subscriber`]. It is dropped when the session ends, however it ends.
pub trait Recipient: fmt::Debug + Send {
    /// Takes what the session made. Must return at once: the session and all other subscribers
    /// wait for it. Slow work belongs behind a [`Queue`].
    fn take(&mut self, made: &Made);
}

/// What a session made. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Made {
    /// A rendition's initialization section. A later one holds from the rendition's next part on,
    /// which begins a segment.
    Init {
        /// Rendition.
        track: TrackId,
        /// Its codec, as in `CODECS` (RFC 6381).
        codec: String,
        /// The bytes.
        data: Bytes,
    },
    /// The next part of a rendition. Nothing is missing where its segment does not follow the last
    /// one: a rung that nobody watches sleeps, and is not made for some segments.
    Part(Part),
    /// The next MPEG-TS segment of a rendition; it may sleep like a part's.
    TsSegment(TsSegment),
    /// A thumbnail, as JPEG.
    Thumbnail(Bytes),
    /// The worker was lost. All renditions go on at media sequence number `next_msn`, behind
    /// a discontinuity.
    Interrupted {
        /// Media sequence number of every rendition's next segment.
        next_msn: u64,
    },
    /// Only from a [`Queue`]: it was full, and something is missing here. The initialization
    /// sections follow again, then whole segments.
    Missed,
}

impl Made {
    /// Media sequence number of a part or a segment.
    fn msn(&self) -> Option<u64> {
        match self {
            Self::Part(part) => Some(part.msn),
            Self::TsSegment(segment) => Some(segment.msn),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Init { data, .. } | Self::Thumbnail(data) => data.len(),
            Self::Part(part) => part.data.len(),
            Self::TsSegment(segment) => segment.data.len(),
            Self::Interrupted { .. } | Self::Missed => 0,
        }
    }
}

/// The [`Recipient`] of a subscriber whose work takes time. What the session made waits in
/// a bounded queue for the subscriber's own task, which holds the [`Queued`] end.
///
/// When the queue is full, everything is left out until a segment begins for which there is room;
/// the receiver finds [`Made::Missed`] in its place.
#[derive(Debug)]
pub struct Queue {
    stream: String,
    sender: mpsc::Sender<Made>,
    waiting_bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    /// The latest initialization section of every rendition.
    inits: BTreeMap<TrackId, Made>,
    /// Highest media sequence number that has come.
    newest_msn: u64,
    /// Nothing of earlier segments is passed on.
    from_msn: u64,
    /// Events left out since the last one that was passed on.
    missed: u64,
}

/// The receiving end of a [`Queue`].
#[derive(Debug)]
pub struct Queued {
    receiver: mpsc::Receiver<Made>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// A queue for a session of `stream` that holds up to `bytes_max` bytes of media. That must be
/// enough for a part and the initialization sections of all renditions.
pub fn queue(stream: &str, bytes_max: usize) -> (Queue, Queued) {
    let (sender, receiver) = mpsc::channel(QUEUE_EVENTS_MAX);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let queue = Queue {
        stream: stream.to_owned(),
        sender,
        waiting_bytes: waiting_bytes.clone(),
        bytes_max,
        inits: BTreeMap::new(),
        newest_msn: 0,
        from_msn: 0,
        missed: 0,
    };
    (
        queue,
        Queued {
            receiver,
            waiting_bytes,
        },
    )
}

impl Recipient for Queue {
    fn take(&mut self, made: &Made) {
        if let Made::Init { track, .. } = made {
            self.inits.insert(*track, made.clone());
        }
        let msn = made.msn();
        self.newest_msn = self.newest_msn.max(msn.unwrap_or_default());
        if msn.map_or(self.missed > 0, |msn| msn < self.from_msn) {
            self.missed += u64::from(self.missed > 0);
        } else if self.has_room(made) {
            self.go_on();
            self.push(made.clone());
        } else {
            self.leave_out();
        }
    }
}

impl Queue {
    /// There is room for this, for what must precede it, and for one [`Made::Missed`].
    fn has_room(&self, made: &Made) -> bool {
        let inits = self.inits.values().filter(|_| self.missed > 0);
        let (events, bytes) = inits.fold((1, made.bytes()), |(events, bytes), init| {
            (events + 1, bytes + init.bytes())
        });
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        self.sender.capacity() > events && waiting.saturating_add(bytes) <= self.bytes_max
    }

    /// Repeats the initialization sections if anything was left out.
    fn go_on(&mut self) {
        let missed = std::mem::take(&mut self.missed);
        if missed > 0 {
            tracing::info!(stream = self.stream, missed, "subscriber keeps up again");
            self.inits.values().for_each(|init| self.push(init.clone()));
        }
    }

    fn leave_out(&mut self) {
        if self.missed == 0 && !self.sender.is_closed() {
            tracing::warn!(
                stream = self.stream,
                "subscriber does not keep up; it misses everything until a segment finds room"
            );
            self.push(Made::Missed);
        }
        self.missed += 1;
        self.from_msn = self.newest_msn.saturating_add(1);
    }

    fn push(&self, made: Made) {
        let bytes = made.bytes();
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        // A receiver that is gone wants nothing.
        let _ = self.sender.try_send(made);
    }
}

impl Queued {
    /// What the session made next; `None` once the session has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Made> {
        let made = self.receiver.recv().await?;
        self.waiting_bytes
            .fetch_sub(made.bytes(), Ordering::Relaxed);
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::session::fake;

    const AUDIO: TrackId = TrackId::Audio(0);
    const VIDEO: TrackId = TrackId::Video(0);

    fn init(track: TrackId, data: &'static str) -> Made {
        Made::Init {
            track,
            codec: "codec".into(),
            data: data.into(),
        }
    }

    /// A part of four bytes.
    fn part(track: TrackId, msn: u64, index: u32) -> Made {
        Made::Part(Part {
            index,
            ..fake::part(track, msn)
        })
    }

    /// Everything that waits.
    async fn drained(queued: &mut Queued) -> Vec<String> {
        let mut all = Vec::new();
        while !queued.receiver.is_empty() {
            all.push(match queued.next().await.unwrap() {
                Made::Part(part) => format!("{:?} {}.{}", part.track, part.msn, part.index),
                Made::Init { track, data, .. } => format!("{track:?} {}", data.escape_ascii()),
                other => format!("{other:?}"),
            });
        }
        all
    }

    #[tokio::test]
    async fn a_full_queue_leaves_out_the_rest_of_the_segment_and_says_so() {
        let (mut queue, mut queued) = queue("s", 20);
        for made in [
            init(VIDEO, "old"),
            init(AUDIO, "ai"),
            part(VIDEO, 1, 0),
            part(AUDIO, 1, 0),
            part(VIDEO, 1, 1),
            part(VIDEO, 2, 0),
            part(VIDEO, 3, 0),
        ] {
            queue.take(&made);
        }
        let before = drained(&mut queued).await;
        let whole = ["Video(0) old", "Audio(0) ai", "Video(0) 1.0"];
        assert_eq!(before[..3], whole);
        assert_eq!(before[3..], ["Audio(0) 1.0", "Video(0) 1.1", "Missed"]);
        // There is room, but only whole segments are worth it, and no rendition lags behind.
        for made in [
            part(VIDEO, 3, 1),
            init(VIDEO, "new"),
            Made::Interrupted { next_msn: 4 },
            part(VIDEO, 4, 0),
            part(AUDIO, 3, 5),
            part(AUDIO, 4, 0),
        ] {
            queue.take(&made);
        }
        let after = drained(&mut queued).await;
        let expected = [
            "Video(0) new",
            "Audio(0) ai",
            "Video(0) 4.0",
            "Audio(0) 4.0",
        ];
        assert_eq!(after, expected);
        drop(queue);
        assert!(queued.next().await.is_none(), "the session has ended");
    }

    #[tokio::test]
    async fn a_queue_is_bounded_in_events_too() {
        let (mut queue, mut queued) = queue("s", usize::MAX);
        for msn in 0..2 * QUEUE_EVENTS_MAX as u64 {
            queue.take(&part(VIDEO, msn, 0));
        }
        let all = drained(&mut queued).await;
        assert_eq!(all.len(), QUEUE_EVENTS_MAX);
        assert_eq!(all.last().unwrap(), "Missed");
    }
}
