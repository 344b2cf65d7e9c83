//! Turns bytes from the network into encoded frames; decodes no media.
//!
//! An ingest asks a [`Gate`] whether a publisher may publish, and sends the publisher's media into
//! the [`Lease`] that the gate returns. An ingest does not depend on sessions.

pub mod rtmp;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::base::secret::Secret;
use crate::model::frame::{EncodedFrame, InputFormat};

/// Capacity of the queue of media events between an ingest and its session. While the queue is
/// full, the ingest does not read its socket. The session takes events at once, whatever its worker does,
/// so the queue is full for an instant only.
pub const LEASE_EVENTS_MAX: usize = 512;

/// What helps where the machine has no room for another stream.
pub const NO_ROOM_NEXT: &str = "end a stream, make the ladder smaller, give the machine more cores, \
     or let all streams have less with refuse_overload = false in [encoder]";

/// A publisher's request to publish a stream.
#[derive(Debug)]
pub struct PublishRequest {
    /// Name of the stream.
    pub stream: String,
    /// The publish key of the request; empty when the request has none.
    pub key: Secret,
    /// Address of the publisher.
    pub peer: SocketAddr,
    /// Protocol of the ingest, such as `rtmp`, for the status and the logs.
    pub protocol: &'static str,
}

/// Why a publisher was refused. The publisher never learns whether the name or the key was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No stream of that name accepts publishers.
    #[error("no such stream")]
    UnknownStream,
    /// The key is wrong.
    #[error("wrong key")]
    WrongKey,
    /// The daemon is stopping.
    #[error("shutting down")]
    ShuttingDown,
    /// The machine would be too slow for this stream beside those that run; the text says why.
    #[error("{0}")]
    NoRoom(String),
}

/// What a publisher's media consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// The format of the frames that follow: before the first frame and after each change.
    Format(InputFormat),
    /// One access unit.
    Frame(EncodedFrame),
    /// The ingest refuses the publisher, although the gate let it in: why, and what helps. The lease
    /// ends.
    Refused(String),
}

/// The right to publish a stream. Dropping the lease tells the session that the publisher left.
#[derive(Debug)]
pub struct Lease {
    /// Takes the publisher's media; closed when the session ends.
    pub media: mpsc::Sender<MediaEvent>,
    /// Tells the ingest to close the publisher's connection.
    pub revoked: Revoked,
}

/// Why a lease was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revocation {
    /// Another publisher connected with the right key.
    #[error("another publisher took over")]
    TakenOver,
    /// The stream was removed, its settings changed, or weir cannot produce it.
    #[error("the stream was ended")]
    Ended,
    /// The publisher sent pictures that nobody can decode.
    #[error("no key frame came")]
    NoKeyFrame,
    /// The machine would be too slow for this stream beside those that run.
    #[error("this machine has no room for another stream")]
    NoRoom,
}

/// Signals that a lease was revoked, and why. Clones share one signal.
#[derive(Debug, Clone, Default)]
pub struct Revoked {
    token: CancellationToken,
    reason: Arc<OnceLock<Revocation>>,
}

impl Revoked {
    /// Revokes the lease. Only the first reason is kept.
    pub fn revoke(&self, reason: Revocation) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// Whether the lease was revoked.
    pub fn is_revoked(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the lease is revoked.
    pub async fn revoked(&self) -> Revocation {
        self.token.cancelled().await;
        self.reason()
    }

    /// Why the lease was revoked; [`Revocation::Ended`] when the session ended without a reason.
    pub fn reason(&self) -> Revocation {
        self.reason.get().copied().unwrap_or(Revocation::Ended)
    }
}

/// Decides who may publish: the session registry in the daemon, a stub in tests.
pub trait Gate: Clone + Send + Sync + 'static {
    /// Checks the key in constant time; on success, this publisher replaces an earlier publisher of
    /// the stream.
    ///
    /// # Errors
    /// A [`Refusal`] when the publisher may not publish.
    fn publish(
        &self,
        request: PublishRequest,
    ) -> impl Future<Output = Result<Lease, Refusal>> + Send;
}
