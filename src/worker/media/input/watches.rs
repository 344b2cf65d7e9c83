//! The watches over the decoders of pictures that `decodebin` plugs in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gst::glib::WeakRef;
use gst::prelude::*;

use super::watch::{Watch, named};
use crate::worker::media::events::{Event, Events};

/// The decoders in hardware of one attempt at a pull; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Watches(Arc<Mutex<Vec<Watched>>>);

/// A decoder that is plugged in.
#[derive(Debug)]
struct Watched {
    element: WeakRef<gst::Element>,
    watch: Watch,
}

impl Watches {
    fn all(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches what `decodebin` plugs in for input number `input`.
    pub fn over(&self, decodebin: &gst::Element, input: u64, events: &Events) {
        let Some(bin) = decodebin.downcast_ref::<gst::Bin>() else {
            return;
        };
        let (watches, told) = (self.clone(), events.clone());
        bin.connect_deep_element_added(move |_, _, element| watches.add(element, input, &told));
        let (watches, events) = (self.clone(), events.clone());
        bin.connect_deep_element_removed(move |_, _, element| {
            watches.remove(element, input, &events);
        });
    }

    fn add(&self, element: &gst::Element, input: u64, events: &Events) {
        let Some(decoder) = element.factory().as_ref().and_then(named) else {
            return;
        };
        let (events, name) = (events.clone(), decoder.name.clone());
        if let Some(src) = element.static_pad("src") {
            src.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                events.send(Event::Decoding {
                    input,
                    decoder: name.clone(),
                    trouble: None,
                });
                gst::PadProbeReturn::Remove
            });
        }
        if decoder.hardware
            && let Some(watch) = Watch::over(decoder, element)
        {
            let element = element.downgrade();
            self.all().push(Watched { element, watch });
        }
    }

    /// `decodebin` removes a decoder that does not start, and tries the next one. It also removes those
    /// whose track has ended.
    fn remove(&self, element: &gst::Element, input: u64, events: &Events) {
        let mut all = self.all();
        let mut places = all.iter();
        let place = places.position(|it| it.element.upgrade().as_ref() == Some(element));
        let Some(place) = place else { return };
        let Watched { watch, .. } = all.swap_remove(place);
        if !watch.was_fed() {
            events.send(Event::DecoderFailed {
                input,
                decoder: watch.decoder().name.clone(),
                reason: "it does not start".to_owned(),
                at_once: true,
            });
        }
    }

    /// A decoder that works no more, and what is wrong with it.
    pub fn complaint(&self, now: Instant) -> Option<(String, &'static str)> {
        let all = self.all();
        let mut watches = all.iter().map(|it| &it.watch);
        watches.find_map(|watch| Some((watch.decoder().name.clone(), watch.complaint(now)?)))
    }
}

/// The decoder in hardware that `object` is or is a part of.
pub fn behind(object: &gst::Object) -> Option<String> {
    let mut object = Some(object.clone());
    while let Some(at) = object {
        let factory = at
            .downcast_ref::<gst::Element>()
            .and_then(ElementExt::factory);
        let decoder = factory.as_ref().and_then(named);
        if let Some(decoder) = decoder.filter(|decoder| decoder.hardware) {
            return Some(decoder.name);
        }
        object = at.parent();
    }
    None
}
