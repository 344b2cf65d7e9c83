//! An input half that fetches its media over HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;
use url::Url;

use super::elements::{dispose, fail, make, pad};
use super::fit::{Fit, Times};
use super::intake::Intake;
use crate::base::secret::Secret;
use crate::model::source::Pull;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::graph::draw;
use crate::worker::media::template::{Error, Kind, Library, Values};

/// One attempt at fetching.
pub struct Puller {
    pipeline: gst::Pipeline,
    input: u64,
}

impl Puller {
    /// Starts fetching. When it ends, for whatever reason, [`Event::Lost`] is reported to `events`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        pull: &Pull,
        intake: &Arc<Intake>,
        library: &Arc<Library>,
        events: Events,
    ) -> Result<Self, Error> {
        let pipeline = gst::Pipeline::with_name("pull");
        let input = intake.open();
        watch(&pipeline, input, events.clone());
        let graph = Graph {
            pipeline: pipeline.downgrade(),
            intake: intake.clone(),
            input,
            library: library.clone(),
            events,
        };
        if is_playlist(&pull.url) {
            graph.playlist(&pipeline, pull)?;
        } else {
            graph.stream(&pipeline, pull)?;
        }
        pipeline.set_state(gst::State::Playing).map_err(fail)?;
        Ok(Self { pipeline, input })
    }

    /// Number of this input.
    pub fn input(&self) -> u64 {
        self.input
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        dispose(&self.pipeline);
    }
}

/// An HLS playlist is fetched repeatedly, which the source of a single request cannot do.
fn is_playlist(url: &Url) -> bool {
    url.path().to_ascii_lowercase().ends_with(".m3u8")
}

fn watch(pipeline: &gst::Pipeline, input: u64, events: Events) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| {
        draw(message);
        let reason = match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            gst::MessageView::Eos(_) => Some("the server ended the stream".to_owned()),
            _ => None,
        };
        if let Some(reason) = reason {
            events.send(Event::Lost { input, reason });
        }
        gst::BusSyncReply::Drop
    });
}

/// What the callbacks share that add elements to the pipeline. It holds the pipeline weakly, because
/// the pipeline's elements own the callbacks.
#[derive(Clone)]
struct Graph {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    intake: Arc<Intake>,
    input: u64,
    library: Arc<Library>,
    events: Events,
}

impl Graph {
    fn playlist(&self, pipeline: &gst::Pipeline, pull: &Pull) -> Result<(), Error> {
        let decoder = make("uridecodebin3")?;
        decoder.set_property("uri", pull.url.as_str());
        let credentials = pull.clone();
        decoder.connect("source-setup", false, move |args| {
            if let Some(source) = args.get(1).and_then(|v| v.get::<gst::Element>().ok()) {
                identify(&source, &credentials);
            }
            None
        });
        pipeline.add(&decoder).map_err(fail)?;
        self.take_raw_pads(&decoder);
        Ok(())
    }

    fn stream(&self, pipeline: &gst::Pipeline, pull: &Pull) -> Result<(), Error> {
        let (source, last) = self
            .library
            .build_kind(Kind::HttpSource, &Values::default())?
            .add_to(pipeline.upcast_ref())?;
        source.set_property("location", pull.url.as_str());
        identify(&source, pull);
        let graph = self.clone();
        // The response's headers come before its body, so the first buffer finds its elements linked.
        pad(&last, "src")?.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let Some(multipart) = info.event().and_then(is_multipart) else {
                return gst::PadProbeReturn::Ok;
            };
            graph.report(graph.take_body(pad, multipart));
            gst::PadProbeReturn::Remove
        });
        Ok(())
    }

    /// A multipart body is a sequence of JPEG pictures (`multipart/x-mixed-replace`); any other body
    /// describes itself, as MPEG-TS, MP4 or WebM.
    fn take_body(&self, body: &gst::Pad, multipart: bool) -> Result<(), Error> {
        let pipeline = self.pipeline()?;
        let queue = make("queue")?;
        let next = if multipart {
            let demux = make("multipartdemux")?;
            demux.set_property("single-stream", true);
            self.take_jpeg_pads(&demux);
            demux
        } else {
            let decoder = make("decodebin")?;
            self.take_raw_pads(&decoder);
            decoder
        };
        pipeline.add_many([&queue, &next]).map_err(fail)?;
        queue.link(&next).map_err(fail)?;
        next.sync_state_with_parent().map_err(fail)?;
        queue.sync_state_with_parent().map_err(fail)?;
        body.link(&pad(&queue, "sink")?).map_err(fail)?;
        Ok(())
    }

    fn take_jpeg_pads(&self, demux: &gst::Element) {
        let graph = self.clone();
        demux.connect_pad_added(move |_, pad| graph.report(graph.take_jpeg(pad)));
    }

    fn take_jpeg(&self, jpeg: &gst::Pad) -> Result<(), Error> {
        let pipeline = self.pipeline()?;
        let decoder = make("jpegdec")?;
        pipeline.add(&decoder).map_err(fail)?;
        let raw = pad(&decoder, "src")?;
        self.fit(Times::Arrival, false)
            .video(&pipeline, &raw, &self.library)?;
        decoder.sync_state_with_parent().map_err(fail)?;
        jpeg.link(&pad(&decoder, "sink")?).map_err(fail)?;
        Ok(())
    }

    /// Takes the first video pad and the first audio pad, for a second language would be mixed into
    /// the first.
    fn take_raw_pads(&self, decoder: &gst::Element) {
        let graph = self.clone();
        let (video, audio) = (Taken::default(), Taken::default());
        decoder.connect_pad_added(move |_, pad| {
            graph.report(graph.take_raw(pad, &video, &audio));
        });
    }

    fn take_raw(&self, raw: &gst::Pad, video: &Taken, audio: &Taken) -> Result<(), Error> {
        let pipeline = self.pipeline()?;
        let fit = self.fit(Times::Shifted(0), true);
        let caps = raw.current_caps().unwrap_or_else(|| raw.query_caps(None));
        match caps.structure(0).map(|s| s.name().as_str()) {
            Some("video/x-raw") if video.take(raw) => fit.video(&pipeline, raw, &self.library),
            Some("audio/x-raw") if audio.take(raw) => fit.audio(&pipeline, raw, &self.library),
            _ => Ok(()),
        }
    }

    fn pipeline(&self) -> Result<gst::Pipeline, Error> {
        self.pipeline.upgrade().ok_or_else(|| fail("stopped"))
    }

    fn fit(&self, times: Times, paced: bool) -> Fit {
        Fit {
            intake: self.intake.clone(),
            input: self.input,
            times,
            paced,
            fps_hint: None,
        }
    }

    fn report(&self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.events.send(Event::Lost {
                input: self.input,
                reason: error.to_string(),
            });
        }
    }
}

/// The pad that is in use, of one kind of media.
#[derive(Default)]
struct Taken(Mutex<gst::glib::WeakRef<gst::Pad>>);

impl Taken {
    /// Takes `pad`, unless another one is in use. Returns whether it did.
    fn take(&self, pad: &gst::Pad) -> bool {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = current.upgrade().is_none_or(|pad| pad.parent().is_none());
        if free {
            current.set(Some(pad));
        }
        free
    }
}

/// Sets the credentials of an HTTP client, and whether it verifies certificates.
fn identify(source: &gst::Element, pull: &Pull) {
    let password = pull.password.as_ref().map(Secret::expose);
    for (property, value) in [("user-id", pull.user.as_deref()), ("user-pw", password)] {
        if let Some(value) = value.filter(|_| source.has_property(property)) {
            source.set_property(property, value);
        }
    }
    if source.has_property("ssl-strict") {
        source.set_property("ssl-strict", pull.tls_verify);
    }
}

/// Whether the response is multipart, by its `Content-Type`; `None` when `event` does not carry the
/// response's headers.
fn is_multipart(event: &gst::Event) -> Option<bool> {
    let structure = event.structure().filter(|s| s.name() == "http-headers")?;
    let headers = structure.get::<gst::Structure>("response-headers").ok()?;
    let kind = headers
        .iter()
        .find(|(name, _)| name.as_str().eq_ignore_ascii_case("content-type"))
        .and_then(|(_, value)| value.get::<String>().ok())
        .unwrap_or_default();
    Some(kind.to_ascii_lowercase().starts_with("multipart/"))
}
