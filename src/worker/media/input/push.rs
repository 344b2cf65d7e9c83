//! An input half that decodes the frames of a publisher, which arrive through the daemon.

use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gst::prelude::*;
use gst_app::AppSrc;

use super::decoders::Decoders;
use super::elements::{dispose, fail, hush, pad};
use super::fit::Fit;
use super::intake::Intake;
use super::ranking::Named;
use super::rest::Rest;
use super::watch::{self, Watch};
use crate::base::backoff::Backoff;
use crate::base::units::FrameRate;
use crate::model::frame::{AudioFormat, EncodedFrame, InputFormat, Track, VideoCodec, VideoFormat};
use crate::worker::media::events::{Event, Events};
use crate::worker::media::graph::draw;
use crate::worker::media::template::{self, Template, Values};

/// Added to every time: a publisher's may start below zero, but GStreamer's may not.
const LEAD_NS: i64 = 10_000_000_000;
/// Encoded frames that may wait for one decoder. While the queue is full this worker does not read
/// from the daemon, so that the daemon sees that it does not keep up.
const WAITING_FRAMES_MAX: u64 = 128;
/// Bytes of them: two seconds at 128 Mbit/s.
const WAITING_BYTES_MAX: u64 = 32 << 20;
/// Interval at which a decoder is asked for room.
const ROOM_POLL: Duration = Duration::from_millis(3);
/// How long a decoder in hardware may take to start.
const START_MAX: Duration = Duration::from_secs(3);
/// First and longest wait before a decoder that failed is tried again where no other takes over.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// One publisher's decoders. Each track has a pipeline of its own, so that the other track
/// continues when one decoder fails.
#[derive(Debug)]
pub struct Push {
    maker: Maker,
    video: Option<Decoder>,
    audio: Option<Decoder>,
    rest: Rest,
}

/// What decoders are made with.
#[derive(Debug)]
struct Maker {
    intake: Arc<Intake>,
    decoders: Arc<Decoders>,
    events: Events,
    /// Added to the publisher's times.
    shift_ns: i64,
    fps_hint: Option<FrameRate>,
    input: u64,
}

/// One track's decoder, and what its replacement is made from.
#[derive(Debug)]
struct Decoder {
    format: Format,
    branch: Branch,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

/// A track's format.
#[derive(Debug)]
struct Format {
    track: Track,
    /// The codec's name in decoder templates.
    codec: &'static str,
    /// The decoder configuration, as the publisher sent it.
    config: Bytes,
    caps: gst::Caps,
}

/// `appsrc ! decoder ! fit`, running.
#[derive(Debug)]
struct Branch {
    pipeline: gst::Pipeline,
    source: AppSrc,
    decoder: Named,
    /// There for a decoder in hardware.
    watch: Option<Watch>,
    /// What it did wrong.
    fault: Arc<OnceLock<String>>,
    decoders: Arc<Decoders>,
}

impl Push {
    /// Builds and starts decoders for `format`. `first_dts_ns` is the first frame's decode time.
    /// Failures of running decoders are reported to `events`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        format: &InputFormat,
        first_dts_ns: i64,
        intake: &Arc<Intake>,
        decoders: &Arc<Decoders>,
        events: Events,
    ) -> Result<Self, template::Error> {
        let maker = Maker {
            intake: intake.clone(),
            decoders: decoders.clone(),
            events,
            shift_ns: LEAD_NS - first_dts_ns,
            fps_hint: hint(format),
            input: intake.open(),
        };
        intake.passthrough.opened(format.video.as_ref());
        let (video, audio) = (format.video.as_ref(), format.audio.as_ref());
        let video = video.map(|video| maker.decoder(Format::video(video)));
        let audio = audio.map(|audio| maker.decoder(Format::audio(audio)));
        Ok(Self {
            video: video.transpose()?,
            audio: audio.transpose()?,
            rest: Rest::default(),
            maker,
        })
    }

    /// Takes the format that the publisher has changed to. A track whose format stays keeps its
    /// decoder: new sound must not interrupt the picture, nor a new picture the sound.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings. Decoders may be missing then.
    pub fn change(&mut self, format: &InputFormat) -> Result<(), template::Error> {
        self.maker.fps_hint = hint(format);
        let (video, audio) = (format.video.as_ref(), format.audio.as_ref());
        let same = |old: &Decoder| video.is_some_and(|new| old.format.config == new.config);
        if !self.video.as_ref().is_some_and(same) {
            self.maker.intake.passthrough.opened(video);
            self.rest = Rest::default();
        }
        let (maker, video) = (&self.maker, video.map(Format::video));
        self.video = maker.changed(self.video.take(), video)?;
        self.audio = maker.changed(self.audio.take(), audio.map(Format::audio))?;
        Ok(())
    }

    /// Decodes a frame; waits while the decoder's queue is full. Ignores frames of a track that the
    /// format did not announce. After a decoder has failed, its track's frames are ignored until
    /// another one begins with the next key frame; where it is the same one, after a back-off.
    pub fn frame(&mut self, frame: EncodedFrame) {
        if frame.track == Track::Audio {
            return self.decode(frame);
        }
        let rests = self.maker.intake.encoded(&frame, self.maker.shift_ns);
        for frame in self.rest.take(frame, rests) {
            self.decode(frame);
        }
    }

    fn decode(&mut self, frame: EncodedFrame) {
        let decoder = match frame.track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        if let Some(decoder) = decoder
            && decoder.is_ready(&self.maker, frame.key)
        {
            let (track, dts_ns) = (frame.track, frame.dts_ns);
            let began = Instant::now();
            decoder.branch.push(frame, self.maker.shift_ns);
            if track == Track::Video {
                let waited = began.elapsed();
                self.maker.intake.feeding().taken(dts_ns, waited);
            }
        }
    }
}

/// The frame rate that the publisher announced.
fn hint(format: &InputFormat) -> Option<FrameRate> {
    let milli = format.video.as_ref()?.fps_milli_hint?;
    FrameRate::new(milli, 1000)
}

impl Format {
    fn video(format: &VideoFormat) -> Self {
        let (codec, name, stream_format) = match format.codec {
            VideoCodec::H264 => ("h264", "video/x-h264", "avc"),
            VideoCodec::H265 => ("h265", "video/x-h265", "hvc1"),
        };
        let caps = gst::Caps::builder(name)
            .field("stream-format", stream_format)
            .field("alignment", "au")
            .field("codec_data", gst::Buffer::from_slice(format.config.clone()));
        Self {
            track: Track::Video,
            codec,
            config: format.config.clone(),
            caps: caps.build(),
        }
    }

    fn audio(format: &AudioFormat) -> Self {
        let caps = gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4i32)
            .field("stream-format", "raw")
            .field("codec_data", gst::Buffer::from_slice(format.config.clone()));
        Self {
            track: Track::Audio,
            codec: "aac",
            config: format.config.clone(),
            caps: caps.build(),
        }
    }
}

impl Maker {
    /// The decoder for `format`: the one from `before` if its format is the same.
    fn changed(
        &self,
        before: Option<Decoder>,
        format: Option<Format>,
    ) -> Result<Option<Decoder>, template::Error> {
        let Some(format) = format else {
            return Ok(None);
        };
        let same = |old: &Decoder| {
            (old.format.codec, &old.format.config) == (format.codec, &format.config)
        };
        match before.filter(same) {
            Some(decoder) => Ok(Some(decoder)),
            None => self.decoder(format).map(Some),
        }
    }

    fn decoder(&self, format: Format) -> Result<Decoder, template::Error> {
        Ok(Decoder {
            branch: self.branch(&format)?,
            format,
            retry_at: None,
            backoff: Backoff::new(RETRY_MIN, RETRY_MAX),
        })
    }

    /// The best decoder for `format` that starts.
    fn branch(&self, format: &Format) -> Result<Branch, template::Error> {
        let mut last = template::Error::build("pipelines", "no template of this kind");
        for (decoder, template) in self.decoders.templates(format.codec) {
            match self.branch_of(format, decoder, template) {
                Ok(branch) => return Ok(branch),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn branch_of(
        &self,
        format: &Format,
        decoder: Named,
        template: &Template,
    ) -> Result<Branch, template::Error> {
        let chain = template::build(template, &Values::default())?;
        let mut elements = chain.elements().iter();
        let element =
            elements.find(|it| it.factory().is_some_and(|it| watch::named(&it).is_some()));
        let watched = element.filter(|_| decoder.hardware);
        let watch = watched.and_then(|element| Watch::over(decoder.clone(), element));
        let pipeline = gst::Pipeline::with_name(format.codec);
        let source = AppSrc::builder()
            .caps(&format.caps)
            .format(gst::Format::Time)
            .max_bytes(WAITING_BYTES_MAX)
            .max_buffers(WAITING_FRAMES_MAX)
            .block(true)
            .build();
        pipeline.add(&source).map_err(fail)?;
        let (first, last) = chain.add_to(pipeline.upcast_ref())?;
        source.link(&first).map_err(fail)?;
        let (fit, raw) = (self.fit(), pad(&last, "src")?);
        let library = self.decoders.library();
        match format.track {
            Track::Video => {
                self.announce(&raw, &decoder);
                fit.video(&pipeline, &raw, library)?;
            }
            Track::Audio => fit.audio(&pipeline, &raw, library)?,
        }
        let fault = self.watch(&pipeline, format.track, decoder.hardware);
        let branch = Branch {
            pipeline,
            source,
            decoder,
            watch,
            fault,
            decoders: self.decoders.clone(),
        };
        branch.start().map_err(|reason| {
            if branch.decoder.hardware {
                self.replace(format, &branch.decoder, &reason);
            }
            fail(reason)
        })?;
        Ok(branch)
    }

    /// Tells which decoder it is once it gives a picture.
    fn announce(&self, raw: &gst::Pad, decoder: &Named) {
        let (events, input, decoder) = (self.events.clone(), self.input, decoder.name.clone());
        raw.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            events.send(Event::Decoding {
                input,
                decoder: decoder.clone(),
                trouble: None,
            });
            gst::PadProbeReturn::Remove
        });
    }

    /// A decoder in hardware has failed: leaves it alone, and tells why. Returns whether another one can
    /// take over.
    fn replace(&self, format: &Format, decoder: &Named, reason: &str) -> bool {
        let name = &decoder.name;
        let (trouble, takes_over) = self.decoders.failed_pushed(format.codec, name, reason);
        self.events.send(Event::Decoding {
            input: self.input,
            decoder: name.clone(),
            trouble: Some(trouble),
        });
        takes_over
    }

    fn fit(&self) -> Fit {
        Fit {
            intake: self.intake.clone(),
            input: self.input,
            shift_ns: self.shift_ns,
            fps_hint: self.fps_hint,
        }
    }

    /// Stops the pipeline after an error, which also wakes a thread that waits in
    /// [`Branch::push`]. Returns the place where the error is from then on. Another decoder may take over
    /// from one in `hardware`; other errors are reported here.
    fn watch(
        &self,
        pipeline: &gst::Pipeline,
        track: Track,
        hardware: bool,
    ) -> Arc<OnceLock<String>> {
        let fault = Arc::new(OnceLock::new());
        let Some(bus) = pipeline.bus() else {
            return fault;
        };
        let (events, input) = (self.events.clone(), self.input);
        let (pipeline, place) = (pipeline.downgrade(), fault.clone());
        bus.set_sync_handler(move |_, message| {
            draw(message);
            if let gst::MessageView::Error(error) = message.view()
                && place.set(error.error().to_string()).is_ok()
            {
                if !hardware {
                    events.send(Event::Undecodable {
                        input,
                        track,
                        reason: error.error().to_string(),
                    });
                }
                if let Some(pipeline) = pipeline.upgrade() {
                    pipeline.call_async(|pipeline| {
                        let _ = pipeline.set_state(gst::State::Null);
                    });
                }
            }
            gst::BusSyncReply::Drop
        });
        fault
    }
}

impl Decoder {
    /// Whether it can decode the next frame, which is a key frame or not. A decoder that failed is
    /// replaced when its wait is over and a key frame comes.
    fn is_ready(&mut self, maker: &Maker, key: bool) -> bool {
        let now = Instant::now();
        let Some(reason) = self.branch.failure(now) else {
            return true;
        };
        let retry_at = self.retry_at.unwrap_or_else(|| {
            let decoder = &self.branch.decoder;
            let takes_over = decoder.hardware && maker.replace(&self.format, decoder, reason);
            match takes_over {
                true => now,
                false => now + self.backoff.wait(),
            }
        });
        self.retry_at = Some(retry_at);
        if !key || now < retry_at {
            return false;
        }
        // An error is most likely temporary, as the decoder could be built once: try again later.
        let Ok(branch) = maker.branch(&self.format) else {
            self.retry_at = Some(now + self.backoff.wait());
            return false;
        };
        self.branch = branch;
        self.retry_at = None;
        true
    }
}

impl Branch {
    /// Starts the pipeline. A driver may take any time, so it is not waited for without an end.
    fn start(&self) -> Result<(), String> {
        let pipeline = self.pipeline.clone();
        let start = move || pipeline.set_state(gst::State::Playing).map(drop);
        if !self.decoder.hardware {
            return start().map_err(|error| error.to_string());
        }
        let (sender, started) = mpsc::channel();
        let thread = std::thread::Builder::new().name("start-decoder".to_owned());
        let thread = thread.spawn(move || {
            // Nobody waits any more if it took too long.
            let _ = sender.send(start());
        });
        thread.map_err(|error| error.to_string())?;
        match started.recv_timeout(START_MAX) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.fault.get().cloned().unwrap_or(error.to_string())),
            Err(_) => Err("it does not start within 3 s".to_owned()),
        }
    }

    /// What is wrong with the decoder. One that failed has failed for good: its pictures would come too
    /// late.
    fn failure(&self, now: Instant) -> Option<&str> {
        let complaint = self.watch.as_ref().and_then(|watch| watch.complaint(now));
        if let Some(complaint) = complaint {
            // An error that it has reported says more.
            let _ = self.fault.set(complaint.to_owned());
        }
        let fault = self.fault.get()?;
        if let Some(watch) = &self.watch {
            watch.close();
        }
        Some(fault)
    }

    /// Waits for room before a decoder that may hang; false when the decoder has failed.
    fn has_room(&self) -> bool {
        let is_full = || {
            self.source.current_level_buffers() >= WAITING_FRAMES_MAX
                || self.source.current_level_bytes() >= WAITING_BYTES_MAX
        };
        while self.watch.is_some() && is_full() {
            if self.failure(Instant::now()).is_some() {
                return false;
            }
            std::thread::sleep(ROOM_POLL);
        }
        true
    }

    fn push(&self, frame: EncodedFrame, shift_ns: i64) {
        if !self.has_room() {
            return;
        }
        let time = |ns: i64| {
            u64::try_from(ns.saturating_add(shift_ns))
                .ok()
                .map(gst::ClockTime::from_nseconds)
        };
        let mut buffer = gst::Buffer::from_slice(frame.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time(frame.pts_ns));
            buffer.set_dts(time(frame.dts_ns));
            if frame.track == Track::Video && !frame.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        // Refused only after an error, which has been reported already.
        let _ = self.source.push_buffer(buffer);
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        if self.decoder.hardware {
            hush(&self.pipeline);
            self.decoders.bury(&self.pipeline);
        } else {
            dispose(&self.pipeline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::frame::AudioCodec;
    use crate::worker::media::template::Library;

    fn format(video: &'static [u8], audio: Option<&'static [u8]>) -> InputFormat {
        InputFormat {
            video: Some(VideoFormat {
                codec: VideoCodec::H264,
                config: Bytes::from_static(video),
                fps_milli_hint: None,
            }),
            audio: audio.map(|config| AudioFormat {
                codec: AudioCodec::Aac,
                config: Bytes::from_static(config),
            }),
            video_announced: false,
        }
    }

    /// A track's decoder goes on when only the other track changes.
    #[test]
    fn only_a_track_that_changes_gets_a_new_decoder() {
        crate::worker::media::init().unwrap();
        let (events, _reports) = Events::new();
        let intake = Arc::new(Intake::new(events.clone()));
        let (library, _) = Library::load(None);
        let decoders = Decoders::new(Arc::new(library), &events);
        let first = format(b"one", None);
        let mut push = Push::start(&first, 0, &intake, &decoders, events).unwrap();
        let pipelines = |push: &Push| {
            [&push.video, &push.audio].map(|track| {
                track
                    .as_ref()
                    .map(|decoder| decoder.branch.pipeline.clone())
            })
        };
        let [picture, none] = pipelines(&push);
        assert_eq!(none, None);
        push.change(&format(b"one", Some(b"stereo"))).unwrap();
        let [same, stereo] = pipelines(&push);
        assert!(same == picture && stereo.is_some());
        push.change(&format(b"one", Some(b"mono"))).unwrap();
        let [same, mono] = pipelines(&push);
        assert!(same == picture && mono.is_some() && mono != stereo);
        push.change(&format(b"two", Some(b"mono"))).unwrap();
        let [other, same] = pipelines(&push);
        assert!(other.is_some() && other != picture && same == mono);
        assert!(intake.is_current(push.maker.input), "the same input");
    }
}
