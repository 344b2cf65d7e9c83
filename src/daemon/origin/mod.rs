//! Live windows in memory, and the readers that wait on them.
//!
//! An [`Origin`] maps the name of a stream to its sessions. A session is a [`Presentation`] under
//! a mutex, which is held while something is appended or rendered, never across an await. A reader
//! that waits first subscribes to changes of its rendition and then looks, so it misses no change.
//!
//! In reading order: `streams` is the map; `writer` the end that a session writes to; `read` the
//! end that HTTP reads from; `session` one session between them, and `manifest` its DASH manifest;
//! `demand` says which of its rungs are watched; `ranges` what operators mark in the live one; `iframes` and
//! `pictures` are for viewers who look for a place to watch; `memory` keeps all sessions within [`Limits`].
//!
//! [`Presentation`]: crate::model::hls::Presentation

mod address;
mod answer;
mod demand;
mod iframes;
mod limits;
mod manifest;
mod memory;
mod pictures;
mod ranges;
mod read;
mod session;
mod spec;
mod streams;
mod writer;

pub use crate::model::hls::{DateRange, Packaging, Pathway, RangeError, Reload};
pub use answer::{Age, Document, Missing, Object, Text};
pub use demand::RungDemand;
pub use limits::Limits;
pub use read::Usage;
pub use spec::SessionSpec;
pub use streams::Origin;
pub use writer::SessionWriter;

#[cfg(test)]
mod tests;
