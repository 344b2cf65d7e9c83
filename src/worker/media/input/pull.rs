//! An input half that fetches its media over HTTP.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gst::prelude::*;

use super::decoder;
use super::decoders::Decoders;
use super::elements::{self, dispose, fail, hush, make, pad};
use super::fit::Fit;
use super::gate::Gate;
use super::http::source::{self, BODY, FRAMERATE, LENGTH, PICTURES};
use super::http::{Cause, Rules};
use super::intake::Intake;
use super::watches::{self, Watches};
use crate::worker::media::events::{Event, Events};
use crate::worker::media::graph::draw;
use crate::worker::media::template::{Error, Kind, Values};

/// Longest time for which pictures wait to be decoded; then older ones are left out.
const PICTURES_WAIT_MAX: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// One attempt at fetching.
pub struct Puller {
    pipeline: gst::Pipeline,
    source: gst::Element,
    gate: Arc<Gate>,
    input: u64,
    rules: Arc<Rules>,
    decoders: Arc<Decoders>,
    watches: Watches,
}

impl Puller {
    /// Starts fetching by `rules`. When it ends, for whatever reason, [`Event::Lost`] is reported to
    /// `events`; where it ends because of a decoder that another one can replace,
    /// [`Event::DecoderFailed`].
    ///
    /// # Errors
    /// When an element is missing or refuses its settings.
    pub fn start(
        rules: &Arc<Rules>,
        intake: &Arc<Intake>,
        decoders: &Arc<Decoders>,
        events: Events,
    ) -> Result<Self, Error> {
        source::make_sole();
        rules.begin();
        let pipeline = gst::Pipeline::with_name("pull");
        let input = intake.open();
        let gate = Arc::new(Gate::default());
        let graph = Graph {
            pipeline: pipeline.downgrade(),
            gate: gate.clone(),
            intake: intake.clone(),
            input,
            decoders: decoders.clone(),
            watches: Watches::default(),
            events,
            rules: rules.clone(),
        };
        watch(&pipeline, &graph);
        let source = graph.fetch(&pipeline)?;
        pipeline.set_state(gst::State::Playing).map_err(fail)?;
        let rules = rules.clone();
        Ok(Self {
            pipeline,
            source,
            gate,
            input,
            rules,
            decoders: decoders.clone(),
            watches: graph.watches,
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

    /// A decoder in hardware that works no more, and what is wrong with it.
    pub fn complaint(&self, now: Instant) -> Option<(String, &'static str)> {
        self.watches.complaint(now)
    }

    /// Number of this input.
    pub fn input(&self) -> u64 {
        self.input
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        self.gate.close();
        if self.watches.complaint(Instant::now()).is_none() {
            return dispose(&self.pipeline);
        }
        // A decoder that hangs lets nobody stop its pipeline. The source can be stopped before it.
        hush(&self.pipeline);
        self.source.set_locked_state(true);
        self.source.call_async(|source| {
            let _ = source.set_state(gst::State::Null);
        });
        self.decoders.bury(&self.pipeline);
    }
}

fn watch(pipeline: &gst::Pipeline, graph: &Graph) {
    let Some(bus) = pipeline.bus() else { return };
    let (rules, input, events) = (graph.rules.clone(), graph.input, graph.events.clone());
    bus.set_sync_handler(move |_, message| {
        draw(message);
        if let Some(failed) = decoder_failed(message, input) {
            events.send(failed);
            return gst::BusSyncReply::Drop;
        }
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

/// The error of a decoder that another one can replace.
fn decoder_failed(message: &gst::MessageRef, input: u64) -> Option<Event> {
    let gst::MessageView::Error(error) = message.view() else {
        return None;
    };
    let decoder = watches::behind(message.src()?)?;
    Some(Event::DecoderFailed {
        input,
        decoder,
        reason: decoder::without_addresses(error.error().message()),
        at_once: false,
    })
}

/// What the callbacks share that add elements to the pipeline. It holds the pipeline weakly, because
/// the pipeline's elements own the callbacks.
#[derive(Clone)]
struct Graph {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    gate: Arc<Gate>,
    intake: Arc<Intake>,
    input: u64,
    decoders: Arc<Decoders>,
    watches: Watches,
    events: Events,
    rules: Arc<Rules>,
}

impl Graph {
    /// Adds the source, and what takes its body; returns the source.
    fn fetch(&self, pipeline: &gst::Pipeline) -> Result<gst::Element, Error> {
        let (source, last) = self
            .decoders
            .library()
            .build_kind(Kind::HttpSource, &Values::default())?
            .add_to(pipeline.upcast_ref())?;
        source.set_property("location", self.rules.pull().url.as_str());
        // The pieces of a playlist are fetched as fast as they are read.
        source.set_property("is-live", !self.rules.is_playlist());
        let graph = self.clone();
        // The event comes before the body, so the first buffer finds its elements linked.
        pad(&last, "src")?.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let Some(body) = info.event().and_then(Body::of) else {
                return gst::PadProbeReturn::Ok;
            };
            // A body that has a length is a file, and so are the pieces of a playlist.
            if !body.has_length && !graph.rules.is_playlist() {
                graph.live_from_first_byte(pad);
            }
            graph.report(graph.take_body(pad, &body));
            gst::PadProbeReturn::Remove
        });
        Ok(source)
    }

    /// Times are counted from the first buffer on.
    fn live_from_first_byte(&self, pad: &gst::Pad) {
        let gate = self.gate.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            gate.live();
            gst::PadProbeReturn::Remove
        });
    }

    /// A body is a sequence of JPEG pictures or describes itself, as MPEG-TS, MP4 or WebM.
    fn take_body(&self, pad: &gst::Pad, body: &Body) -> Result<(), Error> {
        let pipeline = self.pipeline()?;
        let queue = make("queue")?;
        let next = if body.pictures {
            drop_old_pictures(&queue);
            self.jpeg_decoder()?
        } else {
            let decoder = decoder::make(&self.rules, self.input, &self.events, &self.decoders)?;
            self.watches.over(&decoder, self.input, &self.events);
            self.take_raw_pads(&decoder);
            decoder
        };
        pipeline.add_many([&queue, &next]).map_err(fail)?;
        queue.link(&next).map_err(fail)?;
        if body.pictures {
            let raw = elements::pad(&next, "src")?;
            self.fit().video(&pipeline, &raw, self.decoders.library())?;
        }
        next.sync_state_with_parent().map_err(fail)?;
        queue.sync_state_with_parent().map_err(fail)?;
        pad.link(&elements::pad(&queue, "sink")?).map_err(fail)?;
        Ok(())
    }

    /// Until the canvas is known, pictures are left out whose rate is not: the canvas gets that rate.
    fn jpeg_decoder(&self) -> Result<gst::Element, Error> {
        let decoder = make("jpegdec")?;
        let intake = self.intake.clone();
        pad(&decoder, "sink")?.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
            let caps = pad.current_caps();
            let format = caps.as_ref().and_then(|caps| caps.structure(0));
            let known = format.is_some_and(|format| format.has_field(FRAMERATE));
            match known || intake.canvas().is_some() {
                true => gst::PadProbeReturn::Remove,
                false => gst::PadProbeReturn::Handled,
            }
        });
        Ok(decoder)
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
        let fit = self.fit();
        let caps = raw.current_caps().unwrap_or_else(|| raw.query_caps(None));
        match caps.structure(0).map(|s| s.name().as_str()) {
            Some("video/x-raw") if video.take(raw) => {
                self.gate.hold(raw);
                fit.video(&pipeline, raw, self.decoders.library())
            }
            Some("audio/x-raw") if audio.take(raw) => {
                self.gate.hold(raw);
                fit.audio(&pipeline, raw, self.decoders.library())
            }
            _ => Ok(()),
        }
    }

    fn pipeline(&self) -> Result<gst::Pipeline, Error> {
        self.pipeline.upgrade().ok_or_else(|| fail("stopped"))
    }

    fn fit(&self) -> Fit {
        Fit {
            intake: self.intake.clone(),
            input: self.input,
            shift_ns: 0,
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

/// What a source says of a body before it comes.
struct Body {
    pictures: bool,
    has_length: bool,
}

impl Body {
    /// `None` when `event` is not the one that goes ahead of a body.
    fn of(event: &gst::Event) -> Option<Self> {
        let structure = event.structure().filter(|s| s.name() == BODY)?;
        Some(Self {
            pictures: structure.get(PICTURES).unwrap_or_default(),
            has_length: structure.has_field(LENGTH),
        })
    }
}

/// Makes `queue` leave pictures out rather than hold the source up.
fn drop_old_pictures(queue: &gst::Element) {
    queue.set_property_from_str("leaky", "downstream");
    queue.set_property("max-size-time", PICTURES_WAIT_MAX);
}
