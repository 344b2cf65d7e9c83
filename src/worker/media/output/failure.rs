//! Finds out which part of the output half failed, and when a pipeline has ended.

use std::time::Duration;

use gst::prelude::*;

use crate::worker::media::events::{Event, Events};
use crate::worker::media::graph::draw;

/// How a pipeline ends.
#[derive(Debug)]
pub enum End {
    /// All its sinks have the end of the stream.
    Eos,
    /// The named child of the pipeline failed, for this reason.
    Failed(String, String),
}

/// Turns the error messages of a pipeline into events. Errors and the end of the stream also stay on
/// the bus; every other message is dropped.
///
/// `event_of` makes the event from the name of the failed child of the pipeline and the reason.
pub fn watch(
    pipeline: &gst::Pipeline,
    events: &Events,
    event_of: impl Fn(&str, String) -> Event + Send + Sync + 'static,
) {
    watch_end(pipeline, events, move |end| match end {
        End::Eos => None,
        End::Failed(child, reason) => Some(event_of(&child, reason)),
    });
}

/// As [`watch`], but tells of the end of the stream, too.
pub fn watch_end(
    pipeline: &gst::Pipeline,
    events: &Events,
    event_of: impl Fn(End) -> Option<Event> + Send + Sync + 'static,
) {
    let Some(bus) = pipeline.bus() else { return };
    let events = events.clone();
    let top = pipeline.downgrade();
    bus.set_sync_handler(move |_, message| {
        draw(message);
        let end = match message.view() {
            gst::MessageView::Error(error) => {
                let source = message.src().and_then(|source| child_of(&top, source));
                let name = message.src().map(|s| s.name().to_string());
                let reason = format!("{}: {}", name.unwrap_or_default(), error.error());
                Some(End::Failed(source.unwrap_or_default(), reason))
            }
            gst::MessageView::Eos(_) => Some(End::Eos),
            _ => None,
        };
        let ends = end.is_some();
        if let Some(event) = end.and_then(&event_of) {
            events.send(event);
        }
        if ends {
            gst::BusSyncReply::Pass
        } else {
            gst::BusSyncReply::Drop
        }
    });
}

/// Waits until the end of the stream or an error is on the bus, up to `wait_max`.
pub fn wait_for_end(pipeline: &gst::Pipeline, wait_max: Duration) {
    let Some(bus) = pipeline.bus() else { return };
    let timeout = gst::ClockTime::try_from(wait_max).ok();
    bus.timed_pop_filtered(timeout, &[gst::MessageType::Eos, gst::MessageType::Error]);
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
