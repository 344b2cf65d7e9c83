//! What one peer, and all of them together, may cost.

use std::time::Duration;

/// Bounds of the RTMP server. The defaults suit a publisher of up to some 50 Mbit/s; tests make
/// them smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest message of a publisher, in bytes: a key frame of a high-rate 4K source fits with
    /// room to spare. 8 MiB.
    pub message_bytes_max: usize,
    /// Memory one publisher's half-received messages may take together, in bytes. 16 MiB.
    pub reassembly_bytes_max: usize,
    /// Longest message before the gate has accepted the publisher, in bytes: commands only, the
    /// longest of which is a `connect` of some hundred bytes. 32 KiB.
    pub stranger_message_bytes_max: usize,
    /// Memory a stranger's half-received messages may take together, in bytes. 64 KiB.
    pub stranger_reassembly_bytes_max: usize,
    /// Messages a stranger may send before it is accepted; librtmp sends about ten. 128.
    pub stranger_messages_max: u32,
    /// Chunk streams one connection may use; encoders use four to six. 64.
    pub chunk_streams_max: usize,
    /// Messages in one aggregate message. 1024.
    pub aggregate_messages_max: usize,
    /// Answers that wait for a peer to read them, in bytes. 256 KiB.
    pub output_bytes_max: usize,
    /// From the TCP connection to the end of the handshake, in all. 10 s.
    pub handshake_time_max: Duration,
    /// From the end of the handshake to `publish`, in all. 10 s.
    pub publish_time_max: Duration,
    /// How long the gate may take to decide. 10 s.
    pub gate_time_max: Duration,
    /// How long a publisher may send no byte at all. 30 s.
    pub idle_time_max: Duration,
    /// How long a peer may leave an answer unread. 10 s.
    pub write_time_max: Duration,
    /// How long a connection that is over may stay open for the peer to read why. 2 s.
    pub linger_time_max: Duration,
    /// Connections that are not publishing yet, of all addresses together. One more evicts the
    /// one that has gone longest without progress, so that strangers cannot keep a publisher
    /// out. 128.
    pub strangers_max: usize,
    /// Of these, connections of one IPv4 address or IPv6 /64 network. One more evicts another of
    /// the same address. Publishers whose key was accepted are not among them. 64.
    pub strangers_per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 8 << 20,
            reassembly_bytes_max: 16 << 20,
            stranger_message_bytes_max: 32 << 10,
            stranger_reassembly_bytes_max: 64 << 10,
            stranger_messages_max: 128,
            chunk_streams_max: 64,
            aggregate_messages_max: 1024,
            output_bytes_max: 256 << 10,
            handshake_time_max: Duration::from_secs(10),
            publish_time_max: Duration::from_secs(10),
            gate_time_max: Duration::from_secs(10),
            idle_time_max: Duration::from_secs(30),
            write_time_max: Duration::from_secs(10),
            linger_time_max: Duration::from_secs(2),
            strangers_max: 128,
            strangers_per_address_max: 64,
        }
    }
}
