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
mod limits;
mod live;
mod names;
mod pages;
mod places;
mod ranges;
mod refusal;
mod reload;
mod routes;
mod server;
mod tap;

pub use limits::{Limits, raise_open_files_limit};
pub use server::Server;
