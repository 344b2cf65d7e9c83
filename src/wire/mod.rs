//! What the daemon and a worker say to each other: [`protocol`] has the messages, [`codec`] their
//! bytes.

pub mod codec;
pub mod protocol;
