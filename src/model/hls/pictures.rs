//! The storyboard of a session: small pictures of its window.

use std::time::Duration;

use bytes::Bytes;

use super::presentation::Presentation;
use super::window::Lookup;

impl Presentation {
    /// Takes a thumbnail of the frame with this date (nanoseconds since the Unix epoch) if the
    /// storyboard of a `window` of this length needs one; false if not.
    pub fn picture(&mut self, date_ns: u64, jpeg: Bytes, window: Duration) -> bool {
        let dates = self.renditions.first().and_then(|r| r.window.dates_ns());
        let Some(dates) = dates else {
            return false;
        };
        let ahead_max = self.timing.three_targets();
        self.storyboard
            .take((date_ns, jpeg), dates, ahead_max, window)
    }

    /// Drops the pictures of what no playlist lists any more; returns the bytes freed.
    pub(super) fn leave_pictures(&mut self) -> u64 {
        let dates = self.renditions.first().and_then(|r| r.window.dates_ns());
        dates.map_or(0, |dates| self.storyboard.leave(dates.start))
    }

    /// The storyboard as WebVTT; `None` without pictures. `session` is the folder of the session,
    /// relative to the list.
    pub fn storyboard(&self, session: &str) -> Option<String> {
        self.storyboard.render(session)
    }

    /// Number of the storyboard's version: another one for each change of its text.
    pub fn storyboard_version(&self) -> u64 {
        self.storyboard.version()
    }

    /// A picture of the storyboard, as JPEG.
    pub fn find_picture(&self, number: u64) -> Lookup<Bytes> {
        self.storyboard.find(number)
    }
}
