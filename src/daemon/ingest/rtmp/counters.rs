//! What an RTMP server counts, for metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// Counters of one server. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Open connections.
    pub connections: Gauge,
    /// Publishers refused because of their name, key or codec, or because they did not come through
    /// a trusted proxy where only those may connect.
    pub refused: Counter,
    /// Connections that were not publishing yet and were closed to make room.
    pub evicted: Counter,
}
