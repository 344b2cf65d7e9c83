//! Certificates that a certificate authority makes for weir, by ACME (RFC 8555).
//!
//! In reading order: [`Settings`] say what is wanted of which [`Directory`]; `schedule` says when; a
//! [`Renewer`] is the task that waits for that time, has an `order` carried out, and puts what comes
//! into its `folder`, from where the TLS ports take it. `client` speaks HTTP with the authority, and
//! `failure` says why an order came to nothing and what to do. The only user of instant-acme.

mod client;
mod failure;
mod folder;
mod order;
mod renewer;
mod schedule;
mod settings;

pub use renewer::{Plan, Renewer};
pub use schedule::renewal;
pub use settings::{Directory, Settings};
