//! Packs frames that the publisher has encoded.

use bytes::{Bytes, BytesMut};

use super::cmaf::Writer;
use super::cuts::Cuts;
use super::filling::Encoded;
use super::fragment::{self, Sample};
use crate::model::hls::TrackId;
use crate::model::ladder::cuts::Position;
use crate::model::mp4;
use crate::wire::protocol::Rest;
use crate::worker::media::caps;

/// Collects frames and writes a part as soon as its last frame is there.
pub struct Direct {
    number: u64,
    writer: Writer,
    cuts: Cuts,
    track: TrackId,
    /// Codec and initialization section, until the first part has taken them.
    init: Option<(String, Bytes)>,
    timescale: u32,
    open: Option<Part>,
}

struct Part {
    position: Position,
    /// Its first frame in decoding order.
    first: u64,
    samples: Vec<Sample>,
    media: BytesMut,
}

impl Direct {
    /// Begins after all muxers that `writer` has begun before. The initialization section is that of an
    /// encoder with the decoder configuration in `caps`, because players that keep the first section
    /// know only its timescale. `None` when no encoder has made one.
    pub fn start(
        writer: &Writer,
        cuts: &Cuts,
        track: TrackId,
        caps: &gst::CapsRef,
    ) -> Option<Self> {
        let section = writer.section()?;
        let config = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
        let config = config.map_readable().ok()?;
        let init = fragment::with_config(&section, &config)?;
        Some(Self {
            number: writer.begin(),
            writer: writer.clone(),
            cuts: cuts.clone(),
            track,
            init: Some((caps::codec_string(caps)?, init.into())),
            timescale: mp4::timescale(&section)?,
            open: None,
        })
    }

    /// Takes a frame.
    pub fn push(&mut self, encoded: &Encoded) {
        let Some(sample) = self.sample(&encoded.buffer) else {
            return;
        };
        let frame = self.cuts.lengths().fps.frame_at(encoded.start.into());
        let position = self.cuts.locate(self.track, encoded.start);
        let part = self.open.get_or_insert_with(|| Part {
            position,
            first: frame,
            samples: Vec::new(),
            media: BytesMut::new(),
        });
        part.samples.push(sample);
        if let Ok(map) = encoded.buffer.map_readable() {
            part.media.extend_from_slice(&map);
        }
        if self.cuts.part_end(position) <= frame + 1 {
            self.write(self.rest(frame + 1, &encoded.rest));
        }
    }

    fn sample(&self, buffer: &gst::Buffer) -> Option<Sample> {
        let ticks = |time| ticks(time, self.timescale);
        let (dts, pts) = (buffer.dts()?, buffer.pts()?);
        let next = ticks(dts + buffer.duration()?)?;
        let dts = ticks(dts)?;
        let is_delta = buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        Some(Sample {
            dts,
            pts: ticks(pts)?,
            duration: u32::try_from(next.saturating_sub(dts)).ok()?,
            size: u32::try_from(buffer.size()).ok()?,
            key: !is_delta,
        })
    }

    /// What the part before canvas frame `next` leaves over.
    fn rest(&self, next: u64, frames: &[gst::Buffer]) -> Option<Rest> {
        let samples = frames.iter().map(|frame| self.sample(frame));
        let mut samples: Vec<Sample> = samples.collect::<Option<_>>()?;
        let last = samples.last_mut()?;
        // The encoder's first frame, which follows, is decoded when it is shown.
        let end = self.cuts.lengths().fps.time_of(next + frames.len() as u64);
        let end = ticks(gst::ClockTime::try_from(end).ok()?, self.timescale)?;
        last.duration = u32::try_from(end.saturating_sub(last.dts)).ok()?;
        let mut data = fragment::head(&samples);
        for frame in frames {
            data.extend_from_slice(&frame.map_readable().ok()?);
        }
        Some(Rest {
            frames: u32::try_from(frames.len()).ok()?,
            data: data.freeze(),
        })
    }

    fn write(&mut self, rest: Option<Rest>) {
        let Some(part) = self.open.take() else { return };
        let mut data = fragment::head(&part.samples);
        data.extend_from_slice(&part.media);
        let frames = (part.first, self.cuts.part_end(part.position));
        let init = self.init.take();
        self.writer.direct(self.number, init, frames, data, rest);
    }

    /// No frame follows.
    pub fn end(mut self) {
        self.write(None);
        self.writer.end(self.number);
    }
}

/// A time in ticks, rounded to the nearest one.
fn ticks(time: gst::ClockTime, timescale: u32) -> Option<u64> {
    let second = u128::from(gst::ClockTime::SECOND.nseconds());
    let ticks = u128::from(time.nseconds()) * u128::from(timescale);
    u64::try_from((ticks + second / 2) / second).ok()
}
