//! An input half that fetches its media over HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::decoder;
use super::elements::{dispose, fail, make, pad};
use super::fit::{Fit, Times};
use super::http::cause::word;
use super::http::source::{self, BODY, CONTENT_TYPE};
use super::http::{Cause, Rules};
use super::intake::Intake;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::graph::draw;
use crate::worker::media::template::{Error, Kind, Library, Values};

/// One attempt at fetching.
pub struct Puller {
    pipeline: gst::Pipeline,
    input: u64,
    rules: Arc<Rules>,
}

impl Puller {
    /// Starts fetching by `rules`. When it ends, for whatever reason, [`Event::Lost`] is reported to `events`.
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        rules: &Arc<Rules>,
        intake: &Arc<Intake>,
        library: &Arc<Library>,
        events: Events,
    ) -> Result<Self, Error> {
        source::make_sole();
        rules.begin();
        let pipeline = gst::Pipeline::with_name("pull");
        let input = intake.open();
        let graph = Graph {
            pipeline: pipeline.downgrade(),
            intake: intake.clone(),
            input,
            library: library.clone(),
            events,
            rules: rules.clone(),
        };
        watch(&pipeline, &graph);
        graph.fetch(&pipeline)?;
        pipeline.set_state(gst::State::Playing).map_err(fail)?;
        let rules = rules.clone();
        Ok(Self {
            pipeline,
            input,
            rules,
        })
    }

    /// Why the newest request failed, or what was not taken.
    pub fn cause(&self) -> Option<Cause> {
        self.rules.cause()
    }

    /// What the source did although it must not.
    pub fn forbidden(&self) -> Option<Cause> {
        self.rules.forbidden()
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

fn watch(pipeline: &gst::Pipeline, graph: &Graph) {
    let Some(bus) = pipeline.bus() else { return };
    let (rules, input, events) = (graph.rules.clone(), graph.input, graph.events.clone());
    bus.set_sync_handler(move |_, message| {
        draw(message);
        let reason = match message.view() {
            gst::MessageView::Error(error) => Some(decoder::reason(&rules, &error.error())),
            gst::MessageView::Eos(_) => Some(match rules.cause() {
                Some(cause) => cause.to_string(),
                None => "the server ended the stream".to_owned(),
            }),
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
    rules: Arc<Rules>,
}

impl Graph {
    fn fetch(&self, pipeline: &gst::Pipeline) -> Result<(), Error> {
        let (source, last) = self
            .library
            .build_kind(Kind::HttpSource, &Values::default())?
            .add_to(pipeline.upcast_ref())?;
        source.set_property("location", self.rules.pull().url.as_str());
        // What a stream brings has the time of its arrival; a playlist is fetched at once.
        let live = !self.rules.is_playlist();
        source.set_property("is-live", live);
        source.set_property("do-timestamp", live);
        let graph = self.clone();
        // The event comes before the body, so the first buffer finds its elements linked.
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
            let decoder = decoder::make(&self.rules, self.input, &self.events)?;
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
        let caps = jpeg.current_caps().unwrap_or_else(|| jpeg.query_caps(None));
        let name = caps.structure(0).map(|part| part.name().as_str());
        if let Some(other) = name.filter(|name| *name != "image/jpeg") {
            return Err(fail(Cause::Format(word(other))));
        }
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

/// Whether the body is multipart, by its `Content-Type`; `None` when `event` is not the one that
/// goes ahead of a body.
fn is_multipart(event: &gst::Event) -> Option<bool> {
    let structure = event.structure().filter(|s| s.name() == BODY)?;
    let kind = structure.get::<String>(CONTENT_TYPE).unwrap_or_default();
    Some(kind.to_ascii_lowercase().starts_with("multipart/"))
}
