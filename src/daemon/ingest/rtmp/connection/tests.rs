//! Tests of the protocol without sockets, with honest and hostile peers.

mod hostile;

use std::time::Duration;

use bytes::{BufMut, Bytes};
use proptest::prelude::*;

use super::super::amf::{AmfError, Value};
use super::super::chunk::ChunkError;
use super::super::command::{self, Command};
use super::*;
use crate::model::frame::Track;

const AVC_CONFIG: &[u8] = b"\x17\x00\0\0\0\x01\x64\0\x1f\xff\xe0\0";
const AVC_KEY: &[u8] = b"\x17\x01\0\0\x28KEY";
const AAC_CONFIG: &[u8] = b"\xaf\x00\x11\x90";
const AAC_FRAME: &[u8] = b"\xaf\x01SOUND";

/// Bytes that a publisher sends.
#[derive(Default)]
struct Script(BytesMut);

impl Script {
    /// Starts with a complete simple handshake.
    fn new() -> Self {
        let mut script = Self::default();
        script.0.put_u8(3);
        script
            .0
            .put_bytes(0, 2 * super::super::handshake::PACKET_BYTES);
        script
    }

    fn message(mut self, type_id: u8, timestamp_ms: u32, payload: &[u8]) -> Self {
        let message = Message {
            type_id,
            stream_id: 1,
            timestamp_ms,
            payload: Bytes::copy_from_slice(payload),
        };
        let chunk_stream = 2 + u32::from(type_id);
        chunk::write_message(
            &mut self.0,
            chunk_stream,
            &message,
            chunk::DEFAULT_CHUNK_BYTES,
        );
        self
    }

    fn command(self, name: &str, arguments: &[Value]) -> Self {
        let mut payload = BytesMut::new();
        Value::string(name).write(&mut payload);
        Value::Number(2.0).write(&mut payload);
        for argument in arguments {
            argument.write(&mut payload);
        }
        self.message(message::COMMAND_AMF0, 0, &payload)
    }

    fn connect(self, app: &str) -> Self {
        self.command("connect", &[Value::object([("app", Value::string(app))])])
    }

    fn publish(self, name: &str) -> Self {
        self.command(
            "publish",
            &[Value::Null, Value::string(name), Value::string("live")],
        )
    }

    fn media(self) -> Self {
        self.message(message::VIDEO, 0, AVC_CONFIG)
            .message(message::AUDIO, 0, AAC_CONFIG)
            .message(message::VIDEO, 0, AVC_KEY)
            .message(message::AUDIO, 10, AAC_FRAME)
    }

    /// Everything that an honest publisher sends.
    fn honest() -> Self {
        Self::new()
            .connect("live")
            .message(message::WINDOW_ACK_SIZE, 0, &[0, 0, 0x10, 0])
            .command("releaseStream", &[Value::Null, Value::string("studio")])
            .command("FCPublish", &[Value::Null, Value::string("studio")])
            .command("createStream", &[Value::Null])
            .publish("studio?key=s3cret")
            .media()
            .message(message::USER_CONTROL, 0, &[0, 6, 0, 0, 0, 9])
            .command("deleteStream", &[Value::Null, Value::Number(1.0)])
    }
}

/// A connection driven as by the server, with a gate that accepts everybody.
struct Fixture {
    connection: Connection,
    now: Instant,
    events: Vec<Event>,
    sent: BytesMut,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            connection: Connection::new(limits, [7; 32], now),
            now,
            events: Vec::new(),
            sent: BytesMut::new(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.connection.receive(bytes, self.now)?;
        while let Some(event) = self.connection.poll()? {
            if matches!(event, Event::Publish(_)) {
                self.connection.accept()?;
            }
            self.events.push(event);
        }
        self.sent.unsplit(self.connection.output().split());
        Ok(())
    }

    /// The messages sent after the handshake.
    fn answers(&self) -> Vec<Message> {
        let mut reader = ChunkReader::new(ChunkBounds {
            message_bytes_max: 10_000,
            reassembly_bytes_max: 10_000,
            chunk_streams_max: 4,
        });
        let mut bytes = BytesMut::from(&self.sent[1 + 2 * 1536..]);
        let mut answers = Vec::new();
        while let Some(message) = reader.read(&mut bytes).unwrap() {
            if message.type_id == message::SET_CHUNK_SIZE {
                reader
                    .set_chunk_size(message.control_value().unwrap())
                    .unwrap();
            }
            answers.push(message);
        }
        answers
    }

    /// The answers: the code of each status, the name of each other command.
    fn answered(&self) -> Vec<String> {
        self.answers()
            .iter()
            .filter(|message| message.type_id == message::COMMAND_AMF0)
            .map(|message| {
                let command = Command::parse(&message.payload).unwrap();
                let code = command
                    .arguments
                    .iter()
                    .find_map(|value| value.property("code"));
                code.and_then(Value::as_str)
                    .unwrap_or(&command.name)
                    .to_owned()
            })
            .collect()
    }
}

fn run(script: Script) -> (Fixture, Result<(), ProtocolError>) {
    let mut fixture = Fixture::new(Limits::default());
    let result = fixture.receive(&script.0);
    (fixture, result)
}

fn error(script: Script) -> ProtocolError {
    run(script).1.unwrap_err()
}

#[test]
fn an_honest_publisher_gets_through() {
    let (fixture, result) = run(Script::honest());
    assert_eq!(result, Ok(()));
    assert_eq!(
        fixture.answered(),
        [
            "NetConnection.Connect.Success",
            "_result",
            "_result",
            "NetStream.Publish.Start",
            "_result",
            "NetStream.Publish.Start",
            "NetStream.Unpublish.Success",
            "NetStream.Unpublish.Success",
        ]
    );
    let [Event::Publish(target), Event::Media(format), .., last] = &fixture.events[..] else {
        panic!("{:?}", fixture.events);
    };
    assert_eq!(
        (target.stream.as_str(), target.key.expose()),
        ("studio", "s3cret")
    );
    assert!(
        matches!(format, MediaEvent::Format(format) if format.video.is_some() && format.audio.is_some())
    );
    assert_eq!(*last, Event::Unpublished);
    let frames: Vec<_> = fixture
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Media(MediaEvent::Frame(frame)) => {
                Some((frame.track, frame.dts_ns, frame.pts_ns))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        frames,
        [
            (Track::Video, 0, 40_000_000),
            (Track::Audio, 10_000_000, 10_000_000)
        ]
    );
    assert!(fixture.connection.is_over());
}

#[test]
fn connect_is_answered_byte_for_byte() {
    let (fixture, _) = run(Script::new().connect("live"));
    let mut expected = b"\x02\0\0\0\0\0\x04\x05\0\0\0\0\x00\x26\x25\xa0".to_vec();
    expected.extend(b"\x02\0\0\0\0\0\x05\x06\0\0\0\0\x00\x26\x25\xa0\x02");
    expected.extend(b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\x00\x00\x10\x00");
    let result = command::connect_result(2.0);
    expected.extend(b"\x03\0\0\0");
    expected.extend(&(result.len() as u32).to_be_bytes()[1..]);
    expected.extend(b"\x14\0\0\0\0");
    expected.extend(&result);
    assert_eq!(fixture.sent[1 + 2 * 1536..], expected);
}

#[test]
fn pings_are_answered_and_windows_acknowledged() {
    let (fixture, _) = run(Script::honest());
    let answers = fixture.answers();
    assert!(answers.contains(&Message::ping_response(9)));

    for (window, acknowledged) in [([0, 0, 0, 0], false), ([0, 0, 0, 1], true)] {
        let script = Script::new().message(message::WINDOW_ACK_SIZE, 0, &window);
        let (mut fixture, _) = run(script);
        fixture.receive(&[]).unwrap();
        let total = 1 + 2 * 1536 + 16;
        let expected = acknowledged.then(|| Message::acknowledgement(total));
        assert_eq!(fixture.answers().pop(), expected, "window {window:?}");
    }
}

#[test]
fn commands_wrapped_for_amf3_are_understood() {
    let mut payload = BytesMut::from(&[0][..]);
    Value::string("createStream").write(&mut payload);
    Value::Number(4.0).write(&mut payload);
    let (fixture, result) = run(Script::new().message(message::COMMAND_AMF3, 0, &payload));
    assert_eq!(result, Ok(()));
    assert_eq!(fixture.answered(), ["_result"]);
}

#[test]
fn peers_that_want_what_is_not_there_are_told() {
    let cases = [
        (
            Script::new().connect("vod"),
            Rejection::App,
            "NetConnection.Connect.Rejected",
        ),
        (
            Script::new()
                .connect("live")
                .command("play", &[Value::Null]),
            Rejection::Play,
            "NetStream.Play.Failed",
        ),
        (
            Script::new().connect("live").publish("No Name"),
            Rejection::Name,
            "NetStream.Publish.Denied",
        ),
    ];
    for (script, rejection, code) in cases {
        let (fixture, result) = run(script);
        assert_eq!(result, Ok(()));
        assert_eq!(fixture.events, [Event::Rejected(rejection)]);
        assert_eq!(fixture.answered().pop().as_deref(), Some(code));
    }
}

#[test]
fn an_unsupported_codec_is_refused_by_name() {
    let script = Script::new()
        .connect("live")
        .publish("studio?key=k")
        .message(message::VIDEO, 0, b"\x90av01C");
    let (fixture, result) = run(script);
    assert_eq!(result, Ok(()));
    assert_eq!(
        fixture.answered().pop().as_deref(),
        Some("NetStream.Publish.Rejected")
    );
    let Some(Event::Rejected(rejection)) = fixture.events.last() else {
        panic!("{:?}", fixture.events);
    };
    assert!(rejection.to_string().contains("AV1"), "{rejection}");
}

#[test]
fn what_is_out_of_order_is_an_error() {
    let open = || Script::new().connect("live");
    let cases = [
        (open().media(), ProtocolError::TooEarly("media")),
        (
            Script::new().publish("a"),
            ProtocolError::TooEarly("publish"),
        ),
        (open().connect("live"), ProtocolError::Twice("connect")),
        (
            open().publish("a").publish("a"),
            ProtocolError::Twice("publish"),
        ),
        (
            open().publish("a").connect("live"),
            ProtocolError::Twice("connect"),
        ),
        (
            open().message(message::ABORT, 0, &[0]),
            ProtocolError::Control(message::ABORT),
        ),
        (
            open().message(message::COMMAND_AMF0, 0, &[99]),
            ProtocolError::Amf(AmfError::Type(99)),
        ),
    ];
    for (script, expected) in cases {
        assert_eq!(error(script), expected);
    }
}
