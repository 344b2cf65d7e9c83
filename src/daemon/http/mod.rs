//! The only user of warp: pages, HLS, API, metrics.
//!
//! In reading order: [`Server`] (listener, bounds, draining) hands each connection to
//! `connection`, whose requests go through `routes`; handlers are in `live`, `pages`, `api`; what
//! they share is in `ask` (the request), `names`, `caching`, `ranges`, `errors`, `assets`.

mod api;
mod ask;
mod assets;
mod caching;
mod connection;
mod errors;
mod gate;
mod library;
mod live;
mod names;
mod pages;
mod ranges;
mod refusal;
mod reload;
mod routes;
mod server;
mod tap;

use std::net::IpAddr;

use crate::model::status::StreamStatus;

pub use library::Library;
pub use server::{BindError, Limits, Server, raise_open_files_limit};

/// What a request for a stream finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// No stream of that name is configured.
    Unknown,
    /// Configured, but nothing is being published and nothing can be started.
    Nothing,
    /// Being made, perhaps because of this very request; wait for the origin.
    Starting,
    /// There is a session to play (perhaps an ended one).
    Playable,
}

/// What the web side asks of the sessions; the registry in the daemon, a stub in tests.
pub trait Catalog: Clone + Send + Sync + 'static {
    /// Every configured stream, in the order of the file.
    fn list(&self) -> Vec<StreamStatus>;
    /// One stream.
    fn status(&self, name: &str) -> Option<StreamStatus>;
    /// A viewer asked for a playlist: starts an on-demand source, counts the viewer.
    fn demand(&self, name: &str, address: IpAddr, agent: &str) -> Demand;
    /// An encoder passed its test, so streams can be made.
    fn ready(&self) -> bool;
}
