//! The commands of publishers and the server's answers (RTMP 1.0 section 7.2).

use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;

use super::amf::{self, AmfError, Value};
use crate::base::names::is_name;
use crate::base::secret::Secret;

/// The application that publishers connect to: `rtmp://HOST/live`.
pub const APP: &str = "live";
/// FourCCs of the supported video codecs of Enhanced RTMP.
const VIDEO_FOURCCS: [&str; 2] = ["hvc1", "avc1"];
/// FourCCs of the supported audio codecs of Enhanced RTMP.
const AUDIO_FOURCCS: [&str; 1] = ["mp4a"];

/// A command message.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Name of the command, such as `connect`.
    pub name: String,
    /// Transaction id, which the answer repeats; 0 when it is missing or not a number.
    pub transaction: f64,
    /// The command object and the values after it.
    pub arguments: Vec<Value>,
}

impl Command {
    /// Reads a command from the AMF0 of a message. A name that is not a string becomes empty.
    ///
    /// # Errors
    /// An [`AmfError`] when the AMF0 is malformed.
    pub fn parse(amf0: &[u8]) -> Result<Self, AmfError> {
        let mut values = amf::read_all(amf0)?.into_iter();
        let name = match values.next() {
            Some(Value::String(name)) => name,
            _ => String::new(),
        };
        let transaction = values.next().and_then(|value| value.as_number());
        Ok(Self {
            name,
            transaction: transaction.unwrap_or(0.0),
            arguments: values.collect(),
        })
    }

    /// The text of argument `at`, where the command object is argument 0.
    pub fn text(&self, at: usize) -> Option<&str> {
        self.arguments.get(at)?.as_str()
    }
}

/// The request of a `connect` command.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectRequest {
    /// Whether the application is [`APP`].
    pub app_is_known: bool,
    /// The `key` in the query of the application or of the address.
    pub key: Option<Secret>,
}

impl ConnectRequest {
    /// Reads the command object of `connect`. Address and application are not kept: they may
    /// contain the key, which must not be logged.
    pub fn parse(command: &Command) -> Self {
        let property = |name: &str| {
            let object = command.arguments.first()?;
            object.property(name)?.as_str().map(str::to_owned)
        };
        let app = property("app").unwrap_or_default();
        let address = property("tcUrl").unwrap_or_default();
        let (path, query) = split_query(&app);
        let (_, address_query) = split_query(&address);
        Self {
            app_is_known: bare(path) == APP,
            key: key_in(query).or_else(|| key_in(address_query)),
        }
    }
}

/// The stream that a publisher asked to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishTarget {
    /// Name of the stream, `[a-z0-9_-]{1,64}`.
    pub stream: String,
    /// The publish key; empty when the publisher sent none.
    pub key: Secret,
}

impl PublishTarget {
    /// Reads `NAME?key=SECRET`, percent-encoded or not; `None` when NAME is not a valid stream
    /// name. A key in `name` overrides `connect_key`, the key of the `connect` command. White space
    /// around name and key is left out: people paste it with the key, and neither can contain any.
    pub fn parse(name: &str, connect_key: Option<&Secret>) -> Option<Self> {
        // Some encoders percent-encode the whole text, including the separators.
        let decoded = match name.contains('?') {
            true => name.to_owned(),
            false => percent_decoded(name),
        };
        let (stream, query) = split_query(&decoded);
        let stream = percent_decoded(stream);
        let stream = bare(&stream);
        is_name(stream).then(|| Self {
            stream: stream.to_owned(),
            key: key_in(query)
                .or_else(|| connect_key.cloned())
                .unwrap_or_else(|| Secret::new(String::new())),
        })
    }
}

fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// The value of `key` in a query. A `+` does not mean a space: the query is not from a form.
fn key_in(query: &str) -> Option<Secret> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("key="))?;
    Some(Secret::new(percent_decoded(value).trim().to_owned()))
}

/// `text` without the slashes and the white space around it.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c == '/' || c.is_whitespace())
}

fn percent_decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The level and code of an `onStatus` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// `status` or `error`; librtmp, ffmpeg and OBS stop on `error`.
    pub level: &'static str,
    /// Code of the status, such as `NetStream.Publish.Start`.
    pub code: &'static str,
}

impl Status {
    /// The publisher may send media.
    pub const PUBLISH_START: Self = Self {
        level: "status",
        code: "NetStream.Publish.Start",
    };
    /// The publisher was refused; librtmp in OBS does not retry after this status.
    pub const PUBLISH_DENIED: Self = Self {
        level: "error",
        code: "NetStream.Publish.Denied",
    };
    /// "Attempt to publish a stream which is already being published by someone else".
    pub const PUBLISH_BAD_NAME: Self = Self {
        level: "error",
        code: "NetStream.Publish.BadName",
    };
    /// The media is not supported.
    pub const PUBLISH_REJECTED: Self = Self {
        level: "error",
        code: "NetStream.Publish.Rejected",
    };
    /// The publisher stopped, or the server ended the stream.
    pub const UNPUBLISH_SUCCESS: Self = Self {
        level: "status",
        code: "NetStream.Unpublish.Success",
    };
    /// Playing is not supported.
    pub const PLAY_FAILED: Self = Self {
        level: "error",
        code: "NetStream.Play.Failed",
    };
    /// The application is unknown.
    pub const CONNECT_REJECTED: Self = Self {
        level: "error",
        code: "NetConnection.Connect.Rejected",
    };
    /// The server is stopping.
    pub const APP_SHUTDOWN: Self = Self {
        level: "error",
        code: "NetConnection.Connect.AppShutdown",
    };

    fn object(self, description: &str) -> Value {
        Value::object([
            ("level", Value::string(self.level)),
            ("code", Value::string(self.code)),
            ("description", Value::string(description)),
        ])
    }
}

fn encode(values: &[Value]) -> Bytes {
    let mut output = BytesMut::new();
    for value in values {
        value.write(&mut output);
    }
    output.freeze()
}

/// An `onStatus` message with `status`.
pub fn on_status(status: Status, description: &str) -> Bytes {
    encode(&[
        Value::string("onStatus"),
        Value::Number(0.0),
        Value::Null,
        status.object(description),
    ])
}

/// The answer to an accepted `connect`. Its properties list the supported codecs of Enhanced RTMP
/// (E-RTMP v2, "Enhancing NetConnection connect Command").
pub fn connect_result(transaction: f64) -> Bytes {
    /// E-RTMP v2, `FourCcInfoMask`: `CanDecode`.
    const CAN_DECODE: f64 = 1.0;
    /// E-RTMP v2, `CapsExMask`: `ModEx` signals are understood; multitrack and reconnect are not.
    const CAPS_EX_MODEX: f64 = 4.0;
    let info_map = |fourccs: &[&str]| {
        let entries = fourccs
            .iter()
            .map(|&fourcc| (fourcc.to_owned(), Value::Number(CAN_DECODE)));
        Value::Object(entries.collect())
    };
    let fourccs = VIDEO_FOURCCS.iter().chain(&AUDIO_FOURCCS);
    let properties = Value::object([
        ("fmsVer", Value::string("FMS/3,0,1,123")),
        ("capabilities", Value::Number(31.0)),
        (
            "fourCcList",
            Value::Array(fourccs.map(|&fourcc| Value::string(fourcc)).collect()),
        ),
        ("videoFourCcInfoMap", info_map(&VIDEO_FOURCCS)),
        ("audioFourCcInfoMap", info_map(&AUDIO_FOURCCS)),
        ("capsEx", Value::Number(CAPS_EX_MODEX)),
    ]);
    let information = Value::object([
        ("level", Value::string("status")),
        ("code", Value::string("NetConnection.Connect.Success")),
        ("description", Value::string("Connection succeeded.")),
        ("objectEncoding", Value::Number(0.0)),
    ]);
    encode(&[
        Value::string("_result"),
        Value::Number(transaction),
        properties,
        information,
    ])
}

/// The answer to a refused `connect`.
pub fn connect_error(transaction: f64, description: &str) -> Bytes {
    encode(&[
        Value::string("_error"),
        Value::Number(transaction),
        Value::Null,
        Status::CONNECT_REJECTED.object(description),
    ])
}

/// The answer to `createStream`: the id of the new message stream.
pub fn create_stream_result(transaction: f64, stream_id: u32) -> Bytes {
    encode(&[
        Value::string("_result"),
        Value::Number(transaction),
        Value::Null,
        Value::Number(f64::from(stream_id)),
    ])
}

/// The answer to a command for which no specific answer is defined.
pub fn empty_result(transaction: f64) -> Bytes {
    encode(&[
        Value::string("_result"),
        Value::Number(transaction),
        Value::Null,
        Value::Undefined,
    ])
}

/// The notice `onFCPublish` or `onFCUnpublish`, for which Flash Media Live Encoder waits after it
/// sent `FCPublish` or `FCUnpublish`.
pub fn fc_notice(name: &str, status: Status) -> Bytes {
    encode(&[
        Value::string(name),
        Value::Number(0.0),
        Value::Null,
        status.object(""),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, connect_key: Option<&str>) -> Option<(String, String)> {
        let connect_key = connect_key.map(|key| Secret::new(key.to_owned()));
        PublishTarget::parse(name, connect_key.as_ref())
            .map(|target| (target.stream, target.key.expose().to_owned()))
    }

    #[test]
    fn name_and_key_are_found_in_every_form() {
        let cases = [
            ("studio?key=s3cret", None, ("studio", "s3cret")),
            ("studio%3Fkey%3Ds3cret", None, ("studio", "s3cret")),
            ("studio?x=1&key=a%26b&y=2", None, ("studio", "a&b")),
            ("studio?key=a+b/c==", None, ("studio", "a+b/c==")),
            ("/studio", Some("of-app"), ("studio", "of-app")),
            ("studio?key=own", Some("of-app"), ("studio", "own")),
            ("st%75dio?key=k", None, ("studio", "k")),
            ("studio", None, ("studio", "")),
            ("studio?monkey=1", None, ("studio", "")),
            ("studio?key=s3cret ", None, ("studio", "s3cret")),
            ("studio?key=s3cret\r\n", None, ("studio", "s3cret")),
            (" studio?key=s3cret%0A", None, ("studio", "s3cret")),
            ("studio?key=%20s3cret%0D%0A&x=1", None, ("studio", "s3cret")),
            ("studio%3Fkey%3Ds3cret%0A", None, ("studio", "s3cret")),
            ("studio%20?key=s3cret", None, ("studio", "s3cret")),
            ("studio\n", Some("of-app"), ("studio", "of-app")),
        ];
        for (name, connect_key, (stream, key)) in cases {
            let expected = Some((stream.to_owned(), key.to_owned()));
            assert_eq!(target(name, connect_key), expected, "{name}");
        }
    }

    #[test]
    fn names_that_no_stream_can_have_are_refused() {
        let long = "a".repeat(65);
        for name in ["", "?key=x", "Studio", "a/b", "a b", "..", "stüdio", &long] {
            assert_eq!(target(name, None), None, "{name}");
        }
    }

    fn connect(app: &str, address: &str) -> ConnectRequest {
        let command = encode(&[
            Value::string("connect"),
            Value::Number(1.0),
            Value::object([
                ("app", Value::string(app)),
                ("tcUrl", Value::string(address)),
            ]),
        ]);
        ConnectRequest::parse(&Command::parse(&command).unwrap())
    }

    #[test]
    fn the_application_is_live_and_may_carry_the_key() {
        let cases = [
            ("live", "rtmp://h/live", true, None),
            ("/live/", "", true, None),
            ("live?key=a", "rtmp://h/live?key=b", true, Some("a")),
            ("live ", "rtmp://h/live ?key=b%20", true, Some("b")),
            ("live", "rtmp://h/live?key=b", true, Some("b")),
            ("vod", "rtmp://h/vod", false, None),
            ("", "", false, None),
        ];
        for (app, address, known, key) in cases {
            let request = connect(app, address);
            assert_eq!(request.app_is_known, known, "{app}");
            assert_eq!(request.key.as_ref().map(Secret::expose), key, "{app}");
        }
    }

    #[test]
    fn no_debug_output_shows_a_key() {
        let target = PublishTarget::parse("studio?key=s3cret", None);
        assert!(!format!("{target:?}").contains("s3cret"));
        assert!(!format!("{:?}", connect("live?key=s3cret", "")).contains("s3cret"));
    }

    #[test]
    fn a_status_is_written_as_clients_read_it() {
        let expected = b"\x02\0\x08onStatus\0\0\0\0\0\0\0\0\0\x05\x03\
            \0\x05level\x02\0\x05error\0\x04code\x02\0\x18NetStream.Publish.Denied\
            \0\x0bdescription\x02\0\x02no\0\0\x09";
        assert_eq!(on_status(Status::PUBLISH_DENIED, "no"), expected[..]);
    }

    #[test]
    fn the_answer_to_connect_is_byte_for_byte_this() {
        let mut expected = b"\x02\0\x07_result\0\x3f\xf0\0\0\0\0\0\0".to_vec();
        expected.extend(b"\x03\0\x06fmsVer\x02\0\x0dFMS/3,0,1,123");
        expected.extend(b"\0\x0ccapabilities\0\x40\x3f\0\0\0\0\0\0");
        expected
            .extend(b"\0\x0afourCcList\x0a\0\0\0\x03\x02\0\x04hvc1\x02\0\x04avc1\x02\0\x04mp4a");
        expected.extend(b"\0\x12videoFourCcInfoMap\x03\0\x04hvc1\0\x3f\xf0\0\0\0\0\0\0");
        expected.extend(b"\0\x04avc1\0\x3f\xf0\0\0\0\0\0\0\0\0\x09");
        expected.extend(b"\0\x12audioFourCcInfoMap\x03\0\x04mp4a\0\x3f\xf0\0\0\0\0\0\0\0\0\x09");
        expected.extend(b"\0\x06capsEx\0\x40\x10\0\0\0\0\0\0\0\0\x09");
        expected.extend(b"\x03\0\x05level\x02\0\x06status");
        expected.extend(b"\0\x04code\x02\0\x1dNetConnection.Connect.Success");
        expected.extend(b"\0\x0bdescription\x02\0\x15Connection succeeded.");
        expected.extend(b"\0\x0eobjectEncoding\0\0\0\0\0\0\0\0\0\0\0\x09");
        assert_eq!(connect_result(1.0), expected);
    }
}
