//! The `test:` source: a moving picture that shows the time, with a beep and a flash per second.

use std::time::Duration;

use super::picture::beep;
use super::picture::testcard::TestCard;
use crate::base::units::FrameRate;
use crate::model::ladder::{Canvas, Rung, SourceFormat};

/// Highest frame rate of the test signal.
const FPS_MAX: FrameRate = FrameRate::whole(30);

/// Makes the pictures and the sound of the test signal.
pub struct TestSource {
    card: TestCard,
    canvas: Canvas,
    epoch_ns: u64,
}

/// Format of the test signal: 16:9, as high as the highest rung.
pub fn format(rungs: &[Rung]) -> SourceFormat {
    let height = rungs.iter().map(|rung| rung.height).max().unwrap_or(360);
    let fastest = rungs.iter().map(|rung| rung.fps_max);
    let fps = fastest
        .max_by(|a, b| a.as_f64().total_cmp(&b.as_f64()))
        .filter(|fps| fps.as_f64() < FPS_MAX.as_f64())
        .unwrap_or(FPS_MAX);
    SourceFormat {
        width: height * 16 / 9,
        height,
        fps,
    }
}

impl TestSource {
    /// A test signal whose frame 0 is shown `epoch_ns` nanoseconds after the Unix epoch.
    pub fn new(canvas: Canvas, epoch_ns: u64) -> Self {
        Self {
            card: TestCard::new(canvas.width, canvas.height, canvas.fps),
            canvas,
            epoch_ns,
        }
    }

    /// Time since the Unix epoch at output time `at`.
    fn utc(&self, at: Duration) -> Duration {
        Duration::from_nanos(self.epoch_ns) + at
    }

    /// The picture of canvas frame `frame`, which is shown at output time `slot`.
    pub fn picture(&mut self, frame: u64, slot: Duration) -> gst::Buffer {
        let utc = self.utc(slot);
        super::still::draw(self.canvas, |planes| {
            self.card.draw(frame, utc, planes);
        })
    }

    /// Fills `samples` with the sound from output time `at` on.
    pub fn sound(&mut self, at: Duration, samples: &mut [i16]) {
        beep::fill(self.utc(at), samples);
    }
}
