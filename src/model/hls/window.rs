//! One rendition's live window: its init sections and segments, and which of them the playlist
//! lists.
//!
//! Media sequence numbers in a window follow one another, so a number says where its segment stands.
//! What depends on all segments is kept as a sum: a part costs the same in a window of a minute and in
//! one of a day.

use std::collections::{VecDeque, vec_deque};
use std::ops::Range;
use std::time::Duration;

use super::iframe::IFrame;
use super::init::InitSection;
use super::inits::{Init, Inits};
use super::media::Part;
use super::segment::{Media, Segment, State};

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
    inits: Inits,
    /// Their numbers follow one another, and each has a part or is a gap.
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
    /// Total duration of the closed segments in the playlist.
    listed: Duration,
    /// Total duration of all segments.
    held: Duration,
    /// Bytes of all segments.
    segment_bytes: u64,
    peak_bps: u64,
    /// The same of the I-frames alone.
    peak_iframe_bps: u64,
    /// Counts the changes of the playlist.
    version: u64,
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
        self.inits.take(section);
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

    /// Whether the newest media is this segment as a whole, and this its last part.
    pub(super) fn ends_with_part(&self, msn: u64, part: u32) -> bool {
        let newest = self.segments.back().filter(|s| s.msn == msn && !s.gap());
        newest.is_some_and(|s| s.closed() && s.part_count() == part.saturating_add(1))
    }

    /// Whether there is a complete segment to play.
    pub fn playable(&self) -> bool {
        let mut newest_first = self.segments.iter().rev();
        newest_first.any(|s| s.state == State::Complete)
    }

    /// Appends `part`, whose segment has media of this kind; false if it is not the next one.
    pub(super) fn push(&mut self, part: Part, media: Media) -> bool {
        let expected = self.next_part().unwrap_or((part.msn, 0));
        if (part.msn, part.index) != expected {
            return false;
        }
        if part.index == 0 {
            self.begin(&part, media);
        }
        let Some(open) = self.segments.back_mut() else {
            return false;
        };
        let last = part.last;
        self.version = self.version.saturating_add(1);
        self.held = self.held.saturating_add(part.duration);
        self.segment_bytes = self.segment_bytes.saturating_add(open.push(part));
        if last {
            self.close();
        }
        true
    }

    fn begin(&mut self, part: &Part, media: Media) {
        let discontinuity = std::mem::take(&mut self.discontinuity_pending);
        self.discontinuities = self
            .discontinuities
            .saturating_add(u64::from(discontinuity));
        self.append(Segment {
            msn: part.msn,
            date_ns: part.date_ns,
            duration: Duration::ZERO,
            discontinuity,
            discontinuities: self.discontinuities,
            init: self.inits.next(),
            iframe: IFrame::of(&part.data).filter(|_| part.independent),
            parts: Vec::new(),
            media,
            state: State::Open,
        });
    }

    /// Closes the open segment, if there is one, with the parts it has.
    pub(super) fn close(&mut self) {
        let Some(open) = self.segments.back_mut().filter(|s| !s.closed()) else {
            return;
        };
        open.state = State::Complete;
        self.version = self.version.saturating_add(1);
        self.next = Some(open.msn.saturating_add(1));
        self.listed = self.listed.saturating_add(open.duration);
        // The peak segment bit rate is that of "any contiguous set of segments whose total
        // duration is between 0.5 and 1.5 times the Target Duration" (section 4.4.6.2). The short
        // segment that an interruption leaves does not count, nor does the media of another rendition.
        if open.duration.saturating_mul(2) >= self.target && open.media == Media::Own {
            self.peak_bps = self.peak_bps.max(open.bit_rate_bps());
            self.peak_iframe_bps = self.peak_iframe_bps.max(open.iframe_rate_bps());
        }
        self.longest = self.longest.max(self.listed);
    }

    /// Appends a gap in place of `like`, a segment that another rendition has.
    pub(super) fn push_gap(&mut self, like: &Segment) {
        self.version = self.version.saturating_add(1);
        self.discontinuity_pending = false;
        self.discontinuities = like.discontinuities;
        self.next = Some(like.msn.saturating_add(1));
        // The window's last segment has the newest init section that was used; before the first
        // segment there is none.
        let last = self.segments.back().and_then(|segment| segment.init);
        self.append(like.as_gap(last));
        self.listed = self.listed.saturating_add(like.duration);
        self.longest = self.longest.max(self.listed);
    }

    fn append(&mut self, segment: Segment) {
        if self.first.is_none() {
            self.first = Some(segment.msn);
            self.listed_from = segment.msn;
        }
        self.inits.refer(segment.init);
        self.held = self.held.saturating_add(segment.duration);
        self.segment_bytes = self.segment_bytes.saturating_add(segment.bytes());
        self.segments.push_back(segment);
    }

    /// Drops the oldest segment. Other playlists may have reported its last part, where there are only
    /// gaps after it.
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.segments.pop_front() {
            self.version = self.version.saturating_add(1);
            self.inits.release(oldest.init);
            self.held = self.held.saturating_sub(oldest.duration);
            self.segment_bytes = self.segment_bytes.saturating_sub(oldest.bytes());
        }
    }

    /// Drops all segments, so that the window can continue at a later number.
    pub(super) fn clear(&mut self) {
        while !self.segments.is_empty() {
            self.drop_oldest();
        }
        self.version = self.version.saturating_add(1);
        self.listed = Duration::ZERO;
        self.next = None;
    }

    /// Makes `msn` the next segment, which begins with a discontinuity.
    pub(super) fn resume_at(&mut self, msn: u64) {
        self.version = self.version.saturating_add(1);
        self.next = Some(msn);
        self.discontinuity_pending = true;
    }

    /// Segments in the playlist, including the open one.
    pub fn listed(&self) -> vec_deque::Iter<'_, Segment> {
        let unlisted = match self.segments.front() {
            Some(oldest) => self.listed_from.saturating_sub(oldest.msn),
            None => 0,
        };
        let unlisted = usize::try_from(unlisted).unwrap_or(usize::MAX);
        self.segments.range(unlisted.min(self.segments.len())..)
    }

    fn listed_closed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.listed().filter(|s| s.closed())
    }

    /// From the first frame in the playlist to the end of the newest one, in nanoseconds since the Unix
    /// epoch.
    pub(super) fn dates_ns(&self) -> Option<Range<u64>> {
        let (first, last) = (self.listed().next()?, self.segments.back()?);
        let length_ns = u64::try_from(last.duration.as_nanos()).unwrap_or(u64::MAX);
        Some(first.date_ns..last.date_ns.saturating_add(length_ns))
    }

    /// Total duration of the closed segments in the playlist after `msn`.
    pub(super) fn duration_after(&self, msn: u64) -> Duration {
        let before = self.listed_closed().take_while(|s| s.msn <= msn);
        self.listed.saturating_sub(before.map(|s| s.duration).sum())
    }

    /// Number of the first closed segment in the playlist.
    pub fn first_listed(&self) -> Option<u64> {
        self.listed_closed().next().map(|s| s.msn)
    }

    /// Number of closed segments in the playlist.
    pub(super) fn listed_count(&self) -> usize {
        // Only the last one may be open.
        let open = self.segments.back().is_some_and(|s| !s.closed());
        self.listed().len().saturating_sub(usize::from(open))
    }

    /// Removes segments up to `msn` from the playlist, but never the last closed one.
    pub(super) fn unlist_through(&mut self, msn: u64) {
        if let Some(last) = self.last_closed() {
            let from = msn.saturating_add(1).min(last).max(self.listed_from);
            let removed = self.listed_closed().take_while(|s| s.msn < from);
            let removed: Duration = removed.map(|s| s.duration).sum();
            self.version = self
                .version
                .saturating_add(u64::from(from != self.listed_from));
            self.listed = self.listed.saturating_sub(removed);
            self.listed_from = from;
        }
    }

    /// Drops segments that the playlist no longer lists and viewers may no longer request. "Clients
    /// MUST be able to download the segment until the time at which it first appeared in the
    /// Playlist plus the segment's Availability Duration" (section 6.2.2), which is its duration
    /// plus that of the longest playlist that listed it. Elapsed time is measured as the duration
    /// of newer segments, which is never longer than the wall-clock time.
    ///
    /// "Clients MUST be able to download the Partial Segment for at least three Target Durations after
    /// the EXT-X-PART tag is removed from the Playlist" (section 6.2.2), which happens three Target
    /// Durations from the end.
    pub(super) fn expire(&mut self) {
        let parts_available = self.target.saturating_mul(6);
        while let Some(oldest) = self.segments.front() {
            let newer = self.held.saturating_sub(oldest.duration);
            let available = oldest.duration.saturating_add(self.longest);
            let available = available.max(parts_available);
            if oldest.msn >= self.listed_from || newer < available {
                break;
            }
            self.drop_oldest();
        }
    }

    /// Drops all segments that the playlist no longer lists; returns the bytes freed.
    pub(super) fn drop_unlisted(&mut self) -> u64 {
        let before = self.bytes();
        let from = self.listed_from;
        while self.segments.front().is_some_and(|s| s.msn < from) {
            self.drop_oldest();
        }
        before.saturating_sub(self.bytes())
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> u64 {
        self.segment_bytes.saturating_add(self.inits.bytes())
    }

    /// Duration of the longest playlist so far.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// Number of changes of the playlist so far.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Peak segment bit rate so far, in bits per second.
    pub(super) fn peak_bps(&self) -> u64 {
        self.peak_bps
    }

    /// The same of the I-frames alone.
    pub(super) fn peak_iframe_bps(&self) -> u64 {
        self.peak_iframe_bps
    }

    /// Codec strings of all segments held and of the next one.
    pub(super) fn codecs(&self) -> impl Iterator<Item = &str> {
        self.inits.iter().map(|init| init.codec.as_str())
    }

    /// The segment with this number.
    pub(super) fn segment(&self, msn: u64) -> Option<&Segment> {
        let before = msn.checked_sub(self.segments.front()?.msn)?;
        self.segments.get(usize::try_from(before).ok()?)
    }

    /// The init section with this number.
    pub(super) fn section(&self, number: u32) -> Option<InitSection> {
        self.inits.get(number).map(|init| InitSection {
            codec: init.codec.clone(),
            data: init.data.clone(),
        })
    }

    /// Finds an init section by its number. One that no segment refers to yet counts as absent: it
    /// may still be replaced, and caches keep the bytes of its URL for ever.
    pub fn find_init(&self, number: u32) -> Lookup<&Init> {
        match self.inits.get(number).filter(|init| init.used) {
            Some(init) => Lookup::Found(init),
            None if self.inits.has_had(number) => Lookup::Gone,
            None => Lookup::Absent,
        }
    }

    /// Finds a segment by its number.
    pub fn find(&self, msn: u64) -> Lookup<&Segment> {
        match self.segment(msn) {
            Some(segment) => Lookup::Found(segment),
            None => match (self.first, self.segments.front()) {
                (Some(first), Some(kept)) if (first..kept.msn).contains(&msn) => Lookup::Gone,
                _ => Lookup::Absent,
            },
        }
    }
}

#[cfg(test)]
impl Window {
    /// Compares each sum with what it is the sum of.
    pub(super) fn assert_sums(&self) {
        let sum = |segments: &mut dyn Iterator<Item = &Segment>| -> Duration {
            segments.map(|s| s.duration).sum()
        };
        assert_eq!(self.held, sum(&mut self.segments.iter()));
        assert_eq!(self.listed, sum(&mut self.listed_closed()));
        assert_eq!(self.listed_count(), self.listed_closed().count());
        let bytes: u64 = self.segments.iter().map(Segment::bytes).sum();
        assert_eq!(self.segment_bytes, bytes);
        for segment in &self.segments {
            assert!(
                self.segment(segment.msn)
                    .is_some_and(|s| s.msn == segment.msn)
            );
            assert!(segment.init.is_none_or(|n| self.inits.get(n).is_some()));
        }
    }
}
