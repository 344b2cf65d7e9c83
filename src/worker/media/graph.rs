//! Pictures of pipelines, for developers.

use gst::MessageType;
use gst::prelude::*;

/// Draws the pipeline that `message` comes from when the message tells that its graph has changed:
/// into `PID-PIPELINE.dot`, in the folder that the environment variable `GST_DEBUG_DUMP_DOT_DIR`
/// names. Without that variable GStreamer draws nothing.
pub fn draw(message: &gst::MessageRef) {
    let changes = [
        MessageType::StateChanged,
        MessageType::StreamStart,
        MessageType::Tag,
    ];
    let mut object = message.src().cloned();
    while let Some(parent) = object.as_ref().and_then(GstObjectExt::parent) {
        object = Some(parent);
    }
    if changes.contains(&message.type_())
        && let Some(pipeline) = object.and_downcast::<gst::Pipeline>()
    {
        let name = format!("{}-{}", std::process::id(), pipeline.name());
        pipeline.debug_to_dot_file(gst::DebugGraphDetails::all(), name);
    }
}
