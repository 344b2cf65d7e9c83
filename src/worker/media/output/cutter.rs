//! Between encoders and packagers: puts encoded frames on the time line of the output, finds the
//! place of each frame by the ladder clock alone, and passes the frames to both packagers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst_app::{AppSink, AppSinkCallbacks};

use super::cmaf::{Cmaf, Entry};
use super::cuts::Cuts;
use super::spec::Spec;
use super::ts;
use crate::model::hls::TrackId;
use crate::model::ladder::cuts::Position;
use crate::worker::media::events::{Event, Events};

/// Counters of one rung, written by the thread of its encoder.
#[derive(Debug, Default)]
pub struct Counter {
    encoded: AtomicU64,
}

impl Counter {
    fn add(&self) {
        self.encoded.fetch_add(1, Ordering::Relaxed);
    }

    /// Frames encoded since the last call.
    pub fn take(&self) -> u64 {
        self.encoded.swap(0, Ordering::Relaxed)
    }
}

/// The way of one encoder's frames to the packagers.
pub struct Tap {
    track: TrackId,
    cuts: Cuts,
    cmaf: Entry,
    ts: Vec<ts::Input>,
    counter: Option<Arc<Counter>>,
    video: Option<usize>,
    events: Events,
    position: Option<Position>,
}

/// All taps, in the order of the plan.
pub struct Taps {
    /// Video renditions.
    pub video: Vec<Tap>,
    /// Audio renditions.
    pub audio: Vec<Tap>,
}

/// Makes the taps that join encoders to packagers.
pub fn taps(
    spec: &Spec<'_>,
    cmaf: Cmaf,
    video_ts: Vec<ts::Input>,
    audio_ts: Vec<ts::Input>,
    counters: &[Arc<Counter>],
    events: &Events,
) -> Taps {
    let mut video_ts = video_ts.into_iter();
    let video = cmaf.video.into_iter().zip(counters).enumerate();
    let video = video
        .map(|(index, (cmaf, counter))| Tap {
            track: TrackId::Video(u8::try_from(index).unwrap_or(u8::MAX)),
            cuts: spec.cuts.clone(),
            cmaf,
            ts: video_ts.next().into_iter().collect(),
            counter: Some(counter.clone()),
            video: Some(index),
            events: events.clone(),
            position: None,
        })
        .collect();
    let wanted = |audio: usize| {
        let users = spec.plan.video.iter().zip(&audio_ts);
        users
            .filter(move |(rendition, _)| rendition.audio == audio)
            .map(|(_, input)| input.clone())
            .collect()
    };
    let audio = cmaf.audio.into_iter().enumerate();
    let audio = audio
        .map(|(index, cmaf)| Tap {
            track: TrackId::Audio(u8::try_from(index).unwrap_or(u8::MAX)),
            cuts: spec.cuts.clone(),
            cmaf,
            ts: wanted(index),
            counter: None,
            video: None,
            events: events.clone(),
            position: None,
        })
        .collect();
    Taps { video, audio }
}

impl Tap {
    /// The appsink at the end of the encoder.
    pub fn into_sink(mut self) -> AppSink {
        let ends = self.ends();
        AppSink::builder()
            .sync(false)
            .async_(false)
            .max_buffers(2)
            .callbacks(
                AppSinkCallbacks::builder()
                    .eos(move |_| ends.end())
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        self.take(&sample)
                    })
                    .build(),
            )
            .build()
    }

    fn ends(&self) -> Ends {
        Ends {
            cmaf: self.cmaf.clone(),
            ts: self.ts.clone(),
        }
    }

    fn take(&mut self, sample: &gst::Sample) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some((buffer, start)) = retimed(sample) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        if let Some(counter) = &self.counter {
            counter.add();
        }
        let position = self.cuts.locate(self.track, start);
        self.check_key(&buffer, position)?;
        if let Some(caps) = sample.caps() {
            if self.position.is_none() {
                self.cmaf.open(caps);
            }
            for ts in &self.ts {
                ts.push(&buffer, caps, position);
            }
        }
        self.position = Some(position);
        self.cmaf.push(buffer)
    }

    /// A segment must start with an IDR frame (CMAF, ISO/IEC 23000-19 section 7.3.2.3).
    fn check_key(&self, buffer: &gst::Buffer, position: Position) -> Result<(), gst::FlowError> {
        let new_segment = self.position.is_none_or(|last| last.msn != position.msn);
        match self.video {
            Some(video) if new_segment && buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) => {
                self.events.send(Event::EncoderFailed {
                    video,
                    reason: "made no key frame where one was asked for".to_owned(),
                });
                Err(gst::FlowError::Error)
            }
            _ => Ok(()),
        }
    }
}

/// Passes the end of an encoder's stream to the packagers.
struct Ends {
    cmaf: Entry,
    ts: Vec<ts::Input>,
}

impl Ends {
    fn end(&self) {
        self.cmaf.end();
        for ts in &self.ts {
            ts.end();
        }
    }
}

/// A copy of the sample's buffer on the time line of the output. weir's encoders make no B-frames,
/// so frames arrive in presentation order and DTS equals PTS.
fn retimed(sample: &gst::Sample) -> Option<(gst::Buffer, gst::ClockTime)> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let mut buffer = sample.buffer_owned()?;
    let start = segment.to_running_time(buffer.pts()?)?;
    let writable = buffer.make_mut();
    writable.set_pts(start);
    writable.set_dts(start);
    Some((buffer, start))
}
