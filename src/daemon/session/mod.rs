//! One task a stream: lifecycle, grace, take-over.
//!
//! In reading order: [`machine`] decides, from events and the time alone; `stream` is the task
//! that feeds it and does what it says; `intake` is the publisher's side of that task (`gop`
//! keeps what a new worker needs, `feed` decides what is left out), `output` the worker's side;
//! [`sink`] is what a session needs of the origin; [`registry`] holds all streams and answers
//! the ingests and the web side, out of a `cell` each task keeps up to date.

mod cell;
mod date;
mod feed;
mod gop;
mod intake;
pub mod machine;
mod output;
pub mod registry;
pub mod sink;
pub mod spec;
mod stream;
mod viewers;

#[cfg(test)]
mod fake;

pub use registry::{Deps, Registry};
pub use stream::Tested;
