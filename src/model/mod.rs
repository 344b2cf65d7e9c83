//! The pure core, known to both processes: frames, the ladder, HLS, DASH, the status of a stream.
//!
//! No module here uses GStreamer, tokio, warp, a socket, a file or the machine's clock.

pub mod dash;
pub mod encoder;
pub mod frame;
pub mod h264;
pub mod hls;
pub mod ladder;
pub mod mp4;
pub mod passthrough;
pub mod sandbox;
pub mod source;
pub mod status;
pub mod steering;
