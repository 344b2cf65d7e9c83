//! Everything that `/metrics` says, in the OpenMetrics text format.
//!
//! Counters are kept here and updated where things happen. What already has a value elsewhere
//! (stream states, viewers, window sizes, `/proc`) is read during each scrape, so it is never
//! stale: see `scrape`.

use std::sync::Arc;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::base::units::ByteSize;
use crate::daemon::ingest::rtmp;

use super::labels::{ReasonLabels, ResponseLabels, Route, RouteLabels, StreamLabels};
use super::process;
use super::scrape::{self, Scrape};

/// MIME type of the text that [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the daemon. Clones are cheap and count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Counters of the HTTP server.
    pub http: HttpMetrics,
    /// Counters of the RTMP server.
    pub rtmp: rtmp::Counters,
    /// Counters by stream.
    pub streams: StreamMetrics,
    registry: Arc<Registry>,
}

/// Counters of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    /// Responses, by kind of address and status code.
    pub requests: Family<ResponseLabels, Counter>,
    /// Bytes of response bodies, by kind of address.
    pub sent_bytes: Family<RouteLabels, Counter>,
    /// Open connections.
    pub connections: Gauge,
    /// Connections turned away, by reason.
    pub connections_refused: Family<ReasonLabels, Counter>,
    /// Connections closed to make room for others, by what they were waiting for.
    pub connections_evicted: Family<ReasonLabels, Counter>,
    /// Accepts that failed because file descriptors or memory were missing.
    pub accept_errors: Counter,
    /// Seconds that blocking playlist reloads waited.
    pub blocking_reload: Histogram,
}

/// Counters by stream. Callers pass only names of configured streams.
#[derive(Debug, Clone, Default)]
pub struct StreamMetrics {
    worker_restarts: Family<StreamLabels, Counter>,
    takeovers: Family<StreamLabels, Counter>,
    ingest_bytes: Family<StreamLabels, Counter>,
    ingest_frames: Family<StreamLabels, Counter>,
    ingest_dropped: Family<StreamLabels, Counter>,
    refused_for_room: Family<StreamLabels, Counter>,
}

/// The counters of one stream, without a look-up at each use.
#[derive(Debug, Clone)]
pub struct OneStream {
    /// Worker restarts after the worker ended by itself.
    pub worker_restarts: Counter,
    /// Take-overs by a second publisher.
    pub takeovers: Counter,
    /// Bytes of encoded media received.
    pub ingest_bytes: Counter,
    /// Encoded video and audio frames received.
    pub ingest_frames: Counter,
    /// Those of them that were dropped because the worker did not keep up.
    pub ingest_dropped: Counter,
    /// Publishers refused because the machine had no room for another stream.
    pub refused_for_room: Counter,
}

impl Metrics {
    /// Metrics of a daemon whose windows together may hold `origin_limit`.
    pub fn new(origin_limit: ByteSize) -> Self {
        let (http, rtmp) = (HttpMetrics::default(), rtmp::Counters::default());
        let streams = StreamMetrics::default();
        let mut registry = Registry::with_prefix("weir");
        http.register(&mut registry);
        register_rtmp(&rtmp, &mut registry);
        streams.register(&mut registry);
        registry.register_with_unit(
            "origin_limit",
            "Most bytes that the windows of all streams together may hold",
            Unit::Bytes,
            ConstGauge::new(i64::try_from(origin_limit.bytes()).unwrap_or(i64::MAX)),
        );
        Self {
            http,
            rtmp,
            streams,
            registry: Arc::new(registry),
        }
    }

    /// The whole text, which ends with `# EOF`. Blocks, because it reads `/proc`.
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
            connections_evicted: Family::default(),
            accept_errors: Counter::default(),
            // 10 ms to 10 s: the next part is about 200 ms away, the next segment some seconds.
            blocking_reload: Histogram::new(exponential_buckets(0.01, 2.0, 11)),
        }
    }
}

impl HttpMetrics {
    /// Counts a response.
    pub fn responded(&self, route: Route, code: u16) {
        self.requests
            .get_or_create(&ResponseLabels { route, code })
            .inc();
    }

    /// Counts a connection that was turned away.
    pub fn refused(&self, reason: &'static str) {
        self.connections_refused
            .get_or_create(&ReasonLabels { reason })
            .inc();
    }

    /// Counts a connection that was closed to make room for another, if one was.
    pub fn evicted(&self, reason: Option<&'static str>) {
        if let Some(reason) = reason {
            self.connections_evicted
                .get_or_create(&ReasonLabels { reason })
                .inc();
        }
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Responses by kind of address and status code",
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
            "HTTP connections turned away, by reason",
            self.connections_refused.clone(),
        );
        registry.register(
            "http_connections_evicted",
            "HTTP connections closed to make room, by what they were waiting for",
            self.connections_evicted.clone(),
        );
        registry.register(
            "http_accept_errors",
            "Accepts that failed because file descriptors or memory were missing",
            self.accept_errors.clone(),
        );
        registry.register_with_unit(
            "http_blocking_reload_wait",
            "Time that blocking playlist reloads waited",
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
        "RTMP publishers refused",
        counters.refused.clone(),
    );
    registry.register(
        "rtmp_evicted",
        "RTMP connections that were not publishing yet and were closed to make room",
        counters.evicted.clone(),
    );
}

impl StreamMetrics {
    /// The counters of the configured stream `name`. They show as zero until something is counted.
    pub fn of(&self, name: &str) -> OneStream {
        let labels = StreamLabels::of(name);
        OneStream {
            worker_restarts: self.worker_restarts.get_or_create_owned(&labels),
            takeovers: self.takeovers.get_or_create_owned(&labels),
            ingest_bytes: self.ingest_bytes.get_or_create_owned(&labels),
            ingest_frames: self.ingest_frames.get_or_create_owned(&labels),
            ingest_dropped: self.ingest_dropped.get_or_create_owned(&labels),
            refused_for_room: self.refused_for_room.get_or_create_owned(&labels),
        }
    }

    /// Drops the counters of a stream that is no longer configured.
    pub fn forget(&self, name: &str) {
        let labels = StreamLabels::of(name);
        for family in self.families() {
            family.remove(&labels);
        }
    }

    fn families(&self) -> [&Family<StreamLabels, Counter>; 6] {
        [
            &self.worker_restarts,
            &self.takeovers,
            &self.ingest_bytes,
            &self.ingest_frames,
            &self.ingest_dropped,
            &self.refused_for_room,
        ]
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "worker_restarts",
            "Worker restarts after the worker ended by itself",
            self.worker_restarts.clone(),
        );
        registry.register(
            "publisher_takeovers",
            "Take-overs of a stream by a second publisher",
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
        registry.register(
            "ingest_frames_dropped",
            "Encoded frames dropped up to a key frame because the worker did not keep up",
            self.ingest_dropped.clone(),
        );
        registry.register(
            "publishers_refused_for_room",
            "Publishers refused because the machine had no room for another stream",
            self.refused_for_room.clone(),
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
