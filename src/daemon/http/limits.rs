//! Bounds of the HTTP server.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::refusal::{self, REFUSALS_MAX};

/// File descriptors reserved for everything that is not a viewer: workers, publishers, files.
const RESERVED_FDS: usize = 256;
/// Headers of a request.
pub(super) const HEADERS_MAX: usize = 64;
/// Even with few file descriptors some viewers are let in.
const CONNECTIONS_MIN: usize = 64;

/// Bounds of the HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections at a time from one IPv4 address or IPv6 /64 network; an IPv6 /48 network gets
    /// twice as many. Trusted proxies are not bounded.
    pub connections_per_address_max: usize,
    /// Requests in progress at a time from one client, counted likewise.
    pub requests_per_address_max: usize,
    /// Bytes of a request's head; hyper needs at least 8192.
    pub head_bytes_max: usize,
    /// How long a connection may be without a byte of its first request.
    pub first_byte_max: Duration,
    /// How long a TLS handshake may take after its first byte.
    pub handshake_max: Duration,
    /// How long a connection may be without a request, before the first and between two.
    pub idle_max: Duration,
    /// How long one response may take, waiting and sending.
    pub request_max: Duration,
    /// How long responses may take after the server was told to stop.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            // Many viewers may share an address (a company, a proxy), but none gets more than a
            // quarter of all places.
            connections_per_address_max: 2048,
            // A connection of HTTP/1 has one request in progress, so these are as many.
            requests_per_address_max: 2048,
            head_bytes_max: 16 * 1024,
            // Longer than a lost packet takes to be sent again, shorter than an attacker likes.
            first_byte_max: Duration::from_secs(5),
            // Two round trips, each with a packet that is lost twice.
            handshake_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(30),
            request_max: Duration::from_secs(120),
            drain_max: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The bounds of the admin port: a few scrapers and people.
    pub(super) fn admin() -> Self {
        Self {
            connections_max: 64,
            connections_per_address_max: 32,
            ..Self::default()
        }
    }

    /// The bounds of a connection for which there is no place.
    pub(super) fn for_refusal(self) -> Self {
        Self {
            first_byte_max: refusal::LINGER_MAX,
            handshake_max: refusal::LINGER_MAX,
            idle_max: refusal::LINGER_MAX,
            request_max: refusal::ANSWER_MAX,
            ..self
        }
    }

    /// Connections at a time: as configured, but never so many that the rest of the daemon lacks
    /// file descriptors.
    pub(super) fn connections_affordable(&self) -> usize {
        let wanted = self.connections_max;
        let descriptors = getrlimit(Resource::Nofile).current;
        let Some(descriptors) = descriptors.and_then(|n| usize::try_from(n).ok()) else {
            return wanted;
        };
        let for_viewers = descriptors.saturating_sub(RESERVED_FDS + REFUSALS_MAX);
        let affordable = wanted.min(for_viewers.max(CONNECTIONS_MIN));
        if affordable < wanted {
            tracing::warn!(
                connections_max = affordable,
                "few files may be open (`ulimit -n`), so fewer viewers are let in"
            );
        }
        affordable
    }
}

/// Raises the soft limit of open files to the hard one, because most systems start a process with
/// 1024, which is few viewers. Call this once, before anything else is started.
pub fn raise_open_files_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = ?current, "the limit of open files stays as it is");
    }
}
