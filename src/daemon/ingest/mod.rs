//! Network bytes → encoded frames. Memory-safe Rust only; no media is decoded here.
//!
//! An ingest asks a [`Gate`] whether a publisher may come in, and hands its media to the
//! [`Lease`] it gets back. It knows nothing of sessions.

pub mod rtmp;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::daemon::config::settings::Secret;
use crate::model::frame::{EncodedFrame, InputFormat};

/// Media events that may wait between an ingest and its session; a full queue makes the ingest
/// stop reading its socket, so a publisher that is too fast is slowed down by TCP.
pub const LEASE_EVENTS_MAX: usize = 512;

/// Who wants to publish what.
#[derive(Debug)]
pub struct PublishRequest {
    /// Name of the stream.
    pub stream: String,
    /// The key that came with it; empty when none did.
    pub key: Secret,
    /// Address of the publisher.
    pub peer: SocketAddr,
    /// Protocol, for status and logs, such as `rtmp`.
    pub protocol: &'static str,
}

/// Why a publisher was refused. What the publisher is told never says which of the two it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No stream of that name takes a publisher.
    #[error("no such stream")]
    UnknownStream,
    /// The key is wrong.
    #[error("wrong key")]
    WrongKey,
    /// The daemon is stopping.
    #[error("shutting down")]
    ShuttingDown,
}

/// One step of a publisher's media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// First, and again whenever it changes.
    Format(InputFormat),
    /// One access unit.
    Frame(EncodedFrame),
}

/// The right to publish. Dropping it says that the publisher has gone.
#[derive(Debug)]
pub struct Lease {
    /// Where the media goes; closed when the session is over.
    pub media: mpsc::Sender<MediaEvent>,
    /// Says when the publisher has to go: close the connection.
    pub revoked: Revoked,
}

/// Why a publisher has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revocation {
    /// Another one came with the right key.
    #[error("another publisher took over")]
    TakenOver,
    /// The stream was removed, its settings changed, or it cannot be made.
    #[error("the stream was ended")]
    Ended,
}

/// Tells a publisher that it has to go, and why. All clones are one.
#[derive(Debug, Clone, Default)]
pub struct Revoked {
    token: CancellationToken,
    reason: Arc<OnceLock<Revocation>>,
}

impl Revoked {
    /// Sends the publisher away. The first reason counts.
    pub fn revoke(&self, reason: Revocation) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// The publisher has to go.
    pub fn is_revoked(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the publisher has to go.
    pub async fn revoked(&self) -> Revocation {
        self.token.cancelled().await;
        self.reason()
    }

    /// Why it has to go; when nobody said so but its media is no longer taken, its stream ended.
    pub fn reason(&self) -> Revocation {
        self.reason.get().copied().unwrap_or(Revocation::Ended)
    }
}

/// Decides who may publish; the session registry in the daemon, a stub in tests.
pub trait Gate: Clone + Send + Sync + 'static {
    /// Checks the key (in constant time) and takes the stream over for this publisher.
    ///
    /// # Errors
    /// A [`Refusal`].
    fn publish(
        &self,
        request: PublishRequest,
    ) -> impl Future<Output = Result<Lease, Refusal>> + Send;
}
