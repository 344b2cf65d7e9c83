//! TCP listeners: what HTTP and RTMP do alike with a port and its connections.

mod connections;
mod listener;

pub use connections::{Connections, Open};
pub use listener::{BindError, Listener, Protocol};
