//! RTMP, the server side of a publisher (Adobe RTMP 1.0, E-RTMP v2).
//!
//! In reading order: [`chunk`] puts [`message`]s together, [`amf`] and [`command`] read what a peer
//! wants, [`flv`] what its media is; [`connection`] is the protocol without a socket or a clock, and
//! [`Server`] gives it both. What a peer may cost is in [`Limits`].

pub mod amf;
pub mod chunk;
pub mod command;
pub mod connection;
mod cursor;
mod end;
pub mod flv;
pub mod handshake;
mod limits;
mod media;
pub mod message;
mod peer;
mod pool;
mod refusals;
mod server;
mod stats;
mod timeline;

pub use limits::Limits;
pub use server::Server;
pub use stats::{Counter, Stats};
