//! Date ranges of the session that is live.

use std::sync::Arc;

use super::session::Session;
use super::streams::Origin;
use crate::model::hls::{DateRange, RangeError};

impl Origin {
    /// The date ranges in the playlists of the stream's live session.
    ///
    /// # Errors
    /// Without a live session.
    pub fn date_ranges(&self, stream: &str) -> Result<Vec<DateRange>, RangeError> {
        Ok(self.live(stream)?.change(|media| media.date_ranges()))
    }

    /// Adds a date range to all playlists of the stream's live session, or attributes to the one of the
    /// same id. Returns the whole range, and whether it is new.
    ///
    /// # Errors
    /// If it is against the rules or against what the playlists say already, or without media.
    pub fn set_date_range(
        &self,
        stream: &str,
        range: DateRange,
    ) -> Result<(DateRange, bool), RangeError> {
        let session = self.live(stream)?;
        session.change(|media| media.set_date_range(range))
    }

    /// Ends a date range and returns it, or removes it where it has not started or was not shown.
    ///
    /// # Errors
    /// If there is none, or it has an end already.
    pub fn end_date_range(&self, stream: &str, id: &str) -> Result<Option<DateRange>, RangeError> {
        let session = self.live(stream)?;
        session.change(|media| media.end_date_range(id))
    }

    fn live(&self, stream: &str) -> Result<Arc<Session>, RangeError> {
        let session = {
            let streams = self.streams();
            let sessions = streams.get(stream).map(|stream| &stream.sessions);
            sessions.and_then(|sessions| sessions.last().cloned())
        };
        let live = session.filter(|session| session.ended().is_none());
        live.ok_or(RangeError::NotLive)
    }
}
