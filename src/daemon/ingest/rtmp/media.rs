//! Turns the media messages of a publisher into [`MediaEvent`]s.

use std::collections::VecDeque;

use bytes::Bytes;
use tracing::{info, warn};

use super::amf::{self, Value};
use super::flv::{self, Tag, TagError, Unsupported};
use super::timeline::Timeline;
use crate::daemon::ingest::MediaEvent;
use crate::model::frame::{
    AudioCodec, AudioFormat, EncodedFrame, InputFormat, Track, VideoCodec, VideoFormat,
};

const NANOS_PER_MS: i64 = 1_000_000;
/// Frame rates in `onMetaData` outside this range are ignored.
const FPS_PLAUSIBLE: std::ops::RangeInclusive<f64> = 1.0..=300.0;
/// Largest difference between the presentation and decode time of a frame. The reorder buffer of
/// H.264 and HEVC holds at most 16 pictures: 1.6 s at 10 fps.
const COMPOSITION_MS_MAX: u32 = 10_000;
/// Longest configuration record, in bytes; real records have a few hundred.
const CONFIG_BYTES_MAX: usize = 64 << 10;

/// Why a message was dropped. Each cause is counted, and logged at its 1st, 2nd, 4th, 8th...
/// occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    Truncated,
    EmptyFrame,
    NoConfig,
    BadConfig,
    Composition,
    Metadata,
}

impl Dropped {
    const COUNT: usize = 6;

    const fn cause(self) -> &'static str {
        match self {
            Self::Truncated => "cut short",
            Self::EmptyFrame => "empty frame",
            Self::NoConfig => "no sequence header for the codec of this frame",
            Self::BadConfig => "sequence header of an impossible length",
            Self::Composition => "composition time out of range",
            Self::Metadata => "metadata malformed",
        }
    }
}

/// The media of one publisher.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    video: Option<(VideoCodec, Bytes)>,
    audio: Option<(AudioCodec, Bytes)>,
    fps_milli_hint: Option<u32>,
    /// `onMetaData` describes pictures.
    video_announced: bool,
    /// The format in the last [`MediaEvent::Format`].
    announced: Option<InputFormat>,
    timeline: Timeline,
    /// Restarts of the publisher's clock; logged at the 1st, 2nd, 4th, 8th...
    restarts: u64,
    dropped: [u64; Dropped::COUNT],
}

impl Tracks {
    /// Takes a video message.
    pub(super) fn video(
        &mut self,
        timestamp_ms: u32,
        payload: &Bytes,
        events: &mut VecDeque<MediaEvent>,
    ) -> Result<(), Unsupported> {
        match flv::parse_video(payload) {
            Ok(Tag::Nothing) => {}
            Ok(Tag::Config(codec, config)) => {
                // ISO/IEC 14496-15: length of the fixed fields.
                let bytes_min = match codec {
                    VideoCodec::H264 => 7,
                    VideoCodec::H265 => 23,
                };
                if self.config_is_possible(&config, bytes_min) {
                    self.video = Some((codec, config));
                }
            }
            Ok(Tag::Frame {
                codec,
                key,
                composition_ms,
                data,
            }) => {
                let configured = self.video.as_ref().map(|&(codec, _)| codec);
                if configured != Some(codec) {
                    self.drop_message(Dropped::NoConfig);
                } else if composition_ms.unsigned_abs() > COMPOSITION_MS_MAX {
                    self.drop_message(Dropped::Composition);
                } else {
                    self.frame(
                        Track::Video,
                        timestamp_ms,
                        composition_ms,
                        key,
                        data,
                        events,
                    );
                }
            }
            Err(TagError::Truncated) => self.drop_message(Dropped::Truncated),
            Err(TagError::Unsupported(unsupported)) => return Err(unsupported),
        }
        Ok(())
    }

    /// Takes an audio message.
    pub(super) fn audio(
        &mut self,
        timestamp_ms: u32,
        payload: &Bytes,
        events: &mut VecDeque<MediaEvent>,
    ) -> Result<(), Unsupported> {
        match flv::parse_audio(payload) {
            Ok(Tag::Nothing) => {}
            Ok(Tag::Config(codec, config)) => {
                // ISO/IEC 14496-3: object type, rate and channels take 13 bits.
                if self.config_is_possible(&config, 2) {
                    self.audio = Some((codec, config));
                }
            }
            Ok(Tag::Frame { data, .. }) if self.audio.is_some() => {
                self.frame(Track::Audio, timestamp_ms, 0, true, data, events);
            }
            Ok(Tag::Frame { .. }) => self.drop_message(Dropped::NoConfig),
            Err(TagError::Truncated) => self.drop_message(Dropped::Truncated),
            Err(TagError::Unsupported(unsupported)) => return Err(unsupported),
        }
        Ok(())
    }

    /// Takes the AMF0 of a data message: the frame rate in `onMetaData`, and whether pictures come.
    pub(super) fn data(&mut self, amf0: &[u8]) {
        let Ok(values) = amf::read_all(amf0) else {
            return self.drop_message(Dropped::Metadata);
        };
        let mut values = values
            .iter()
            .skip_while(|value| value.as_str() == Some("@setDataFrame"));
        if values.next().and_then(Value::as_str) != Some("onMetaData") {
            return;
        }
        let metadata = values.next();
        let number = |name: &str| metadata?.property(name)?.as_number();
        let fps = number("framerate").filter(|fps| FPS_PLAUSIBLE.contains(fps));
        // The range bounds the product far below u32::MAX.
        self.fps_milli_hint = fps.map(|fps| (fps * 1000.0).round() as u32);
        // The codec is a number, or a FourCC as a text in Enhanced RTMP.
        let codec = metadata.and_then(|metadata| metadata.property("videocodecid")?.as_str());
        self.video_announced = codec.is_some_and(|codec| !codec.is_empty())
            || number("videocodecid").is_some_and(|codec| codec > 0.0)
            || ["width", "height"]
                .iter()
                .all(|side| number(side).is_some_and(|pixels| pixels > 0.0));
    }

    fn frame(
        &mut self,
        track: Track,
        timestamp_ms: u32,
        composition_ms: i32,
        key: bool,
        data: Bytes,
        events: &mut VecDeque<MediaEvent>,
    ) {
        if data.is_empty() {
            return self.drop_message(Dropped::EmptyFrame);
        }
        self.announce(events);
        let moment = self.timeline.place(track, timestamp_ms);
        self.restarts += u64::from(moment.restarted);
        if moment.restarted && self.restarts.is_power_of_two() {
            info!(
                ?track,
                timestamp_ms,
                count = self.restarts,
                "publisher's clock restarted; timestamps continue from the newest frame"
            );
        }
        events.push_back(MediaEvent::Frame(EncodedFrame {
            track,
            pts_ns: nanos(moment.own_ms.saturating_add(composition_ms.into())),
            dts_ns: nanos(moment.dts_ms),
            key,
            data,
        }));
    }

    /// Emits the format if it changed. Called per frame instead of per sequence header: publishers
    /// send the headers of both tracks before the first frame, and one event then covers both.
    fn announce(&mut self, events: &mut VecDeque<MediaEvent>) {
        // A new hint alone is not a change: it would restart the decoder for no benefit.
        let hint = match &self.announced {
            Some(InputFormat {
                video: Some(old), ..
            }) if Some((old.codec, &old.config))
                == self.video.as_ref().map(|(codec, config)| (*codec, config)) =>
            {
                old.fps_milli_hint
            }
            _ => self.fps_milli_hint,
        };
        let format = InputFormat {
            video: self.video.as_ref().map(|(codec, config)| VideoFormat {
                codec: *codec,
                config: config.clone(),
                fps_milli_hint: hint,
            }),
            audio: self.audio.as_ref().map(|(codec, config)| AudioFormat {
                codec: *codec,
                config: config.clone(),
            }),
            video_announced: self.video_announced && self.video.is_none(),
        };
        if self.announced.as_ref() != Some(&format) {
            self.announced = Some(format.clone());
            events.push_back(MediaEvent::Format(format));
        }
    }

    fn config_is_possible(&mut self, config: &Bytes, bytes_min: usize) -> bool {
        let possible = (bytes_min..=CONFIG_BYTES_MAX).contains(&config.len());
        if !possible {
            self.drop_message(Dropped::BadConfig);
        }
        possible
    }

    fn drop_message(&mut self, dropped: Dropped) {
        let Some(count) = self.dropped.get_mut(dropped as usize) else {
            return;
        };
        *count += 1;
        if count.is_power_of_two() {
            warn!(cause = dropped.cause(), count, "media message dropped");
        }
    }
}

fn nanos(ms: i64) -> i64 {
    ms.saturating_mul(NANOS_PER_MS)
}

#[cfg(test)]
mod tests;
