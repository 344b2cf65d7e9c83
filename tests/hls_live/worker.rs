//! A simulated worker: it cuts where the grid says, and makes media of zeros.

use std::time::Duration;

use bytes::Bytes;
use weir::base::units::{Bitrate, FrameRate};
use weir::model::hls::{Part, TrackId, TsSegment};
use weir::model::ladder::{AudioRendition, Canvas, Plan, VideoRendition};

use super::iframes;

/// AAC frames per second.
pub const AAC_RATE: FrameRate = FrameRate::new(48_000, 1024).unwrap();

/// Cuts a rendition at its own frame boundaries, next to the cuts of the grid.
#[derive(Clone, Copy)]
pub struct Cutter(pub FrameRate);

impl Cutter {
    /// Start of the first frame at or after `time`.
    fn at(&self, time: Duration) -> Duration {
        let near = self.0.frame_at(time);
        let frame = near + u64::from(self.0.time_of(near) < time);
        self.0.time_of(frame)
    }
}

/// One run of a worker, with `parts` parts per segment on a grid of `fps`.
pub struct Worker {
    pub fps: FrameRate,
    pub part_frames: u64,
    pub parts: u64,
    /// Wall-clock time of the worker's first frame.
    pub start_ns: u64,
    pub first_msn: u64,
}

impl Worker {
    /// Start of part `index` of the `n`-th segment. The first segment is half as long as the
    /// others.
    pub fn cut(&self, n: u64, index: u64) -> Duration {
        let first = self.parts / 2;
        let parts = if n == 0 {
            0
        } else {
            first + (n - 1) * self.parts
        } + index;
        self.fps.time_of(parts * self.part_frames)
    }

    pub fn parts_of(&self, n: u64) -> u64 {
        if n == 0 { self.parts / 2 } else { self.parts }
    }

    pub fn part(&self, track: TrackId, cutter: Cutter, n: u64, index: u64) -> Part {
        let (from, to) = (
            cutter.at(self.cut(n, index)),
            cutter.at(self.cut(n, index + 1)),
        );
        Part {
            track,
            msn: self.first_msn + n,
            index: u32::try_from(index).unwrap(),
            duration: to - from,
            independent: index == 0,
            last: index + 1 == self.parts_of(n),
            date_ns: self.start_ns + u64::try_from(from.as_nanos()).unwrap(),
            data: match (track, index) {
                (TrackId::Video(_), 0) => Bytes::from(iframes::fragment()),
                _ => Bytes::from(vec![0; 500]),
            },
        }
    }

    pub fn ts_segment(&self, video: u8, n: u64) -> TsSegment {
        let from = self.cut(n, 0);
        TsSegment {
            video,
            msn: self.first_msn + n,
            duration: self.cut(n + 1, 0) - from,
            date_ns: self.start_ns + u64::try_from(from.as_nanos()).unwrap(),
            data: Bytes::from(vec![0; 3000]),
        }
    }
}

pub fn plan(fps: FrameRate) -> Plan {
    let rung = |name: &str, height: u32, kbps: u64, divisor| VideoRendition {
        name: name.into(),
        width: height * 16 / 9,
        height,
        divisor,
        bitrate: Bitrate::from_bps(kbps * 1000),
        audio: 0,
    };
    Plan {
        canvas: Canvas {
            width: 1280,
            height: 720,
            fps,
        },
        video: vec![rung("720p", 720, 2800, 1), rung("360p", 360, 800, 1)],
        audio: vec![AudioRendition {
            name: "audio-128k".into(),
            bitrate: Bitrate::from_bps(128_000),
        }],
    }
}

pub fn tracks(worker: &Worker) -> [(TrackId, Cutter, &'static str); 3] {
    let video = Cutter(worker.fps);
    [
        (TrackId::Video(0), video, "avc1.64001f"),
        (TrackId::Video(1), video, "avc1.64001e"),
        (TrackId::Audio(0), Cutter(AAC_RATE), "mp4a.40.2"),
    ]
}
