//! A publisher that sends the tags of an FLV file at times of its own: with odd timestamps, in
//! bursts, with one track late.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::rtmp_client::Client;

/// FLV tag types (Adobe Flash Video File Format 10.1, section E.4.1), which are RTMP's message types.
pub const AUDIO: u8 = 8;
/// See [`AUDIO`].
pub const VIDEO: u8 = 9;
/// `TimestampExtended` is the upper byte; the header is followed by the payload and its size.
const TAG_HEADER_BYTES: usize = 11;

/// What a publisher does to a stream. All times are on the clip's own clock.
#[derive(Debug, Clone, Copy)]
pub struct Replay {
    /// Added to every timestamp; wraps at 2^32 ms as RTMP does.
    pub first_ms: u32,
    /// Timestamps from the first time on jump by this many milliseconds.
    pub jump: Option<(Duration, i64)>,
    /// Everything before this time is sent at once.
    pub burst: Duration,
    /// Sends each tag up to this much late.
    pub jitter: Duration,
    /// Sends nothing from the first time on for that long, and then what was held back.
    pub stall: Option<(Duration, Duration)>,
    /// Pictures before this time are left out; their track begins with the next key frame.
    pub video_from: Duration,
    /// Sound before this time is left out.
    pub audio_from: Duration,
    /// Sends the decoder configuration again in front of each key frame.
    pub repeat_config: bool,
    /// Leaves out `onMetaData`.
    pub without_metadata: bool,
}

impl Replay {
    /// Sends everything when it is due.
    pub const PLAIN: Self = Self {
        first_ms: 0,
        jump: None,
        burst: Duration::ZERO,
        jitter: Duration::ZERO,
        stall: None,
        video_from: Duration::ZERO,
        audio_from: Duration::ZERO,
        repeat_config: false,
        without_metadata: false,
    };

    /// Publishes `tags` to `server` until they end or the returned guard is dropped.
    pub fn start(self, tags: Vec<Tag>, server: SocketAddr, stream_key: String) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            // The server may end the connection, as it does when it refuses a codec.
            let _ended = runtime.block_on(self.send(tags, server, &stream_key, &stopping));
        });
        Running {
            stop,
            thread: Some(thread),
        }
    }

    async fn send(
        self,
        tags: Vec<Tag>,
        server: SocketAddr,
        stream_key: &str,
        stop: &AtomicBool,
    ) -> std::io::Result<()> {
        let (mut client, status) = Client::publish(server, stream_key).await?;
        assert_eq!(status, "NetStream.Publish.Start");
        let start = Instant::now();
        for tag in self.timed(tags) {
            tokio::time::sleep_until(start + tag.at).await;
            if stop.load(Ordering::Relaxed) {
                break;
            }
            client
                .send(tag.kind, tag.timestamp_ms, &tag.payload)
                .await?;
        }
        Ok(())
    }

    /// The tags as this publisher sends them.
    fn timed(self, tags: Vec<Tag>) -> Vec<Tag> {
        let (mut sent, mut config) = (Vec::new(), None);
        let mut video_started = false;
        for tag in tags {
            let due = Duration::from_millis(u64::from(tag.timestamp_ms));
            let is_config = tag.is_config();
            // The upper four bits of a picture's first byte are its type, 1 for a key frame; in
            // Enhanced RTMP the top bit is set and three bits are the type.
            let is_key = tag.kind == VIDEO && tag.payload.first().is_some_and(|b| b >> 4 & 7 == 1);
            match tag.kind {
                VIDEO if is_config => config = Some(tag.clone()),
                VIDEO if due < self.video_from || !(video_started || is_key) => continue,
                VIDEO => video_started = true,
                AUDIO if !is_config && due < self.audio_from => continue,
                AUDIO => {}
                _ if self.without_metadata => continue,
                _ => {}
            }
            if is_config && tag.kind == VIDEO && self.video_from > Duration::ZERO {
                // It is sent with the first picture.
                continue;
            }
            if let (true, Some(config)) = (is_key && !is_config, &config)
                && (self.repeat_config || self.video_from > Duration::ZERO)
            {
                sent.push(self.tag(config.payload.clone(), VIDEO, tag.timestamp_ms));
            }
            sent.push(self.tag(tag.payload, tag.kind, tag.timestamp_ms));
        }
        // A connection keeps the order, so what comes late delays what comes after it.
        let mut latest = Duration::ZERO;
        for tag in &mut sent {
            latest = latest.max(tag.at);
            tag.at = latest;
        }
        sent
    }

    fn tag(self, payload: Vec<u8>, kind: u8, due_ms: u32) -> Tag {
        let due = Duration::from_millis(u64::from(due_ms));
        let mut timestamp = i64::from(due_ms) + i64::from(self.first_ms);
        if let Some((from, by_ms)) = self.jump
            && due >= from
        {
            timestamp += by_ms;
        }
        let mut at = due.saturating_sub(self.burst);
        if let Some((from, length)) = self.stall
            && (from..from + length).contains(&at)
        {
            at = from + length;
        }
        // A network delays equally what is sent at nearly the same time.
        let late = due_ms / 40 * 7919 % 1000;
        let at = at + self.jitter * late / 1000;
        Tag {
            kind,
            timestamp_ms: (timestamp & i64::from(u32::MAX)) as u32,
            payload,
            at,
        }
    }
}

/// A message of audio, video or metadata.
#[derive(Debug, Clone)]
pub struct Tag {
    /// RTMP's message type.
    pub kind: u8,
    /// Decode time.
    pub timestamp_ms: u32,
    payload: Vec<u8>,
    /// When it is sent, after the start.
    at: Duration,
}

impl Tag {
    /// A tag that is sent when it is due.
    pub fn new(kind: u8, timestamp_ms: u32, payload: Vec<u8>) -> Self {
        Self {
            kind,
            timestamp_ms,
            payload,
            at: Duration::ZERO,
        }
    }

    /// Whether it carries a decoder configuration. Enhanced RTMP sets the first bit and has the
    /// packet type in the lower four bits; before, AVC and AAC have it in the second byte.
    fn is_config(&self) -> bool {
        match self.payload.first() {
            Some(first) if self.kind == VIDEO && first & 0x80 != 0 => first & 0x0F == 0,
            _ => self.payload.get(1) == Some(&0),
        }
    }
}

/// The tags of an FLV file.
pub fn parse(flv: &[u8]) -> Vec<Tag> {
    let (mut tags, mut rest) = (Vec::new(), &flv[13..]);
    while rest.len() >= TAG_HEADER_BYTES {
        let size = u32::from_be_bytes([0, rest[1], rest[2], rest[3]]) as usize;
        let timestamp_ms = u32::from_be_bytes([rest[7], rest[4], rest[5], rest[6]]);
        let Some(payload) = rest.get(TAG_HEADER_BYTES..TAG_HEADER_BYTES + size) else {
            break;
        };
        tags.push(Tag::new(rest[0] & 0x1F, timestamp_ms, payload.to_vec()));
        rest = rest.get(TAG_HEADER_BYTES + size + 4..).unwrap_or_default();
    }
    tags
}

/// A running publisher; stops when dropped.
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
