//! The pictures of a camera, each with the time at which the camera seems to have made it.

use std::time::Instant;

use super::cause::{Cause, word};
use super::multipart::{Multipart, NoPicture};
use crate::worker::media::pacer::arrival::ArrivalClock;

/// Bytes that are read at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// A picture of a camera.
pub struct Picture {
    /// The picture as JPEG.
    pub jpeg: Vec<u8>,
    /// Its time, in nanoseconds.
    pub time_ns: u64,
    /// Pictures per thousand seconds, at the picture that first shows it.
    pub millihertz: Option<u32>,
}

/// Takes a body of pictures apart.
pub struct Pictures {
    reader: Multipart,
    unread: Vec<u8>,
    /// How many bytes of `unread` were read.
    at: usize,
    clock: ArrivalClock,
    start: Instant,
    rate_told: bool,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            reader: Multipart::default(),
            unread: Vec::new(),
            at: 0,
            clock: ArrivalClock::default(),
            start: Instant::now(),
            rate_told: false,
        }
    }
}

impl Pictures {
    /// The next picture; `None` at the end of the body, which `read` reads.
    ///
    /// # Errors
    /// The errors of `read`; and when the body has no pictures.
    pub fn next(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, Cause>,
    ) -> Result<Option<Picture>, Cause> {
        loop {
            let mut rest = self.unread.get(self.at..).unwrap_or_default();
            let found = self
                .reader
                .read(&mut rest)
                .map_err(|none| cause_of(&none))?;
            self.at = self.unread.len() - rest.len();
            if let Some(jpeg) = found {
                return Ok(Some(self.picture(jpeg)));
            }
            self.unread.resize(PIECE_BYTES_MAX, 0);
            self.at = 0;
            let bytes = read(&mut self.unread)?;
            self.unread.truncate(bytes);
            if bytes == 0 {
                return Ok(None);
            }
        }
    }

    fn picture(&mut self, jpeg: Vec<u8>) -> Picture {
        let now_ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let time_ns = self.clock.time_ns(now_ns);
        let millihertz = self.clock.millihertz().filter(|_| !self.rate_told);
        self.rate_told |= millihertz.is_some();
        Picture {
            jpeg,
            time_ns,
            millihertz,
        }
    }
}

fn cause_of(none: &NoPicture) -> Cause {
    let kind = match none.content_type.as_str() {
        "" => "multipart without pictures",
        kind => kind,
    };
    Cause::Format(word(kind))
}
