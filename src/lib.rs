//! weir: live streams in, an adaptive low-latency HLS ladder out.
//!
//! The modules in reading order. A module uses only modules above it; `daemon` and `worker`, which
//! run in different processes, do not use each other. `ARCHITECTURE.md` has the map and the
//! invariants.

pub mod base;
pub mod model;
pub mod wire;

pub mod daemon;
pub mod worker;

pub mod cli;
