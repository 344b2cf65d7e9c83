//! The date ranges of a session, and where their tags stand in its playlists.

use std::cell::Cell;
use std::collections::VecDeque;

use super::date::Date;
use super::date_range::{Attribute, DateRange, RangeError};

/// Date ranges of one session, and tags of them all.
const RANGES_MAX: usize = 128;
const TAGS_MAX: usize = 256;
/// Bytes of all tags: every playlist has them.
const BYTES_MAX: usize = 64 << 10;
/// Ids that are remembered when their range has left the playlists.
const REMOVED_MAX: usize = 1024;

/// A place in a playlist: before this part of this segment.
pub(super) type Place = (u64, u32);

/// The date ranges of a session.
#[derive(Debug, Default)]
pub(super) struct DateRanges {
    ranges: Vec<Kept>,
    /// Oldest first.
    tags: Vec<Tag>,
    /// "The server MUST NOT reuse the ID attribute value of an EXT-X-DATERANGE tag for any new Date Range
    /// in the same Playlist" (section 6.2.1).
    removed: VecDeque<String>,
    /// Counts the ids that were made.
    made: u64,
    version: u64,
}

#[derive(Debug)]
struct Kept {
    range: DateRange,
    /// It was in a playlist that somebody may have read.
    shown: Cell<bool>,
}

/// A tag, and where it stands: at the end that each playlist had when the tag was added, because "the
/// server MUST NOT change the Media Playlist file, except to: Append lines to it" (section 6.2.1).
#[derive(Debug)]
struct Tag {
    id: String,
    text: String,
    /// By rendition.
    places: Vec<Place>,
}

impl DateRanges {
    /// Number of changes so far.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// All that are in the playlists.
    pub(super) fn list(&self) -> impl Iterator<Item = &DateRange> {
        self.ranges.iter().map(|kept| &kept.range)
    }

    /// The tags in the playlist of a rendition, in order.
    pub(super) fn tags(&self, rendition: usize) -> Vec<(Place, &str)> {
        let place = |tag: &Tag| tag.places.get(rendition).copied().unwrap_or_default();
        let tags = self.tags.iter();
        tags.map(|tag| (place(tag), tag.text.as_str())).collect()
    }

    /// A playlist is about to be read.
    pub(super) fn show(&self) {
        for kept in &self.ranges {
            kept.shown.set(true);
        }
    }

    /// Adds a range, or attributes to one that is there. `now_ms` is the end of the newest media, and
    /// `places` are the ends of all playlists. Returns the whole range, and whether it is new.
    pub(super) fn set(
        &mut self,
        mut range: DateRange,
        now_ms: u64,
        places: Vec<Place>,
    ) -> Result<(DateRange, bool), RangeError> {
        if range.id.is_none() {
            range.id = Some(self.free_id());
        }
        let known = self
            .ranges
            .iter()
            .position(|kept| kept.range.id == range.id);
        if let Some(index) = known {
            let range = self.extend(index, &range, places)?;
            return Ok((range, false));
        }
        if self.removed.iter().any(|removed| removed == range.id()) {
            let what = format!("id {} is that of a range that was there", range.id());
            return Err(RangeError::Conflict(what));
        }
        range.start.get_or_insert(Date { unix_ms: now_ms });
        range.check()?;
        self.check_class(&range, None)?;
        self.room(self.ranges.len() < RANGES_MAX)?;
        self.append(&range, &range.texts(), places)?;
        self.ranges.push(Kept {
            range: range.clone(),
            shown: Cell::new(false),
        });
        Ok((range, true))
    }

    fn extend(
        &mut self,
        index: usize,
        more: &DateRange,
        places: Vec<Place>,
    ) -> Result<DateRange, RangeError> {
        let before = self.ranges.get(index).ok_or(RangeError::Unknown)?;
        let (range, added) = before.range.with(more)?;
        if !added.is_empty() {
            self.check_class(&range, Some(index))?;
            self.append(&range, &added, places)?;
        }
        if let Some(kept) = self.ranges.get_mut(index) {
            kept.range = range.clone();
        }
        Ok(range)
    }

    /// Ends a range that has started and has no end; removes one that has not started or that nobody has
    /// seen, and returns `None` then.
    pub(super) fn end(
        &mut self,
        id: &str,
        now_ms: u64,
        places: Vec<Place>,
    ) -> Result<Option<DateRange>, RangeError> {
        let index = self.ranges.iter().position(|kept| kept.range.id() == id);
        let index = index.ok_or(RangeError::Unknown)?;
        let kept = self.ranges.get(index).ok_or(RangeError::Unknown)?;
        // "The server MUST NOT remove an EXT-X-DATERANGE tag from a Playlist if any date in the range maps
        // to a Media Segment in the Playlist" (section 6.2.1).
        let shown = kept.shown.get();
        if !shown || kept.range.start_ms() > now_ms {
            self.remove(index, shown);
            return Ok(None);
        }
        if kept.range.end_on_next || kept.range.end_ms().is_some() {
            let what = if kept.range.end_on_next {
                "it ends where the next range of its class starts"
            } else {
                "viewers know its end already, and that cannot change"
            };
            return Err(RangeError::Conflict(what.to_owned()));
        }
        let end = DateRange {
            end: Some(Date { unix_ms: now_ms }),
            ..DateRange::default()
        };
        self.extend(index, &end, places).map(Some)
    }

    /// Drops the ranges that end before `first_ms`, the date of the first segment in any playlist.
    pub(super) fn expire(&mut self, first_ms: u64) {
        // All ends are found first: a range may end where another starts that goes as well.
        let ends =
            (0..self.ranges.len()).filter(|n| self.end_of(*n).is_some_and(|end| end < first_ms));
        let over: Vec<usize> = ends.collect();
        for index in over.into_iter().rev() {
            self.remove(index, true);
        }
    }

    fn remove(&mut self, index: usize, was_shown: bool) {
        let id = self.ranges.remove(index).range.id().to_owned();
        self.tags.retain(|tag| tag.id != id);
        self.version = self.version.saturating_add(1);
        if was_shown {
            self.removed.push_back(id);
        }
        while self.removed.len() > REMOVED_MAX {
            self.removed.pop_front();
        }
    }

    fn append(
        &mut self,
        range: &DateRange,
        attributes: &[Attribute],
        places: Vec<Place>,
    ) -> Result<(), RangeError> {
        let text = range.tag(attributes);
        let bytes: usize = self.tags.iter().map(|tag| tag.text.len()).sum();
        self.room(self.tags.len() < TAGS_MAX && bytes + text.len() <= BYTES_MAX)?;
        self.version = self.version.saturating_add(1);
        self.tags.push(Tag {
            id: range.id().to_owned(),
            text,
            places,
        });
        Ok(())
    }

    fn room(&self, is_there: bool) -> Result<(), RangeError> {
        if is_there {
            return Ok(());
        }
        Err(RangeError::Conflict(format!(
            "the playlists are full: at most {RANGES_MAX} date ranges, {TAGS_MAX} tags and {BYTES_MAX} bytes; \
             those with an end go with the window"
        )))
    }

    /// Where a range ends. "The Following Range is the Date Range of the same CLASS that has the earliest
    /// START-DATE after the START-DATE of the range in question" (section 4.4.5.1).
    fn end_of(&self, index: usize) -> Option<u64> {
        let range = &self.ranges.get(index)?.range;
        if range.end_on_next {
            return self.following(range, usize::MAX);
        }
        range.end_ms()
    }

    /// Where the range after `range` starts, without regard to the one at `except`.
    fn following(&self, range: &DateRange, except: usize) -> Option<u64> {
        let others = self.of_class(range, except);
        let starts = others.map(DateRange::start_ms);
        starts.filter(|start| *start > range.start_ms()).min()
    }

    fn of_class(&self, range: &DateRange, except: usize) -> impl Iterator<Item = &DateRange> {
        let others = self.ranges.iter().enumerate();
        let others = others.filter(move |(n, _)| *n != except);
        let class = range.class.clone();
        let others = others.map(|(_, kept)| &kept.range);
        others.filter(move |other| other.class.is_some() && other.class == class)
    }

    /// Whether `range`, which is at `index` if it is there already, may stand beside others of its class.
    fn check_class(&self, range: &DateRange, index: Option<usize>) -> Result<(), RangeError> {
        let except = index.unwrap_or(usize::MAX);
        let ends_on_next = |range: &DateRange| range.end_on_next;
        let bound = ends_on_next(range) || self.of_class(range, except).any(ends_on_next);
        if !bound {
            return Ok(());
        }
        // "Other EXT-X-DATERANGE tags with the same CLASS attribute MUST NOT specify Date Ranges that
        // overlap" (section 4.4.5.1). "Once the Following Range of a Date Range with an END-ON-NEXT=YES
        // attribute is added to a Playlist, the Server MUST NOT subsequently add a Date Range with the same
        // CLASS attribute whose START-DATE is between that of the END-ON-NEXT=YES range and its Following
        // Range" (section 6.2.1).
        let start = range.start_ms();
        let end = match range.end_on_next {
            true => self.following(range, except).unwrap_or(u64::MAX),
            false => range.end_ms().unwrap_or(start),
        };
        let overlaps = |other: &DateRange| {
            let from = other.start_ms();
            let to = match other.end_on_next {
                // The new one is the following range, unless it is before.
                true if from < start => self.following(other, except).unwrap_or(start),
                true => u64::MAX,
                false => other.end_ms().unwrap_or(from),
            };
            let same = from == start && (other.end_on_next || range.end_on_next);
            same || (start < to && from < end)
        };
        match self.of_class(range, except).find(|other| overlaps(other)) {
            Some(other) => Err(RangeError::Conflict(format!(
                "it overlaps {} of the same class, in which ranges end where the next one starts",
                other.id()
            ))),
            None => Ok(()),
        }
    }

    fn free_id(&mut self) -> String {
        loop {
            self.made = self.made.saturating_add(1);
            let id = format!("range-{}", self.made);
            let taken = self.ranges.iter().any(|kept| kept.range.id() == id);
            if !taken && !self.removed.contains(&id) {
                return id;
            }
        }
    }
}
