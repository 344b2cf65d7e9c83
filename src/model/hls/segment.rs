//! A Media Segment of a rendition's window.

use std::time::Duration;

use bytes::Bytes;

use super::iframe::IFrame;
use super::media::Part;

/// Memory of a part without its media.
const PART_BYTES: u64 = size_of::<Part>() as u64;
/// Memory of a segment without its parts.
const SEGMENT_BYTES: u64 = size_of::<Segment>() as u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Parts are still being added.
    Open,
    /// All its parts have been added.
    Complete,
    /// `EXT-X-GAP`: it has a number, a date and a duration, but no media.
    Gap,
}

/// Whose media a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// That of its own rendition.
    Own,
    /// That of another rendition, as a copy.
    Copied,
    /// That of another rendition, whose window holds the same bytes and counts them.
    Shared,
}

/// A Media Segment. Its bytes are stored once, as those of its parts.
#[derive(Debug)]
pub struct Segment {
    pub(super) msn: u64,
    pub(super) date_ns: u64,
    pub(super) duration: Duration,
    /// Begins with `EXT-X-DISCONTINUITY`.
    pub(super) discontinuity: bool,
    /// Its Discontinuity Sequence Number (section 6.2.1).
    pub(super) discontinuities: u64,
    /// Number of its init section.
    pub(super) init: Option<u32>,
    /// Where its first picture lies, if it has one.
    pub(super) iframe: Option<IFrame>,
    pub(super) parts: Vec<Part>,
    pub(super) media: Media,
    pub(super) state: State,
}

impl Segment {
    /// Its Media Sequence Number.
    pub fn msn(&self) -> u64 {
        self.msn
    }

    /// When its first frame is shown, in nanoseconds since the Unix epoch.
    pub fn date_ns(&self) -> u64 {
        self.date_ns
    }

    /// Total duration of its parts.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// It begins another sequence of timestamps than that of the segment before.
    pub fn is_discontinuity(&self) -> bool {
        self.discontinuity
    }

    /// Number of its initialization section.
    pub fn init(&self) -> Option<u32> {
        self.init
    }

    /// It is complete or a gap: no part will be added.
    pub fn closed(&self) -> bool {
        self.state != State::Open
    }

    /// It is a gap: it has no media and never will.
    pub fn gap(&self) -> bool {
        self.state == State::Gap
    }

    /// The bytes of all parts, in order.
    pub fn chunks(&self) -> Vec<Bytes> {
        self.parts.iter().map(|part| part.data.clone()).collect()
    }

    /// Bytes of part `index`.
    pub fn part(&self, index: u32) -> Option<Bytes> {
        let index = usize::try_from(index).ok()?;
        self.parts.get(index).map(|part| part.data.clone())
    }

    /// A gap with the number, date and duration of this segment.
    pub(super) fn as_gap(&self, init: Option<u32>) -> Self {
        Self {
            init,
            iframe: None,
            parts: Vec::new(),
            state: State::Gap,
            ..*self
        }
    }

    pub(super) fn part_count(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// Appends a part; returns the bytes of memory that it takes.
    pub(super) fn push(&mut self, part: Part) -> u64 {
        let bytes = self.part_bytes(&part);
        self.duration = self.duration.saturating_add(part.duration);
        self.parts.push(part);
        bytes
    }

    /// Bit rate of its media, in bits per second.
    pub(super) fn bit_rate_bps(&self) -> u64 {
        self.spread_bps(self.parts.iter().map(|part| part.data.len() as u64).sum())
    }

    /// Bit rate of its first picture alone, which stands for the whole segment.
    pub(super) fn iframe_rate_bps(&self) -> u64 {
        self.iframe
            .map_or(0, |iframe| self.spread_bps(iframe.length))
    }

    fn spread_bps(&self, bytes: u64) -> u64 {
        let bits = u128::from(bytes) * 8 * 1_000_000_000;
        let bps = bits.div_ceil(self.duration.as_nanos().max(1));
        u64::try_from(bps).unwrap_or(u64::MAX)
    }

    /// Bytes held in memory, without media that is counted elsewhere. What holds the media is counted
    /// too: a day of parts that have hardly a byte each takes hundreds of megabytes.
    pub(super) fn bytes(&self) -> u64 {
        let parts = self.parts.iter().map(|part| self.part_bytes(part));
        SEGMENT_BYTES.saturating_add(parts.sum())
    }

    fn part_bytes(&self, part: &Part) -> u64 {
        let media = match self.media {
            Media::Own | Media::Copied => part.data.len() as u64,
            Media::Shared => 0,
        };
        PART_BYTES.saturating_add(media)
    }
}
