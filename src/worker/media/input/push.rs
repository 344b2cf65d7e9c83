//! An input half fed with encoded frames by the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::AppSrc;

use super::fit::{Fit, Times};
use super::{Intake, dispose, fail};
use crate::base::backoff::Backoff;
use crate::base::units::FrameRate;
use crate::model::frame::{AudioFormat, EncodedFrame, InputFormat, Track, VideoCodec, VideoFormat};
use crate::worker::media::events::{Event, Events};
use crate::worker::media::template::{self, Kind, Library, Values};

/// Publishers' times may start below zero; GStreamer's may not.
const LEAD_NS: i64 = 10_000_000_000;
/// Encoded frames that may wait before a decoder. A full queue stops the reading of the daemon's
/// socket, so that the daemon sees that this worker does not keep up.
const WAITING_FRAMES_MAX: u64 = 128;
/// First and longest wait before a decoder that failed is made anew.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// One publisher's decoders: each track has a pipeline of its own, so that one that fails leaves
/// the other alone.
#[derive(Debug)]
pub struct Push {
    maker: Maker,
    video: Option<Decoder<VideoFormat>>,
    audio: Option<Decoder<AudioFormat>>,
}

/// What decoders are made with.
#[derive(Debug)]
struct Maker {
    intake: Arc<Intake>,
    library: Arc<Library>,
    events: Events,
    /// Added to the publisher's times.
    shift_ns: i64,
    fps_hint: Option<FrameRate>,
    input: u64,
}

/// A track's decoder, and what it is made again from.
#[derive(Debug)]
struct Decoder<F> {
    format: F,
    branch: Branch,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

/// `appsrc ! decoder ! fit`, running.
#[derive(Debug)]
struct Branch {
    pipeline: gst::Pipeline,
    source: AppSrc,
    failed: Arc<AtomicBool>,
}

impl Push {
    /// Builds and starts decoders for `format`. `first_dts_ns` is the first frame's decode time;
    /// failures while they run go to `events`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        format: &InputFormat,
        first_dts_ns: i64,
        intake: &Arc<Intake>,
        library: &Arc<Library>,
        events: Events,
    ) -> Result<Self, template::Error> {
        let hint = format.video.as_ref().and_then(|video| video.fps_milli_hint);
        let maker = Maker {
            intake: intake.clone(),
            library: library.clone(),
            events,
            shift_ns: LEAD_NS - first_dts_ns,
            fps_hint: hint.and_then(|milli| FrameRate::new(milli, 1000)),
            input: intake.open(),
        };
        let video = format.video.clone().map(|format| maker.decoder(format));
        let audio = format.audio.clone().map(|format| maker.decoder(format));
        Ok(Self {
            video: video.transpose()?,
            audio: audio.transpose()?,
            maker,
        })
    }

    /// Decodes a frame. Waits for a decoder that does not keep up. Frames of a track that the format
    /// did not announce are ignored; those of one whose decoder failed are, until it is time to try
    /// again with a key frame.
    pub fn frame(&mut self, frame: EncodedFrame) {
        match frame.track {
            Track::Video => feed(&mut self.video, &self.maker, frame),
            Track::Audio => feed(&mut self.audio, &self.maker, frame),
        }
    }
}

fn feed<F: Format>(decoder: &mut Option<Decoder<F>>, maker: &Maker, frame: EncodedFrame) {
    let Some(decoder) = decoder else { return };
    if decoder.branch.failed.load(Ordering::Relaxed) && !decoder.revive(maker, frame.key) {
        return;
    }
    decoder.branch.push(frame, maker.shift_ns);
}

/// A track's format.
trait Format: Clone {
    const TRACK: Track;

    /// The codec's name in decoder templates.
    fn codec(&self) -> &'static str;

    fn caps(&self) -> gst::Caps;
}

impl Format for VideoFormat {
    const TRACK: Track = Track::Video;

    fn codec(&self) -> &'static str {
        match self.codec {
            VideoCodec::H264 => "h264",
            VideoCodec::H265 => "h265",
        }
    }

    fn caps(&self) -> gst::Caps {
        let (name, format) = match self.codec {
            VideoCodec::H264 => ("video/x-h264", "avc"),
            VideoCodec::H265 => ("video/x-h265", "hvc1"),
        };
        gst::Caps::builder(name)
            .field("stream-format", format)
            .field("alignment", "au")
            .field("codec_data", gst::Buffer::from_slice(self.config.clone()))
            .build()
    }
}

impl Format for AudioFormat {
    const TRACK: Track = Track::Audio;

    fn codec(&self) -> &'static str {
        "aac"
    }

    fn caps(&self) -> gst::Caps {
        gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4i32)
            .field("stream-format", "raw")
            .field("codec_data", gst::Buffer::from_slice(self.config.clone()))
            .build()
    }
}

impl Maker {
    fn decoder<F: Format>(&self, format: F) -> Result<Decoder<F>, template::Error> {
        Ok(Decoder {
            branch: self.branch(&format)?,
            format,
            retry_at: None,
            backoff: Backoff::new(RETRY_MIN, RETRY_MAX),
        })
    }

    fn branch<F: Format>(&self, format: &F) -> Result<Branch, template::Error> {
        let name = match F::TRACK {
            Track::Video => "video",
            Track::Audio => "audio",
        };
        let pipeline = gst::Pipeline::with_name(name);
        let source = AppSrc::builder()
            .name(name)
            .caps(&format.caps())
            .format(gst::Format::Time)
            .max_bytes(0)
            .max_buffers(WAITING_FRAMES_MAX)
            .block(true)
            .build();
        pipeline.add(&source).map_err(fail)?;
        let codec = format.codec();
        let chain = self.library.build_first(
            |body| body.kind == Kind::Decoder && body.codec.as_deref() == Some(codec),
            &Values::default(),
        )?;
        let (first, last) = chain.add_to(pipeline.upcast_ref())?;
        source.link(&first).map_err(fail)?;
        let raw = last
            .static_pad("src")
            .ok_or_else(|| fail("decoder without src pad"))?;
        match F::TRACK {
            Track::Video => self.fit().video(&pipeline, &raw, &self.library)?,
            Track::Audio => self.fit().audio(&pipeline, &raw, &self.library)?,
        }
        let failed = self.watch(&pipeline, F::TRACK);
        let branch = Branch {
            pipeline,
            source,
            failed,
        };
        branch
            .pipeline
            .set_state(gst::State::Playing)
            .map_err(fail)?;
        Ok(branch)
    }

    fn fit(&self) -> Fit {
        Fit {
            intake: self.intake.clone(),
            input: self.input,
            times: Times::Shifted(self.shift_ns),
            paced: false,
            fps_hint: self.fps_hint,
        }
    }

    /// An error stops the pipeline, which also frees whoever waits to push into it.
    fn watch(&self, pipeline: &gst::Pipeline, track: Track) -> Arc<AtomicBool> {
        let failed = Arc::new(AtomicBool::new(false));
        let Some(bus) = pipeline.bus() else {
            return failed;
        };
        let (events, input) = (self.events.clone(), self.input);
        let (pipeline, flag) = (pipeline.downgrade(), failed.clone());
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view()
                && !flag.swap(true, Ordering::Relaxed)
            {
                events.send(Event::Undecodable {
                    input,
                    track,
                    reason: error.error().to_string(),
                });
                if let Some(pipeline) = pipeline.upgrade() {
                    pipeline.call_async(|pipeline| {
                        let _ = pipeline.set_state(gst::State::Null);
                    });
                }
            }
            gst::BusSyncReply::Drop
        });
        failed
    }
}

impl<F: Format> Decoder<F> {
    /// Makes the decoder anew, when it is time and the next frame can be decoded by itself.
    fn revive(&mut self, maker: &Maker, key: bool) -> bool {
        let now = Instant::now();
        let backoff = &mut self.backoff;
        let retry_at = *self.retry_at.get_or_insert_with(|| now + backoff.wait());
        if !key || now < retry_at {
            return false;
        }
        self.retry_at = None;
        match maker.branch(&self.format) {
            Ok(branch) => {
                self.branch = branch;
                true
            }
            // As it was made once already, this will pass.
            Err(_) => false,
        }
    }
}

impl Branch {
    fn push(&self, frame: EncodedFrame, shift_ns: i64) {
        let time = |ns: i64| {
            u64::try_from(ns.saturating_add(shift_ns))
                .ok()
                .map(gst::ClockTime::from_nseconds)
        };
        let (pts, dts) = (time(frame.pts_ns), time(frame.dts_ns));
        let delta = frame.track == Track::Video && !frame.key;
        let mut buffer = gst::Buffer::from_slice(frame.data);
        if let Some(writable) = buffer.get_mut() {
            writable.set_pts(pts);
            writable.set_dts(dts);
            if delta {
                writable.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        // Refused only after an error, which has been reported.
        let _ = self.source.push_buffer(buffer);
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        dispose(self.pipeline.clone());
    }
}
