//! An input half that fetches its media over HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::fit::{Fit, Times};
use super::{Intake, dispose, fail};
use crate::worker::media::events::{Event, Events};
use crate::worker::media::template::{self, Kind, Library, Values};

/// What to fetch.
#[derive(Clone)]
pub struct Address {
    /// `http://` or `https://`, without credentials.
    pub url: String,
    /// User name for Basic or Digest authentication.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Refuse certificates that do not verify.
    pub tls_verify: bool,
}

/// One attempt at fetching.
pub struct Puller {
    pipeline: gst::Pipeline,
    input: u64,
}

/// What the body of the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// JPEG pictures in `multipart/x-mixed-replace`.
    Mjpeg,
    /// Anything that decodes by itself: MPEG-TS, MP4, WebM.
    Stream,
}

/// An HLS playlist is fetched again and again, which needs more than one request.
fn is_playlist(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.to_ascii_lowercase().ends_with(".m3u8")
}

impl Puller {
    /// Starts fetching. Its end, for whatever reason, goes to `events`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        address: &Address,
        intake: &Arc<Intake>,
        library: &Arc<Library>,
        events: Events,
    ) -> Result<Self, template::Error> {
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
        if is_playlist(&address.url) {
            graph.playlist(&pipeline, address)?;
        } else {
            graph.stream(&pipeline, address)?;
        }
        pipeline.set_state(gst::State::Playing).map_err(fail)?;
        Ok(Self { pipeline, input })
    }
}

impl Puller {
    /// Number of this input.
    pub fn input(&self) -> u64 {
        self.input
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        dispose(self.pipeline.clone());
    }
}

fn watch(pipeline: &gst::Pipeline, input: u64, events: Events) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| {
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

/// What the callbacks of a growing graph share. Holds its pipeline weakly: they live in it.
#[derive(Clone)]
struct Graph {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    intake: Arc<Intake>,
    input: u64,
    library: Arc<Library>,
    events: Events,
}

impl Graph {
    fn fit(&self, times: Times, paced: bool) -> Fit {
        Fit {
            intake: self.intake.clone(),
            input: self.input,
            times,
            paced,
            fps_hint: None,
        }
    }

    fn playlist(&self, pipeline: &gst::Pipeline, address: &Address) -> Result<(), template::Error> {
        let decoder = gst::ElementFactory::make("uridecodebin3")
            .property("uri", &address.url)
            .build()
            .map_err(fail)?;
        let credentials = address.clone();
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

    fn stream(&self, pipeline: &gst::Pipeline, address: &Address) -> Result<(), template::Error> {
        let (source, last) = self
            .library
            .build_kind(Kind::HttpSource, &Values::default())?
            .add_to(pipeline.upcast_ref())?;
        source.set_property("location", &address.url);
        identify(&source, address);
        let pad = last
            .static_pad("src")
            .ok_or_else(|| fail("HTTP source without src pad"))?;
        let graph = self.clone();
        // The answer's head precedes its body: what comes is known before anything must be linked.
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let Some(body) = info.event().and_then(body_of) else {
                return gst::PadProbeReturn::Ok;
            };
            if let Err(error) = graph.continue_with(pad, body) {
                graph.lost(error.to_string());
            }
            gst::PadProbeReturn::Remove
        });
        Ok(())
    }

    fn continue_with(&self, pad: &gst::Pad, body: Body) -> Result<(), template::Error> {
        let pipeline = self.pipeline.upgrade().ok_or_else(|| fail("stopped"))?;
        let queue = make(&pipeline, "queue")?;
        let entry = queue
            .static_pad("sink")
            .ok_or_else(|| fail("queue without sink pad"))?;
        let next = match body {
            Body::Mjpeg => {
                let demux = make(&pipeline, "multipartdemux")?;
                demux.set_property("single-stream", true);
                self.take_jpeg_pads(&demux);
                demux
            }
            Body::Stream => {
                let decoder = make(&pipeline, "decodebin")?;
                self.take_raw_pads(&decoder);
                decoder
            }
        };
        queue.link(&next).map_err(fail)?;
        next.sync_state_with_parent().map_err(fail)?;
        queue.sync_state_with_parent().map_err(fail)?;
        pad.link(&entry).map_err(fail)?;
        Ok(())
    }

    fn take_jpeg_pads(&self, demux: &gst::Element) {
        let graph = self.clone();
        demux.connect_pad_added(move |_, pad| {
            let added = || -> Result<(), template::Error> {
                let pipeline = graph.pipeline.upgrade().ok_or_else(|| fail("stopped"))?;
                let decoder = make(&pipeline, "jpegdec")?;
                let raw = decoder
                    .static_pad("src")
                    .ok_or_else(|| fail("no src pad"))?;
                let fit = graph.fit(Times::Arrival, false);
                fit.video(&pipeline, &raw, &graph.library)?;
                decoder.sync_state_with_parent().map_err(fail)?;
                let entry = decoder
                    .static_pad("sink")
                    .ok_or_else(|| fail("no sink pad"))?;
                pad.link(&entry).map_err(fail)?;
                Ok(())
            };
            graph.report(added());
        });
    }

    /// One picture and one sound are taken, the first of each: a second language would be mixed
    /// into the first.
    fn take_raw_pads(&self, decoder: &gst::Element) {
        let graph = self.clone();
        let (video, audio) = (Taken::default(), Taken::default());
        decoder.connect_pad_added(move |_, pad| {
            let added = || -> Result<(), template::Error> {
                let pipeline = graph.pipeline.upgrade().ok_or_else(|| fail("stopped"))?;
                let fit = graph.fit(Times::Shifted(0), true);
                let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
                match caps.structure(0).map(|s| s.name().to_string()).as_deref() {
                    Some("video/x-raw") if video.take(pad) => {
                        fit.video(&pipeline, pad, &graph.library)
                    }
                    Some("audio/x-raw") if audio.take(pad) => {
                        fit.audio(&pipeline, pad, &graph.library)
                    }
                    _ => Ok(()),
                }
            };
            graph.report(added());
        });
    }

    fn lost(&self, reason: String) {
        let input = self.input;
        self.events.send(Event::Lost { input, reason });
    }

    fn report(&self, result: Result<(), template::Error>) {
        if let Err(error) = result {
            self.lost(error.to_string());
        }
    }
}

/// The pad of one kind that is in use.
#[derive(Default)]
struct Taken(Mutex<gst::glib::WeakRef<gst::Pad>>);

impl Taken {
    /// True when there is none yet, or the one there was has gone.
    fn take(&self, pad: &gst::Pad) -> bool {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = current.upgrade().is_none_or(|pad| pad.parent().is_none());
        if free {
            current.set(Some(pad));
        }
        free
    }
}

fn make(pipeline: &gst::Pipeline, factory: &str) -> Result<gst::Element, template::Error> {
    let element = gst::ElementFactory::make(factory).build().map_err(|_| {
        template::Error::MissingElement {
            template: "pull".to_owned(),
            factory: factory.to_owned(),
        }
    })?;
    pipeline.add(&element).map_err(fail)?;
    Ok(element)
}

/// Gives an HTTP client the camera's credentials and its attitude to certificates.
fn identify(source: &gst::Element, address: &Address) {
    for (property, value) in [("user-id", &address.user), ("user-pw", &address.password)] {
        if let Some(value) = value.as_ref().filter(|_| source.has_property(property)) {
            source.set_property(property, value);
        }
    }
    if source.has_property("ssl-strict") {
        source.set_property("ssl-strict", address.tls_verify);
    }
}

/// Reads `Content-Type` from the source's `http-headers` event.
fn body_of(event: &gst::Event) -> Option<Body> {
    let structure = event.structure().filter(|s| s.name() == "http-headers")?;
    let headers = structure.get::<gst::Structure>("response-headers").ok()?;
    let kind = headers
        .iter()
        .find(|(name, _)| name.as_str().eq_ignore_ascii_case("content-type"))
        .and_then(|(_, value)| value.get::<String>().ok())
        .unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        Some(Body::Mjpeg)
    } else {
        Some(Body::Stream)
    }
}
