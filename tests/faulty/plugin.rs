//! A GStreamer plugin with encoders and decoders that fail: x264 and libav under the names of hardware,
//! with the faults that the environment variable [`fault::VARIABLE`] orders. `cargo test` builds it as an
//! example, and `tests/support/faulty.rs` gives it to a daemon.

#![allow(missing_docs, reason = "the macro of GStreamer documents nothing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a part of the tests"
)]

mod decoder;
mod encoder;
mod families;
mod fault;
mod pads;
mod sessions;

use gst::glib;

fn init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    families::register(plugin)?;
    decoder::register(plugin)
}

gst::plugin_define!(
    faulty,
    "Encoders and decoders that fail, for tests",
    init,
    env!("CARGO_PKG_VERSION"),
    "MIT/X11",
    "weir",
    "weir",
    "https://example.invalid/"
);
