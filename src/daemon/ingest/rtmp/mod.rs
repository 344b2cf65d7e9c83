//! RTMP server for publishers (Adobe RTMP 1.0, E-RTMP v2).
//!
//! In reading order: [`chunk`] reassembles [`message`]s; [`amf`] and [`command`] read commands;
//! [`flv`] reads the headers of media messages; [`connection`] is the protocol without a socket or
//! a clock, which [`Server`] adds. [`Limits`] bounds the resources of each peer and of all peers.

pub mod amf;
pub mod chunk;
pub mod command;
pub mod connection;
mod counters;
mod cursor;
mod end;
pub mod flv;
pub mod handshake;
mod limits;
mod link;
mod media;
pub mod message;
mod peer;
mod pool;
mod refusals;
mod server;
mod timeline;

pub use counters::Counters;
pub use limits::Limits;
pub use server::Server;
