//! A corpus of sources. Each is made by a recipe, played through a real daemon, and judged by what
//! a viewer gets: decoding errors, cadence, sound against picture, colours and content.
//!
//! `cargo test` plays a sample. `scripts/compatibility sources` plays all of them and writes their
//! table in `docs/COMPATIBILITY.md`.

mod catalog;
mod clip;
mod delivery;
mod enhanced;
mod judge;
mod mjpeg;
pub mod obs;
mod paced;
mod pattern;
mod replay;
mod runs;
mod source;
mod transport;

pub use clip::Clip;
pub use delivery::live_hls;
pub use judge::judge;
pub use paced::Paced;
pub use transport::Transport;
