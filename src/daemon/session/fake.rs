//! Stand-ins for tests: a subscriber that writes down what it is given, and workers that speak
//! the protocol over a real socket but say only what the test tells them to.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio_util::codec::FramedRead;

use super::subscribers::{Made, Recipient, Subscriber};
use crate::base::units::{Bitrate, ByteSize, FrameRate};
use crate::daemon::origin::{self, Origin, SessionSpec};
use crate::daemon::supervisor::meter::Meter;
use crate::daemon::supervisor::process::{Exit, Orders, Process};
use crate::daemon::supervisor::spawner::{Launch, Launched};
use crate::model::frame::{AudioCodec, AudioFormat, InputFormat, VideoCodec, VideoFormat};
use crate::model::hls::{Part, TrackId};
use crate::model::ladder::cuts::{Cut, CutLog};
use crate::model::ladder::lengths::{Lengths, Settings};
use crate::model::ladder::{self, Plan, Rung, RungSet, SourceFormat};
use crate::wire::codec::{Codec, encode, write_message};
use crate::wire::protocol::{Cutting, FromWorker, RungStats, Start, Stats, ToWorker, VERSION};

const SEGMENT: Duration = Duration::from_millis(100);

/// A subscriber that writes down what it is given, of the parts those of video.
#[derive(Debug, Clone)]
pub struct Recorder(watch::Sender<Vec<String>>);

impl Default for Recorder {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Recorder {
    fn note(&self, text: String) {
        self.0.send_modify(|log| log.push(text));
    }

    pub fn log(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// Waits until the last thing noted is `text`.
    pub async fn last(&self, text: &str) {
        let is_last = |log: &Vec<String>| log.last().is_some_and(|last| last == text);
        let mut log = self.0.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), log.wait_for(is_last));
        let found = waited.await.is_ok();
        assert!(found, "no {text:?} at the end of {:?}", self.log());
    }
}

impl Subscriber for Recorder {
    fn opened(&self, stream: &str, _: &SessionSpec) -> Box<dyn Recipient> {
        self.note(format!("open {stream}"));
        Box::new(Recording(self.clone()))
    }
}

/// One session's notes.
#[derive(Debug)]
struct Recording(Recorder);

impl Recipient for Recording {
    fn take(&mut self, made: &Made) {
        match made {
            Made::Part(part) if part.track == TrackId::Video(0) => {
                self.0.note(format!("part {}.{}", part.msn, part.index));
            }
            Made::TsSegment(segment) => self.0.note(format!("ts {}", segment.msn)),
            Made::Interrupted { next_msn } => self.0.note(format!("interrupted {next_msn}")),
            Made::Init { .. } | Made::Part(_) | Made::Thumbnail(_) | Made::Missed => {}
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.0.note("end".into());
    }
}

/// Launches [`FakeWorker`]s; each says hello by itself and shows up once it is started.
#[derive(Debug)]
pub struct FakeLaunch {
    pids: AtomicU32,
    started: mpsc::UnboundedSender<(Start, FakeWorker)>,
}

/// The started workers, in order.
#[derive(Debug)]
pub struct Started(mpsc::UnboundedReceiver<(Start, FakeWorker)>);

impl FakeLaunch {
    pub fn new() -> (Arc<Self>, Started) {
        let (started, receiver) = mpsc::unbounded_channel();
        let pids = AtomicU32::new(1);
        (Arc::new(Self { pids, started }), Started(receiver))
    }
}

impl Started {
    pub async fn next(&mut self) -> (Start, FakeWorker) {
        bounded(self.0.recv()).await.expect("a worker")
    }
}

impl Launch for FakeLaunch {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        Box::pin(async move {
            let (socket, mut theirs) = UnixStream::pair()?;
            socket.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            write_message(&mut theirs, &FromWorker::Hello { version: VERSION })
                .map_err(io::Error::other)?;
            let (process, report) = Process::new(self.pids.fetch_add(1, Ordering::SeqCst));
            let (read, write) = tokio::net::UnixStream::from_std(theirs)?.into_split();
            let read = FramedRead::new(read, Codec::default());
            let orders = process.orders();
            let worker = FakeWorker {
                read,
                write,
                orders,
                report,
                meter: process.meter().clone(),
                plan: plan(),
                log: log(&plan(), 1),
            };
            tokio::spawn(worker.until_started(self.started.clone()));
            Ok(Launched { socket, process })
        })
    }
}

/// The other end of a worker's socket.
#[derive(Debug)]
pub struct FakeWorker {
    read: FramedRead<OwnedReadHalf, Codec<ToWorker>>,
    write: OwnedWriteHalf,
    orders: Orders,
    report: watch::Sender<Option<Exit>>,
    meter: Meter,
    plan: Plan,
    log: CutLog,
}

impl FakeWorker {
    async fn until_started(mut self, started: mpsc::UnboundedSender<(Start, Self)>) {
        while let Some(Ok(message)) = self.read.next().await {
            if let ToWorker::Start(start) = message {
                let made = || ladder::plan(&start.rungs, source(720));
                self.plan = start.plan.clone().unwrap_or_else(made);
                self.log = log(&self.plan, start.first_msn);
                let _ = started.send((*start, self));
                return;
            }
        }
    }

    pub async fn say(&mut self, message: FromWorker) {
        self.write
            .write_all(&encode(&message).unwrap())
            .await
            .unwrap();
    }

    pub async fn hear(&mut self) -> ToWorker {
        bounded(self.read.next()).await.expect("a message").unwrap()
    }

    /// The next message, however long it takes; for tests whose time is paused.
    pub async fn hear_at_last(&mut self) -> ToWorker {
        self.read.next().await.expect("a message").unwrap()
    }

    /// Only these rungs are awake from the next cut on that is not told.
    pub fn keeps_awake(&mut self, awake: RungSet) {
        self.log.set_awake(awake);
    }

    /// Plans, and makes segment `msn` in one part.
    pub async fn goes_live(&mut self, msn: u64) {
        self.plans().await;
        self.makes(msn).await;
    }

    pub async fn plans(&mut self) {
        let plan = self.plan.clone();
        self.say(FromWorker::Planned {
            encoders: vec!["x264".into(); plan.video.len()],
            part_target: part_target(&plan),
            plan,
        })
        .await;
        self.say(FromWorker::Cut(self.log.last())).await;
        for track in self.tracks() {
            let (codec, data) = (codec(track).into(), Bytes::from_static(b"init"));
            self.say(FromWorker::Init { track, codec, data }).await;
        }
    }

    /// Sound first, then the pictures, those of the top rung last.
    fn tracks(&self) -> Vec<TrackId> {
        let audio = (0..=u8::MAX)
            .take(self.plan.audio.len())
            .map(TrackId::Audio);
        let video = (0..=u8::MAX)
            .take(self.plan.video.len())
            .map(TrackId::Video);
        audio.chain(video.rev()).collect()
    }

    pub async fn makes(&mut self, msn: u64) {
        let stats = Stats {
            video: Vec::new(),
            input: None,
        };
        self.say(FromWorker::Stats(stats)).await;
        while self.log.last().msn <= msn {
            let frames = self.log.lengths().segment_frames;
            for cut in self.log.decide(self.log.last().frame + frames) {
                self.say(FromWorker::Cut(cut)).await;
            }
        }
        let awake = self.log.cut(msn).map(|cut| cut.awake);
        for track in self.tracks() {
            let sleeps = match track {
                TrackId::Video(n) => awake.is_some_and(|awake| !awake.contains(n.into())),
                TrackId::Audio(_) => false,
            };
            if !sleeps {
                self.say(FromWorker::Part(part(track, msn))).await;
            }
        }
    }

    /// Has encoded all rungs in real time for ten seconds with so many cores.
    pub async fn uses(&mut self, cores: f64) {
        let (now, period) = (Instant::now(), Duration::from_secs(10));
        let began = now.checked_sub(period).expect("ten seconds of uptime");
        self.meter.measured(Duration::ZERO, began);
        self.meter.measured(period.mul_f64(cores), now);
        let rung = RungStats {
            speed: 1.0,
            dropped: 0,
        };
        self.say(FromWorker::Stats(Stats {
            video: vec![rung; self.plan.video.len()],
            input: None,
        }))
        .await;
    }

    /// Ends as a process that was killed ends.
    pub fn dies(self) {
        self.report
            .send_replace(Some(Exit::Unknown("killed by the test".into())));
    }

    pub async fn is_killed(&self) {
        bounded(self.orders.kill.cancelled()).await;
    }

    pub async fn is_retired(&self) {
        bounded(self.orders.retire.cancelled()).await;
    }
}

/// A wait that fails the test instead of hanging it.
pub async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

/// An origin that keeps everything.
pub fn origin() -> Origin {
    Origin::new(origin::Limits {
        window: Duration::from_secs(3600),
        memory: ByteSize::from_mib(1),
        hold_back: None,
    })
}

/// Segments of one part, so short that many of them are made in no time.
pub fn cutting() -> Cutting {
    Cutting {
        segment: SEGMENT,
        part: Duration::ZERO,
        ts: false,
    }
}

pub fn rung(name: &str) -> Rung {
    Rung {
        name: name.into(),
        height: name.trim_end_matches('p').parse().unwrap(),
        fps_max: FrameRate::whole(30),
        bitrate: Bitrate::from_bps(2_800_000),
        audio: Bitrate::from_bps(128_000),
    }
}

/// H.264 without sound.
pub fn format() -> InputFormat {
    let (codec, config) = (VideoCodec::H264, Bytes::from_static(b"avcC"));
    let video = VideoFormat {
        codec,
        config,
        fps_milli_hint: None,
    };
    InputFormat {
        video: Some(video),
        audio: None,
        video_announced: false,
    }
}

/// `format` with AAC beside it.
pub fn with_sound(format: InputFormat) -> InputFormat {
    InputFormat {
        audio: Some(AudioFormat {
            codec: AudioCodec::Aac,
            config: Bytes::from_static(&[0x11, 0x90]),
        }),
        ..format
    }
}

/// What a worker makes of `rung("720p")` and `rung("360p")`: two video and one audio renditions.
pub fn plan() -> Plan {
    ladder::plan(&[rung("720p"), rung("360p")], source(720))
}

/// A picture of 16:9.
pub fn source(height: u32) -> SourceFormat {
    SourceFormat {
        width: height * 16 / 9,
        height,
        fps: FrameRate::whole(30),
    }
}

/// The part target that follows from `plan` and [`cutting`].
pub fn part_target(plan: &Plan) -> Duration {
    lengths(plan).part_target()
}

fn lengths(plan: &Plan) -> Lengths {
    let cutting = cutting();
    Lengths::new(Settings {
        fps: plan.canvas.fps,
        grid: plan.grid(),
        segment: cutting.segment,
        part: cutting.part,
    })
}

/// The cuts of a worker that begins with segment `msn`.
pub fn log(plan: &Plan, msn: u64) -> CutLog {
    let awake = RungSet::first(plan.video.len());
    let first = Cut {
        msn,
        frame: 0,
        awake,
    };
    CutLog::new(lengths(plan), first)
}

pub fn codec(track: TrackId) -> &'static str {
    match track {
        TrackId::Video(_) => "avc1.64001f",
        TrackId::Audio(_) => "mp4a.40.2",
    }
}

/// The only part of its segment.
pub fn part(track: TrackId, msn: u64) -> Part {
    Part {
        track,
        msn,
        index: 0,
        duration: SEGMENT,
        independent: true,
        last: true,
        date_ns: unix_ns(),
        data: Bytes::from_static(b"part"),
    }
}

/// The time of the wall clock.
pub fn unix_ns() -> u64 {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    unix.unwrap().as_nanos().try_into().unwrap()
}
