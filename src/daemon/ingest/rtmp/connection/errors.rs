//! Errors of a connection that the peer causes.

use std::time::Duration;

use super::super::amf::AmfError;
use super::super::chunk::ChunkError;
use super::super::command;
use super::super::flv::Unsupported;
use super::super::handshake::HandshakeError;
use super::super::message::AggregateError;

/// Why a peer was rejected without asking the gate, or after the gate had accepted it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The application is not [`command::APP`].
    #[error(
        "the application is not \"{}\"; publish to rtmp://HOST/{0}",
        command::APP
    )]
    App,
    /// The peer asked to play.
    #[error("nothing is played over RTMP; watch over HTTP")]
    Play,
    /// The name is not a valid stream name. The error hides it: it may be a misplaced key.
    #[error("the stream key is not of the form NAME?key=SECRET with a NAME of [a-z0-9_-]{{1,64}}")]
    Name,
    /// The codec of the media is not supported.
    #[error(transparent)]
    Codec(Unsupported),
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Error in the handshake.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// Error in the chunk stream.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// Error in an aggregate message.
    #[error(transparent)]
    Aggregate(#[from] AggregateError),
    /// Error in a command.
    #[error(transparent)]
    Amf(#[from] AmfError),
    /// A protocol control message is cut short.
    #[error("control message {0} is cut short")]
    Control(u8),
    /// A message or command came before one that must precede it.
    #[error("{0} came too early")]
    TooEarly(&'static str),
    /// `connect` or `publish` came twice.
    #[error("{0} came twice")]
    Twice(&'static str),
    /// Too many messages before the publisher was accepted.
    #[error("more than {0} messages before publishing")]
    TooManyMessages(u32),
    /// The peer does not read the server's answers.
    #[error("more than {0} bytes of answers wait unread")]
    OutputFull(usize),
}

/// The time limit that a peer exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    /// Limit for the handshake.
    #[error("the handshake was not finished within {0:?}")]
    Handshake(Duration),
    /// Limit from the handshake to `publish`.
    #[error("the peer did not publish within {0:?}")]
    Publish(Duration),
    /// Limit for the time without any input.
    #[error("no byte came within {0:?}")]
    Idle(Duration),
}
