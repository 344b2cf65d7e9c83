//! A small RTMP publisher.

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir::daemon::ingest::rtmp::amf::Value;
use weir::daemon::ingest::rtmp::chunk::{self, ChunkBounds, ChunkReader};
use weir::daemon::ingest::rtmp::command::Command;
use weir::daemon::ingest::rtmp::handshake;
use weir::daemon::ingest::rtmp::message::{self, Message};

/// The publisher's end of a connection.
pub struct Client {
    socket: TcpStream,
    reader: ChunkReader,
    input: BytesMut,
}

impl Client {
    /// Connects and completes the simple handshake.
    pub async fn open(server: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(server).await?).await
    }

    /// Completes the simple handshake over a connection.
    pub async fn over(mut socket: TcpStream) -> io::Result<Self> {
        let mut hello = vec![0; 1 + handshake::PACKET_BYTES];
        hello[0] = 3;
        socket.write_all(&hello).await?;
        let mut answer = vec![0; 1 + 2 * handshake::PACKET_BYTES];
        socket.read_exact(&mut answer).await?;
        socket
            .write_all(&answer[1..=handshake::PACKET_BYTES])
            .await?;
        Ok(Self {
            socket,
            reader: ChunkReader::new(ChunkBounds {
                message_bytes_max: 1 << 16,
                reassembly_bytes_max: 1 << 17,
                chunk_streams_max: 8,
            }),
            input: BytesMut::new(),
        })
    }

    /// Connects, sends `publish` with `stream_key`, and returns the status that answers it.
    pub async fn publish(server: SocketAddr, stream_key: &str) -> io::Result<(Self, String)> {
        Self::open(server).await?.ask_to_publish(stream_key).await
    }

    /// Sends `publish` with `stream_key`, and returns the status that answers it.
    pub async fn ask_to_publish(mut self, stream_key: &str) -> io::Result<(Self, String)> {
        let client = &mut self;
        let app = Value::object([("app", Value::string("live"))]);
        client.command("connect", &[app]).await?;
        client.command("createStream", &[Value::Null]).await?;
        let arguments = [
            Value::Null,
            Value::string(stream_key),
            Value::string("live"),
        ];
        client.command("publish", &arguments).await?;
        let status = client.status().await.unwrap_or_default();
        Ok((self, status))
    }

    /// Sends a command.
    pub async fn command(&mut self, name: &str, arguments: &[Value]) -> io::Result<()> {
        let mut payload = BytesMut::new();
        Value::string(name).write(&mut payload);
        Value::Number(1.0).write(&mut payload);
        for argument in arguments {
            argument.write(&mut payload);
        }
        self.send(message::COMMAND_AMF0, 0, &payload).await
    }

    /// Sends a message.
    pub async fn send(&mut self, type_id: u8, timestamp_ms: u32, payload: &[u8]) -> io::Result<()> {
        let message = Message {
            type_id,
            stream_id: 1,
            timestamp_ms,
            payload: Bytes::copy_from_slice(payload),
        };
        let mut output = BytesMut::new();
        let chunk_stream = u32::from(type_id) + 2;
        chunk::write_message(
            &mut output,
            chunk_stream,
            &message,
            chunk::DEFAULT_CHUNK_BYTES,
        );
        self.socket.write_all(&output).await
    }

    /// Code of the next `onStatus`; `None` when the server closes the connection first.
    pub async fn status(&mut self) -> Option<String> {
        loop {
            while let Some(message) = self.reader.read(&mut self.input).unwrap() {
                if message.type_id == message::SET_CHUNK_SIZE {
                    let chunk_bytes = message.control_value().unwrap();
                    self.reader.set_chunk_size(chunk_bytes).unwrap();
                }
                if message.type_id == message::COMMAND_AMF0
                    && let Ok(command) = Command::parse(&message.payload)
                    && command.name == "onStatus"
                {
                    let code = command
                        .arguments
                        .iter()
                        .find_map(|value| value.property("code"));
                    return code?.as_str().map(str::to_owned);
                }
            }
            if !matches!(self.socket.read_buf(&mut self.input).await, Ok(1..)) {
                return None;
            }
        }
    }
}
