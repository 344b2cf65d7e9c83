//! Finds out which part of the output half failed.

use gst::prelude::*;

use crate::worker::media::events::{Event, Events};
use crate::worker::media::graph::draw;

/// Turns the error messages of a pipeline into events. Errors and the end of the stream also stay on
/// the bus for [`super::Output::finish`]; every other message is dropped.
///
/// `event_of` makes the event from the name of the failed child of the pipeline and the reason.
pub fn watch(
    pipeline: &gst::Pipeline,
    events: &Events,
    event_of: impl Fn(&str, String) -> Event + Send + Sync + 'static,
) {
    let Some(bus) = pipeline.bus() else { return };
    let events = events.clone();
    let top = pipeline.downgrade();
    bus.set_sync_handler(move |_, message| {
        draw(message);
        if let gst::MessageView::Error(error) = message.view() {
            let source = message.src().and_then(|source| child_of(&top, source));
            let reason = format!(
                "{}: {}",
                message
                    .src()
                    .map(|s| s.name().to_string())
                    .unwrap_or_default(),
                error.error()
            );
            events.send(event_of(&source.unwrap_or_default(), reason));
        }
        match message.type_() {
            gst::MessageType::Eos | gst::MessageType::Error => gst::BusSyncReply::Pass,
            _ => gst::BusSyncReply::Drop,
        }
    });
}

/// Name of the direct child of the pipeline that is or contains `source`.
fn child_of(pipeline: &gst::glib::WeakRef<gst::Pipeline>, source: &gst::Object) -> Option<String> {
    let top = pipeline.upgrade()?;
    let mut object = source.clone();
    while let Some(parent) = object.parent() {
        if parent == *top.upcast_ref::<gst::Object>() {
            return Some(object.name().to_string());
        }
        object = parent;
    }
    None
}
