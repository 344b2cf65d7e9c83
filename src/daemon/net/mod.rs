//! TCP ports and their connections, for HTTP and RTMP, with TLS and without.

mod connections;
mod crowd;
mod listener;
mod proxies;

pub use connections::{Connections, Open};
pub use crowd::{Crowd, Waiting};
pub use listener::{BindError, Incoming, Listener, Listeners, Protocol};
pub use proxies::{HeaderError, Proxies};
