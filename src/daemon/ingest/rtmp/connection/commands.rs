//! Handles the commands of a peer and sends the answers.

use bytes::Bytes;
use tracing::debug;

use super::super::chunk;
use super::super::command::{self, Command, ConnectRequest, PublishTarget, Status};
use super::super::message::Message;
use super::{CONTROL_CHUNK_STREAM, Connection, Event, Phase, ProtocolError, Rejection};

/// The acknowledgement window and peer bandwidth that the server announces, in bytes.
const WINDOW_BYTES: u32 = 2_500_000;
/// Chunk size of the server's messages, in bytes; longer than any of them, so none is split.
const OUTPUT_CHUNK_BYTES: u16 = 4096;
const COMMAND_CHUNK_STREAM: u32 = 3;
/// The message stream that `createStream` returns; one suffices, as a connection publishes once.
const MESSAGE_STREAM: u32 = 1;

impl Connection {
    pub(super) fn handle_command(&mut self, message: &Message) -> Result<(), ProtocolError> {
        let command = match Command::parse(message.amf0()) {
            Ok(command) => command,
            // Some encoders send malformed commands among the media; publishing needs none of them.
            Err(error) if self.is_publishing() => {
                debug!(%error, "malformed command ignored");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let transaction = command.transaction;
        match command.name.as_str() {
            "connect" => self.handle_connect(&command),
            "releaseStream" => self.send_command(0, command::empty_result(transaction)),
            "FCPublish" => {
                let notice = command::fc_notice("onFCPublish", Status::PUBLISH_START);
                self.send_command(0, command::empty_result(transaction))?;
                self.send_command(0, notice)
            }
            "createStream" => self.send_command(
                0,
                command::create_stream_result(transaction, MESSAGE_STREAM),
            ),
            "publish" => self.handle_publish(&command, message.stream_id),
            "FCUnpublish" | "deleteStream" | "closeStream" => self.handle_unpublish(),
            "play" | "play2" => self.reject(Status::PLAY_FAILED, Rejection::Play),
            _ => Ok(()),
        }
    }

    fn handle_connect(&mut self, command: &Command) -> Result<(), ProtocolError> {
        let Phase::Stranger { connect, .. } = &mut self.phase else {
            return Err(ProtocolError::Twice("connect"));
        };
        if connect.is_some() {
            return Err(ProtocolError::Twice("connect"));
        }
        let request = ConnectRequest::parse(command);
        if !request.app_is_known {
            let rejection = Rejection::App;
            let answer = command::connect_error(command.transaction, &rejection.to_string());
            self.send_command(0, answer)?;
            self.enter(Phase::Over);
            self.event = Some(Event::Rejected(rejection));
            return Ok(());
        }
        *connect = Some(request);
        let control = [
            Message::window_ack_size(WINDOW_BYTES),
            Message::set_peer_bandwidth(WINDOW_BYTES),
            Message::set_chunk_size(OUTPUT_CHUNK_BYTES.into()),
        ];
        for message in &control {
            self.send(CONTROL_CHUNK_STREAM, message)?;
        }
        self.output_chunk_bytes = OUTPUT_CHUNK_BYTES.into();
        self.send_command(0, command::connect_result(command.transaction))
    }

    fn handle_publish(&mut self, command: &Command, stream_id: u32) -> Result<(), ProtocolError> {
        let connect = match &self.phase {
            Phase::Stranger {
                connect: Some(connect),
                ..
            } => connect,
            Phase::Stranger { connect: None, .. } => {
                return Err(ProtocolError::TooEarly("publish"));
            }
            _ => return Err(ProtocolError::Twice("publish")),
        };
        // Argument 0 is the command object, which is null here.
        let name = command.text(1).unwrap_or_default();
        match PublishTarget::parse(name, connect.key.as_ref()) {
            Some(target) => {
                self.enter(Phase::Deciding { stream_id });
                self.event = Some(Event::Publish(target));
                Ok(())
            }
            None => self.reject(Status::PUBLISH_DENIED, Rejection::Name),
        }
    }

    fn handle_unpublish(&mut self) -> Result<(), ProtocolError> {
        if !self.is_publishing() {
            return Ok(());
        }
        let notice = command::fc_notice("onFCUnpublish", Status::UNPUBLISH_SUCCESS);
        self.send_command(0, notice)?;
        self.end(Status::UNPUBLISH_SUCCESS, "Unpublished.")?;
        self.event = Some(Event::Unpublished);
        Ok(())
    }

    pub(super) fn reject(
        &mut self,
        status: Status,
        rejection: Rejection,
    ) -> Result<(), ProtocolError> {
        self.end(status, &rejection.to_string())?;
        self.event = Some(Event::Rejected(rejection));
        Ok(())
    }

    /// Ends the connection; sends `status` unless the handshake is unfinished.
    pub(super) fn end(&mut self, status: Status, description: &str) -> Result<(), ProtocolError> {
        let stream_id = match self.phase {
            Phase::Handshake(_) | Phase::Over => None,
            Phase::Stranger { .. } => Some(MESSAGE_STREAM),
            Phase::Deciding { stream_id } | Phase::Publishing { stream_id } => Some(stream_id),
        };
        self.parts.clear();
        self.enter(Phase::Over);
        match stream_id {
            Some(stream_id) => self.send_status(stream_id, status, description),
            None => Ok(()),
        }
    }

    pub(super) fn send_status(
        &mut self,
        stream_id: u32,
        status: Status,
        description: &str,
    ) -> Result<(), ProtocolError> {
        self.send_command(stream_id, command::on_status(status, description))
    }

    fn send_command(&mut self, stream_id: u32, payload: Bytes) -> Result<(), ProtocolError> {
        self.send(COMMAND_CHUNK_STREAM, &Message::command(stream_id, payload))
    }

    pub(super) fn send(
        &mut self,
        chunk_stream: u32,
        message: &Message,
    ) -> Result<(), ProtocolError> {
        if self.output.len() + message.payload.len() > self.limits.output_bytes_max {
            return Err(ProtocolError::OutputFull(self.limits.output_bytes_max));
        }
        chunk::write_message(
            &mut self.output,
            chunk_stream,
            message,
            self.output_chunk_bytes,
        );
        Ok(())
    }
}
