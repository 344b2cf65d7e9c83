//! TCP ports and their accept loop.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use super::proxies::Proxies;
use crate::base::flood;
use crate::daemon::tls::Acceptor;

/// Connections that the kernel holds until they are accepted; it may hold fewer
/// (`net.core.somaxconn`). While its queue is full, newcomers are let in only after a second or more,
/// so there is room for a burst.
const BACKLOG: u32 = 4096;
/// The pause after a failed accept: its cause (no file descriptors, no memory) needs time to go.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Failed accepts, and peers that may not connect, are logged at most once in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The protocol that some listeners serve.
pub trait Protocol {
    /// A client has connected: serve it, or turn it away, in a task of `connections`.
    fn accepted(&mut self, incoming: Incoming, connections: &mut Connections);

    /// An accept failed, most likely because no file descriptor is free.
    fn accept_failed(&mut self);

    /// A client was turned away because only proxies may connect.
    fn not_a_proxy(&mut self);
}

/// A connection that has just been accepted.
#[derive(Debug)]
pub struct Incoming {
    /// The connection, from which no byte has been read.
    pub stream: TcpStream,
    /// Its other end: the client or a proxy.
    pub peer: SocketAddr,
    /// What makes it secure, after a proxy has named its client; `None` on a port without TLS.
    pub tls: Option<Acceptor>,
}

/// A port that is open but not served yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    key: &'static str,
    tls: Option<Acceptor>,
}

/// The ports of one protocol, open but not served yet.
#[derive(Debug)]
pub struct Listeners {
    all: Vec<Listener>,
    proxies: Proxies,
    /// The index of the listener that is asked first, which changes, so that a flood at one port does
    /// not keep out those who come by another.
    first: usize,
}

/// Why a port could not be opened: one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{key} cannot listen on {address}: {cause}; {next_step}", next_step = self.next_step())]
pub struct BindError {
    key: &'static str,
    address: SocketAddr,
    cause: io::Error,
}

impl Listener {
    /// Opens the port that the key `key` of the section `[server]` names. Must be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub fn bind(key: &'static str, address: SocketAddr) -> Result<Self, BindError> {
        let error = |cause| BindError {
            key,
            address,
            cause,
        };
        let socket = listen(address).map_err(error)?;
        Ok(Self {
            address: socket.local_addr().map_err(error)?,
            socket,
            key,
            tls: None,
        })
    }

    /// Speaks TLS on this port.
    #[must_use]
    pub fn secured(mut self, tls: Acceptor) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The address listened on, with the port that the system chose when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether TLS is spoken on this port.
    pub fn is_secured(&self) -> bool {
        self.tls.is_some()
    }
}

impl From<Vec<Listener>> for Listeners {
    fn from(all: Vec<Listener>) -> Self {
        Self {
            all,
            proxies: Proxies::default(),
            first: 0,
        }
    }
}

impl Listeners {
    /// Lets in only those that `proxies` admits.
    #[must_use]
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// The ports.
    pub fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.all.iter()
    }

    /// Hands every connection to `protocol` until `shutdown`, then closes the ports. Returns the
    /// connections that are still open.
    pub async fn run(
        mut self,
        protocol: &mut impl Protocol,
        shutdown: &CancellationToken,
    ) -> Connections {
        let mut connections = Connections::default();
        let limit = || flood::Limit::new(1, WARNING_INTERVAL);
        let (mut warnings, mut strangers) = (limit(), limit());
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return connections,
                // The end of a connection also ends the pause after a failed accept.
                Some(()) = connections.next_ended() => {}
                (incoming, key) = self.accept(protocol, &mut warnings) => {
                    if self.proxies.admits(incoming.peer.ip()) {
                        protocol.accepted(incoming, &mut connections);
                    } else {
                        protocol.not_a_proxy();
                        warn_of_stranger(key, incoming.peer, &mut strangers);
                    }
                }
            }
        }
    }

    async fn accept(
        &mut self,
        protocol: &mut impl Protocol,
        warnings: &mut flood::Limit,
    ) -> (Incoming, &'static str) {
        loop {
            let (index, accepted) = poll_fn(|context| self.poll_accept(context)).await;
            self.first = index + 1;
            let Some(listener) = self.all.get(index) else {
                continue;
            };
            let (key, tls) = (listener.key, &listener.tls);
            match accepted {
                Ok((stream, peer)) => {
                    // Parts and answers must not wait for more data (Nagle's algorithm).
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "TCP_NODELAY could not be set");
                    }
                    let tls = tls.clone();
                    return (Incoming { stream, peer, tls }, key);
                }
                Err(error) if is_about_the_peer(&error) => {}
                // With no file descriptor left, the connection stays in the backlog, and the next
                // accept would fail at once.
                Err(error) => {
                    protocol.accept_failed();
                    if let (true, _) = warnings.pass(Instant::now()) {
                        tracing::warn!(
                            listener = key,
                            %error,
                            next = "raise the limit of open files if this stays",
                            "a connection cannot be accepted; trying again every 100 ms"
                        );
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// The next connection of any port, and the index of the port.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<(usize, Accepted)> {
        let count = self.all.len();
        let from_first = (0..count).map(|n| (self.first + n) % count.max(1));
        for index in from_first {
            if let Some(listener) = self.all.get(index)
                && let Poll::Ready(accepted) = listener.socket.poll_accept(context)
            {
                return Poll::Ready((index, accepted));
            }
        }
        Poll::Pending
    }
}

type Accepted = io::Result<(TcpStream, SocketAddr)>;

fn warn_of_stranger(key: &'static str, peer: SocketAddr, warnings: &mut flood::Limit) {
    if let (true, left_out) = warnings.pass(Instant::now()) {
        tracing::warn!(
            listener = key,
            peer = %peer.ip().to_canonical(),
            left_out,
            next = "if this is a proxy, add its address to trusted_proxies in [server]; else \
                    keep it away with a firewall",
            "connection refused: with proxy_protocol, only trusted proxies may connect"
        );
    }
}

impl BindError {
    fn next_step(&self) -> String {
        let key = self.key;
        match self.cause.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program has this port (`ss -ltnp` shows which): stop it, or set another \
                 port as [server] {key}"
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "this machine has no such address: set [server] {key} to one that `ip address` \
                 shows, or to 0.0.0.0"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "ports below 1024 need a privilege: set [server] {key} to a port such as 8080"
            ),
            _ => format!("set another [server] {key}"),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // Without this, a restart fails while old connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The peer went away before it was accepted, or a signal came: the next accept may succeed
/// (accept(2)).
fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_one_line_with_port_and_next_step() {
        let first = Listener::bind("http", "127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listener::bind("http", first.address()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(&first.address().to_string()), "{error}");
        assert!(error.contains("stop it, or set another port"), "{error}");
        assert!(error.ends_with("[server] http"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[tokio::test]
    async fn a_foreign_address_says_what_to_set() {
        // TEST-NET-1 (RFC 5737) belongs to no machine.
        let error = Listener::bind("rtmp", "192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("no such address"), "{error}");
    }

    #[test]
    fn only_errors_of_the_peer_are_retried_at_once() {
        use rustix::io::Errno;
        for (errno, about_the_peer) in [
            (Errno::CONNABORTED, true),
            (Errno::CONNRESET, true),
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::NOBUFS, false),
            (Errno::NOMEM, false),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(is_about_the_peer(&error), about_the_peer, "{error}");
        }
    }
}
