//! The daemon's side: it takes streams in, keeps workers alive and serves viewers.
//!
//! The daemon never runs a codec or a demuxer written in C.

pub mod access;
pub mod acme;
pub mod config;
pub mod files;
pub mod http;
pub mod ingest;
pub mod net;
pub mod origin;
pub mod session;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
