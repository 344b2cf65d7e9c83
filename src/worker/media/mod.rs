//! The only user of GStreamer: templates, graph, encoders, packaging. Runs in workers only.

use std::sync::OnceLock;

mod caps;
pub mod catch_up;
mod element;
pub mod engine;
pub mod events;
mod graph;
pub mod input;
pub mod jpeg;
pub mod mailbox;
mod outbox;
pub mod output;
pub mod pacer;
pub mod passthrough;
pub mod picture;
pub mod probe;
mod range;
mod scaler;
mod still;
pub mod template;
pub mod test_source;

pub use outbox::Outbox;

/// Initialises GStreamer and registers the plugins that are part of weir; once per process.
///
/// # Errors
/// When GStreamer cannot start.
pub fn init() -> Result<(), String> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    DONE.get_or_init(|| {
        gst::init().map_err(|e| format!("GStreamer does not start: {e}"))?;
        gstfmp4::plugin_register_static().map_err(|e| e.to_string())?;
        gsthlssink3::plugin_register_static().map_err(|e| e.to_string())?;
        scaler::register().map_err(|e| e.to_string())?;
        range::register().map_err(|e| e.to_string())?;
        input::http::source::register().map_err(|e| e.to_string())
    })
    .clone()
}
