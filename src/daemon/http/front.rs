//! What the connections of a server share: the proxies in front of them, the requests in progress by
//! client, and the warnings about both.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ask::Peer;
use super::places::Holder;
use super::shares::InFlight;
use crate::base::flood;
use crate::daemon::net::{HeaderError, Proxies};
use crate::daemon::telemetry::metrics::HttpMetrics;

/// Each of the warnings about clients and proxies is logged at most once in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// What the services of all connections share.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) proxies: Proxies,
    pub(super) requests: Arc<InFlight>,
    pub(super) metrics: HttpMetrics,
    too_many: Mutex<flood::Limit>,
    headerless: Mutex<flood::Limit>,
}

impl Front {
    pub(super) fn new(
        proxies: Proxies,
        requests_per_client_max: usize,
        metrics: HttpMetrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            proxies,
            requests: InFlight::new(requests_per_client_max),
            metrics,
            too_many: Mutex::new(flood::Limit::new(1, WARNING_INTERVAL)),
            headerless: Mutex::new(flood::Limit::new(1, WARNING_INTERVAL)),
        })
    }

    /// Whose connection one from `address` is.
    pub(super) fn holder(&self, address: IpAddr) -> Holder {
        match self.proxies.trusts(address) {
            true => Holder::Proxy,
            false => Holder::Client,
        }
    }

    /// Says, once per while, that a trusted proxy does not name its clients as it should.
    pub(super) fn warn_of_header(&self, Peer(peer): Peer, cause: &HeaderError) {
        self.metrics.refused("no_proxy_header");
        if let (true, left_out) = pass(&self.headerless) {
            tracing::warn!(
                %peer,
                %cause,
                left_out,
                next = "let this proxy send PROXY headers, or set proxy_protocol = false in \
                        [server]",
                "HTTP connection refused"
            );
        }
    }

    /// Says, once per while, that a client has too many requests in progress.
    pub(super) fn warn_of_too_many(&self, client: IpAddr) {
        if let (true, left_out) = pass(&self.too_many) {
            tracing::warn!(
                %client,
                left_out,
                next = "if this is a proxy, name it in trusted_proxies in [server] and let it send \
                        Forwarded or X-Forwarded-For; if many viewers share this address, raise \
                        requests in [limits]",
                "requests refused: one address has too many in progress"
            );
        }
    }
}

fn pass(warnings: &Mutex<flood::Limit>) -> (bool, u64) {
    let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.pass(Instant::now())
}
