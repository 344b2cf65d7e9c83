//! The publisher's side of a stream: who publishes, and what of it reaches the worker.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::backpressure::{Backpressure, Pass};
use super::gop::GopCache;
use crate::daemon::ingest::{MediaEvent, Revocation, Revoked};
use crate::daemon::supervisor::inbox::WorkerInbox;
use crate::daemon::telemetry::metrics::OneStream;
use crate::model::frame::{EncodedFrame, InputFormat, Track};
use crate::wire::protocol::{Mapping, ToWorker};

/// How far the newest frame may be from the present by the offset that a worker told: a late network,
/// and a worker that shows frames late.
const OFFSET_OFF_MAX: Duration = Duration::from_secs(15);
/// What is kept before the first frame that some rendition lacks: sound settles, and frames may be
/// shown in another order than they come.
const LEAD: Duration = Duration::from_secs(1);

/// A publisher that was let in.
#[derive(Debug)]
pub struct Publisher {
    /// The session's end of the publisher's lease.
    pub media: mpsc::Receiver<MediaEvent>,
    /// Tells the publisher to close its connection.
    pub revoked: Revoked,
    /// Its address.
    pub peer: SocketAddr,
    /// Its protocol.
    pub protocol: &'static str,
}

/// The current publisher and what it has sent.
#[derive(Debug)]
pub struct Contribution {
    /// How long a publisher may send nothing that can be decoded.
    key_frame_max: Duration,
    publisher: Option<Publisher>,
    format: Option<InputFormat>,
    cache: GopCache,
    /// How a worker makes output times of the publisher's times.
    mapping: Option<Mapping>,
    backpressure: Backpressure,
    /// When the publisher must have sent a frame that can be decoded; `None` once it has.
    key_by: Option<Instant>,
}

/// What an event of the publisher was.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// A format or a frame.
    Passed,
    /// The publisher's first frame that can be decoded.
    Decodable,
    /// The ingest refuses the publisher, for this cause.
    Refused(String),
}

impl Contribution {
    /// No publisher yet. A publisher may send nothing that can be decoded for `key_frame_max`.
    pub fn new(key_frame_max: Duration) -> Self {
        Self {
            key_frame_max,
            publisher: None,
            format: None,
            cache: GopCache::default(),
            mapping: None,
            backpressure: Backpressure::default(),
            key_by: None,
        }
    }

    /// A publisher has come. An earlier one is sent away, and true returned.
    pub fn arrive(&mut self, publisher: Publisher, inbox: Option<&WorkerInbox>) -> bool {
        let took_over = self.leave(Revocation::TakenOver, inbox);
        self.publisher = Some(publisher);
        self.key_by = Some(Instant::now() + self.key_frame_max);
        took_over
    }

    /// The publisher has gone, or has to go; false when there was none.
    pub fn leave(&mut self, reason: Revocation, inbox: Option<&WorkerInbox>) -> bool {
        let Some(publisher) = self.publisher.take() else {
            return false;
        };
        publisher.revoked.revoke(reason);
        self.key_by = None;
        self.cache = GopCache::default();
        self.mapping = None;
        self.backpressure.restart();
        if self.format.take().is_some()
            && let Some(inbox) = inbox
        {
            inbox.push(ToWorker::InputClosed);
        }
        true
    }

    /// The publisher's next event; `None` when the publisher has gone. Without a publisher this
    /// never completes. A worker without room holds nobody up: see [`Backpressure`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<MediaEvent> {
        match &mut self.publisher {
            Some(publisher) => publisher.media.recv().await,
            None => pending().await,
        }
    }

    /// When the publisher must have sent a key frame, or sound where it has no pictures.
    pub fn key_by(&self) -> Option<Instant> {
        self.key_by
    }

    /// Passes on what [`next`](Self::next) returned.
    pub fn take(
        &mut self,
        event: MediaEvent,
        inbox: Option<&WorkerInbox>,
        stream: &str,
        metrics: &OneStream,
    ) -> Taken {
        match event {
            MediaEvent::Format(format) => {
                if self.video_changes(&format) {
                    self.key_by = Some(Instant::now() + self.key_frame_max);
                }
                self.cache.format(&format);
                self.backpressure.format(format.video.is_some());
                // The worker keeps the decoder of a track that did not change, and has its frames.
                if let Some(inbox) = inbox {
                    inbox.push(ToWorker::InputOpened(format.clone()));
                }
                self.format = Some(format);
                Taken::Passed
            }
            MediaEvent::Frame(frame) => {
                let first = self.key_by.is_some() && self.is_decodable(&frame);
                if first {
                    self.key_by = None;
                }
                let (pts_ms, bytes) = (frame.pts_ns / 1_000_000, frame.data.len());
                tracing::trace!(stream, track = ?frame.track, pts_ms, frame.key, bytes, "frame received");
                metrics.ingest_frames.inc();
                metrics.ingest_bytes.inc_by(frame.data.len() as u64);
                if !self.cache.push(frame.clone()) {
                    tracing::warn!(
                        stream,
                        "no key frame for too long to keep; a restarted worker will wait for one"
                    );
                }
                if let Some(inbox) = inbox {
                    self.send(frame, inbox, stream, metrics);
                }
                if first {
                    Taken::Decodable
                } else {
                    Taken::Passed
                }
            }
            MediaEvent::Refused(cause) => Taken::Refused(cause),
        }
    }

    /// The format has pictures, and they need another decoder than those before.
    fn video_changes(&self, format: &InputFormat) -> bool {
        let before = self
            .format
            .as_ref()
            .and_then(|format| format.video.as_ref());
        format.video.is_some() && format.video.as_ref() != before
    }

    fn is_decodable(&self, frame: &EncodedFrame) -> bool {
        let pictures = self.format.as_ref().is_some_and(|f| f.video.is_some());
        match frame.track {
            Track::Video => frame.key,
            Track::Audio => !pictures,
        }
    }

    fn send(
        &mut self,
        frame: EncodedFrame,
        inbox: &WorkerInbox,
        stream: &str,
        metrics: &OneStream,
    ) {
        let pass = self.backpressure.pass(&frame, inbox.has_room());
        if matches!(pass, Pass::DropFirst | Pass::Drop) {
            metrics.ingest_dropped.inc();
        }
        match pass {
            Pass::Send => inbox.push(ToWorker::Frame(frame)),
            Pass::Resume(dropped) => {
                tracing::warn!(stream, dropped, "worker takes frames again");
                inbox.push(ToWorker::Frame(frame));
            }
            Pass::DropFirst => tracing::warn!(
                stream,
                "worker does not keep up; frames are dropped until it has room at a key frame; take \
                 rungs away or give the machine more cores"
            ),
            Pass::Drop => {}
        }
    }

    /// The worker has told how it makes output times of the publisher's times.
    pub fn mapped(&mut self, mapping: Mapping) {
        self.mapping = self.publisher.is_some().then_some(mapping);
    }

    /// How the times of the frames that are kept, of which the last is about as old as the output time
    /// `now`, become output times; `None` where no frames are kept, or nobody knows.
    pub fn mapping(&self, now: Duration) -> Option<Mapping> {
        let mapping = self.mapping?;
        let last = self.cache.frames().next_back()?;
        let due_ns = i128::from(last.pts_ns) + i128::from(mapping.offset_ns);
        let now_ns = i128::try_from(now.as_nanos()).ok()?;
        let off_max_ns = OFFSET_OFF_MAX.as_nanos().cast_signed();
        ((due_ns - now_ns).abs() <= off_max_ns).then_some(mapping)
    }

    /// Some rendition lacks the frames from output time `from` on, so a new worker would need them.
    pub fn keep_from(&mut self, from: Option<Duration>) {
        let from_ns = from.zip(self.mapping).map(|(from, mapping)| {
            let from_ns = i64::try_from(from.as_nanos()).unwrap_or(i64::MAX);
            let lead_ns = i64::try_from(LEAD.as_nanos()).unwrap_or(0);
            from_ns
                .saturating_sub(mapping.offset_ns)
                .saturating_sub(lead_ns)
        });
        self.cache.keep_from(from_ns);
    }

    /// Gives a new worker all it needs to go on at once.
    pub fn replay(&mut self, inbox: &WorkerInbox) {
        if let Some(format) = &self.format {
            inbox.push(ToWorker::InputOpened(format.clone()));
        }
        self.backpressure.restart();
        inbox.replay(self.cache.frames().cloned());
    }
}
