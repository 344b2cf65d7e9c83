//! The RTMP server over real sockets, with real publishers and a stub as its gate.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

#[cfg(test)]
mod admission;
#[cfg(test)]
mod fixture;
#[cfg(test)]
#[path = "../support/log.rs"]
mod log;
#[cfg(test)]
mod media;
#[cfg(test)]
#[path = "../support/rtmp_client.rs"]
mod rtmp_client;
#[cfg(test)]
mod tls;
