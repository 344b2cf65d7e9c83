//! The HTTP client of a pull, as GStreamer's element `weirhttpsrc`.
//!
//! Every byte that a pull fetches comes through this client: the stream or playlist itself, and what
//! a playlist names. So one place decides what may be fetched, who gets the password, and what the
//! cause of a failure is called.

mod auth;
mod body;
pub mod cause;
mod connection;
mod fetch;
mod head;
pub mod multipart;
mod nearness;
mod pictures;
mod rules;
pub mod source;

pub use cause::Cause;
pub use rules::Rules;
