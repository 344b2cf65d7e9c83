//! One rendition's live window: init sections and the segments that parts add up to.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::media::Part;

/// An initialization section, `init-NUMBER.mp4`.
#[derive(Debug)]
pub struct Init {
    /// From 1.
    pub number: u32,
    /// RFC 6381 codec string.
    pub codec: String,
    /// `ftyp` and `moov`.
    pub data: Bytes,
    /// A segment names it, so it may not change any more.
    used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Parts are still being added.
    Open,
    /// Has all the parts it will ever have.
    Complete,
    /// `EXT-X-GAP`: only its number, date and duration exist.
    Gap,
}

/// The part of a part that stays.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) duration: Duration,
    pub(super) independent: bool,
    pub(super) data: Bytes,
}

/// A Media Segment; its bytes are those of its parts, stored once.
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
    pub(super) parts: Vec<Chunk>,
    state: State,
}

impl Segment {
    /// No part will be added to it.
    pub fn closed(&self) -> bool {
        self.state != State::Open
    }

    /// It has no bytes and never will.
    pub fn gap(&self) -> bool {
        self.state == State::Gap
    }

    /// The bytes in order.
    pub fn chunks(&self) -> Vec<Bytes> {
        self.parts.iter().map(|part| part.data.clone()).collect()
    }

    /// Bytes of part `index`.
    pub fn part(&self, index: u32) -> Option<Bytes> {
        let index = usize::try_from(index).ok()?;
        self.parts.get(index).map(|part| part.data.clone())
    }

    pub(super) fn part_count(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.data.len() as u64).sum()
    }
}

/// What became of a numbered thing.
#[derive(Debug)]
pub enum Lookup<T> {
    /// Here.
    Found(T),
    /// Was here.
    Gone,
    /// Never was, or not yet.
    Absent,
}

/// One rendition's segments, oldest first; at most the last is open.
#[derive(Debug, Default)]
pub struct Window {
    target: Duration,
    inits: VecDeque<Init>,
    segments: VecDeque<Segment>,
    /// Media sequence number of the first segment ever.
    first: Option<u64>,
    /// Media sequence number of the segment after the closed ones.
    next: Option<u64>,
    /// First segment in the playlist; older ones are kept for those who still read them.
    listed_from: u64,
    /// The next segment begins with a discontinuity.
    pending: bool,
    discontinuities: u64,
    /// Duration of the longest playlist so far.
    longest: Duration,
    bytes: u64,
    peak_bps: u64,
}

impl Window {
    /// An empty one, of a playlist with this Target Duration.
    pub(super) fn new(target: Duration) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }

    /// Takes an init section. A used one is followed by a new number and a discontinuity at the
    /// next segment; an unused one is replaced.
    pub(super) fn init(&mut self, codec: &str, data: Bytes) {
        let number = match self.inits.back() {
            Some(last) if last.used => last.number.saturating_add(1),
            Some(last) => last.number,
            None => 1,
        };
        if self.inits.back().is_some_and(|last| !last.used) {
            self.inits.pop_back();
        }
        self.pending |= !self.segments.is_empty();
        self.inits.push_back(Init {
            number,
            codec: codec.to_owned(),
            data,
            used: false,
        });
        self.count_bytes();
    }

    /// Number of the next part: segment and index. `None` before the first one.
    pub fn next_part(&self) -> Option<(u64, u32)> {
        match self.segments.back() {
            Some(open) if !open.closed() => Some((open.msn, open.part_count())),
            _ => self.next.map(|msn| (msn, 0)),
        }
    }

    /// The last part: segment and index.
    pub fn last_part(&self) -> Option<(u64, u32)> {
        let holder = self.segments.iter().rev().find(|s| !s.parts.is_empty())?;
        Some((holder.msn, holder.part_count().saturating_sub(1)))
    }

    /// The last closed segment's number.
    pub fn last_closed(&self) -> Option<u64> {
        self.segments
            .iter()
            .rev()
            .find(|s| s.closed())
            .map(|s| s.msn)
    }

    /// There is a complete segment to play.
    pub fn playable(&self) -> bool {
        self.segments.iter().any(|s| s.state == State::Complete)
    }

    /// Appends `part`; `false` when it is not the next one or (with `mapped`) has no init section.
    pub(super) fn push(&mut self, part: &Part, mapped: bool) -> bool {
        let expected = self.next_part().unwrap_or((part.msn, 0));
        if (part.msn, part.index) != expected || (mapped && self.inits.is_empty()) {
            return false;
        }
        if part.index == 0 {
            self.begin(part.msn, part.date_ns);
        }
        let Some(open) = self.segments.back_mut() else {
            return false;
        };
        open.duration = open.duration.saturating_add(part.duration);
        open.parts.push(Chunk {
            duration: part.duration,
            independent: part.independent,
            data: part.data.clone(),
        });
        self.bytes = self.bytes.saturating_add(part.data.len() as u64);
        if part.last {
            self.close();
        }
        true
    }

    fn begin(&mut self, msn: u64, date_ns: u64) {
        if self.first.is_none() {
            self.first = Some(msn);
            self.listed_from = msn;
        }
        if let Some(init) = self.inits.back_mut() {
            init.used = true;
        }
        let discontinuity = std::mem::take(&mut self.pending);
        self.discontinuities = self
            .discontinuities
            .saturating_add(u64::from(discontinuity));
        self.segments.push_back(Segment {
            msn,
            date_ns,
            duration: Duration::ZERO,
            discontinuity,
            discontinuities: self.discontinuities,
            init: self.inits.back().map(|init| init.number),
            parts: Vec::new(),
            state: State::Open,
        });
    }

    /// Closes the open segment, if any, with the parts it has.
    pub(super) fn close(&mut self) {
        let Some(open) = self.segments.back_mut().filter(|s| !s.closed()) else {
            return;
        };
        open.state = State::Complete;
        self.next = Some(open.msn.saturating_add(1));
        let bits = u128::from(open.bytes()) * 8 * 1_000_000_000;
        let bps = bits.div_ceil(open.duration.as_nanos().max(1));
        // The peak segment bit rate is that of "any contiguous set of segments whose total
        // duration is between 0.5 and 1.5 times the Target Duration" (section 4.4.6.2): the
        // stump that an interruption leaves is none.
        if open.duration.saturating_mul(2) >= self.target {
            self.peak_bps = self.peak_bps.max(u64::try_from(bps).unwrap_or(u64::MAX));
        }
        self.longest = self.longest.max(self.listed_duration());
    }

    /// The next segment, of the same place as `like`, has no bytes.
    pub(super) fn push_gap(&mut self, like: &Gap) {
        if self.first.is_none() {
            self.first = Some(like.msn);
            self.listed_from = like.msn;
        }
        self.pending = false;
        self.discontinuities = like.discontinuities;
        self.next = Some(like.msn.saturating_add(1));
        let init = self.inits.iter().rev().find(|init| init.used);
        self.segments.push_back(Segment {
            msn: like.msn,
            date_ns: like.date_ns,
            duration: like.duration,
            discontinuity: like.discontinuity,
            discontinuities: like.discontinuities,
            init: init.map(|init| init.number),
            parts: Vec::new(),
            state: State::Gap,
        });
        self.longest = self.longest.max(self.listed_duration());
    }

    /// Forgets every segment, to go on at a later number.
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.next = None;
        self.count_bytes();
    }

    /// The next segment is `msn`, behind a discontinuity.
    pub(super) fn resume_at(&mut self, msn: u64) {
        self.next = Some(msn);
        self.pending = true;
    }

    /// Segments in the playlist, the open one included.
    pub(super) fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments
            .iter()
            .filter(|s| s.msn >= self.listed_from && (s.closed() || !s.parts.is_empty()))
    }

    /// Duration of the playlist's closed segments.
    pub(super) fn listed_duration(&self) -> Duration {
        self.duration_after(None)
    }

    /// Duration of the playlist's closed segments after `msn`.
    pub(super) fn duration_after(&self, msn: Option<u64>) -> Duration {
        self.listed()
            .filter(|s| s.closed() && msn.is_none_or(|msn| s.msn > msn))
            .map(|s| s.duration)
            .sum()
    }

    /// First segment of the playlist.
    pub(super) fn first_listed(&self) -> Option<u64> {
        self.listed().find(|s| s.closed()).map(|s| s.msn)
    }

    /// Takes segments up to `msn` off the playlist, but never its last closed one.
    pub(super) fn unlist_through(&mut self, msn: u64) {
        if let Some(last) = self.last_closed() {
            let from = msn.saturating_add(1).min(last);
            self.listed_from = self.listed_from.max(from);
        }
    }

    /// Drops segments off the playlist whose time is over. "Clients MUST be able to download the
    /// segment until the time at which it first appeared in the Playlist plus the segment's
    /// Availability Duration" (section 6.2.2): its duration and that of the longest playlist
    /// with it. Media time stands for time here, which is never shorter.
    pub(super) fn expire(&mut self) {
        let mut newer: Duration = self.segments.iter().map(|s| s.duration).sum();
        while let Some(oldest) = self.segments.front() {
            newer = newer.saturating_sub(oldest.duration);
            let available = oldest.duration.saturating_add(self.longest);
            if oldest.msn >= self.listed_from || newer < available {
                break;
            }
            self.segments.pop_front();
        }
        self.count_bytes();
    }

    /// Drops every segment off the playlist at once; returns the bytes freed.
    pub(super) fn drop_unlisted(&mut self) -> u64 {
        let before = self.bytes;
        while self
            .segments
            .front()
            .is_some_and(|s| s.msn < self.listed_from)
        {
            self.segments.pop_front();
        }
        self.count_bytes();
        before.saturating_sub(self.bytes)
    }

    /// Also drops init sections nothing refers to any more.
    fn count_bytes(&mut self) {
        if let Some(oldest) = self.segments.iter().find_map(|s| s.init) {
            while self.inits.front().is_some_and(|init| init.number < oldest) {
                self.inits.pop_front();
            }
        }
        let inits: u64 = self.inits.iter().map(|init| init.data.len() as u64).sum();
        let segments: u64 = self.segments.iter().map(Segment::bytes).sum();
        self.bytes = inits.saturating_add(segments);
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Duration of the longest playlist so far.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// Bits a second of the densest segment so far.
    pub(super) fn peak_bps(&self) -> u64 {
        self.peak_bps
    }

    /// Codec strings of all segments held, and of those to come.
    pub(super) fn codecs(&self) -> impl Iterator<Item = &str> {
        self.inits.iter().map(|init| init.codec.as_str())
    }

    /// An init section by its number. One that no segment names yet may still be replaced, while
    /// its address promises the same bytes for ever: it is not there.
    pub fn find_init(&self, number: u32) -> Lookup<&Init> {
        let mut used = self.inits.iter().filter(|init| init.used);
        match used.find(|init| init.number == number) {
            Some(init) => Lookup::Found(init),
            None if (1..self.inits.front().map_or(1, |i| i.number)).contains(&number) => {
                Lookup::Gone
            }
            None => Lookup::Absent,
        }
    }

    /// A segment by its number.
    pub fn find(&self, msn: u64) -> Lookup<&Segment> {
        match self.segments.iter().find(|s| s.msn == msn) {
            Some(segment) => Lookup::Found(segment),
            None => match (self.first, self.segments.front()) {
                (Some(first), Some(kept)) if (first..kept.msn).contains(&msn) => Lookup::Gone,
                _ => Lookup::Absent,
            },
        }
    }
}

/// Where a segment lies that a rendition lacks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    pub(super) msn: u64,
    pub(super) date_ns: u64,
    pub(super) duration: Duration,
    pub(super) discontinuity: bool,
    pub(super) discontinuities: u64,
}

impl From<&Segment> for Gap {
    fn from(segment: &Segment) -> Self {
        Self {
            msn: segment.msn,
            date_ns: segment.date_ns,
            duration: segment.duration,
            discontinuity: segment.discontinuity,
            discontinuities: segment.discontinuities,
        }
    }
}
