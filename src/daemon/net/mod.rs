//! TCP ports and their connections, for HTTP and RTMP.

mod connections;
mod crowd;
mod listener;
mod proxies;

pub use connections::{Connections, Open};
pub use crowd::{Crowd, Waiting};
pub use listener::{BindError, Listener, Protocol};
pub use proxies::{HeaderError, Proxies};
