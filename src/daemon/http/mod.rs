//! The HTTP server: pages, HLS, API, metrics. The only user of warp.
//!
//! In reading order: [`Server`] opens the port and lets connections in; `connection` serves one of
//! them in one of the `places`, by `http1` or hyper, and its requests pass `tap`, which finds out the client
//! (`forwarded`) and counts them; `activity` tells whether the connection may stay. `routes` says what an
//! address names, and `answer` calls the handler: `live`, `steering`, `pages`, `api` or `date_ranges`;
//! `private` stands before it where a stream is not public, and `pass` finds what a request shows there
//! (`prefix`: in front of its address). Handlers share `app` (state), `edges`, `ask` (the request), `content`
//! (the response's body), `names`, `caching`, `ranges`, `errors` and `assets`. The public ports (without TLS
//! and with it) are one server and the admin port is another; `audience` is
//! what they do differently, and `redirect` sends visitors from one public port to the other.

mod activity;
mod answer;
mod api;
mod app;
mod ask;
mod assets;
mod audience;
mod caching;
mod connection;
mod content;
mod date_ranges;
mod edges;
mod errors;
mod forwarded;
mod front;
mod http1;
mod limits;
mod live;
mod names;
mod pages;
mod pass;
mod places;
mod prefix;
mod private;
mod ranges;
mod redirect;
mod refusal;
mod reload;
mod routes;
mod server;
mod shares;
mod steering;
mod tap;

pub use edges::Steering;
pub use limits::{Limits, raise_open_files_limit};
pub use server::Server;
