//! The protocol of one connection without socket or clock: bytes and times in, events and bytes
//! out.

mod commands;
mod errors;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use super::chunk::{self, ChunkBounds, ChunkReader};
use super::command::{ConnectRequest, PublishTarget, Status};
use super::handshake::Handshake;
use super::limits::Limits;
use super::media::Tracks;
use super::message::{self, Message};
use crate::daemon::ingest::{MediaEvent, Revocation};

pub use errors::{Overdue, ProtocolError, Rejection};

/// Chunk stream of protocol control messages: "they MUST be sent on chunk stream ID 2".
const CONTROL_CHUNK_STREAM: u32 = 2;

/// What a publisher is told for whose stream the machine has no room.
pub(super) const NO_ROOM: &str =
    "This machine has no room for another stream; end one, or try again later.";

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The peer asks to publish. Input waits until [`Connection::accept`] or [`Connection::refuse`]
    /// is called.
    Publish(PublishTarget),
    /// Media of an accepted publisher.
    Media(MediaEvent),
    /// The publisher announced its end. The connection is over.
    Unpublished,
    /// The peer's request was rejected and the peer was told why. The connection is over.
    Rejected(Rejection),
}

#[derive(Debug)]
enum Phase {
    Handshake(Handshake),
    /// A peer that the gate has not accepted: only commands are read.
    Stranger {
        connect: Option<ConnectRequest>,
        messages: u32,
    },
    /// The gate decides.
    Deciding {
        stream_id: u32,
    },
    Publishing {
        stream_id: u32,
    },
    /// Further input is discarded.
    Over,
}

/// Counts of the bytes received and acknowledged.
#[derive(Debug, Default)]
struct Acknowledgements {
    /// 0 when the peer asked for no acknowledgements.
    window_bytes: u32,
    received_bytes: u64,
    acknowledged_bytes: u64,
}

/// The server's end of one RTMP connection.
#[derive(Debug)]
pub struct Connection {
    limits: Limits,
    phase: Phase,
    /// The latest time known when the phase began.
    phase_since: Instant,
    now: Instant,
    input: BytesMut,
    output: BytesMut,
    output_chunk_bytes: usize,
    reader: ChunkReader,
    acknowledgements: Acknowledgements,
    tracks: Tracks,
    /// Parts of an aggregate message that were not handled yet.
    parts: VecDeque<Message>,
    media: VecDeque<MediaEvent>,
    event: Option<Event>,
}

impl Connection {
    /// A connection that opened at `now`; `seed` feeds the handshake's random bytes.
    pub fn new(limits: Limits, seed: [u8; 32], now: Instant) -> Self {
        let bounds = ChunkBounds {
            message_bytes_max: limits.stranger_message_bytes_max,
            reassembly_bytes_max: limits.stranger_reassembly_bytes_max,
            chunk_streams_max: limits.chunk_streams_max,
        };
        Self {
            limits,
            phase: Phase::Handshake(Handshake::new(seed)),
            phase_since: now,
            now,
            input: BytesMut::new(),
            output: BytesMut::new(),
            output_chunk_bytes: chunk::DEFAULT_CHUNK_BYTES,
            reader: ChunkReader::new(bounds),
            acknowledgements: Acknowledgements::default(),
            tracks: Tracks::default(),
            parts: VecDeque::new(),
            media: VecDeque::new(),
            event: None,
        }
    }

    /// Takes bytes received at `now`. Call [`Connection::poll`] afterwards until it returns `None`.
    ///
    /// # Errors
    /// [`ProtocolError::OutputFull`] when the output has no room for an acknowledgement.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), ProtocolError> {
        self.now = now;
        if matches!(self.phase, Phase::Over) {
            return Ok(());
        }
        self.input.extend_from_slice(bytes);
        let counts = &mut self.acknowledgements;
        counts.received_bytes += bytes.len() as u64;
        let unacknowledged = counts.received_bytes - counts.acknowledged_bytes;
        // One acknowledgement per call, however small the window: answers stay smaller than input.
        if counts.window_bytes > 0 && unacknowledged >= u64::from(counts.window_bytes) {
            counts.acknowledged_bytes = counts.received_bytes;
            // "A 32-bit field holds the number of bytes received so far", modulo 2^32.
            let [.., a, b, c, d] = counts.received_bytes.to_be_bytes();
            let message = Message::acknowledgement(u32::from_be_bytes([a, b, c, d]));
            self.send(CONTROL_CHUNK_STREAM, &message)?;
        }
        Ok(())
    }

    /// The next event; `None` when the connection waits for bytes or for the gate's decision.
    ///
    /// # Errors
    /// A [`ProtocolError`], after which the caller must close the connection.
    pub fn poll(&mut self) -> Result<Option<Event>, ProtocolError> {
        loop {
            if let Some(media) = self.media.pop_front() {
                return Ok(Some(Event::Media(media)));
            }
            if let Some(event) = self.event.take() {
                return Ok(Some(event));
            }
            match &mut self.phase {
                Phase::Handshake(handshake) => {
                    if !handshake.advance(&mut self.input, &mut self.output)? {
                        return Ok(None);
                    }
                    self.enter(Phase::Stranger {
                        connect: None,
                        messages: 0,
                    });
                }
                Phase::Deciding { .. } => return Ok(None),
                Phase::Over => {
                    self.input = BytesMut::new();
                    return Ok(None);
                }
                Phase::Stranger { .. } | Phase::Publishing { .. } => {
                    let Some(message) = self.next_message()? else {
                        return Ok(None);
                    };
                    self.handle(message)?;
                }
            }
        }
    }

    /// Bytes to send to the peer; the caller removes what it has sent.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Accepts the publisher, as the gate decided.
    ///
    /// # Errors
    /// [`ProtocolError::OutputFull`] when the output has no room for the answer.
    pub fn accept(&mut self) -> Result<(), ProtocolError> {
        let Phase::Deciding { stream_id } = self.phase else {
            return Ok(());
        };
        self.reader.set_bounds(ChunkBounds {
            message_bytes_max: self.limits.message_bytes_max,
            reassembly_bytes_max: self.limits.reassembly_bytes_max,
            chunk_streams_max: self.limits.chunk_streams_max,
        });
        self.enter(Phase::Publishing { stream_id });
        self.send(CONTROL_CHUNK_STREAM, &Message::stream_begin(stream_id))?;
        self.send_status(stream_id, Status::PUBLISH_START, "Publishing.")
    }

    /// Refuses the publisher. The peer is told `reason`.
    ///
    /// # Errors
    /// [`ProtocolError::OutputFull`] when the output has no room for the answer.
    pub fn refuse(&mut self, reason: &str) -> Result<(), ProtocolError> {
        self.end(Status::PUBLISH_DENIED, reason)
    }

    /// Ends the publisher's stream because its lease was revoked.
    ///
    /// # Errors
    /// [`ProtocolError::OutputFull`] when the output has no room for the status.
    pub fn revoke(&mut self, reason: Revocation) -> Result<(), ProtocolError> {
        let (status, description) = match reason {
            Revocation::TakenOver => (
                Status::PUBLISH_BAD_NAME,
                "Another publisher took this stream over.",
            ),
            Revocation::NoKeyFrame => (
                Status::PUBLISH_DENIED,
                "No key frame came; set the encoder's key frame interval to 2 s.",
            ),
            Revocation::NoRoom => (Status::PUBLISH_DENIED, NO_ROOM),
            // Not an error status: some encoders do not reconnect after one, but a stream whose
            // settings changed needs its publisher back.
            Revocation::Ended => (Status::UNPUBLISH_SUCCESS, "The server ended this stream."),
        };
        self.end(status, description)
    }

    /// Tells the peer that the server stops.
    ///
    /// # Errors
    /// [`ProtocolError::OutputFull`] when the output has no room for the status.
    pub fn shut_down(&mut self) -> Result<(), ProtocolError> {
        self.end(Status::APP_SHUTDOWN, "The server is stopping.")
    }

    /// Further input is discarded.
    #[cfg(test)]
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Number of protocol steps completed before publishing; bytes alone do not increase it.
    pub fn progress(&self) -> u32 {
        match &self.phase {
            Phase::Handshake(handshake) => u32::from(handshake.has_answered()),
            Phase::Stranger { connect: None, .. } => 2,
            Phase::Stranger { .. } => 3,
            Phase::Deciding { .. } | Phase::Publishing { .. } | Phase::Over => 4,
        }
    }

    /// Bytes buffered for incomplete input and unsent answers.
    pub fn buffered_bytes(&self) -> usize {
        self.input.len() + self.output.len() + self.reader.reassembly_bytes()
    }

    /// Until when the connection waits for input, when the wait began at `waiting_since`, and the
    /// error after that time.
    pub fn deadline(&self, waiting_since: Instant) -> (Instant, Overdue) {
        let limits = &self.limits;
        match self.phase {
            Phase::Handshake(_) => (
                self.phase_since + limits.handshake_time_max,
                Overdue::Handshake(limits.handshake_time_max),
            ),
            Phase::Stranger { .. } => (
                self.phase_since + limits.publish_time_max,
                Overdue::Publish(limits.publish_time_max),
            ),
            Phase::Deciding { .. } | Phase::Publishing { .. } | Phase::Over => (
                waiting_since + limits.idle_time_max,
                Overdue::Idle(limits.idle_time_max),
            ),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.phase_since = self.now;
    }

    fn next_message(&mut self) -> Result<Option<Message>, ProtocolError> {
        if let Some(part) = self.parts.pop_front() {
            return Ok(Some(part));
        }
        let message = self.reader.read(&mut self.input)?;
        // An idle connection holds no buffer.
        if message.is_none() && self.input.is_empty() && !self.is_publishing() {
            self.input = BytesMut::new();
        }
        if let Phase::Stranger { messages, .. } = &mut self.phase
            && message.is_some()
        {
            *messages += 1;
            if *messages > self.limits.stranger_messages_max {
                let limit = self.limits.stranger_messages_max;
                return Err(ProtocolError::TooManyMessages(limit));
            }
        }
        Ok(message)
    }

    fn is_publishing(&self) -> bool {
        matches!(self.phase, Phase::Publishing { .. })
    }

    fn handle(&mut self, message: Message) -> Result<(), ProtocolError> {
        match message.type_id {
            message::SET_CHUNK_SIZE => self.reader.set_chunk_size(control_value(&message)?)?,
            message::ABORT => self.reader.abort(control_value(&message)?),
            message::WINDOW_ACK_SIZE => {
                self.acknowledgements.window_bytes = control_value(&message)?;
            }
            message::USER_CONTROL => {
                if let Some(timestamp_ms) = message.ping() {
                    let response = Message::ping_response(timestamp_ms);
                    self.send(CONTROL_CHUNK_STREAM, &response)?;
                }
            }
            message::COMMAND_AMF0 | message::COMMAND_AMF3 => self.handle_command(&message)?,
            message::AUDIO | message::VIDEO | message::AGGREGATE if !self.is_publishing() => {
                return Err(ProtocolError::TooEarly("media"));
            }
            message::AUDIO | message::VIDEO => self.handle_media(&message)?,
            message::AGGREGATE => {
                let parts = message::split_aggregate(&message, self.limits.aggregate_messages_max)?;
                self.parts.extend(parts);
            }
            message::DATA_AMF0 | message::DATA_AMF3 if self.is_publishing() => {
                self.tracks.data(message.amf0());
            }
            // Acknowledgements and bandwidth would limit output, which is small. Shared objects and
            // unknown types do not concern publishing.
            _ => {}
        }
        Ok(())
    }

    fn handle_media(&mut self, message: &Message) -> Result<(), ProtocolError> {
        let (timestamp_ms, payload) = (message.timestamp_ms, &message.payload);
        let result = match message.type_id {
            message::VIDEO => self.tracks.video(timestamp_ms, payload, &mut self.media),
            _ => self.tracks.audio(timestamp_ms, payload, &mut self.media),
        };
        match result {
            Ok(()) => Ok(()),
            Err(unsupported) => {
                self.reject(Status::PUBLISH_REJECTED, Rejection::Codec(unsupported))
            }
        }
    }
}

fn control_value(message: &Message) -> Result<u32, ProtocolError> {
    message
        .control_value()
        .ok_or(ProtocolError::Control(message.type_id))
}

#[cfg(test)]
mod tests;
