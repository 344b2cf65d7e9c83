//! Tests with hostile peers and with random bytes.

use super::*;

#[test]
fn strangers_have_tighter_bounds() {
    let limits = Limits::default();
    let many = (0..=limits.stranger_messages_max).fold(Script::new(), |script, _| {
        script.message(message::ACKNOWLEDGEMENT, 0, &[0; 4])
    });
    assert_eq!(
        error(many),
        ProtocolError::TooManyMessages(limits.stranger_messages_max)
    );

    let long = vec![0; limits.stranger_message_bytes_max + 1];
    let script = Script::new().message(message::DATA_AMF0, 0, &long);
    assert!(matches!(
        error(script),
        ProtocolError::Chunk(ChunkError::MessageTooLong { .. })
    ));
    let script = Script::new()
        .connect("live")
        .publish("a")
        .message(message::DATA_AMF0, 0, &long);
    assert_eq!(run(script).1, Ok(()));
}

#[test]
fn answers_nobody_reads_are_bounded() {
    let mut fixture = Fixture::new(Limits::default());
    let pings = (0..20_000).fold(Script::new().connect("live").publish("a"), |script, _| {
        script.message(message::USER_CONTROL, 0, &[0, 6, 0, 0, 0, 9])
    });
    assert_eq!(
        fixture.receive(&pings.0),
        Err(ProtocolError::OutputFull(256 << 10))
    );
}

#[test]
fn nothing_is_read_while_the_gate_decides() {
    let mut connection = Connection::new(Limits::default(), [7; 32], Instant::now());
    let script = Script::new()
        .connect("live")
        .publish("studio?key=k")
        .media();
    connection.receive(&script.0, Instant::now()).unwrap();
    assert!(matches!(connection.poll(), Ok(Some(Event::Publish(_)))));
    assert_eq!(connection.poll(), Ok(None));
    connection.refuse("no").unwrap();
    assert_eq!(connection.poll(), Ok(None));
    assert_eq!(connection.input.len(), 0);
}

#[test]
fn every_phase_has_a_deadline() {
    let limits = Limits::default();
    let mut fixture = Fixture::new(limits.clone());
    let start = fixture.now;
    let overdue = Overdue::Handshake(limits.handshake_time_max);
    let later = start + Duration::from_secs(5);
    let expected = (start + limits.handshake_time_max, overdue);
    assert_eq!(fixture.connection.deadline(later), expected);

    fixture.now = later;
    fixture.receive(&Script::new().0).unwrap();
    let overdue = Overdue::Publish(limits.publish_time_max);
    let expected = (later + limits.publish_time_max, overdue);
    assert_eq!(fixture.connection.deadline(later), expected);

    let mut publish = Script::default().connect("live").publish("a");
    fixture.receive(&publish.0.split()).unwrap();
    let overdue = Overdue::Idle(limits.idle_time_max);
    let expected = (start + limits.idle_time_max, overdue);
    assert_eq!(fixture.connection.deadline(start), expected);
}

#[test]
fn progress_is_made_by_steps_not_by_bytes() {
    let mut fixture = Fixture::new(Limits::default());
    let script = Script::new().connect("live").publish("a");
    let mut steps = vec![fixture.connection.progress()];
    for byte in script.0.chunks(1) {
        fixture.receive(byte).unwrap();
        if steps.last() != Some(&fixture.connection.progress()) {
            steps.push(fixture.connection.progress());
        }
    }
    assert_eq!(steps, [0, 1, 2, 3, 4]);
}

/// Feeds bytes in pieces and checks after each piece that the buffered bytes stay bounded.
fn feed_bounded(bytes: &[u8], piece_bytes: usize) {
    let limits = Limits {
        reassembly_bytes_max: 100_000,
        ..Limits::default()
    };
    let bytes_max = limits.reassembly_bytes_max + limits.output_bytes_max + piece_bytes + 18;
    let mut fixture = Fixture::new(limits);
    for piece in bytes.chunks(piece_bytes) {
        if fixture.receive(piece).is_err() {
            return;
        }
        let buffered = fixture.connection.buffered_bytes();
        assert!(buffered <= bytes_max, "{buffered} bytes buffered");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..5000),
        after_handshake in any::<bool>(),
        after_publish in any::<bool>(),
    ) {
        let mut script = match (after_handshake, after_publish) {
            (false, _) => Script::default(),
            (true, false) => Script::new(),
            (true, true) => Script::new().connect("live").publish("studio"),
        };
        script.0.put_slice(&bytes);
        feed_bounded(&script.0, 1000);
    }
}

/// Tries `WEIR_FUZZ_INPUTS` (default 3000) mutations of an honest publisher's bytes.
#[test]
fn mutated_publishers_never_panic_and_stay_bounded() {
    let inputs = std::env::var("WEIR_FUZZ_INPUTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(3000_u64);
    let honest = Script::honest().0;
    // A xorshift generator, so that every run tries the same inputs.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for _ in 0..inputs {
        let mut bytes = honest.to_vec();
        for _ in 0..=random(8) {
            // Most of the handshake's bytes have no meaning, so it is seldom mutated.
            let from = if random(16) == 0 { 0 } else { 1 + 2 * 1536 };
            let at = from + random(bytes.len().saturating_sub(from));
            let end = (at + random(200)).min(bytes.len());
            match random(5) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at.min(end)..end)),
                2 => bytes.extend_from_within(at.min(end)..end),
                3 => bytes.insert(at.min(bytes.len()), random(256) as u8),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = random(256) as u8;
                    }
                }
            }
        }
        feed_bounded(&bytes, 1 + random(4000));
    }
}
