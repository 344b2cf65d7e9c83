//! The storyboard of a stream: small pictures of its window, and the list of them.

use super::address::picture;
use super::answer::{Age, Document, Missing, Object, Text};
use super::session::{Session, State};
use super::streams::Origin;
use crate::model::hls::{Lookup, THUMBNAIL_INTERVAL};

impl Origin {
    /// The storyboard of the stream's newest session whose playlists are there, as WebVTT.
    ///
    /// # Errors
    /// [`Missing::NotFound`] without a session, or before its first picture.
    pub fn storyboard(&self, stream: &str) -> Result<Document, Missing> {
        let session = self.newest(stream).ok_or(Missing::NotFound)?;
        session.storyboard().ok_or(Missing::NotFound)
    }

    /// A picture of a session's storyboard by its file name, `/live/STREAM/SESSION/FILE`.
    ///
    /// # Errors
    /// As [`Missing`] says.
    pub fn picture(&self, stream: &str, session: &str, file: &str) -> Result<Object, Missing> {
        let session = self.session(stream, session)?;
        session.picture(picture(file).ok_or(Missing::NotFound)?)
    }
}

impl Session {
    fn storyboard(&self) -> Option<Document> {
        let mut guard = self.lock();
        let State {
            media, storyboard, ..
        } = &mut *guard;
        let version = media.storyboard_version();
        let slot = storyboard.slot(version, false);
        let text = match slot {
            Some(text) => text.clone(),
            None => {
                let text = media.storyboard(self.name())?;
                let etag = format!("\"{}-s{version}\"", self.name());
                slot.insert(Text::new(text, etag)).clone()
            }
        };
        let max_age = Age::everywhere(THUMBNAIL_INTERVAL);
        Some(Document { text, max_age })
    }

    fn picture(&self, number: u64) -> Result<Object, Missing> {
        match self.lock().media.find_picture(number) {
            Lookup::Found(jpeg) => Ok(Object {
                bytes: jpeg.len() as u64,
                chunks: vec![jpeg],
                content_type: "image/jpeg",
            }),
            Lookup::Gone => Err(Missing::Gone),
            Lookup::Absent => Err(Missing::NotFound),
        }
    }
}
