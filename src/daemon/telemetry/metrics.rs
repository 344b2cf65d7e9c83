//! Everything `/metrics` says, in the OpenMetrics text format.
//!
//! Counters are kept here and updated where things happen; whatever already has a value
//! somewhere (stream states, viewers, window sizes, `/proc`) is read when it is scraped, so it
//! cannot go stale. Label values are configured stream names, rung names and words of this file,
//! never anything a client sent: their number is bounded.

use std::fmt::Write;
use std::sync::Arc;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::base::units::ByteSize;
use crate::daemon::ingest::rtmp;
use crate::daemon::origin::Usage;
use crate::model::status::StreamStatus;

use super::process;

mod scrape;

/// MIME type of [`Metrics::render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the daemon. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The web side.
    pub http: HttpMetrics,
    /// The RTMP listener.
    pub rtmp: rtmp::Counters,
    /// Counters by stream.
    pub streams: StreamMetrics,
    /// The configured bound of all windows together.
    origin_limit_bytes: Gauge,
    registry: Arc<Registry>,
}

/// Counters of the web side.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    /// Responses by kind of address and status code.
    pub requests: Family<RequestLabels, Counter>,
    /// Bytes of response bodies, by kind of address.
    pub sent_bytes: Family<RouteLabels, Counter>,
    /// Connections that are open.
    pub connections: Gauge,
    /// Connections turned away at once.
    pub connections_refused: Family<ReasonLabels, Counter>,
    /// Accepts that failed, for want of file descriptors or memory.
    pub accept_errors: Counter,
    /// How long blocking playlist reloads waited.
    pub blocking_reload: Histogram,
}

/// Counters by stream; callers pass configured names only.
#[derive(Debug, Clone, Default)]
pub struct StreamMetrics {
    worker_restarts: Family<StreamLabels, Counter>,
    takeovers: Family<StreamLabels, Counter>,
    ingest_bytes: Family<StreamLabels, Counter>,
    ingest_frames: Family<StreamLabels, Counter>,
}

/// The counters of one stream, without a look-up at every use.
#[derive(Debug, Clone)]
pub struct OneStream {
    /// Times its worker was started again after it ended by itself.
    pub worker_restarts: Counter,
    /// Times a second publisher took over.
    pub takeovers: Counter,
    /// Bytes of encoded media received.
    pub ingest_bytes: Counter,
    /// Encoded video and audio frames received.
    pub ingest_frames: Counter,
}

/// Kinds of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// HTML.
    Page,
    /// What pages load.
    Asset,
    /// A multivariant playlist.
    Master,
    /// A media playlist.
    Playlist,
    /// An init section, part or segment.
    Media,
    /// A thumbnail.
    Thumbnail,
    /// The JSON API.
    Api,
    /// Metrics.
    Metrics,
    /// Health and readiness.
    Health,
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Page => "page",
            Self::Asset => "asset",
            Self::Master => "master",
            Self::Playlist => "playlist",
            Self::Media => "media",
            Self::Thumbnail => "thumbnail",
            Self::Api => "api",
            Self::Metrics => "metrics",
            Self::Health => "health",
        })
    }
}

/// Labels of [`HttpMetrics::requests`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Kind of address.
    pub route: Route,
    /// Status code.
    pub code: u16,
}

/// Labels of [`HttpMetrics::sent_bytes`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// Kind of address.
    pub route: Route,
}

/// Why something was turned away: a fixed word, never text from outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabels {
    /// The word, such as `per_address`.
    pub reason: &'static str,
}

/// The stream a value belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StreamLabels {
    /// Configured name.
    pub stream: String,
}

/// What is read at the moment of a scrape.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// Every configured stream.
    pub streams: Vec<StreamStatus>,
    /// What the windows hold.
    pub usage: Usage,
}

impl Metrics {
    /// Metrics of a daemon whose windows may hold `origin_limit`.
    pub fn new(origin_limit: ByteSize) -> Self {
        let mut metrics = Self {
            http: HttpMetrics::default(),
            rtmp: rtmp::Counters::default(),
            streams: StreamMetrics::default(),
            origin_limit_bytes: Gauge::default(),
            registry: Arc::default(),
        };
        let bytes = i64::try_from(origin_limit.bytes()).unwrap_or(i64::MAX);
        metrics.origin_limit_bytes.set(bytes);
        metrics.registry = Arc::new(metrics.registered());
        metrics
    }

    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("weir");
        self.http.register(&mut registry);
        register_rtmp(&self.rtmp, &mut registry);
        self.streams.register(&mut registry);
        registry.register_with_unit(
            "origin_limit",
            "Configured bound of all windows together",
            Unit::Bytes,
            self.origin_limit_bytes.clone(),
        );
        registry
    }

    /// The whole text, ending in `# EOF`. Reads `/proc`: not for an async thread.
    pub fn render(&self, scrape: &Scrape) -> String {
        let mut text = String::with_capacity(16 * 1024);
        let scraped = scrape::registry(scrape, process::this(), process::resident_bytes);
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &scraped))
            .and_then(|()| encode_eof(&mut text));
        if let Err(error) = written {
            tracing::error!(%error, "metrics could not be written; this scrape is incomplete");
        }
        text
    }
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            sent_bytes: Family::default(),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            accept_errors: Counter::default(),
            // 10 ms to 10 s: a part is some 200 ms away, a segment some seconds.
            blocking_reload: Histogram::new(exponential_buckets(0.01, 2.0, 11)),
        }
    }
}

impl HttpMetrics {
    /// Counts a response whose head was sent.
    pub fn responded(&self, route: Route, code: u16) {
        self.requests
            .get_or_create(&RequestLabels { route, code })
            .inc();
    }

    /// Counts a connection turned away.
    pub fn refused(&self, reason: &'static str) {
        self.connections_refused
            .get_or_create(&ReasonLabels { reason })
            .inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Responses by kind of address and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_sent",
            "Bytes of response bodies sent",
            Unit::Bytes,
            self.sent_bytes.clone(),
        );
        registry.register(
            "http_connections",
            "Open HTTP connections",
            self.connections.clone(),
        );
        registry.register(
            "http_connections_refused",
            "HTTP connections turned away at once",
            self.connections_refused.clone(),
        );
        registry.register(
            "http_accept_errors",
            "Accepts that failed, for want of file descriptors or memory",
            self.accept_errors.clone(),
        );
        registry.register_with_unit(
            "http_blocking_reload_wait",
            "How long blocking playlist reloads waited",
            Unit::Seconds,
            self.blocking_reload.clone(),
        );
    }
}

/// Makes the counters of the RTMP server part of every scrape.
fn register_rtmp(counters: &rtmp::Counters, registry: &mut Registry) {
    registry.register(
        "rtmp_connections",
        "Open RTMP connections",
        counters.connections.clone(),
    );
    registry.register(
        "rtmp_refused",
        "Publishers refused, by RTMP",
        counters.refused.clone(),
    );
    registry.register(
        "rtmp_evicted",
        "RTMP connections closed to make room",
        counters.evicted.clone(),
    );
}

impl StreamMetrics {
    /// The counters of the configured stream `name`; they start at zero and show at once.
    pub fn of(&self, name: &str) -> OneStream {
        let labels = StreamLabels {
            stream: name.to_owned(),
        };
        OneStream {
            worker_restarts: self.worker_restarts.get_or_create_owned(&labels),
            takeovers: self.takeovers.get_or_create_owned(&labels),
            ingest_bytes: self.ingest_bytes.get_or_create_owned(&labels),
            ingest_frames: self.ingest_frames.get_or_create_owned(&labels),
        }
    }

    /// Drops the counters of a stream that is configured no more.
    pub fn forget(&self, name: &str) {
        let labels = StreamLabels {
            stream: name.to_owned(),
        };
        for family in self.families() {
            family.remove(&labels);
        }
    }

    fn families(&self) -> [&Family<StreamLabels, Counter>; 4] {
        [
            &self.worker_restarts,
            &self.takeovers,
            &self.ingest_bytes,
            &self.ingest_frames,
        ]
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "worker_restarts",
            "Times a worker was started again after it ended by itself",
            self.worker_restarts.clone(),
        );
        registry.register(
            "publisher_takeovers",
            "Times a second publisher took over",
            self.takeovers.clone(),
        );
        registry.register_with_unit(
            "ingest",
            "Bytes of encoded media received",
            Unit::Bytes,
            self.ingest_bytes.clone(),
        );
        registry.register(
            "ingest_frames",
            "Encoded video and audio frames received",
            self.ingest_frames.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_show_with_their_units_and_labels() {
        let metrics = Metrics::new(ByteSize::from_mib(1));
        metrics.http.responded(Route::Playlist, 200);
        metrics.http.blocking_reload.observe(0.2);
        metrics.rtmp.refused.inc();
        metrics.streams.of("demo").ingest_bytes.inc_by(7);
        let text = metrics.render(&Scrape::default());
        for line in [
            "weir_http_requests_total{route=\"playlist\",code=\"200\"} 1",
            "weir_http_blocking_reload_wait_seconds_count 1",
            "weir_rtmp_refused_total 1",
            "weir_ingest_bytes_total{stream=\"demo\"} 7",
            "weir_worker_restarts_total{stream=\"demo\"} 0",
            "weir_origin_limit_bytes 1048576",
        ] {
            assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_forgotten_stream_is_gone() {
        let metrics = Metrics::new(ByteSize::from_mib(1));
        metrics.streams.of("old").takeovers.inc();
        metrics.streams.of("new").takeovers.inc();
        metrics.streams.forget("old");
        let text = metrics.render(&Scrape::default());
        assert!(!text.contains("\"old\"") && text.contains("\"new\""));
    }
}
