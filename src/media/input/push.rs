//! An input half fed with encoded frames by the daemon.

use std::sync::Arc;

use gst::prelude::*;
use gst_app::AppSrc;

use super::fit::{Fit, Times};
use super::{Intake, dispose, fail};
use crate::frame::{EncodedFrame, InputFormat, Track, VideoCodec, VideoFormat};
use crate::media::events::{Event, Events};
use crate::media::template::{self, Kind, Library, Values};
use crate::units::FrameRate;

/// Publishers' times may start below zero; GStreamer's may not.
const LEAD_NS: i64 = 10_000_000_000;

/// One publisher's decoders.
#[derive(Debug)]
pub struct Push {
    pipeline: gst::Pipeline,
    video: Option<AppSrc>,
    audio: Option<AppSrc>,
    /// Added to the publisher's times.
    shift_ns: i64,
    input: u64,
}

impl Push {
    /// Builds and starts decoders for `format`. `first_dts_ns` is the first frame's decode time;
    /// errors while it runs go to `events`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        format: &InputFormat,
        first_dts_ns: i64,
        intake: &Arc<Intake>,
        library: &Library,
        events: Events,
    ) -> Result<Self, template::Error> {
        let pipeline = gst::Pipeline::with_name("input");
        let shift_ns = LEAD_NS - first_dts_ns;
        let hint = format.video.as_ref().and_then(|video| video.fps_milli_hint);
        let input = intake.open();
        let fit = Fit {
            intake: intake.clone(),
            input,
            times: Times::Shifted(shift_ns),
            paced: false,
            fps_hint: hint.and_then(|milli| FrameRate::new(milli, 1000)),
        };
        let mut push = Self {
            pipeline,
            video: None,
            audio: None,
            shift_ns,
            input,
        };
        if let Some(video) = &format.video {
            let (source, raw) = push.decoder("video", &video_caps(video), codec(video), library)?;
            fit.video(&push.pipeline, &raw, library)?;
            push.video = Some(source);
        }
        if let Some(audio) = &format.audio {
            let caps = gst::Caps::builder("audio/mpeg")
                .field("mpegversion", 4i32)
                .field("stream-format", "raw")
                .field("codec_data", gst::Buffer::from_slice(audio.config.clone()))
                .build();
            let (source, raw) = push.decoder("audio", &caps, "aac", library)?;
            fit.audio(&push.pipeline, &raw, library)?;
            push.audio = Some(source);
        }
        push.watch(events);
        push.pipeline.set_state(gst::State::Playing).map_err(fail)?;
        Ok(push)
    }

    fn decoder(
        &self,
        name: &str,
        caps: &gst::Caps,
        codec: &str,
        library: &Library,
    ) -> Result<(AppSrc, gst::Pad), template::Error> {
        let source = AppSrc::builder()
            .name(name)
            .caps(caps)
            .format(gst::Format::Time)
            .max_bytes(0)
            .build();
        self.pipeline.add(&source).map_err(fail)?;
        let chain = library.build_first(
            |body| body.kind == Kind::Decoder && body.codec.as_deref() == Some(codec),
            &Values::default(),
        )?;
        let (first, last) = chain.add_to(self.pipeline.upcast_ref())?;
        source.link(&first).map_err(fail)?;
        let raw = last
            .static_pad("src")
            .ok_or_else(|| fail("decoder without src pad"))?;
        Ok((source, raw))
    }

    fn watch(&self, events: Events) {
        let Some(bus) = self.pipeline.bus() else {
            return;
        };
        let input = self.input;
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                events.send(Event::Lost {
                    input,
                    reason: error.error().to_string(),
                });
            }
            gst::BusSyncReply::Drop
        });
    }

    /// Decodes a frame. Frames of a track that the format did not announce are ignored.
    pub fn frame(&self, frame: EncodedFrame) {
        let source = match frame.track {
            Track::Video => &self.video,
            Track::Audio => &self.audio,
        };
        let Some(source) = source else { return };
        let time = |ns: i64| {
            let shifted = ns.saturating_add(self.shift_ns);
            u64::try_from(shifted)
                .ok()
                .map(gst::ClockTime::from_nseconds)
        };
        let (pts, dts) = (time(frame.pts_ns), time(frame.dts_ns));
        let mut buffer = gst::Buffer::from_slice(frame.data);
        if let Some(writable) = buffer.get_mut() {
            writable.set_pts(pts);
            writable.set_dts(dts);
            if frame.track == Track::Video && !frame.key {
                writable.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        // Refused only after an error, which has been reported.
        let _ = source.push_buffer(buffer);
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        dispose(self.pipeline.clone());
    }
}

fn codec(video: &VideoFormat) -> &'static str {
    match video.codec {
        VideoCodec::H264 => "h264",
        VideoCodec::H265 => "h265",
    }
}

fn video_caps(video: &VideoFormat) -> gst::Caps {
    let (name, format) = match video.codec {
        VideoCodec::H264 => ("video/x-h264", "avc"),
        VideoCodec::H265 => ("video/x-h265", "hvc1"),
    };
    gst::Caps::builder(name)
        .field("stream-format", format)
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(video.config.clone()))
        .build()
}
