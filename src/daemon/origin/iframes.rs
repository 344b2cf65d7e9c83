//! I-frame playlists, and who asks for what they list.

use std::ops::Range;
use std::time::Duration;

use super::address::File;
use super::answer::{Age, Document, Missing, Text};
use super::read::wait_for;
use super::session::{Found, Session, State};
use super::streams::Origin;
use crate::model::hls::{Packaging, Readiness, Reload};

impl Origin {
    /// The I-frame playlist of a rung, `/live/STREAM/SESSION/RENDITION/iframes.m3u8`. A blocking reload
    /// waits for up to three target durations. Whoever asks for it looks for a place to watch, and by
    /// that watches no rung: one that sleeps goes on sleeping, and its playlist lists the pictures of
    /// the rung that stands in for it.
    ///
    /// # Errors
    /// As [`Missing`] says.
    pub async fn iframes(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        reload: Reload,
    ) -> Result<Document, Missing> {
        let session = self.session(stream, session)?;
        let look = |index| session.iframes(index, reload);
        wait_for(&session, rendition, Packaging::Cmaf, |_| false, look).await
    }
}

impl Session {
    fn iframes(&self, rendition: usize, reload: Reload) -> Found<Document> {
        if self.expired(tokio::time::Instant::now()) {
            return Some(Err(Missing::Gone));
        }
        let mut guard = self.lock();
        let State { media, iframes, .. } = &mut *guard;
        match media.iframes_readiness(rendition, reload) {
            None => return Some(Err(Missing::NotFound)),
            Some(Readiness::Wait) => return None,
            Some(Readiness::Refused(why)) => return Some(Err(Missing::BadRequest(why))),
            Some(Readiness::Ready) => {}
        }
        let (version, skip) = (media.iframes_version(rendition), reload.skip);
        let slot = iframes.get_mut(rendition)?.slot(version, skip);
        let text = match slot {
            Some(text) => text.clone(),
            None => {
                let Some(text) = media.iframes(rendition, skip) else {
                    return Some(Err(Missing::NotFound));
                };
                let delta = if skip { "d" } else { "" };
                let etag = format!("\"{}-i{rendition}-{version}{delta}\"", self.name());
                slot.insert(Text::new(text, etag)).clone()
            }
        };
        let max_age = match reload.msn {
            Some(_) if media.iframes_end_as_asked(rendition, reload) => {
                media.timing().skip_boundary()
            }
            Some(_) => Duration::ZERO,
            None => media.timing().target() / 2,
        };
        let max_age = Age::everywhere(max_age);
        Some(Ok(Document { text, max_age }))
    }

    /// Whether somebody who asks for these `bytes` of a file (`None` for all) watches the rendition by
    /// that. Whoever asks for an initialization section, or for the first picture of a segment alone, does
    /// not yet.
    pub(super) fn watches(&self, rendition: usize, file: File, bytes: Option<&Range<u64>>) -> bool {
        match (file, bytes) {
            (File::Init(_), _) => false,
            (File::Segment(msn), Some(bytes)) => {
                !self.lock().media.is_iframe(rendition, msn, bytes)
            }
            (File::Segment(_) | File::Part(..) | File::Ts(_), _) => true,
        }
    }
}
