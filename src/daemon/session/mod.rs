//! One task per stream: lifecycle, grace, take-over.
//!
//! In reading order: [`machine`] decides, from events and the time alone; `stream` is the task
//! that tells the machine what happens and does what it says. `contribution` is the publisher's
//! side of that task: `gop` keeps what a new worker needs, `backpressure` decides what is left
//! out. `distribution` is the worker's side: what the worker made goes to the origin and to the
//! [`subscribers`], after [`claims`] has held it against what the worker was told; a [`fault`] costs
//! the worker its job. [`notes`] are what it says to people. [`registry`] holds all streams; it answers the
//! ingests and the web side ([`catalog`]) from a `cell` that each task keeps up to date, and asks
//! `capacity` whether the machine has room for another stream.

mod backpressure;
mod capacity;
pub mod catalog;
mod cell;
pub mod claims;
mod contribution;
pub mod distribution;
pub mod fault;
mod gop;
pub mod machine;
pub mod notes;
mod panics;
pub mod registry;
mod slots;
pub mod spec;
mod stream;
pub mod subscribers;
mod viewers;

#[cfg(test)]
mod fake;

pub use catalog::{Catalog, Demand};
pub use registry::{Deps, Registry};
pub use stream::Tested;
pub use viewers::Viewer;
