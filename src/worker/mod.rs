//! One media process a stream: its protocol, the side that watches it, and its own main loop.

pub mod protocol;

pub mod child;
pub mod codec;
pub mod probe;
