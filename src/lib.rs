//! weir: live streams in, an adaptive low-latency HLS ladder out.
//!
//! The modules in reading order; `ARCHITECTURE.md` has the map and the invariants.

pub mod cli;
pub mod config;
mod flood;
pub mod frame;
pub mod hls;
pub mod http;
pub mod ingest;
pub mod ladder;
pub mod media;
mod names;
mod network;
pub mod origin;
pub mod session;
pub mod telemetry;
pub mod units;
pub mod worker;
