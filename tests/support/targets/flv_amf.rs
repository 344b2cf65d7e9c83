//! Reads arbitrary bytes as what a publisher's messages hold: FLV tags, AMF0 values, commands and
//! aggregates. No panic, and what is written of the values can be read again.

use bytes::{Bytes, BytesMut};
use weir::daemon::ingest::rtmp::amf::{self, AmfError};
use weir::daemon::ingest::rtmp::command::{Command, ConnectRequest, PublishTarget};
use weir::daemon::ingest::rtmp::flv::{self, Tag};
use weir::daemon::ingest::rtmp::message::{Message, split_aggregate};

/// Messages in an aggregate.
const MESSAGES_MAX: usize = 64;

/// Runs one input. Its first byte tells what the others are.
pub fn run(input: &[u8]) {
    let Some((&what, bytes)) = input.split_first() else {
        return;
    };
    match what % 4 {
        0 => video(bytes),
        1 => audio(bytes),
        2 => values(bytes),
        _ => aggregate(bytes),
    }
}

fn video(bytes: &[u8]) {
    let tag = flv::parse_video(&Bytes::copy_from_slice(bytes));
    if let Ok(Tag::Config(_, data) | Tag::Frame { data, .. }) = tag {
        assert!(bytes.ends_with(&data));
    }
}

fn audio(bytes: &[u8]) {
    let tag = flv::parse_audio(&Bytes::copy_from_slice(bytes));
    if let Ok(Tag::Config(_, data) | Tag::Frame { data, .. }) = tag {
        assert!(bytes.ends_with(&data));
    }
}

fn values(bytes: &[u8]) {
    if let Ok(values) = amf::read_all(bytes) {
        let mut written = BytesMut::new();
        values.iter().for_each(|value| value.write(&mut written));
        // Bytes that are no UTF-8 become replacement characters, which are longer.
        let again = amf::read_all(&written).map(drop);
        let fine = [Ok(()), Err(AmfError::StringTooLong)];
        assert!(fine.contains(&again), "{again:?}: {values:?}");
    }
    if let Ok(command) = Command::parse(bytes) {
        let request = ConnectRequest::parse(&command);
        for at in 0..command.arguments.len() {
            let target = command.text(at);
            let target = target.and_then(|name| PublishTarget::parse(name, request.key.as_ref()));
            assert!(target.is_none_or(|target| target.stream.len() <= 64));
        }
    }
}

fn aggregate(bytes: &[u8]) {
    let mut aggregate = Message::command(1, Bytes::copy_from_slice(bytes));
    aggregate.timestamp_ms = u32::MAX;
    if let Ok(messages) = split_aggregate(&aggregate, MESSAGES_MAX) {
        assert!(messages.len() <= MESSAGES_MAX);
        let held: usize = messages.iter().map(|message| message.payload.len()).sum();
        assert!(held <= bytes.len());
    }
}
