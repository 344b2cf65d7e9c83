//! One rendition's live window: its init sections and segments, and which of them the playlist
//! lists.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::init::InitSection;
use super::media::Part;

/// Memory of a part without its media.
const PART_BYTES: u64 = size_of::<Part>() as u64;
/// Memory of a segment without its parts.
const SEGMENT_BYTES: u64 = size_of::<Segment>() as u64;

/// An initialization section, `init-NUMBER.mp4`.
#[derive(Debug)]
pub struct Init {
    /// Counted from 1.
    pub number: u32,
    /// RFC 6381 codec string.
    pub codec: String,
    /// `ftyp` and `moov`.
    pub data: Bytes,
    /// A segment refers to it, so it must not change any more.
    used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Parts are still being added.
    Open,
    /// All its parts have been added.
    Complete,
    /// `EXT-X-GAP`: it has a number, a date and a duration, but no media.
    Gap,
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
    pub(super) parts: Vec<Part>,
    /// It shows the media of another rendition.
    lent: bool,
    /// That rendition's window holds the same bytes, and counts them.
    shared: bool,
    state: State,
}

impl Segment {
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
            parts: Vec::new(),
            state: State::Gap,
            ..*self
        }
    }

    pub(super) fn part_count(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    fn media_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.data.len() as u64).sum()
    }

    /// Bytes held in memory, without media that is counted elsewhere. What holds the media is counted too: a day of parts that have hardly a
    /// byte each takes hundreds of megabytes.
    fn bytes(&self) -> u64 {
        let parts = PART_BYTES.saturating_mul(self.parts.len() as u64);
        let media = if self.shared { 0 } else { self.media_bytes() };
        SEGMENT_BYTES.saturating_add(parts).saturating_add(media)
    }
}

/// The result of looking for a segment or an init section by its number.
#[derive(Debug)]
pub enum Lookup<T> {
    /// It is here.
    Found(T),
    /// It was here and has been dropped.
    Gone,
    /// It never existed, or does not exist yet.
    Absent,
}

/// One rendition's segments, oldest first. Only the last one may be open.
#[derive(Debug, Default)]
pub struct Window {
    target: Duration,
    /// Those of all segments and of the next one.
    inits: Vec<Init>,
    /// Number of the next segment's init section.
    init: Option<u32>,
    /// Highest number of an init section that a segment has referred to.
    inits_used: u32,
    segments: VecDeque<Segment>,
    /// Media sequence number of the first segment ever.
    first: Option<u64>,
    /// Media sequence number of the segment after the closed ones.
    next: Option<u64>,
    /// First segment in the playlist. Older ones are kept for viewers with an older playlist.
    listed_from: u64,
    /// The next segment begins with a discontinuity.
    discontinuity_pending: bool,
    discontinuities: u64,
    /// Duration of the longest playlist so far, see [`Window::expire`].
    longest: Duration,
    bytes: u64,
    peak_bps: u64,
}

impl Window {
    /// An empty window. `target` is the Target Duration of its playlist.
    pub(super) fn new(target: Duration) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }

    /// Takes an init section for the next segment. One with the same bytes as one that the window
    /// holds is that one, under its number. Until a segment refers to it, a later one replaces it.
    pub(super) fn init(&mut self, section: &InitSection) {
        let InitSection { codec, data } = section;
        let same = |init: &&Init| init.used && init.data == data && init.codec == *codec;
        let number = match self.inits.iter().find(same) {
            Some(known) => known.number,
            None => self.inits_used.saturating_add(1),
        };
        self.inits.retain(|init| init.used);
        if number > self.inits_used {
            self.inits.push(Init {
                number,
                codec: codec.clone(),
                data: data.clone(),
                used: false,
            });
        }
        self.init = Some(number);
        self.count_bytes();
    }

    /// Segment number and index of the next part; `None` before the first part.
    pub fn next_part(&self) -> Option<(u64, u32)> {
        match self.segments.back() {
            Some(open) if !open.closed() => Some((open.msn, open.part_count())),
            _ => self.next.map(|msn| (msn, 0)),
        }
    }

    /// Segment number and index of the last part.
    pub fn last_part(&self) -> Option<(u64, u32)> {
        let holder = self.segments.iter().rfind(|s| !s.parts.is_empty())?;
        Some((holder.msn, holder.part_count().saturating_sub(1)))
    }

    /// Number of the last closed segment.
    pub fn last_closed(&self) -> Option<u64> {
        let last = self.segments.iter().rfind(|s| s.closed());
        last.map(|s| s.msn)
    }

    /// Whether the newest media is this part of the open segment or, without a part, this segment as
    /// a whole.
    pub(super) fn ends_at(&self, msn: u64, part: Option<u32>) -> bool {
        let Some(newest) = self.segments.back().filter(|s| s.msn == msn && !s.gap()) else {
            return false;
        };
        match part {
            Some(part) => !newest.closed() && newest.part_count() == part.saturating_add(1),
            None => newest.closed(),
        }
    }

    /// Whether there is a complete segment to play.
    pub fn playable(&self) -> bool {
        self.segments.iter().any(|s| s.state == State::Complete)
    }

    /// Appends `part`; false if it is not the next one.
    pub(super) fn push(&mut self, part: &Part) -> bool {
        self.append_part(part, false, false)
    }

    /// Appends a part of another rendition, which counts its bytes if both share them; false if it is not
    /// the next one.
    pub(super) fn push_lent(&mut self, part: &Part, shared: bool) -> bool {
        self.append_part(part, true, shared)
    }

    fn append_part(&mut self, part: &Part, lent: bool, shared: bool) -> bool {
        let expected = self.next_part().unwrap_or((part.msn, 0));
        if (part.msn, part.index) != expected {
            return false;
        }
        if part.index == 0 {
            self.begin(part.msn, part.date_ns, lent, shared);
        }
        let Some(open) = self.segments.back_mut() else {
            return false;
        };
        open.duration = open.duration.saturating_add(part.duration);
        open.parts.push(part.clone());
        let media = if shared { 0 } else { part.data.len() as u64 };
        self.bytes = self.bytes.saturating_add(PART_BYTES).saturating_add(media);
        if part.last {
            self.close();
        }
        true
    }

    fn begin(&mut self, msn: u64, date_ns: u64, lent: bool, shared: bool) {
        let number = self.init;
        if let Some(init) = self.inits.iter_mut().find(|i| Some(i.number) == number) {
            init.used = true;
            self.inits_used = self.inits_used.max(init.number);
        }
        let discontinuity = std::mem::take(&mut self.discontinuity_pending);
        self.discontinuities = self
            .discontinuities
            .saturating_add(u64::from(discontinuity));
        self.append(Segment {
            msn,
            date_ns,
            duration: Duration::ZERO,
            discontinuity,
            discontinuities: self.discontinuities,
            init: number,
            parts: Vec::new(),
            lent,
            shared,
            state: State::Open,
        });
    }

    /// Closes the open segment, if there is one, with the parts it has.
    pub(super) fn close(&mut self) {
        let Some(open) = self.segments.back_mut().filter(|s| !s.closed()) else {
            return;
        };
        open.state = State::Complete;
        self.next = Some(open.msn.saturating_add(1));
        let bits = u128::from(open.media_bytes()) * 8 * 1_000_000_000;
        let bps = bits.div_ceil(open.duration.as_nanos().max(1));
        // The peak segment bit rate is that of "any contiguous set of segments whose total
        // duration is between 0.5 and 1.5 times the Target Duration" (section 4.4.6.2). The short
        // segment that an interruption leaves does not count, nor does the media of another rendition.
        if open.duration.saturating_mul(2) >= self.target && !open.lent {
            self.peak_bps = self.peak_bps.max(u64::try_from(bps).unwrap_or(u64::MAX));
        }
        self.longest = self.longest.max(self.listed_duration());
    }

    /// Appends a gap in place of `like`, a segment that another rendition has.
    pub(super) fn push_gap(&mut self, like: &Segment) {
        self.discontinuity_pending = false;
        self.discontinuities = like.discontinuities;
        self.next = Some(like.msn.saturating_add(1));
        // The window's last segment has the newest init section that was used; before the first
        // segment there is none.
        let last = self.segments.back().and_then(|segment| segment.init);
        self.append(like.as_gap(last));
        self.longest = self.longest.max(self.listed_duration());
    }

    fn append(&mut self, segment: Segment) {
        if self.first.is_none() {
            self.first = Some(segment.msn);
            self.listed_from = segment.msn;
        }
        self.bytes = self.bytes.saturating_add(segment.bytes());
        self.segments.push_back(segment);
    }

    /// Drops all segments, so that the window can continue at a later number.
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.next = None;
        self.count_bytes();
    }

    /// Makes `msn` the next segment, which begins with a discontinuity.
    pub(super) fn resume_at(&mut self, msn: u64) {
        self.next = Some(msn);
        self.discontinuity_pending = true;
    }

    /// Segments in the playlist, including the open one.
    pub(super) fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments
            .iter()
            .filter(|s| s.msn >= self.listed_from && (s.closed() || !s.parts.is_empty()))
    }

    /// Total duration of the closed segments in the playlist.
    pub(super) fn listed_duration(&self) -> Duration {
        self.duration_after(None)
    }

    /// Total duration of the closed segments in the playlist after `msn`; of all for `None`.
    pub(super) fn duration_after(&self, msn: Option<u64>) -> Duration {
        self.listed()
            .filter(|s| s.closed() && msn.is_none_or(|msn| s.msn > msn))
            .map(|s| s.duration)
            .sum()
    }

    /// Number of the first closed segment in the playlist.
    pub(super) fn first_listed(&self) -> Option<u64> {
        self.listed().find(|s| s.closed()).map(|s| s.msn)
    }

    /// Number of closed segments in the playlist.
    pub(super) fn listed_count(&self) -> usize {
        self.listed().filter(|s| s.closed()).count()
    }

    /// Removes segments up to `msn` from the playlist, but never the last closed one.
    pub(super) fn unlist_through(&mut self, msn: u64) {
        if let Some(last) = self.last_closed() {
            let from = msn.saturating_add(1).min(last);
            self.listed_from = self.listed_from.max(from);
        }
    }

    /// Drops segments that the playlist no longer lists and viewers may no longer request. "Clients
    /// MUST be able to download the segment until the time at which it first appeared in the
    /// Playlist plus the segment's Availability Duration" (section 6.2.2), which is its duration
    /// plus that of the longest playlist that listed it. Elapsed time is measured as the duration
    /// of newer segments, which is never longer than the wall-clock time.
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

    /// Drops all segments that the playlist no longer lists; returns the bytes freed.
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

    /// Counts the bytes held, after dropping init sections that no segment refers to any more.
    fn count_bytes(&mut self) {
        let (segments, next) = (&self.segments, self.init);
        self.inits.retain(|init| {
            let number = Some(init.number);
            number == next || segments.iter().any(|segment| segment.init == number)
        });
        let inits: u64 = self.inits.iter().map(|init| init.data.len() as u64).sum();
        let segments: u64 = self.segments.iter().map(Segment::bytes).sum();
        self.bytes = inits.saturating_add(segments);
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Duration of the longest playlist so far.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// Peak segment bit rate so far, in bits per second.
    pub(super) fn peak_bps(&self) -> u64 {
        self.peak_bps
    }

    /// Codec strings of all segments held and of the next one.
    pub(super) fn codecs(&self) -> impl Iterator<Item = &str> {
        self.inits.iter().map(|init| init.codec.as_str())
    }

    /// A segment among the newest ones.
    pub(super) fn segment(&self, msn: u64) -> Option<&Segment> {
        self.segments.iter().rev().find(|s| s.msn == msn)
    }

    /// The init section with this number.
    pub(super) fn section(&self, number: u32) -> Option<InitSection> {
        let found = self.inits.iter().find(|init| init.number == number);
        found.map(|init| InitSection {
            codec: init.codec.clone(),
            data: init.data.clone(),
        })
    }

    /// Finds an init section by its number. One that no segment refers to yet counts as absent: it
    /// may still be replaced, and caches keep the bytes of its URL for ever.
    pub fn find_init(&self, number: u32) -> Lookup<&Init> {
        let mut used = self.inits.iter().filter(|init| init.used);
        match used.find(|init| init.number == number) {
            Some(init) => Lookup::Found(init),
            None if (1..=self.inits_used).contains(&number) => Lookup::Gone,
            None => Lookup::Absent,
        }
    }

    /// Finds a segment by its number.
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
