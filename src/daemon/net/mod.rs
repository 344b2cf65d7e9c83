//! TCP ports and their connections, for HTTP and RTMP.

mod connections;
mod listener;

pub use connections::{Connections, Open};
pub use listener::{BindError, Listener, Protocol};
