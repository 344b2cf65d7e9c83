//! A stub for the sessions, a real origin with one live stream, and a server in front of both.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir::base::cors::Cors;
use weir::base::units::{ByteSize, FrameRate};
use weir::daemon::access::Guard;
use weir::daemon::http::{Limits, Server, Steering};
use weir::daemon::net::{Listener, Proxies};
use weir::daemon::origin::{self, Origin, Packaging, SessionSpec, SessionWriter};
use weir::daemon::session::{Catalog, Demand, Viewer};
use weir::daemon::telemetry::metrics::Metrics;
use weir::daemon::tls::{Acceptor, Application, Certificates, Files, Source};
use weir::model::hls::{Part, TrackId, TsSegment};
use weir::model::ladder::{RungSet, SourceFormat, plan};
use weir::model::status::{RungStatus, State, StreamStatus};

use super::client::PATIENCE;
use super::tls_client;

/// The bytes of every video segment, in two parts.
pub const OBJECT: &[u8] = b"0123456789";
/// File of a video segment in the playlist of `demo`.
pub const SEGMENT: &str = "30.m4s";
/// File of a video segment that has left the window.
pub const OLD_SEGMENT: &str = "1.m4s";
/// How long an ended session stays, and how far back a viewer can seek.
pub const WINDOW: Duration = Duration::from_secs(20);

/// What the full status of every stream says and the public one does not.
pub const SOURCE: &str = "http://camera.example";
pub const WORKER: u32 = 4711;
pub const LAST_ERROR: &str = "the camera refuses the password";

const SEGMENTS: u64 = 30;
/// The begin of the last segment.
const THUMBNAIL_NS: u64 = SEGMENTS * 2_000_000_000;
const SEGMENT_DURATION: Duration = Duration::from_secs(2);
const LARGE_BYTES: usize = 16 << 20;

/// A playlist request: stream, address, and id or agent of the viewer.
pub type Seen = (String, IpAddr, String);

/// Stream `demo` plays, `starting` never gets ready, and `studio` has no publisher. No other stream
/// exists.
#[derive(Clone, Default)]
pub struct Stub {
    pub ready: Arc<AtomicBool>,
    /// The streams whose multivariant playlist was asked for, which starts them.
    pub demands: Arc<Mutex<Vec<String>>>,
    /// One entry for each request that counts a viewer.
    pub viewers: watch::Sender<Vec<Seen>>,
    /// The rung of each request for the playlist of one.
    pub rungs: Arc<Mutex<Vec<String>>>,
}

impl Catalog for Stub {
    fn list(&self) -> Vec<StreamStatus> {
        let names = ["demo", "starting", "studio"];
        names.iter().filter_map(|name| self.status(name)).collect()
    }

    fn status(&self, name: &str) -> Option<StreamStatus> {
        let state = match name {
            "demo" => State::Live,
            "starting" => State::Starting,
            "studio" => State::Idle,
            _ => return None,
        };
        Some(StreamStatus {
            name: name.to_owned(),
            state,
            source: SOURCE.to_owned(),
            since: "2026-01-01T00:00:00Z".to_owned(),
            viewers: 0,
            input: None,
            passthrough: None,
            rungs: vec![RungStatus {
                name: "360p".to_owned(),
                width: 640,
                height: 360,
                fps: 30.0,
                bitrate: 800_000,
                encoder: "x264".into(),
                filling: "encoder x264".to_owned(),
                reason: "watched".to_owned(),
                awake: true,
                wakes: 0,
                encoder_replacements: 0,
                viewers: 0,
                speed: 2.0,
                dropped: 0,
            }],
            worker_pid: Some(WORKER),
            worker_cpu: Some(0.5),
            decoder: None,
            last_error: Some(LAST_ERROR.to_owned()),
        })
    }

    fn demand(&self, name: &str, _: Packaging, viewer: &Viewer<'_>) -> Demand {
        self.demands.lock().unwrap().push(name.to_owned());
        self.watching(name, viewer, None);
        match name {
            "demo" => Demand::Playable,
            "starting" => Demand::Starting,
            "studio" => Demand::Nothing,
            _ => Demand::Unknown,
        }
    }

    fn watching(&self, name: &str, viewer: &Viewer<'_>, rung: Option<&str>) -> bool {
        let id = viewer.id.unwrap_or(viewer.agent).to_owned();
        let viewer = (name.to_owned(), viewer.address, id);
        self.rungs.lock().unwrap().extend(rung.map(str::to_owned));
        self.viewers.send_modify(|viewers| viewers.push(viewer));
        self.status(name).is_some()
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }
}

/// The session of `demo`.
struct Show {
    writer: SessionWriter,
    /// Number of the next segment.
    next: u64,
}

impl Show {
    /// A session whose first segments have left the window.
    fn open(origin: &Origin) -> Self {
        Self::open_of(origin, "demo")
    }

    fn open_of(origin: &Origin, stream: &str) -> Self {
        let source = SourceFormat {
            width: 640,
            height: 360,
            fps: FrameRate::whole(30),
        };
        let spec = SessionSpec {
            // Without rungs there is one, of the source's size.
            plan: plan(&[], source),
            segment: SEGMENT_DURATION,
            part_target: SEGMENT_DURATION / 2,
            ts: true,
        };
        let mut writer = origin.open(stream, spec);
        writer.init(TrackId::Video(0), "avc1.64001e", init(30_000));
        writer.init(TrackId::Audio(0), "mp4a.40.2", init(48_000));
        let mut show = Self { writer, next: 1 };
        for _ in 0..SEGMENTS {
            show.append(["012".into(), "3456789".into()]);
        }
        show.writer.thumbnail(THUMBNAIL_NS, "jpeg".into());
        show
    }

    /// Writes the next segment of every rendition and returns its number.
    fn append(&mut self, video: [Bytes; 2]) -> u64 {
        let msn = self.next;
        self.next += 1;
        let date_ns = msn * 2_000_000_000;
        // Of a manifest's Period one file has to say what time it has.
        let sound = [timed(msn * 2 * 48_000), "und".into()];
        for (track, parts) in [(TrackId::Audio(0), sound), (TrackId::Video(0), video)] {
            for (index, data) in (0_u32..).zip(parts) {
                assert!(self.writer.part(Part {
                    track,
                    msn,
                    index,
                    duration: SEGMENT_DURATION / 2,
                    independent: index == 0,
                    last: index == 1,
                    date_ns: date_ns + u64::from(index) * 1_000_000_000,
                    data,
                }));
            }
        }
        self.writer.ts_segment(TsSegment {
            video: 0,
            msn,
            duration: SEGMENT_DURATION,
            date_ns,
            data: "ts".into(),
        });
        msn
    }
}

/// A box of ISO/IEC 14496-12.
fn boxed(name: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + content.len()).unwrap();
    [&size.to_be_bytes(), name.as_bytes(), content].concat()
}

/// An initialization section that says how many ticks a second has.
fn init(timescale: u32) -> Bytes {
    let fields = [0, 0, 0, timescale, 0, 0].map(u32::to_be_bytes).concat();
    let media = boxed("mdia", &boxed("mdhd", &fields));
    boxed("moov", &boxed("trak", &media)).into()
}

/// A part that says when it is shown.
fn timed(ticks: u64) -> Bytes {
    let header = boxed("tfhd", &[0_u32, 1].map(u32::to_be_bytes).concat());
    let version = (1_u32 << 24).to_be_bytes();
    let time = boxed("tfdt", &[&version[..], &ticks.to_be_bytes()].concat());
    let run = boxed("trun", &[0_u32, 1].map(u32::to_be_bytes).concat());
    boxed("moof", &boxed("traf", &[header, time, run].concat())).into()
}

/// A server that runs until it is stopped.
pub struct Running {
    pub address: SocketAddr,
    /// Where the admin port is.
    pub admin: SocketAddr,
    pub stub: Stub,
    pub origin: Origin,
    pub shutdown: CancellationToken,
    pub metrics: Metrics,
    /// `/live/demo/SESSION/RENDITION` of the video.
    folder: String,
    show: Mutex<Show>,
    tasks: Vec<JoinHandle<()>>,
}

/// A port with TLS, and the files of its certificate.
pub struct Secured {
    pub address: SocketAddr,
    pub certificates: Certificates,
    files: Files,
    _folder: tempfile::TempDir,
}

impl Secured {
    fn open(tasks: &mut Vec<JoinHandle<()>>, shutdown: &CancellationToken) -> (Self, Listener) {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        let (certificate, key) = tls_client::certificate();
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        let source = Source::Files(files.clone());
        let (certificates, keeper) = Certificates::open(source).unwrap().unwrap();
        tasks.push(tokio::spawn(keeper.run(shutdown.clone())));
        let acceptor = Acceptor::new(&certificates, Application::Http).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let port = Listener::bind("https", any).unwrap().secured(acceptor);
        let secured = Self {
            address: port.address(),
            certificates,
            files,
            _folder: folder,
        };
        (secured, port)
    }

    /// Replaces the certificate; `key` may be that of another.
    pub fn write_certificate(&self, certificate: &str) {
        std::fs::write(&self.files.certificate, certificate).unwrap();
    }

    /// Replaces the key.
    pub fn write_key(&self, key: &str) {
        std::fs::write(&self.files.key, key).unwrap();
    }
}

impl Running {
    pub fn start() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self::serve(Proxies::default(), limits, Cors::Any)
    }

    /// One whose media and API pages of some sites may use.
    pub fn for_sites(cors: Cors) -> Self {
        Self::serve(Proxies::default(), Limits::default(), cors)
    }

    /// One that asks `guard` who may watch, and whose player pages of `embedders` may frame.
    pub fn guarded(guard: Guard, embedders: Cors) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(any, Cors::Any).unwrap();
        let server = server.guarded(guard).embedded_by(embedders);
        Self::run(server, Vec::new(), CancellationToken::new())
    }

    /// One that sends viewers to edges.
    pub fn steered(steering: Steering) -> Self {
        Self::with_steering(Guard::default(), Limits::default(), Cors::Any, steering)
    }

    /// The same, with a guard.
    pub fn with_steering(guard: Guard, limits: Limits, cors: Cors, steering: Steering) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(any, cors).unwrap().with_limits(limits);
        let server = server.guarded(guard).steered(steering);
        Self::run(server, Vec::new(), CancellationToken::new())
    }

    /// A server that believes `proxies`.
    pub fn behind(proxies: Proxies, limits: Limits) -> Self {
        Self::serve(proxies, limits, Cors::Any)
    }

    /// One with a second public port, with TLS, to which visitors of pages are sent.
    pub fn secured(proxies: Proxies, limits: Limits) -> (Self, Secured) {
        let (mut tasks, shutdown) = (Vec::new(), CancellationToken::new());
        let (secured, port) = Secured::open(&mut tasks, &shutdown);
        let any = "127.0.0.1:0".parse().unwrap();
        let ports = vec![Listener::bind("http", any).unwrap(), port];
        let server = Server::public(ports, Cors::Any)
            .with_limits(limits)
            .knowing(Some(secured.certificates.clone()))
            .behind(proxies)
            .redirecting();
        (Self::run(server, tasks, shutdown), secured)
    }

    fn serve(proxies: Proxies, limits: Limits, cors: Cors) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(any, cors).unwrap();
        let server = server.with_limits(limits).behind(proxies);
        Self::run(server, Vec::new(), CancellationToken::new())
    }

    fn run(server: Server, mut tasks: Vec<JoinHandle<()>>, shutdown: CancellationToken) -> Self {
        let origin = Origin::new(origin::Limits {
            window: WINDOW,
            memory: ByteSize::from_mib(64),
            hold_back: None,
        });
        origin.expect("starting");
        let show = Show::open(&origin);
        let master = origin.master("demo", Packaging::Cmaf, Duration::ZERO);
        let master = master.now_or_never().unwrap().unwrap();
        let master = String::from_utf8(master.text.body.to_vec()).unwrap();
        let uri = master.lines().last().unwrap();
        let folder = format!("/live/demo/{}", uri.strip_suffix("/index.m3u8").unwrap());
        let any = "127.0.0.1:0".parse().unwrap();
        let admin = Server::bind_admin(any, vec!["weir.lan".to_owned()]).unwrap();
        let (stub, metrics) = (Stub::default(), Metrics::new(ByteSize::from_mib(1)));
        let run = |server: Server| {
            tokio::spawn(server.run(
                stub.clone(),
                origin.clone(),
                metrics.clone(),
                shutdown.clone(),
            ))
        };
        let address = |server: &Server| server.ports().next().unwrap().address();
        let (address, admin_address) = (address(&server), address(&admin));
        tasks.extend([run(server), run(admin)]);
        Self {
            address,
            admin: admin_address,
            tasks,
            stub,
            origin,
            shutdown,
            metrics,
            folder,
            show: Mutex::new(show),
        }
    }

    /// The address of a file of the video rendition of `demo`.
    pub fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// The address of a file of the session of `demo`.
    pub fn session_path(&self, file: &str) -> String {
        let (session, _) = self.folder.rsplit_once('/').unwrap();
        format!("{session}/{file}")
    }

    /// The entity tag of that file when it is immutable.
    pub fn tag(&self, file: &str) -> String {
        format!("\"{}\"", &self.path(file)["/live/demo/".len()..])
    }

    /// The address of a playlist request that waits for the next segment.
    pub fn blocking(&self) -> String {
        let next = self.show.lock().unwrap().next;
        self.path(&format!("index.m3u8?_HLS_msn={next}"))
    }

    /// Writes the segment that [`Running::blocking`] waits for.
    pub fn release(&self) {
        let parts = ["012".into(), "3456789".into()];
        self.show.lock().unwrap().append(parts);
    }

    /// Writes a segment that fits into no socket's buffers; returns its address and length.
    pub fn write_large(&self) -> (String, usize) {
        let (first, second) = (vec![7; LARGE_BYTES / 2], vec![7; LARGE_BYTES / 2]);
        let parts = [first.into(), second.into()];
        let msn = self.show.lock().unwrap().append(parts);
        (self.path(&format!("{msn}.m4s")), LARGE_BYTES)
    }

    /// Writes a segment of these two parts; returns the name of its file.
    pub fn write(&self, parts: [Bytes; 2]) -> String {
        let msn = self.show.lock().unwrap().append(parts);
        format!("{msn}.m4s")
    }

    /// Whether the rung of `demo` is watched.
    pub fn is_watched(&self) -> bool {
        let demand = self.show.lock().unwrap().writer.demand();
        demand.watched().0 != RungSet::EMPTY
    }

    /// Replaces the session of `demo` by a new one.
    pub fn restart_session(&self) {
        *self.show.lock().unwrap() = Show::open(&self.origin);
    }

    /// Ends the session of `demo`; no other one follows.
    pub fn end_session(&self) {
        *self.show.lock().unwrap() = Show::open_of(&self.origin, "another");
    }

    /// Waits until `count` playlists have been asked for. The server runs only while a test
    /// waits, so those that block are blocked by then.
    pub async fn asked(&self, count: usize) {
        let mut viewers = self.stub.viewers.subscribe();
        let enough = viewers.wait_for(|viewers| viewers.len() >= count);
        let _seen = tokio::time::timeout(PATIENCE, enough)
            .await
            .unwrap()
            .unwrap();
    }

    /// Lets the server run until `done` returns true.
    pub async fn until(&self, done: impl Fn(&Metrics) -> bool) {
        let running = async {
            while !done(&self.metrics) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, running).await.unwrap();
    }

    /// Waits until the server has stopped by itself.
    pub async fn ended(self) {
        for task in self.tasks {
            tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await;
    }
}
