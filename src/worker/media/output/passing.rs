//! The publisher's own frames on their way into a rung.

use std::time::Duration;

use super::filling::Encoded;
use crate::base::units::FrameRate;
use crate::model::ladder::VideoRendition;
use crate::worker::media::caps;
use crate::worker::media::passthrough::{Format, Passthrough, Unit};

/// How long a frame may be late before an encoder takes over.
const LATE_MAX: Duration = Duration::from_millis(300);

/// A rung's filling with the publisher's own frames.
pub struct Passing {
    source: Passthrough,
    number: u64,
    fps: FrameRate,
    caps: gst::Caps,
    /// The first place in decoding order, and the next one.
    first: u64,
    next: u64,
    /// How many canvas frames before its place a frame is shown at most.
    reordered: u64,
    /// An encoder has to take over.
    over: bool,
}

impl Passing {
    /// Filling `number` begins with canvas frame `frame`, if the source is good and has a key frame there.
    pub fn start(
        source: &Passthrough,
        number: u64,
        frame: u64,
        rendition: &VideoRendition,
        fps: FrameRate,
    ) -> Option<Self> {
        let (reordered, format) = source.start(frame)?;
        Some(Self {
            source: source.clone(),
            number,
            fps,
            caps: caps_of(&format, rendition, fps),
            first: frame,
            next: frame,
            reordered,
            over: false,
        })
    }

    /// Its number among the fillings of its rung.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next place in decoding order.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether an encoder has to take over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// An encoder has to take over; false when that is known already.
    pub fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.over, true)
    }

    /// Whether the next frame is too late, now that canvas frame `came` has come.
    pub fn is_late(&self, came: u64) -> bool {
        let late = self
            .fps
            .time_of(came)
            .saturating_sub(self.fps.time_of(self.next));
        if late > LATE_MAX {
            self.source.late();
        }
        late > LATE_MAX
    }

    /// Puts a frame, the last one that was taken, on the time line of the output.
    pub fn placed(&mut self, unit: Unit) -> Option<Encoded> {
        self.next = unit.place + 1;
        let rest = self.source.rest_of_group().into_iter();
        Some(Encoded {
            filling: self.number,
            start: gst::ClockTime::try_from(self.fps.time_of(unit.place)).ok()?,
            buffer: self.buffer(unit),
            caps: self.caps.clone(),
            passed: true,
            rest: rest.map(|unit| self.buffer(unit)).collect(),
        })
    }

    fn buffer(&self, unit: Unit) -> gst::Buffer {
        // A decoder must have a frame before it is shown.
        let dts = self.decode_time(unit.place);
        let duration = self.decode_time(unit.place + 1).saturating_sub(dts);
        let time = |time: Duration| gst::ClockTime::try_from(time).ok();
        let mut buffer = gst::Buffer::from_slice(unit.data);
        let writable = buffer.make_mut();
        writable.set_pts(time(self.fps.time_of(unit.shown)));
        writable.set_dts(time(dts));
        writable.set_duration(time(duration));
        if !unit.key {
            writable.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        buffer
    }

    /// When the frame at `place` is decoded: [`reordered`](Self::reordered) canvas frames before the time
    /// of its place. The first ones share the canvas frame before the first, so that they come after the
    /// encoder's last frame.
    fn decode_time(&self, place: u64) -> Duration {
        let passed = place.saturating_sub(self.first);
        if passed >= self.reordered {
            return self.fps.time_of(place - self.reordered);
        }
        let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let share = self.fps.frame_duration() / short(self.reordered + 1);
        let before = share.saturating_mul(short(self.reordered - passed));
        self.fps.time_of(self.first).saturating_sub(before)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.source.end();
    }
}

fn caps_of(format: &Format, rendition: &VideoRendition, fps: FrameRate) -> gst::Caps {
    let pixels = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(format.config.clone()))
        .field("width", pixels(rendition.width))
        .field("height", pixels(rendition.height))
        .field("framerate", caps::fraction(fps))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decode times grow, from behind the encoder's last frame on, and no frame is decoded too late.
    #[test]
    fn decode_times_follow_those_of_the_encoder() {
        let fps = FrameRate::whole(30);
        for reordered in 0..4 {
            let passing = Passing {
                source: Passthrough::default(),
                number: 1,
                fps,
                caps: gst::Caps::new_empty(),
                first: 60,
                next: 60,
                reordered,
                over: false,
            };
            let times: Vec<Duration> = (60..90).map(|place| passing.decode_time(place)).collect();
            assert!(times[0] > fps.time_of(59));
            assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
            for (n, time) in times.iter().enumerate() {
                let shown = (60 + n as u64).saturating_sub(reordered).max(60);
                assert!(*time <= fps.time_of(shown), "{reordered} {n}");
            }
        }
    }
}
