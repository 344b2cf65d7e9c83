//! The metrics that are read during a scrape.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use crate::daemon::origin::Usage;
use crate::model::status::{State, StreamStatus};

use super::labels::StreamLabels;
use super::process::Snapshot;

/// What a scrape reads from the rest of the daemon.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// Every configured stream.
    pub streams: Vec<StreamStatus>,
    /// Bytes that the windows hold.
    pub usage: Usage,
    /// When the certificate in force ends; `None` where no port speaks TLS.
    pub certificate_expires: Option<SystemTime>,
}

type Real = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    stream: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RungLabels {
    stream: String,
    rung: String,
}

/// Every state with its label value. A state set (OpenMetrics) has a sample for each state, and the
/// current one is 1.
const STATES: [(State, &str); 5] = [
    (State::Idle, "idle"),
    (State::Starting, "starting"),
    (State::Live, "live"),
    (State::Waiting, "waiting"),
    (State::Failed, "failed"),
];

/// A registry with the current values.
pub(super) fn registry(
    scrape: &Scrape,
    process: Option<Snapshot>,
    resident_bytes: impl Fn(u32) -> Option<u64>,
) -> Registry {
    let mut registry = Registry::default();
    origin(&mut registry, scrape);
    states(&mut registry, &scrape.streams);
    streams(&mut registry, &scrape.streams, resident_bytes);
    inputs(&mut registry, &scrape.streams);
    rungs(&mut registry, &scrape.streams);
    if let Some(expires) = scrape.certificate_expires {
        let since_epoch = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        registry.register_with_unit(
            "weir_certificate_expiry_timestamp",
            "When the certificate in force ends, as a Unix time",
            Unit::Seconds,
            ConstGauge::new(signed(since_epoch.as_secs())),
        );
    }
    if let Some(process) = process {
        this_process(&mut registry, process);
    }
    registry
}

fn origin(registry: &mut Registry, scrape: &Scrape) {
    let by_stream = Family::<StreamLabels, Gauge>::default();
    for (stream, bytes) in &scrape.usage.streams {
        by_stream
            .get_or_create(&StreamLabels::of(stream))
            .set(signed(*bytes));
    }
    registry.register_with_unit(
        "weir_origin_stream",
        "Bytes in the windows of one stream",
        Unit::Bytes,
        by_stream,
    );
    registry.register_with_unit(
        "weir_origin",
        "Bytes in the windows of all streams",
        Unit::Bytes,
        ConstGauge::new(signed(scrape.usage.bytes)),
    );
}

fn streams(
    registry: &mut Registry,
    streams: &[StreamStatus],
    resident_bytes: impl Fn(u32) -> Option<u64>,
) {
    let viewers = Family::<StreamLabels, Gauge>::default();
    let workers = Family::<StreamLabels, Gauge>::default();
    for status in streams {
        let labels = StreamLabels::of(&status.name);
        viewers
            .get_or_create(&labels)
            .set(i64::try_from(status.viewers).unwrap_or(i64::MAX));
        if let Some(bytes) = status.worker_pid.and_then(&resident_bytes) {
            workers.get_or_create(&labels).set(signed(bytes));
        }
    }
    registry.register(
        "weir_stream_viewers",
        "Players with a playlist request in the last 10 s, by their id, or by address and agent",
        viewers,
    );
    registry.register_with_unit(
        "weir_worker_resident",
        "Resident memory of the worker process of a stream",
        Unit::Bytes,
        workers,
    );
}

fn states(registry: &mut Registry, streams: &[StreamStatus]) {
    let states = Family::<StateLabels, Gauge>::default();
    for status in streams {
        for (state, word) in STATES {
            let labels = StateLabels {
                stream: status.name.clone(),
                state: word,
            };
            let current = status.state == state;
            states.get_or_create(&labels).set(i64::from(current));
        }
    }
    registry.register(
        "weir_stream_state",
        "1 for the state that the stream is in, 0 for all others",
        states,
    );
}

fn inputs(registry: &mut Registry, streams: &[StreamStatus]) {
    let delay = Family::<StreamLabels, Real>::default();
    let repeated = Family::<StreamLabels, Counter>::default();
    let skipped = Family::<StreamLabels, Counter>::default();
    for (stream, input) in streams.iter().filter_map(|s| Some((s, s.input?))) {
        let labels = StreamLabels::of(&stream.name);
        delay
            .get_or_create(&labels)
            .set(Duration::from_millis(input.delay_ms).as_secs_f64());
        repeated.get_or_create(&labels).inc_by(input.repeated);
        skipped.get_or_create(&labels).inc_by(input.skipped);
    }
    registry.register_with_unit(
        "weir_input_delay",
        "Delay added to hide the jitter of a source",
        Unit::Seconds,
        delay,
    );
    registry.register(
        "weir_input_repeated_frames",
        "Frames that repeated the previous picture",
        repeated,
    );
    registry.register(
        "weir_input_skipped_frames",
        "Pictures of the source that were late or too many for the frame rate, and were not shown",
        skipped,
    );
}

fn rungs(registry: &mut Registry, streams: &[StreamStatus]) {
    let speed = Family::<RungLabels, Real>::default();
    let bitrate = Family::<RungLabels, Gauge>::default();
    let dropped = Family::<RungLabels, Counter>::default();
    let awake = Family::<RungLabels, Gauge>::default();
    let viewers = Family::<RungLabels, Gauge>::default();
    let wakes = Family::<RungLabels, Counter>::default();
    let replacements = Family::<RungLabels, Counter>::default();
    for (stream, rung) in streams
        .iter()
        .flat_map(|stream| stream.rungs.iter().map(move |rung| (stream, rung)))
    {
        let labels = RungLabels {
            stream: stream.name.clone(),
            rung: rung.name.clone(),
        };
        speed.get_or_create(&labels).set(f64::from(rung.speed));
        bitrate.get_or_create(&labels).set(signed(rung.bitrate));
        dropped.get_or_create(&labels).inc_by(rung.dropped);
        awake.get_or_create(&labels).set(i64::from(rung.awake));
        let watched_by = i64::try_from(rung.viewers).unwrap_or(i64::MAX);
        viewers.get_or_create(&labels).set(watched_by);
        wakes.get_or_create(&labels).inc_by(rung.wakes);
        let replaced = rung.encoder_replacements;
        replacements.get_or_create(&labels).inc_by(replaced);
    }
    registry.register_with_unit(
        "weir_rung_speed",
        "Seconds of video encoded per second",
        Unit::Other("ratio".to_owned()),
        speed,
    );
    registry.register(
        "weir_rung_viewers",
        "Viewers whose last playlist of a picture was that of the rung",
        viewers,
    );
    registry.register_with_unit(
        "weir_rung_bitrate",
        "Configured bitrate of a rung",
        Unit::Other("bits_per_second".to_owned()),
        bitrate,
    );
    registry.register(
        "weir_rung_dropped_frames",
        "Frames that a rung skipped because its encoder was too slow",
        dropped,
    );
    registry.register(
        "weir_rung_awake",
        "Whether a rung is being made, 1 or 0",
        awake,
    );
    registry.register(
        "weir_rung_wakes",
        "How often a rung that slept was made again",
        wakes,
    );
    registry.register(
        "weir_rung_encoder_replacements",
        "How often another encoder took over a rung",
        replacements,
    );
}

/// Uses the names that every Prometheus client library uses, so that stock dashboards find them.
fn this_process(registry: &mut Registry, process: Snapshot) {
    registry.register_with_unit(
        "process_resident_memory",
        "Resident memory of the daemon",
        Unit::Bytes,
        ConstGauge::new(signed(process.resident_bytes)),
    );
    registry.register(
        "process_threads",
        "Threads of the daemon",
        ConstGauge::new(signed(process.threads)),
    );
    if let Some(open) = process.open_fds {
        registry.register(
            "process_open_fds",
            "Open file descriptors of the daemon",
            ConstGauge::new(signed(open)),
        );
    }
    if let Some(max) = process.max_fds {
        registry.register(
            "process_max_fds",
            "Most file descriptors that the daemon may open",
            ConstGauge::new(signed(max)),
        );
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;

    use super::*;
    use crate::model::status::{InputStatus, RungStatus};

    fn live() -> StreamStatus {
        StreamStatus {
            name: "demo".to_owned(),
            state: State::Live,
            source: "test:".to_owned(),
            since: "2026-01-01T00:00:00Z".to_owned(),
            viewers: 3,
            passthrough: None,
            input: Some(InputStatus {
                delay_ms: 60,
                repeated: 8,
                skipped: 9,
            }),
            rungs: vec![RungStatus {
                name: "720p".to_owned(),
                width: 1280,
                height: 720,
                fps: 30.0,
                bitrate: 2_800_000,
                viewers: 2,
                encoder: "x264".into(),
                filling: "encoder x264".to_owned(),
                reason: "watched".to_owned(),
                awake: true,
                wakes: 5,
                encoder_replacements: 2,
                speed: 1.5,
                dropped: 4,
            }],
            worker_pid: Some(42),
            worker_cpu: None,
            decoder: None,
            last_error: None,
        }
    }

    #[test]
    fn values_are_those_of_the_moment() {
        let scrape = Scrape {
            streams: vec![live()],
            usage: Usage {
                bytes: 11,
                streams: vec![("demo".to_owned(), 10)],
            },
            certificate_expires: Some(UNIX_EPOCH + Duration::from_secs(86_400)),
        };
        let process = Snapshot {
            resident_bytes: 5,
            threads: 6,
            open_fds: Some(7),
            max_fds: None,
        };
        let resident = |pid| (pid == 42).then_some(99);
        let mut text = String::new();
        encode_registry(&mut text, &registry(&scrape, Some(process), resident)).unwrap();
        for line in [
            "weir_origin_bytes 11",
            "weir_origin_stream_bytes{stream=\"demo\"} 10",
            "weir_stream_state{stream=\"demo\",state=\"live\"} 1",
            "weir_stream_state{stream=\"demo\",state=\"idle\"} 0",
            "weir_stream_viewers{stream=\"demo\"} 3",
            "weir_worker_resident_bytes{stream=\"demo\"} 99",
            "weir_rung_speed_ratio{stream=\"demo\",rung=\"720p\"} 1.5",
            "weir_rung_bitrate_bits_per_second{stream=\"demo\",rung=\"720p\"} 2800000",
            "weir_rung_dropped_frames_total{stream=\"demo\",rung=\"720p\"} 4",
            "weir_rung_viewers{stream=\"demo\",rung=\"720p\"} 2",
            "weir_rung_awake{stream=\"demo\",rung=\"720p\"} 1",
            "weir_rung_wakes_total{stream=\"demo\",rung=\"720p\"} 5",
            "weir_rung_encoder_replacements_total{stream=\"demo\",rung=\"720p\"} 2",
            "weir_input_delay_seconds{stream=\"demo\"} 0.06",
            "weir_input_repeated_frames_total{stream=\"demo\"} 8",
            "weir_input_skipped_frames_total{stream=\"demo\"} 9",
            "weir_certificate_expiry_timestamp_seconds 86400",
            "process_resident_memory_bytes 5",
            "process_threads 6",
            "process_open_fds 7",
        ] {
            assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
        }
        assert!(!text.contains("process_max_fds"));
    }

    #[test]
    fn a_worker_that_is_gone_has_no_memory() {
        let scrape = Scrape {
            streams: vec![live()],
            usage: Usage::default(),
            certificate_expires: None,
        };
        let mut text = String::new();
        encode_registry(&mut text, &registry(&scrape, None, |_| None)).unwrap();
        assert!(!text.contains("weir_worker_resident_bytes{"), "{text}");
    }
}
