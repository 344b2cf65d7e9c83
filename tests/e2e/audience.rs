//! How many watch: players of six kinds, half of them behind one proxy, some of which leave.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::chromium::Chromium;
use crate::support::clips::Clip;
use crate::support::daemon::{Daemon, free_port};
use crate::support::edge_config::nginx;
use crate::support::process::Owned;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, push_stream, turn, wait_until};

const STREAM: &str = "s";
/// Fifty decoders share the cores of a small machine.
const LADDER: &str = "[[rung]]\nname = \"90p\"\nheight = 90\nbitrate = \"100k\"\n";
const CLIP: Clip = Clip::new(160, 90, 10);

/// Pages in one browser that ask weir itself.
const PAGES: usize = 6;
/// Pages that ask through the proxy, which gives all of them one address.
const PAGES_BEHIND: usize = 4;
/// hls.js in pages that are not weir's, each with an address of its own.
const BARE_BEHIND: usize = 8;
/// Of each program: so many ask weir itself, so many ask through the proxy.
/// GStreamer and VLC let nobody choose what they call themselves while they play HLS, so only one of each is
/// told apart at one address.
const PROGRAMS: [(Program, usize, usize); 4] =
    [(ffmpeg, 9, 2), (mpv, 8, 1), (gstreamer, 1, 5), (vlc, 1, 5)];
/// Players that leave, of those that are programs.
const LEAVE: usize = 15;
/// All have come, or have been gone for long enough.
const SETTLED: Duration = Duration::from_secs(10);
/// The count is looked at for so long.
const LOOKED_AT: Duration = Duration::from_secs(15);
const START_MAX: Duration = Duration::from_secs(90);

/// Plays an address under the name of an agent.
type Program = fn(&str, &str) -> Command;

fn ffmpeg(url: &str, agent: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-user_agent", agent, "-i", url]);
    command.args(["-c", "copy", "-f", "null", "-"]);
    command
}

fn mpv(url: &str, agent: &str) -> Command {
    let mut command = Command::new("mpv");
    command.args(["--no-config", "--vo=null", "--ao=null", "--really-quiet"]);
    command.arg(format!("--user-agent={agent}")).arg(url);
    command
}

fn gstreamer(url: &str, _: &str) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "uridecodebin3", &format!("uri={url}"), "name=d"]);
    command.args(["d.", "!", "video/x-raw", "!", "fakesink", "sync=true"]);
    command.args(["d.", "!", "audio/x-raw", "!", "fakesink", "sync=true"]);
    command
}

/// VLC refuses to run as root.
fn vlc(url: &str, _: &str) -> Command {
    let mut command = match rustix::process::getuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "vlc"]);
            command
        }
        false => Command::new("vlc"),
    };
    command.args(["-I", "dummy", "--quiet", "--vout=vdummy", "--aout=adummy"]);
    command.arg(url);
    command
}

/// A proxy that says of each port's clients that they come from another address.
struct Proxy {
    _nginx: Owned,
    _dir: TempDir,
    ports: Vec<u16>,
}

impl Proxy {
    fn start(origin: u16, clients: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let ports: Vec<u16> = (0..clients).map(|_| free_port()).collect();
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, Self::config(dir.path(), origin, &ports)).expect("a configuration");
        let nginx = Owned::spawn(&mut nginx(&file));
        wait_until("nginx", START_MAX, || {
            let listens = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok();
            ports.iter().all(listens)
        });
        Self {
            _nginx: nginx,
            _dir: dir,
            ports,
        }
    }

    fn config(dir: &Path, origin: u16, ports: &[u16]) -> String {
        let dir = dir.display();
        let mut servers = String::new();
        for (n, port) in ports.iter().enumerate() {
            writeln!(
                servers,
                "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{origin}; \
                 proxy_set_header X-Forwarded-For 198.51.100.{n}; proxy_http_version 1.1; \
                 proxy_buffering off; }} }}"
            )
            .expect("text grows");
        }
        let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
            .concat();
        format!(
            "pid {dir}/nginx.pid;\nerror_log {dir}/error.log;\nmaster_process off;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\naccess_log off;\n{folders}{servers}}}\n"
        )
    }
}

/// Players that are programs; each is killed when dropped.
struct Crowd {
    players: Vec<Owned>,
    home: TempDir,
}

impl Crowd {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(home.path(), open).expect("the folder is ours");
        Self {
            players: Vec::new(),
            home,
        }
    }

    fn join(&mut self, program: Program, url: &str, agent: &str) {
        let mut command = program(url, agent);
        command.env("HOME", self.home.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.players.push(Owned::spawn(&mut command));
    }

    fn all_play(&mut self) -> bool {
        let mut players = self.players.iter_mut();
        players.all(|player| matches!(player.0.try_wait(), Ok(None)))
    }
}

/// Says whenever the count is off by more than one, for as long as it is looked at.
fn assert_count(daemon: &Daemon, expected: usize) {
    let (begun, mut seen) = (Instant::now(), Vec::new());
    while begun.elapsed() < LOOKED_AT {
        seen.push(viewers(daemon));
        std::thread::sleep(Duration::from_millis(500));
    }
    println!("of {expected} viewers, twice per second: {seen:?}");
    let right = |count: &usize| count.abs_diff(expected) <= 1;
    assert!(seen.iter().all(right), "{expected} viewers: {seen:?}");
}

/// Who has come so far. One comes after the other: the start of a player takes more than its playing.
struct Arrivals<'a> {
    daemon: &'a Daemon,
    come: usize,
}

impl Arrivals<'_> {
    /// Waits until one more is counted.
    fn one_more(&mut self) {
        self.come += 1;
        let what = format!("viewer {} is counted", self.come);
        wait_until(&what, START_MAX, || viewers(self.daemon) >= self.come);
    }
}

fn viewers(daemon: &Daemon) -> usize {
    let status = daemon.status(STREAM);
    let viewers = status["viewers"].as_u64().expect("a number");
    usize::try_from(viewers).expect("few")
}

/// Each page counts by the id that it has given itself, whatever its address.
fn open_pages(arrivals: &mut Arrivals<'_>, proxy: &Proxy) -> Chromium {
    let mut chromium = Chromium::open();
    let bare = proxy.ports[1..=BARE_BEHIND].iter();
    for (n, port) in bare.enumerate() {
        let url = format!("http://127.0.0.1:{port}/live/{STREAM}/master.m3u8");
        match n {
            0 => chromium.play_bare(&url),
            _ => drop(chromium.eval(&format!(
                "{{ const video = document.body.appendChild(document.createElement('video')); \
                 video.muted = true; const hls = new window.Hls(); hls.loadSource('{url}'); \
                 hls.attachMedia(video); hls.on('hlsManifestParsed', () => video.play()); }}"
            ))),
        }
        arrivals.one_more();
    }
    for n in 0..PAGES + PAGES_BEHIND {
        let port = if n < PAGES {
            arrivals.daemon.http
        } else {
            proxy.ports[0]
        };
        // Browsers open six connections to a host, which many pages would have to share; each of these
        // hosts is this machine.
        let url = format!("http://page{n}.localhost:{port}/embed/{STREAM}");
        chromium.eval(&format!(
            "{{ document.body.appendChild(document.createElement('iframe')).src = '{url}' }}"
        ));
        arrivals.one_more();
    }
    chromium
}

#[test]
#[ignore = "needs programs that no other test needs; scripts/compatibility runs it"]
fn fifty_players_of_six_kinds_are_counted_and_so_is_who_leaves() {
    let _turn = turn();
    let config = format!(
        "trusted_proxies = [\"127.0.0.1\"]\n{LADDER}{}",
        push_stream(STREAM)
    );
    let daemon = Daemon::start(&config);
    let _publisher = Publisher::ffmpeg(CLIP, &daemon.publish_url(STREAM, KEY));
    Viewer::open(&daemon, STREAM).all_with(4, START_MAX);

    let behind: usize = PROGRAMS.iter().map(|(.., behind)| behind).sum();
    let proxy = Proxy::start(daemon.http, 1 + BARE_BEHIND + behind);
    let path = format!("/live/{STREAM}/master.m3u8");
    // The one who waited for all rungs is no longer seen.
    wait_until("nobody watches", START_MAX, || viewers(&daemon) == 0);
    let mut arrivals = Arrivals {
        daemon: &daemon,
        come: 0,
    };
    let _browser = open_pages(&mut arrivals, &proxy);
    let mut crowd = Crowd::new();
    let mut ports = proxy.ports.iter().skip(1 + BARE_BEHIND);
    for (kind, (program, direct, behind)) in PROGRAMS.into_iter().enumerate() {
        for n in 0..direct {
            crowd.join(program, &daemon.url(&path), &format!("player-{kind}-{n}"));
            arrivals.one_more();
        }
        for port in ports.by_ref().take(behind) {
            let url = format!("http://127.0.0.1:{port}{path}");
            crowd.join(program, &url, &format!("player-{kind}"));
            arrivals.one_more();
        }
    }
    let all = PAGES + PAGES_BEHIND + BARE_BEHIND + crowd.players.len();
    assert_eq!(all, 50);
    std::thread::sleep(SETTLED);
    assert!(crowd.all_play(), "a player has left by itself");
    assert_count(&daemon, all);

    // Every other one of the programs leaves, until enough have.
    let mut stays = Vec::new();
    for (n, player) in std::mem::take(&mut crowd.players).into_iter().enumerate() {
        match n % 2 == 0 && n / 2 < LEAVE {
            true => drop(player),
            false => stays.push(player),
        }
    }
    crowd.players = stays;
    std::thread::sleep(SETTLED + Duration::from_secs(1));
    assert!(crowd.all_play(), "a player has left by itself");
    assert_count(&daemon, all - LEAVE);
}
