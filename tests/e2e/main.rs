//! End-to-end tests: weir as publishers, cameras and viewers meet it.

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
mod acme;
#[cfg(test)]
mod audience;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod cameras;
mod capacity;
#[cfg(test)]
mod chromium;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod dash;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod dialects;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod encoders;
#[cfg(test)]
mod followed;
#[cfg(test)]
mod front_door;
#[cfg(test)]
mod hostile_sources;
#[cfg(test)]
mod idle_pulls;
#[cfg(test)]
mod iframes;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
#[path = "../support/llhls/mod.rs"]
mod llhls;
#[cfg(test)]
mod many_pulls;
#[cfg(test)]
mod on_demand;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod passthrough;
#[cfg(test)]
#[path = "../players/mod.rs"]
mod players;
#[cfg(test)]
#[path = "../support/rtmp_client.rs"]
mod rtmp_client;
#[cfg(test)]
#[path = "../sources/mod.rs"]
mod sources;
#[cfg(test)]
mod stalls;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod ten_minutes;
#[cfg(test)]
mod tls;
#[cfg(test)]
#[path = "../support/tls_client.rs"]
mod tls_client;
#[cfg(test)]
mod walls;
#[cfg(test)]
mod workers;
