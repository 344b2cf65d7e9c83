//! Pure DASH: a manifest (MPD) of a session's CMAF segments, as ISO/IEC 23009-1 has it. Reads no clock,
//! socket or file. It has no segments of its own: it reads the windows of a [`Presentation`], and lists
//! what all renditions have as a whole.
//!
//! A [`Manifest`] remembers where Periods have begun (`periods`), because a Period stays what it is while
//! its oldest segments leave; `text` writes it down. Section numbers in comments are those of ISO/IEC
//! 23009-1:2022.
//!
//! [`Presentation`]: crate::model::hls::Presentation

mod periods;
mod text;

use std::time::Duration;

use crate::model::hls::Presentation;
use periods::Periods;

/// The manifest of one session.
#[derive(Debug, Default)]
pub struct Manifest {
    periods: Periods,
}

impl Manifest {
    /// The text now; `None` while there is nothing to play. `session` is the folder of the renditions,
    /// relative to the manifest, and `published` the time since the Unix epoch.
    pub fn text(
        &mut self,
        media: &Presentation,
        session: &str,
        published: Duration,
    ) -> Option<String> {
        let edition = media.edition()?;
        self.periods.follow(media, edition);
        text::render(&self.periods, media, (session, edition), published)
    }
}

#[cfg(test)]
mod tests;
