//! Small types and functions that both processes use.

pub mod backoff;
pub mod cors;
pub mod flood;
pub mod gzip;
pub mod names;
pub mod network;
pub mod procfs;
pub mod secret;
pub mod text;
pub mod time;
pub mod units;
