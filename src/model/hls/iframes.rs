//! The I-frame playlists of a session: of each rung one that lists the first picture of each segment
//! (RFC 8216bis section 4.4.3.6), for players that show pictures while a viewer looks for a place.

use std::ops::Range;

use super::media::{Packaging, TrackId};
use super::playlist::{Listing, Page};
use super::presentation::Presentation;
use super::reload::{Readiness, Reload};
use super::rendition::Rendition;
use super::window::Lookup;

impl Presentation {
    /// A rendition that has an I-frame playlist: one with pictures, in CMAF. MPEG-TS is for old players,
    /// and its pictures are in packets between those of sound.
    fn pictured(&self, rendition: usize) -> Option<&Rendition> {
        let found = self.renditions.get(rendition)?;
        let has_pictures = matches!(found.track, TrackId::Video(_));
        (has_pictures && found.packaging == Packaging::Cmaf).then_some(found)
    }

    /// What to do with a request for the rendition's I-frame playlist, which changes with every segment.
    /// `None` where the rendition has none.
    pub fn iframes_readiness(&self, rendition: usize, reload: Reload) -> Option<Readiness> {
        let window = &self.pictured(rendition)?.window;
        if self.ended() {
            return Some(Readiness::Ready);
        }
        Some(match reload.readiness(window, &self.timing, false) {
            Readiness::Ready if !window.playable() => Readiness::Wait,
            readiness => readiness,
        })
    }

    /// Number of the I-frame playlist's version: another one for each segment that comes or leaves, and
    /// for the end. Both numbers only rise.
    pub fn iframes_version(&self, rendition: usize) -> u64 {
        let window = self.pictured(rendition).map(|found| &found.window);
        let first = window.and_then(|window| window.first_listed());
        let last = window.and_then(|window| window.last_closed());
        let numbers = first.unwrap_or(0).saturating_add(last.unwrap_or(0));
        numbers.saturating_add(u64::from(self.ended()))
    }

    /// Whether the I-frame playlist ends with the segment that `reload` asks for.
    pub fn iframes_end_as_asked(&self, rendition: usize, reload: Reload) -> bool {
        let last = self
            .pictured(rendition)
            .and_then(|r| r.window.last_closed());
        !self.ended() && reload.msn.is_some() && reload.msn == last
    }

    /// The I-frame playlist of a rendition; `None` before it has a segment. With `skip`, a Playlist Delta
    /// Update (section 6.2.5.1) if there are segments to skip.
    pub fn iframes(&self, rendition: usize, skip: bool) -> Option<String> {
        let this = self.pictured(rendition)?;
        this.window.last_closed()?;
        let page = Page {
            window: &this.window,
            timing: &self.timing,
            packaging: this.packaging,
            // What operators mark is for players of the media playlists.
            ranges: &[],
            listing: Listing::IFrames,
            // Reports are for players that change to another rendition at the live edge.
            reports: &[],
            ended: self.ended(),
        };
        Some(page.render(skip))
    }

    /// Whether these bytes of a segment are of its first picture alone.
    pub fn is_iframe(&self, rendition: usize, msn: u64, bytes: &Range<u64>) -> bool {
        let Some(this) = self.pictured(rendition) else {
            return false;
        };
        let found = match this.window.find(msn) {
            Lookup::Found(segment) => segment.iframe,
            Lookup::Gone | Lookup::Absent => None,
        };
        found.is_some_and(|iframe| iframe.covers(bytes))
    }
}
