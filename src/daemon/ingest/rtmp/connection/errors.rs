//! What goes wrong with a peer.

use std::time::Duration;

use super::super::amf::AmfError;
use super::super::chunk::ChunkError;
use super::super::command;
use super::super::flv::Unsupported;
use super::super::handshake::HandshakeError;
use super::super::message::AggregateError;

/// Why a peer was turned away before, or in spite of, the gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The application is not [`command::APP`].
    #[error(
        "the application is not \"{}\"; publish to rtmp://HOST/{0}",
        command::APP
    )]
    App,
    /// The peer wants to play.
    #[error("nothing is played over RTMP; watch over HTTP")]
    Play,
    /// The name cannot be that of a stream. It is not shown: it may be a key in the wrong place.
    #[error("the stream key is not of the form NAME?key=SECRET with a NAME of [a-z0-9_-]{{1,64}}")]
    Name,
    /// The media is of a codec that is not supported.
    #[error(transparent)]
    Codec(Unsupported),
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// In the handshake.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// In the chunk stream.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// In an aggregate message.
    #[error(transparent)]
    Aggregate(#[from] AggregateError),
    /// In a command.
    #[error(transparent)]
    Amf(#[from] AmfError),
    /// A protocol control message is cut short.
    #[error("control message {0} is cut short")]
    Control(u8),
    /// Something came before what must go before it.
    #[error("{0} came too early")]
    TooEarly(&'static str),
    /// `connect` or `publish` came twice.
    #[error("{0} came twice")]
    Twice(&'static str),
    /// Too many messages before the publisher was accepted.
    #[error("more than {0} messages before publishing")]
    TooManyMessages(u32),
    /// The peer does not read its answers.
    #[error("more than {0} bytes of answers wait unread")]
    OutputFull(usize),
}

/// What a peer took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    /// The handshake.
    #[error("the handshake was not finished in {0:?}")]
    Handshake(Duration),
    /// To publish.
    #[error("nothing was published in {0:?}")]
    Publish(Duration),
    /// To send anything.
    #[error("no byte came in {0:?}")]
    Idle(Duration),
}
