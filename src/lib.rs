//! weir: live streams in, an adaptive low-latency HLS ladder out.
//!
//! The rooms in reading order; a room uses only what stands before it, except that the command
//! line uses all of them. `ARCHITECTURE.md` has the map and the invariants.

pub mod base;
pub mod model;
pub mod wire;

pub mod daemon;
pub mod worker;

pub mod cli;
