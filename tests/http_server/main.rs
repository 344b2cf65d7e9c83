//! The HTTP server over real sockets, with a real origin and a stub for the sessions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(test)]
mod access;
#[cfg(test)]
mod audience;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod challenges;
#[cfg(test)]
mod client;
#[cfg(test)]
mod date_ranges;
#[cfg(test)]
mod front_door;
#[cfg(test)]
mod http1;
#[cfg(test)]
mod http2;
#[cfg(test)]
#[path = "../support/iframe.rs"]
mod iframe;
#[cfg(test)]
mod iframes;
#[cfg(test)]
#[path = "../support/log.rs"]
mod log;
#[cfg(test)]
mod manifest;
#[cfg(test)]
mod media;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod playlists;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod steering;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tls;
#[cfg(test)]
#[path = "../support/tls_client.rs"]
mod tls_client;
