//! Pipeline templates: what GStreamer builds, as data.
//!
//! A template is a TOML file that names elements in order, their properties, and which values
//! weir computes for them. The shipped templates are in the binary; a file of the same name in the
//! user's folder replaces one, any other file adds one. Values reach GStreamer as typed,
//! range-checked properties, never as launch-line text. Topology is code.

mod build;
pub mod error;
mod file;
mod library;

pub use build::{Chain, Values, build};
pub use error::Error;
pub use file::{Body, Kind, Opening, Template, Variable};
pub use library::Library;
