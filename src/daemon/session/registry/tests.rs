//! Whole streams with scripted workers: every test waits for what it expects, none for time.

mod decoders;
mod demand;
mod encoders;
mod reload;
mod room;
mod subscribers;
mod workers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bytes::Bytes;

use super::*;
use crate::base::cors::Cors;
use crate::base::units::ByteSize;
use crate::daemon::config::settings::{self, Encoder, Hls, Server, Session, Worker};
use crate::daemon::ingest::{MediaEvent, Revocation};
use crate::daemon::origin::Missing;
use crate::daemon::session::fake::{
    FakeLaunch, FakeWorker, Recorder, Started, bounded, cutting, format, origin, rung, with_sound,
};
use crate::model::encoder::OnFailure;
use crate::model::frame::{EncodedFrame, Track};
use crate::model::passthrough::Policy;
use crate::model::sandbox::Sandbox;
use crate::model::source::{Pull, Source};
use crate::model::status::State;
use crate::wire::protocol::{FromWorker, InputState, ToWorker};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);

/// Limits that no scripted worker can reach, however busy the machine is.
fn patient() -> Limits {
    Limits {
        grace: LONG,
        startup_max: LONG,
        stall_max: LONG,
        key_frame_max: LONG,
        finish_max: LONG,
        linger: LONG,
        ..Limits::default()
    }
}

struct Rig {
    registry: Registry,
    origin: Origin,
    recorder: Recorder,
    started: Started,
    settings: Settings,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        Self::with(settings, Vec::new())
    }

    /// One whose recorder is the last of the subscribers.
    fn with(settings: Settings, subscribers: Vec<Box<dyn Subscriber>>) -> Self {
        Self::limited(settings, subscribers, patient())
    }

    fn limited(
        settings: Settings,
        mut subscribers: Vec<Box<dyn Subscriber>>,
        limits: Limits,
    ) -> Self {
        let (launch, started) = FakeLaunch::new();
        let (origin, recorder) = (origin(), Recorder::default());
        subscribers.push(Box::new(recorder.clone()));
        let deps = Deps {
            origin: origin.clone(),
            subscribers,
            launch,
            metrics: StreamMetrics::default(),
            window: settings.hls.window,
        };
        let registry = Registry::with_limits(deps, limits);
        registry.set_encoders(vec![tested("nvidia"), tested("x264")]);
        let rig = Self {
            registry,
            origin,
            recorder,
            started,
            settings,
        };
        rig.apply();
        rig
    }

    fn push(grace: Duration) -> Self {
        Self::new(settings(grace, vec![pushed("cam", "sesame")]))
    }

    fn apply(&self) {
        self.registry.apply(&self.settings, &BTreeMap::new());
    }

    async fn publish(&self, key: &str) -> Result<Lease, Refusal> {
        self.publish_to("cam", key).await
    }

    async fn publish_to(&self, stream: &str, key: &str) -> Result<Lease, Refusal> {
        let request = PublishRequest {
            stream: stream.into(),
            key: secret(key),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            protocol: "test",
        };
        bounded(self.registry.publish(request)).await
    }

    /// A publisher, its worker, and a session that is live after segment 1.
    async fn live(&mut self) -> (Lease, FakeWorker) {
        let lease = self.publish("sesame").await.unwrap();
        send(&lease, MediaEvent::Format(format())).await;
        let (start, mut worker) = self.started.next().await;
        assert_eq!((start.plan, start.first_msn), (None, 1));
        assert_eq!(worker.hear().await, ToWorker::InputOpened(format()));
        worker.goes_live(1).await;
        self.state(State::Live).await;
        (lease, worker)
    }

    /// Why the stream's master playlist is missing.
    async fn missing(&self, stream: &str) -> Missing {
        let master = self.origin.master(stream, Packaging::Cmaf, Duration::ZERO);
        bounded(master).await.unwrap_err()
    }

    async fn state(&self, state: State) {
        self.until(|status| status.state == state).await;
    }

    async fn until(&self, condition: impl Fn(&StreamStatus) -> bool) -> StreamStatus {
        let met = async {
            loop {
                let status = self.registry.list().pop().unwrap();
                if condition(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        bounded(met).await
    }
}

/// An encoder whose family has one template, of the same name.
fn tested(family: &str) -> Tested {
    Tested {
        family: family.into(),
        template: family.into(),
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn stream(name: &str, source: Source) -> Stream {
    let rungs = vec![rung("720p"), rung("360p")];
    Stream {
        name: name.into(),
        source,
        publish_key: None,
        rungs,
        rungs_on_demand: None,
        passthrough: None,
        policy: Default::default(),
        on_demand: false,
    }
}

/// A pushed stream with a configured key.
fn pushed(name: &str, key: &str) -> Stream {
    Stream {
        publish_key: Some(secret(key)),
        ..stream(name, Source::Push)
    }
}

fn settings(grace: Duration, streams: Vec<Stream>) -> Settings {
    Settings {
        server: Server {
            acme: None,
            https: None,
            certificate: None,
            http_redirect: false,
            rtmps: None,
            http: None,
            rtmp: None,
            data: PathBuf::new(),
            admin: None,
            admin_hosts: Vec::new(),
            cors: Cors::Any,
            embed: Cors::Any,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
        },
        hls: Hls {
            segment: cutting().segment,
            part: cutting().part,
            hold_back: None,
            window: LONG,
            memory: ByteSize::from_mib(1),
            ts: false,
        },
        session: Session {
            grace,
            linger: LONG,
        },
        encoder: Encoder {
            order: vec!["nvidia".into(), "vaapi".into(), "x264".into()],
            on_failure: OnFailure::Fallback,
            rungs_on_demand: false,
            refuse_overload: true,
            passthrough: Policy::Auto,
        },
        worker: Worker {
            sandbox: Sandbox::Auto,
        },
        limits: settings::Limits {
            connections: 1,
            requests: 1,
            strangers: 1,
            connections_total: 1,
        },
        access: Default::default(),
        edges: Vec::new(),
        ladder: Vec::new(),
        streams,
    }
}

fn frame(pts_ns: i64, key: bool) -> EncodedFrame {
    let data = Bytes::from_static(b"frame");
    EncodedFrame {
        track: Track::Video,
        pts_ns,
        dts_ns: pts_ns,
        key,
        data,
    }
}

async fn send(lease: &Lease, event: MediaEvent) {
    bounded(lease.media.send(event)).await.unwrap();
}

async fn hears_frame(worker: &mut FakeWorker, pts_ns: i64) {
    match worker.hear().await {
        ToWorker::Frame(frame) => assert_eq!(frame.pts_ns, pts_ns),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_publisher_makes_a_session() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    send(&lease, MediaEvent::Frame(frame(1, true))).await;
    hears_frame(&mut worker, 1).await;
    assert_eq!(rig.recorder.log(), ["open cam", "part 1.0"]);
    let status = rig.registry.status("cam").unwrap();
    assert_eq!(status.source, "push:");
    assert!(status.worker_pid.is_some());
    let rungs = status
        .rungs
        .iter()
        .map(|rung| (rung.name.as_str(), rung.encoder.as_str()));
    assert_eq!(
        rungs.collect::<Vec<_>>(),
        [("720p", "x264"), ("360p", "x264")]
    );
}

#[tokio::test]
async fn wrong_keys_and_wrong_names_are_refused() {
    let mut rig = Rig::push(LONG);
    assert_eq!(rig.publish("guess").await.unwrap_err(), Refusal::WrongKey);
    assert_eq!(rig.publish("").await.unwrap_err(), Refusal::WrongKey);
    let unknown = rig.publish_to("nobody", "sesame").await;
    assert_eq!(unknown.unwrap_err(), Refusal::UnknownStream);
    rig.settings.streams = vec![
        stream("test", Source::Test),
        stream("kept", Source::Push),
        stream("keyless", Source::Push),
        pushed("empty", ""),
    ];
    let keys = BTreeMap::from([("kept".to_owned(), secret("kept key"))]);
    rig.registry.apply(&rig.settings, &keys);
    let refusal = rig.publish_to("test", "").await.unwrap_err();
    assert_eq!(refusal, Refusal::UnknownStream);
    assert!(rig.publish_to("kept", "kept key").await.is_ok());
    for stream in ["keyless", "empty"] {
        let refusal = rig.publish_to(stream, "").await.unwrap_err();
        assert_eq!(refusal, Refusal::WrongKey, "{stream}");
    }
}

#[tokio::test]
async fn a_publisher_that_returns_goes_on_in_the_same_session() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    drop(lease);
    assert_eq!(worker.hear().await, ToWorker::InputClosed);
    rig.state(State::Waiting).await;
    let lease = rig.publish("sesame").await.unwrap();
    send(&lease, MediaEvent::Format(format())).await;
    assert_eq!(worker.hear().await, ToWorker::InputOpened(format()));
    rig.state(State::Live).await;
    worker.makes(2).await;
    rig.recorder.last("part 2.0").await;
    assert!(!rig.recorder.log().contains(&"end".to_owned()));
}

#[tokio::test]
async fn a_session_ends_after_its_grace_with_everything_that_was_made() {
    let mut rig = Rig::push(SHORT);
    let (lease, mut worker) = rig.live().await;
    drop(lease);
    assert_eq!(worker.hear().await, ToWorker::InputClosed);
    assert_eq!(worker.hear().await, ToWorker::Finish);
    worker.makes(2).await;
    worker.say(FromWorker::Finished).await;
    worker.is_retired().await;
    rig.state(State::Idle).await;
    assert_eq!(
        rig.recorder.log(),
        ["open cam", "part 1.0", "part 2.0", "end"]
    );
    let found = rig.registry.demand(
        "cam",
        Packaging::Cmaf,
        &Viewer::at(Ipv4Addr::LOCALHOST.into(), "agent"),
    );
    assert_eq!(
        found,
        Demand::Playable,
        "an ended session stays for the window"
    );
    assert_eq!(rig.registry.status("cam").unwrap().viewers, 1);
}

#[tokio::test]
async fn a_publisher_that_leaves_too_soon_leaves_no_session() {
    let mut rig = Rig::push(SHORT);
    let lease = rig.publish("sesame").await.unwrap();
    let (_, worker) = rig.started.next().await;
    drop(lease);
    worker.is_killed().await;
    assert_eq!(rig.missing("cam").await, Missing::NotFound);
    assert!(rig.recorder.log().is_empty());
    let found = rig.registry.demand(
        "cam",
        Packaging::Cmaf,
        &Viewer::at(Ipv4Addr::LOCALHOST.into(), "agent"),
    );
    assert_eq!(found, Demand::Nothing);
}

#[tokio::test]
async fn a_take_over_revokes_the_earlier_lease_and_keeps_the_session() {
    let mut rig = Rig::push(LONG);
    let (first, mut worker) = rig.live().await;
    let second = rig.publish("sesame").await.unwrap();
    assert_eq!(
        bounded(first.revoked.revoked()).await,
        Revocation::TakenOver
    );
    bounded(first.media.closed()).await;
    assert_eq!(worker.hear().await, ToWorker::InputClosed);
    send(&second, MediaEvent::Format(format())).await;
    assert_eq!(worker.hear().await, ToWorker::InputOpened(format()));
    drop(first);
    send(&second, MediaEvent::Frame(frame(7, true))).await;
    hears_frame(&mut worker, 7).await;
    assert!(!second.revoked.is_revoked());
    rig.state(State::Live).await;
}

#[tokio::test]
async fn the_test_signal_starts_with_its_first_viewer() {
    let mut rig = Rig::new(settings(LONG, vec![stream("demo", Source::Test)]));
    rig.state(State::Idle).await;
    let home = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(
        rig.registry
            .demand("demo", Packaging::Cmaf, &Viewer::at(home, "agent")),
        Demand::Starting
    );
    let missing = rig.missing("demo").await;
    assert_eq!(missing, Missing::NotReady, "before its task has woken");
    let (_, mut worker) = rig.started.next().await;
    worker.goes_live(1).await;
    rig.state(State::Live).await;
    assert_eq!(
        rig.registry
            .demand("demo", Packaging::Cmaf, &Viewer::at(home, "agent")),
        Demand::Playable
    );
    assert_eq!(
        rig.registry
            .demand("nobody", Packaging::Cmaf, &Viewer::at(home, "agent")),
        Demand::Unknown
    );
}

#[tokio::test]
async fn a_publisher_that_its_ingest_refuses_is_told() {
    let rig = Rig::push(LONG);
    let lease = rig.publish("sesame").await.unwrap();
    send(&lease, MediaEvent::Refused("AV1 is not supported".into())).await;
    drop(lease);
    let status = rig.until(|status| status.last_error.is_some()).await;
    assert_eq!(status.last_error.unwrap(), "AV1 is not supported");
}

#[tokio::test]
async fn a_camera_is_fetched_unasked_and_its_absence_is_told() {
    let source = Source::Pull(Pull {
        url: "http://camera.invalid/v.mjpg?token=sesame".parse().unwrap(),
        user: Some("viewer".into()),
        password: Some(secret("sesame")),
        tls_verify: true,
        allow_private: false,
    });
    let mut rig = Rig::new(settings(LONG, vec![stream("yard", source)]));
    let (_, mut worker) = rig.started.next().await;
    rig.state(State::Starting).await;
    let (reason, retry_in) = ("refused".into(), Some(Duration::from_secs(2)));
    worker
        .say(FromWorker::Input(InputState::Lost { reason, retry_in }))
        .await;
    let status = rig.until(|status| status.state == State::Failed).await;
    assert_eq!(status.last_error.unwrap(), "refused; trying again in 2s");
    assert_eq!(rig.missing("yard").await, Missing::NotFound);
    assert!(!status.source.contains("sesame"), "{}", status.source);
    worker
        .say(FromWorker::Input(InputState::Live {
            description: "MJPEG".into(),
        }))
        .await;
    rig.state(State::Starting).await;
    assert_eq!(rig.missing("yard").await, Missing::NotReady);
    worker.goes_live(1).await;
    rig.state(State::Live).await;
    assert_eq!(rig.recorder.log(), ["open yard", "part 1.0"]);
}

#[tokio::test]
async fn what_is_not_there_starts_nothing() {
    let rig = Rig::new(settings(LONG, vec![stream("demo", Source::Test)]));
    rig.state(State::Idle).await;
    let home = IpAddr::from(Ipv4Addr::LOCALHOST);
    // These settings make no MPEG-TS.
    let demand = rig
        .registry
        .demand("demo", Packaging::Ts, &Viewer::at(home, "agent"));
    assert_eq!(demand, Demand::Nothing);
    // The playlist of a session that ended counts the viewer and no more.
    assert!(
        rig.registry
            .watching("demo", &Viewer::at(home, "agent"), None)
    );
    assert!(
        !rig.registry
            .watching("nobody", &Viewer::at(home, "agent"), None)
    );
    let status = rig.registry.status("demo").unwrap();
    assert_eq!((status.state, status.viewers), (State::Idle, 1));
    assert_eq!(rig.missing("demo").await, Missing::NotFound);
}
