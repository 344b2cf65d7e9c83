//! The `test:` source: a moving picture with a burnt-in clock, a beep and a flash a second.

use std::time::Duration;

use super::picture::beep::Beep;
use super::picture::testcard::TestCard;
use crate::ladder::{Canvas, Rung, Source};
use crate::units::FrameRate;

/// Highest rate of the test signal.
const FPS_MAX: FrameRate = FrameRate::whole(30);

/// Draws pictures and sound for output times.
pub struct TestSource {
    card: TestCard,
    beep: Beep,
    canvas: Canvas,
    epoch_ns: u64,
}

/// Size and rate of the test signal: 16:9, as large as the top rung.
pub fn format(rungs: &[Rung]) -> Source {
    let height = rungs.iter().map(|rung| rung.height).max().unwrap_or(360);
    let fastest = rungs.iter().map(|rung| rung.fps_max);
    let fps = fastest
        .max_by(|a, b| a.as_f64().total_cmp(&b.as_f64()))
        .filter(|fps| fps.as_f64() < FPS_MAX.as_f64())
        .unwrap_or(FPS_MAX);
    Source {
        width: height * 16 / 9,
        height,
        fps,
    }
}

impl TestSource {
    /// A test signal whose frame 0 is shown at `epoch_ns` after the Unix epoch.
    pub fn new(canvas: Canvas, epoch_ns: u64) -> Self {
        Self {
            card: TestCard::new(canvas.width, canvas.height, canvas.fps),
            beep: Beep::new(),
            canvas,
            epoch_ns,
        }
    }

    fn utc_ns(&self, at: Duration) -> u64 {
        self.epoch_ns + u64::try_from(at.as_nanos()).unwrap_or(0)
    }

    /// The picture of canvas frame `frame`, shown at `slot`.
    pub fn picture(&mut self, frame: u64, slot: Duration) -> gst::Buffer {
        let utc_ns = self.utc_ns(slot);
        super::still::draw(self.canvas, |planes| {
            self.card.draw(frame, utc_ns, planes);
        })
    }

    /// The sound from `at` on.
    pub fn sound(&mut self, at: Duration, samples: &mut [i16]) {
        self.beep.fill(self.utc_ns(at), samples);
    }
}
