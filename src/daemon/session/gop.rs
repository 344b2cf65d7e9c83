//! The GOP cache: what a new worker needs to go on at once, everything since the last video key
//! frame before the first frame that some rendition lacks.

use std::collections::VecDeque;

use crate::model::frame::{EncodedFrame, InputFormat, Track};

/// Bytes that are kept. A larger GOP is not kept at all.
pub const CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Frames that are kept: half of what a worker's queue takes.
pub const CACHE_FRAMES_MAX: usize = 4096;
/// Audio frames that are kept of an input without video: about two seconds.
const AUDIO_ONLY_FRAMES_MAX: usize = 100;

/// The frames since a video key frame, video and audio in the order in which they came: since the
/// last one, or the last one before the time from which on frames are [kept](GopCache::keep_from). Of
/// an input without video, the latest audio.
#[derive(Debug, Default)]
pub struct GopCache {
    frames: VecDeque<EncodedFrame>,
    bytes: usize,
    format: InputFormat,
    /// The first frame held is a key frame.
    whole: bool,
    /// Frames from this time on are kept, in nanoseconds on the publisher's clock.
    from_ns: Option<i64>,
}

impl GopCache {
    /// The input's format has changed: frames of a track with another format are forgotten, for
    /// they need another decoder. Some publishers tell their audio format only after the first
    /// pictures; that must not cost the key frame that those pictures depend on.
    pub fn format(&mut self, format: &InputFormat) {
        let before = std::mem::replace(&mut self.format, format.clone());
        if before.video != format.video {
            self.clear();
        } else if before.audio != format.audio {
            self.frames.retain(|frame| frame.track == Track::Video);
            self.bytes = self.frames.iter().map(|frame| frame.data.len()).sum();
        }
    }

    /// Keeps the frames from this time on, in nanoseconds on the publisher's clock; with `None` those
    /// since the last key frame.
    pub fn keep_from(&mut self, from_ns: Option<i64>) {
        self.from_ns = from_ns;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
        self.whole = false;
    }

    /// Takes a frame. False when the cache overflowed: nothing is kept then until the next key
    /// frame.
    pub fn push(&mut self, frame: EncodedFrame) -> bool {
        if self.format.video.is_none() {
            self.push_audio(frame);
            return true;
        }
        let key = frame.track == Track::Video && frame.key;
        self.whole |= key;
        if !self.whole {
            return true;
        }
        self.bytes = self.bytes.saturating_add(frame.data.len());
        self.frames.push_back(frame);
        if key {
            self.forget_old();
        }
        while !self.fits() {
            if !self.forget_gop() {
                self.clear();
                return false;
            }
        }
        true
    }

    fn fits(&self) -> bool {
        self.bytes <= CACHE_BYTES_MAX && self.frames.len() <= CACHE_FRAMES_MAX
    }

    /// Forgets the GOPs that nobody needs any more.
    fn forget_old(&mut self) {
        let from_ns = self.from_ns;
        let is_old = |key: &EncodedFrame| from_ns.is_none_or(|from_ns| key.pts_ns <= from_ns);
        while self.second_key().is_some_and(|(_, key)| is_old(key)) {
            self.forget_gop();
        }
    }

    /// Forgets the oldest GOP; false when there is no other.
    fn forget_gop(&mut self) -> bool {
        let Some((at, _)) = self.second_key() else {
            return false;
        };
        let forgotten: usize = self.frames.drain(..at).map(|frame| frame.data.len()).sum();
        self.bytes = self.bytes.saturating_sub(forgotten);
        true
    }

    /// The place of the second key frame that is held.
    fn second_key(&self) -> Option<(usize, &EncodedFrame)> {
        let is_key = |(_, frame): &(usize, &EncodedFrame)| frame.track == Track::Video && frame.key;
        self.frames.iter().enumerate().filter(is_key).nth(1)
    }

    fn push_audio(&mut self, frame: EncodedFrame) {
        self.bytes = self.bytes.saturating_add(frame.data.len());
        self.frames.push_back(frame);
        while self.is_long() || !self.fits() {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.data.len());
        }
    }

    /// The oldest frame of an input without video is not needed.
    fn is_long(&self) -> bool {
        self.frames.len() > AUDIO_ONLY_FRAMES_MAX
            && self
                .frames
                .front()
                .is_some_and(|oldest| self.from_ns.is_none_or(|from_ns| oldest.pts_ns < from_ns))
    }

    /// The frames, in the order in which they came.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &EncodedFrame> {
        self.frames.iter()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::daemon::session::fake::{format, with_sound};
    use crate::model::frame::VideoCodec;

    fn frame(n: usize, track: Track, key: bool, bytes: usize) -> EncodedFrame {
        let time = i64::try_from(n).unwrap();
        EncodedFrame {
            track,
            pts_ns: time,
            dts_ns: time,
            key,
            data: Bytes::from_static(&[0; 4 * 1024 * 1024]).slice(..bytes),
        }
    }

    /// `(kind, bytes)`: 0 a key frame, 1 a delta frame, 2 audio.
    fn frames() -> impl Strategy<Value = Vec<EncodedFrame>> {
        let one = (0_u8..3, prop_oneof![9 => 1_usize..900, 1 => Just(4 << 20)]);
        proptest::collection::vec(one, 0..80).prop_map(|all| {
            let make = |(n, (kind, bytes)): (usize, &(u8, usize))| match kind {
                0 => frame(n, Track::Video, true, *bytes),
                1 => frame(n, Track::Video, false, *bytes),
                _ => frame(n, Track::Audio, true, *bytes),
            };
            all.iter().enumerate().map(make).collect()
        })
    }

    fn size<'a>(frames: impl Iterator<Item = &'a EncodedFrame>) -> usize {
        frames.map(|frame| frame.data.len()).sum()
    }

    proptest! {
        #[test]
        fn it_holds_exactly_the_tail_from_the_last_key_frame(all in frames()) {
            let mut cache = GopCache::default();
            cache.format(&format());
            for frame in &all {
                cache.push(frame.clone());
            }
            let key = all.iter().rposition(|f| f.track == Track::Video && f.key);
            let tail = key.and_then(|at| all.get(at..)).unwrap_or_default();
            let fits = size(tail.iter()) <= CACHE_BYTES_MAX;
            let expected = if fits { tail } else { &[] };
            prop_assert_eq!(cache.frames().cloned().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn without_video_it_holds_a_bounded_tail(count in 0_usize..400, bytes in 1_usize..900_000) {
            let mut cache = GopCache::default();
            let all = (0..count).map(|n| frame(n, Track::Audio, true, bytes)).collect::<Vec<_>>();
            for frame in &all {
                prop_assert!(cache.push(frame.clone()));
            }
            let held = cache.frames().cloned().collect::<Vec<_>>();
            prop_assert!(size(held.iter()) <= CACHE_BYTES_MAX);
            prop_assert!(held.len() <= AUDIO_ONLY_FRAMES_MAX);
            prop_assert!(held.len() == all.len().min(AUDIO_ONLY_FRAMES_MAX)
                || size(held.iter()) + bytes > CACHE_BYTES_MAX);
            prop_assert!(all.ends_with(&held));
        }
    }

    /// A key frame every ten frames; what is needed begins in the middle of the third GOP.
    #[test]
    fn it_holds_the_gops_that_are_needed() {
        let mut cache = GopCache::default();
        cache.format(&format());
        cache.keep_from(Some(25));
        for n in 0..58 {
            cache.push(frame(n, Track::Video, n % 10 == 0, 1));
        }
        let times = |cache: &GopCache| cache.frames().map(|f| f.pts_ns).collect::<Vec<_>>();
        assert_eq!(times(&cache), (20..58).collect::<Vec<_>>());
        // Where all do not fit, the newest stay.
        for n in 58..75 {
            cache.push(frame(n, Track::Video, n % 10 == 0, 4 << 20));
        }
        assert_eq!(times(&cache), (70..75).collect::<Vec<_>>());
    }

    #[test]
    fn an_overflow_is_told_once_and_the_next_key_frame_heals() {
        let mut cache = GopCache::default();
        cache.format(&format());
        assert!(cache.push(frame(0, Track::Video, true, 1)));
        let told = (1..3 * CACHE_FRAMES_MAX)
            .filter(|n| !cache.push(frame(*n, Track::Video, false, 1)))
            .count();
        assert_eq!((told, cache.frames().count()), (1, 0));
        assert!(cache.push(frame(9, Track::Video, true, 1)));
        assert_eq!(cache.frames().count(), 1);
    }

    #[test]
    fn a_new_format_forgets_the_frames_of_what_changed() {
        let video = format();
        let mut other_video = format();
        other_video.video.as_mut().unwrap().codec = VideoCodec::H265;
        for (before, after, kept) in [
            (&video, video.clone(), vec![0, 1, 2]),
            (&video, other_video.clone(), vec![]),
            (&video, with_sound(video.clone()), vec![0, 2]),
            (&video, with_sound(other_video.clone()), vec![]),
        ] {
            let mut cache = GopCache::default();
            cache.format(before);
            cache.push(frame(0, Track::Video, true, 1));
            cache.push(frame(1, Track::Audio, true, 1));
            cache.format(&after);
            cache.push(frame(2, Track::Video, false, 1));
            let times: Vec<i64> = cache.frames().map(|frame| frame.pts_ns).collect();
            assert_eq!(times, kept, "{after:?}");
        }
    }
}
