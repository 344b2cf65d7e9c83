//! Feeds arbitrary bytes to an RTMP connection whose gate admits everybody: no panic, bounded
//! memory.

use std::time::Instant;

use weir::daemon::ingest::rtmp::Limits;
use weir::daemon::ingest::rtmp::connection::{Connection, Event, ProtocolError};

/// A client's simple handshake, C0 to C2, so that the input starts after it: a fuzzer would waste
/// its time on bytes without a meaning.
fn handshake() -> Vec<u8> {
    let mut bytes = vec![0; 1 + 2 * 1536];
    if let Some(version) = bytes.first_mut() {
        *version = 3;
    }
    bytes
}

fn receive(connection: &mut Connection, bytes: &[u8]) -> Result<(), ProtocolError> {
    connection.receive(bytes, Instant::now())?;
    while let Some(event) = connection.poll()? {
        if matches!(event, Event::Publish(_)) {
            connection.accept()?;
        }
    }
    connection.output().clear();
    Ok(())
}

/// Runs one input. Its first byte tells whether the handshake comes first, and the size of the
/// pieces.
pub fn run(input: &[u8]) {
    let Some((&cut, bytes)) = input.split_first() else {
        return;
    };
    let limits = Limits::default();
    let bytes_max = limits.reassembly_bytes_max + limits.output_bytes_max + 256;
    let mut connection = Connection::new(limits, [0; 32], Instant::now());
    if cut & 1 == 0 && receive(&mut connection, &handshake()).is_err() {
        return;
    }
    for piece in bytes.chunks(usize::from(cut).max(1)) {
        if receive(&mut connection, piece).is_err() {
            return;
        }
        assert!(connection.buffered_bytes() <= bytes_max);
    }
}
