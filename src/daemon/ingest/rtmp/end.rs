//! The reasons for which a connection ends.

use std::io;

use super::connection::{Overdue, ProtocolError, Rejection};
use crate::daemon::ingest::{Refusal, Revocation};
use crate::daemon::net::HeaderError;

/// What helps a publisher whose media is rejected.
pub(super) const REJECTED_NEXT: &str = "change the encoder's settings";

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error(transparent)]
    Overdue(#[from] Overdue),
    #[error(transparent)]
    NoClient(#[from] HeaderError),
    #[error("the proxy's header did not come in time")]
    ClientOverdue,
    #[error("the TLS handshake failed: {0}")]
    NotSecured(io::Error),
    #[error("the TLS handshake took too long")]
    HandshakeOverdue,
    #[error("the peer does not read the server's answers")]
    Unread,
    #[error("closed to make room for another connection")]
    Evicted,
    #[error(transparent)]
    Rejected(Rejection),
    #[error("{0}")]
    Refused(Refusal),
    #[error("checking the publisher took too long")]
    GateOverdue,
    #[error("the publisher stopped")]
    Unpublished,
    #[error(transparent)]
    Revoked(Revocation),
    #[error("the daemon is stopping")]
    ShuttingDown,
}

impl End {
    /// What a publisher that the gate let in did wrong, for the stream's status.
    pub(super) fn complaint(&self) -> Option<String> {
        match self {
            Self::Rejected(cause) => Some(format!("publisher refused: {cause}; {REJECTED_NEXT}")),
            Self::Protocol(cause) => Some(format!("publisher closed: {cause}")),
            _ => None,
        }
    }
}
