//! What happens when a worker does not keep up with its publisher: nothing holds the publisher up, and
//! frames are dropped up to the next key frame, so that the picture that comes back is whole.

use crate::model::frame::{EncodedFrame, Track};

/// Decides which frames go to the worker.
#[derive(Debug, Default)]
pub struct Backpressure {
    skipping: bool,
    has_video: bool,
    dropped: u64,
}

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It goes to the worker.
    Send,
    /// It goes to the worker, after this many frames were dropped.
    Resume(u64),
    /// It is the first that is dropped.
    DropFirst,
    /// It is dropped.
    Drop,
}

impl Backpressure {
    /// The input's format has changed.
    pub fn format(&mut self, has_video: bool) {
        self.has_video = has_video;
    }

    /// Decides about a frame that was taken.
    pub fn pass(&mut self, frame: &EncodedFrame, has_room: bool) -> Pass {
        let decodable = frame.key && (frame.track == Track::Video || !self.has_video);
        match (has_room, self.skipping) {
            (true, false) => Pass::Send,
            (true, true) if decodable => {
                self.skipping = false;
                Pass::Resume(std::mem::take(&mut self.dropped))
            }
            (_, was_skipping) => {
                self.skipping = true;
                self.dropped += 1;
                if was_skipping {
                    Pass::Drop
                } else {
                    Pass::DropFirst
                }
            }
        }
    }

    /// Another publisher follows, or the worker begins again with the GOP cache. Both start with a
    /// key frame.
    pub fn restart(&mut self) {
        self.skipping = false;
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn frame(track: Track, key: bool) -> EncodedFrame {
        let data = Bytes::new();
        EncodedFrame {
            track,
            pts_ns: 0,
            dts_ns: 0,
            key,
            data,
        }
    }

    #[test]
    fn after_a_drop_only_a_key_frame_resumes() {
        let (key, delta) = (frame(Track::Video, true), frame(Track::Video, false));
        let audio = frame(Track::Audio, true);
        let mut backpressure = Backpressure::default();
        backpressure.format(true);
        assert_eq!(backpressure.pass(&delta, true), Pass::Send);
        assert_eq!(backpressure.pass(&delta, false), Pass::DropFirst);
        assert_eq!(backpressure.pass(&key, false), Pass::Drop);
        assert_eq!(backpressure.pass(&delta, true), Pass::Drop);
        assert_eq!(backpressure.pass(&audio, true), Pass::Drop);
        assert_eq!(backpressure.pass(&key, true), Pass::Resume(4));
        assert_eq!(backpressure.pass(&audio, true), Pass::Send);
    }

    #[test]
    fn without_video_any_audio_frame_resumes() {
        let audio = frame(Track::Audio, true);
        let mut backpressure = Backpressure::default();
        backpressure.format(false);
        assert_eq!(backpressure.pass(&audio, false), Pass::DropFirst);
        assert_eq!(backpressure.pass(&audio, true), Pass::Resume(1));
    }
}
