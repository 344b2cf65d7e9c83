//! The real origin and HTTP server with fake media: a ladder of four rungs and sound for each stream.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::Args;
use tokio_util::sync::CancellationToken;
use weir::base::cors::Cors;
use weir::base::units::{Bitrate, ByteSize, FrameRate};
use weir::daemon::http::{Limits, Server, raise_open_files_limit};
use weir::daemon::net::Listener;
use weir::daemon::origin::{self, Origin, Packaging, SessionSpec, SessionWriter};
use weir::daemon::session::{Catalog, Demand, Viewer};
use weir::daemon::telemetry::metrics::Metrics;
use weir::daemon::tls::{Acceptor, Application, Certificates, Source};
use weir::model::hls::{Part, TrackId};
use weir::model::ladder::{Rung, SourceFormat, plan};
use weir::model::status::StreamStatus;

use super::certificate;
use super::process::{SERVER_CORE, own_resident_bytes, stay_on};

const PART: Duration = Duration::from_millis(200);
const PARTS_PER_SEGMENT: u32 = 10;
/// More connections than any run here has.
const CONNECTIONS_MAX: usize = 100_000;
/// Segments that are there when a reader comes.
const SEGMENTS_BEFORE: u64 = 30;

#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Bytes of a part of picture; one of sound has an eighth.
    #[arg(long, default_value_t = 16_000)]
    part_bytes: usize,
    /// Time that playlists list, in seconds.
    #[arg(long, default_value_t = 60)]
    window_s: u64,
    /// Speaks TLS with the certificate in this folder.
    #[arg(long)]
    tls: Option<PathBuf>,
}

/// Serves one stream until standard input ends, and says where.
pub fn serve(show: &Show) {
    stay_on(SERVER_CORE);
    raise_open_files_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let origin = origin(Duration::from_secs(show.window_s));
    let mut fake = Fake::open(&origin, "demo", show.part_bytes);
    for _ in 0..SEGMENTS_BEFORE * u64::from(PARTS_PER_SEGMENT) {
        fake.part();
    }
    runtime.block_on(async {
        let any = "127.0.0.1:0".parse().unwrap();
        let limits = Limits {
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: CONNECTIONS_MAX,
            requests_per_address_max: CONNECTIONS_MAX,
            ..Limits::default()
        };
        let mut listener = Listener::bind("http", any).unwrap();
        if let Some(folder) = &show.tls {
            listener = listener.secured(acceptor(folder));
        }
        let address = listener.address();
        let server = Server::public(vec![listener], Cors::Any).with_limits(limits);
        let master = origin
            .master("demo", Packaging::Cmaf, Duration::ZERO)
            .await
            .unwrap();
        let master = String::from_utf8(master.text.body.to_vec()).unwrap();
        let session = master
            .lines()
            .last()
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let admin = Server::bind_admin(any, Vec::new()).unwrap();
        let admin_address = admin.ports().next().unwrap().address();
        println!("{address} {admin_address} /live/demo/{session}");
        std::io::stdout().flush().unwrap();
        let shutdown = CancellationToken::new();
        let metrics = Metrics::new(ByteSize::from_mib(1));
        tokio::spawn(admin.run(Nobody, origin.clone(), metrics.clone(), shutdown.clone()));
        tokio::spawn(server.run(Nobody, origin, metrics, shutdown));
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PART);
            loop {
                ticks.tick().await;
                fake.part();
            }
        });
        let wait = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ended = wait.await;
    });
}

fn acceptor(folder: &Path) -> Acceptor {
    let opened = Certificates::open(Source::Files(certificate::files(folder))).unwrap();
    let (certificates, _keeper) = opened.unwrap();
    Acceptor::new(&certificates, Application::Http).unwrap()
}

/// What a part of all five renditions costs, with more and more streams and longer and longer windows.
pub fn parts() {
    stay_on(SERVER_CORE);
    println!("\nwhat a part of each of five renditions costs, without readers");
    for streams in [1, 10, 100, 1000] {
        let (per_part, _) = cost(streams, Duration::from_secs(60), 300);
        println!(
            "  {streams:>4} streams, window 60 s: {:.2} us per part",
            per_part.as_secs_f64() * 1e6
        );
    }
    for hours in [1, 6, 24] {
        // In a process of its own, whose heap has held nothing before.
        let mut command = Command::new(std::env::current_exe().unwrap());
        let ended = command.args(["window", "--hours", &hours.to_string()]);
        assert!(ended.status().unwrap().success());
    }
}

/// What a part costs in a window of this length, and the memory of the window.
pub fn window(hours: u32) {
    stay_on(SERVER_CORE);
    let window = Duration::from_secs(u64::from(hours) * 3600);
    let (per_part, bytes) = cost(1, window, hours * 3600 * 5);
    println!(
        "  1 stream, window {hours} h: {:.2} us per part, {:.1} MiB per hour beside the media",
        per_part.as_secs_f64() * 1e6,
        bytes as f64 / f64::from(1 << 20) / f64::from(hours)
    );
}

/// The time of one part once `fill` of them are there, and the memory that these take.
fn cost(streams: usize, window: Duration, fill: u32) -> (Duration, u64) {
    let before = own_resident_bytes();
    let origin = origin(window);
    let named = (0..streams).map(|n| Fake::open(&origin, &format!("s{n}"), 8));
    let mut all: Vec<Fake> = named.collect();
    for fake in &mut all {
        (0..fill).for_each(|_| fake.part());
    }
    let bytes = own_resident_bytes().saturating_sub(before);
    let (begun, mut parts) = (Instant::now(), 0_u32);
    while begun.elapsed() < Duration::from_secs(2) {
        for fake in &mut all {
            fake.part();
            parts += fake.tracks;
        }
    }
    (begun.elapsed() / parts, bytes)
}

fn origin(window: Duration) -> Origin {
    Origin::new(origin::Limits {
        window,
        memory: ByteSize::from_mib(16 * 1024),
        hold_back: None,
    })
}

fn ladder() -> Vec<Rung> {
    let rungs = [(1080, 5000_u64), (720, 2800), (480, 1400), (360, 800)];
    let rung = |(height, kbps)| Rung {
        name: format!("{height}p"),
        height,
        fps_max: FrameRate::whole(30),
        bitrate: Bitrate::from_bps(kbps * 1000),
        audio: Bitrate::from_bps(128_000),
    };
    rungs.map(rung).to_vec()
}

/// A stream that nobody encodes.
struct Fake {
    writer: SessionWriter,
    tracks: u32,
    picture: Bytes,
    sound: Bytes,
    msn: u64,
    index: u32,
    begun_ns: u64,
}

impl Fake {
    fn open(origin: &Origin, name: &str, part_bytes: usize) -> Self {
        let source = SourceFormat {
            width: 1920,
            height: 1080,
            fps: FrameRate::whole(30),
        };
        let plan = plan(&ladder(), source);
        let video = u8::try_from(plan.video.len()).unwrap();
        let spec = SessionSpec {
            plan,
            segment: PART * PARTS_PER_SEGMENT,
            part_target: PART,
            ts: false,
        };
        let mut writer = origin.open(name, spec);
        for n in 0..video {
            writer.init(TrackId::Video(n), "avc1.64001e", "picture".into());
        }
        writer.init(TrackId::Audio(0), "mp4a.40.2", "sound".into());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            writer,
            tracks: u32::from(video) + 1,
            picture: vec![7; part_bytes].into(),
            sound: vec![7; part_bytes.div_ceil(8)].into(),
            msn: 1,
            index: 0,
            begun_ns: u64::try_from(since.as_nanos()).unwrap(),
        }
    }

    /// Writes the next part of each rendition.
    fn part(&mut self) {
        let number = self.msn * u64::from(PARTS_PER_SEGMENT) + u64::from(self.index);
        for n in 0..self.tracks {
            let is_sound = n + 1 == self.tracks;
            let track = match is_sound {
                true => TrackId::Audio(0),
                false => TrackId::Video(u8::try_from(n).unwrap()),
            };
            let data = if is_sound { &self.sound } else { &self.picture };
            assert!(self.writer.part(Part {
                track,
                msn: self.msn,
                index: self.index,
                duration: PART,
                independent: self.index == 0,
                last: self.index + 1 == PARTS_PER_SEGMENT,
                date_ns: self.begun_ns + number * 200_000_000,
                data: data.clone(),
            }));
        }
        self.index += 1;
        if self.index == PARTS_PER_SEGMENT {
            (self.msn, self.index) = (self.msn + 1, 0);
        }
    }
}

/// The sessions have no tasks here.
#[derive(Debug, Clone)]
struct Nobody;

impl Catalog for Nobody {
    fn list(&self) -> Vec<StreamStatus> {
        Vec::new()
    }

    fn status(&self, _: &str) -> Option<StreamStatus> {
        None
    }

    fn demand(&self, _: &str, _: Packaging, _: &Viewer<'_>) -> Demand {
        Demand::Playable
    }

    fn watching(&self, _: &str, _: &Viewer<'_>, _: Option<&str>) -> bool {
        true
    }

    fn ready(&self) -> bool {
        true
    }
}
