//! What the daemon and its child processes say to each other: [`protocol`] has the messages of a
//! worker, [`codec`] their bytes, [`probe`] the answers of a probing child.

pub mod codec;
pub mod probe;
pub mod protocol;
