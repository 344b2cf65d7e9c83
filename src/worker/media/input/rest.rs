//! What a decoder that rests has not decoded, for when it goes on.

use std::collections::VecDeque;

use crate::model::frame::EncodedFrame;

/// Most frames that are kept: more than a GOP that may be passed through has.
const FRAMES_MAX: usize = 1024;
/// Most bytes of them.
const BYTES_MAX: usize = 32 << 20;

/// The video frames since the last one that was decoded.
#[derive(Debug, Default)]
pub struct Rest {
    frames: VecDeque<EncodedFrame>,
    bytes: usize,
}

impl Rest {
    /// Takes a frame, which need not be decoded if the decoder `rests`; returns those that are to be
    /// decoded now, in decoding order. Those before a key frame are not needed any more, and more than
    /// can be kept are decoded.
    pub fn take(&mut self, frame: EncodedFrame, rests: bool) -> VecDeque<EncodedFrame> {
        if frame.key {
            self.frames.clear();
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(frame.data.len());
        self.frames.push_back(frame);
        let full = self.frames.len() > FRAMES_MAX || self.bytes > BYTES_MAX;
        if rests && !full {
            return VecDeque::new();
        }
        self.bytes = 0;
        std::mem::take(&mut self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::frame::Track;

    fn frame(n: i64, bytes: usize) -> EncodedFrame {
        EncodedFrame {
            track: Track::Video,
            pts_ns: n,
            dts_ns: n,
            key: n % 10 == 0,
            data: vec![0; bytes].into(),
        }
    }

    /// Takes these frames; returns the numbers of those that are decoded.
    fn decoded(rest: &mut Rest, numbers: std::ops::Range<i64>, rests: bool) -> Vec<i64> {
        let frames = numbers.map(|n| frame(n, 1000));
        let frames = frames.flat_map(|it| {
            let rests = rests && !it.key;
            rest.take(it, rests)
        });
        frames.map(|it| it.pts_ns).collect()
    }

    #[test]
    fn a_decoder_goes_on_with_all_frames_since_the_last_one_that_it_had() {
        let mut rest = Rest::default();
        assert_eq!(decoded(&mut rest, 0..3, false), [0, 1, 2]);
        assert_eq!(decoded(&mut rest, 3..25, true), [10, 20]);
        assert_eq!(decoded(&mut rest, 25..27, false), [21, 22, 23, 24, 25, 26]);
        assert!(decoded(&mut rest, 27..29, true).is_empty());
        assert_eq!(decoded(&mut rest, 29..31, false), [27, 28, 29, 30]);
    }

    #[test]
    fn what_cannot_be_kept_is_decoded() {
        let mut rest = Rest::default();
        let mut most = 0;
        for n in (0..5000).filter(|n| n % 10 != 0) {
            rest.take(frame(n, BYTES_MAX / 100), true);
            most = most.max(rest.bytes);
        }
        assert!(most <= BYTES_MAX, "{most}");
        let mut rest = Rest::default();
        let frames = (0..5000).filter(|n| n % 10 != 0);
        let decoded = frames.map(|n| rest.take(frame(n, 1), true).len());
        assert_eq!(decoded.max(), Some(FRAMES_MAX + 1));
    }
}
