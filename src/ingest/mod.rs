//! Network bytes → encoded frames. Memory-safe Rust only; no media is decoded here.
//!
//! An ingest asks a [`Gate`] whether a publisher may come in, and hands its media to the
//! [`Lease`] it gets back. It knows nothing of sessions.

pub mod rtmp;

use std::future::Future;
use std::net::SocketAddr;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::settings::Secret;
use crate::frame::{EncodedFrame, InputFormat};

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
    /// Cancelled when another publisher took over, or the daemon stops: close the connection.
    pub revoked: CancellationToken,
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
