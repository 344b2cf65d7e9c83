//! What weir is about, without input or output: frames, the ladder, HLS, the state of a stream.
//!
//! Nothing in this room knows GStreamer, tokio, warp, a socket, a file or the machine's clock.

pub mod frame;
pub mod hls;
pub mod ladder;
pub mod status;
