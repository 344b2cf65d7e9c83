//! Which part of the output half failed.

use std::sync::mpsc::SyncSender;

use gst::prelude::*;

/// What a failing element takes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// One rung's encoder.
    Encoder {
        /// Index of the video rendition.
        video: usize,
        /// What it said.
        reason: String,
    },
    /// One rung's MPEG-TS; CMAF goes on.
    Ts {
        /// Index of the video rendition.
        video: usize,
        /// What it said.
        reason: String,
    },
    /// Anything else: the worker cannot go on.
    Fatal {
        /// What it said.
        reason: String,
    },
}

/// Where failures are reported; the worker's main loop reads the other end. When it is full the
/// main loop has enough to act on, so more is dropped.
pub type Sink = SyncSender<Failure>;

/// Turns a pipeline's error messages into failures. Nothing else reads its bus.
///
/// `name` gives the failure for the name of the top-level bin or element that failed.
pub fn watch(
    pipeline: &gst::Pipeline,
    failures: &Sink,
    name: impl Fn(&str, String) -> Failure + Send + Sync + 'static,
) {
    let Some(bus) = pipeline.bus() else { return };
    let failures = failures.clone();
    let top = pipeline.downgrade();
    bus.set_sync_handler(move |_, message| {
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
            let _ = failures.try_send(name(&source.unwrap_or_default(), reason));
        }
        gst::BusSyncReply::Drop
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
