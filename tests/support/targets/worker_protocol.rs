//! Decodes arbitrary bytes as a worker's messages: no panic, no endless loop, and every decoded
//! message survives being encoded and decoded again.

use bytes::BytesMut;
use weir::wire::codec;
use weir::wire::protocol::{FromWorker, ToWorker};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(message)) = codec::decode::<FromWorker>(&mut buffer) {
        let wire = codec::encode(&message).expect("a decoded message is not too long");
        let again = codec::read_message::<FromWorker>(&mut wire.as_slice());
        assert!(matches!(again, Ok(Some(_))));
    }
    let mut reader = bytes;
    while let Ok(Some(_)) = codec::read_message::<ToWorker>(&mut reader) {}
}
