//! Date ranges: they stand in all media playlists of a session (RFC 8216bis section 4.4.5.1).

use super::Presentation;
use crate::model::hls::date_range::{DateRange, RangeError};
use crate::model::hls::date_ranges::Place;

impl Presentation {
    /// The date ranges in the playlists, oldest first.
    pub fn date_ranges(&self) -> Vec<DateRange> {
        self.ranges.list().cloned().collect()
    }

    /// Adds a date range, or attributes to the one of the same id. Returns the whole range, and whether
    /// it is new. Nobody who waits is woken: the range is in the next version of each playlist, and a
    /// reader who waits for a part gets it with that part.
    ///
    /// # Errors
    /// If it is against the rules, against what the playlists say already, or there is no media.
    pub fn set_date_range(&mut self, range: DateRange) -> Result<(DateRange, bool), RangeError> {
        let now_ms = self.now_ms()?;
        let places = self.ends();
        self.ranges.set(range, now_ms, places)
    }

    /// Ends a date range that has started, with the newest media, and returns it; removes one that has
    /// not started, or that nobody has seen, and returns `None`.
    ///
    /// # Errors
    /// If there is none, or it has an end that viewers know.
    pub fn end_date_range(&mut self, id: &str) -> Result<Option<DateRange>, RangeError> {
        let now_ms = self.now_ms()?;
        let places = self.ends();
        self.ranges.end(id, now_ms, places)
    }

    /// The date at which the newest media ends.
    fn now_ms(&self) -> Result<u64, RangeError> {
        let newest = self.renditions.iter().filter_map(|rendition| {
            let last = rendition.window.listed().next_back()?;
            let lasts_ns = u64::try_from(last.duration.as_nanos()).ok()?;
            Some(last.date_ns.saturating_add(lasts_ns))
        });
        let now_ns = newest.max().filter(|_| !self.ended);
        Ok(now_ns.ok_or(RangeError::NotLive)? / 1_000_000)
    }

    /// The end of each playlist.
    fn ends(&self) -> Vec<Place> {
        let windows = self.renditions.iter().map(|r| &r.window);
        windows.map(|w| w.next_part().unwrap_or_default()).collect()
    }

    /// Drops the date ranges that no playlist reaches back to.
    pub(super) fn expire_ranges(&mut self) {
        let windows = self.renditions.iter().map(|r| &r.window);
        let first = windows.filter_map(|w| w.listed().next().map(|s| s.date_ns));
        if let Some(first_ns) = first.min() {
            self.ranges.expire(first_ns / 1_000_000);
        }
    }
}
