//! Packs frames that the publisher has encoded.

use bytes::{Bytes, BytesMut};

use super::cmaf::Writer;
use super::cuts::Cuts;
use super::filling::Encoded;
use super::fragment::{self, Sample};
use crate::model::hls::TrackId;
use crate::model::ladder::cuts::Position;
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
    /// Its first frame in decoding order, and the frame after the last one that is shown.
    first: u64,
    shown: u64,
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
            timescale: fragment::timescale(&section)?,
            open: None,
        })
    }

    /// Takes a frame.
    pub fn push(&mut self, encoded: &Encoded) {
        let Some(sample) = self.sample(encoded) else {
            return;
        };
        let fps = self.cuts.lengths().fps;
        let frame = fps.frame_at(encoded.start.into());
        let shown = encoded
            .buffer
            .pts()
            .map_or(0, |pts| fps.frame_at(pts.into()));
        let position = self.cuts.locate(self.track, encoded.start);
        let part = self.open.get_or_insert_with(|| Part {
            position,
            first: frame,
            shown: 0,
            samples: Vec::new(),
            media: BytesMut::new(),
        });
        part.shown = part.shown.max(shown + 1);
        part.samples.push(sample);
        if let Ok(map) = encoded.buffer.map_readable() {
            part.media.extend_from_slice(&map);
        }
        if self.cuts.part_end(position) <= frame + 1 {
            self.write();
        }
    }

    fn sample(&self, encoded: &Encoded) -> Option<Sample> {
        let ticks = |time| ticks(time, self.timescale);
        let (dts, pts) = (encoded.buffer.dts()?, encoded.buffer.pts()?);
        let next = ticks(dts + encoded.buffer.duration()?)?;
        let dts = ticks(dts)?;
        let is_delta = encoded
            .buffer
            .flags()
            .contains(gst::BufferFlags::DELTA_UNIT);
        Some(Sample {
            dts,
            pts: ticks(pts)?,
            duration: u32::try_from(next.saturating_sub(dts)).ok()?,
            size: u32::try_from(encoded.buffer.size()).ok()?,
            key: !is_delta,
        })
    }

    fn write(&mut self) {
        let Some(part) = self.open.take() else { return };
        let mut data = fragment::head(&part.samples);
        data.extend_from_slice(&part.media);
        let frames = (part.first, self.cuts.part_end(part.position));
        let init = self.init.take();
        self.writer
            .direct(self.number, init, frames, part.shown, data);
    }

    /// An encoder goes on with canvas frame `next`. Writes what is shown before that frame and is in no part
    /// yet, for it to stand before the encoder's first frames: the rest of a group of frames of which the
    /// last one that is shown is the first one in decoding order.
    pub fn rest(self, next: u64) {
        let Some(part) = self.open else { return };
        let end = self.cuts.lengths().fps.time_of(next);
        let end = gst::ClockTime::try_from(end).ok();
        let Some(end) = end.and_then(|end| ticks(end, self.timescale)) else {
            return;
        };
        let shown = part.samples.iter().take_while(|it| it.pts < end);
        let samples: Vec<Sample> = shown.copied().collect();
        let bytes: usize = samples.iter().map(|it| it.size as usize).sum();
        if let (false, Some(media)) = (samples.is_empty(), part.media.get(..bytes)) {
            let mut data = fragment::head(&samples);
            data.extend_from_slice(media);
            self.writer.rest(data);
        }
    }

    /// No frame follows.
    pub fn end(mut self) {
        self.write();
        self.writer.end(self.number);
    }
}

/// A time in ticks, rounded to the nearest one.
fn ticks(time: gst::ClockTime, timescale: u32) -> Option<u64> {
    let second = u128::from(gst::ClockTime::SECOND.nseconds());
    let ticks = u128::from(time.nseconds()) * u128::from(timescale);
    u64::try_from((ticks + second / 2) / second).ok()
}
