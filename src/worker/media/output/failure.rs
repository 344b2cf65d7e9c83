//! Which part of the output half failed.

use gst::prelude::*;

use crate::worker::media::events::{Event, Events};
use crate::worker::media::graph::draw;

/// Turns a pipeline's error messages into events. The end of the stream and
/// errors stay on the bus for whoever waits for the end; everything else is dropped.
///
/// `name` gives the event for the name of the top-level bin or element that failed.
pub fn watch(
    pipeline: &gst::Pipeline,
    events: &Events,
    name: impl Fn(&str, String) -> Event + Send + Sync + 'static,
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
            events.send(name(&source.unwrap_or_default(), reason));
        }
        match message.type_() {
            gst::MessageType::Eos | gst::MessageType::Error => gst::BusSyncReply::Pass,
            _ => gst::BusSyncReply::Drop,
        }
    });
}

/// Name of the direct child of the pipeline that `source` is or lies in.
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
