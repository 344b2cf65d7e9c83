//! What every input half is built with: elements, pads, errors, and the end of a pipeline.

use gst::prelude::*;

use crate::worker::media::element;
use crate::worker::media::template::Error;

/// An element of type `factory`.
pub fn make(factory: &str) -> Result<gst::Element, Error> {
    element::make(factory, "input")
}

/// The pad of `element` that is always there under `name`.
pub fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, Error> {
    let pad = element.static_pad(name);
    pad.ok_or_else(|| fail(format!("{} has no {name} pad", element.name())))
}

/// The error of an input half that cannot be built.
pub fn fail(message: impl ToString) -> Error {
    Error::build("input", message)
}

/// Lets nobody hear any more what a pipeline says.
pub fn hush(pipeline: &gst::Pipeline) {
    if let Some(bus) = pipeline.bus() {
        bus.unset_sync_handler();
        bus.set_sync_handler(|_, _| gst::BusSyncReply::Drop);
    }
}

/// Stops a pipeline without making the caller wait: a state change can block on a network read.
pub fn dispose(pipeline: &gst::Pipeline) {
    hush(pipeline);
    pipeline.call_async(|pipeline| {
        let _ = pipeline.set_state(gst::State::Null);
    });
}
