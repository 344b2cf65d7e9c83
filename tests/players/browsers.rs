//! Players in a browser. A page that this process serves plays the stream from weir's origin and
//! reports what it sees.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::Owned;
use crate::support::server::{Asked, Reply, Server};
use crate::support::wait_for;

/// A browser, and how it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// Chromium.
    Chromium,
    /// Firefox.
    Firefox,
}

/// What a player in a page loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loads {
    /// Parts where there are any, as every player does unless it is told otherwise.
    Parts,
    /// Whole segments only.
    Whole,
}

/// The page in a browser; both end when dropped.
pub struct Page {
    server: Server,
    _browser: Owned,
    _profile: TempDir,
}

/// What the page has seen so far.
#[derive(Debug, Clone)]
pub struct Seen {
    /// From opening the page to its first picture; `None` before.
    pub first_frame: Option<Duration>,
    /// Times that the player waited for media after its first picture.
    pub stalls: u64,
    /// For how long it waited in all.
    pub stalled: Duration,
    /// What the player complained of.
    pub errors: Vec<String>,
    /// What hls.js complained of and went on from.
    pub mended: Vec<String>,
    /// Pictures shown or left out.
    pub frames: u64,
    /// Since the page was opened.
    pub ran: Duration,
}

impl Page {
    /// Opens `url` in `player`, which is `hls.js`, `Shaka`, `dash.js` or `video.js`.
    pub fn open(browser: Browser, player: &'static str, loads: Loads, url: &str) -> Self {
        let server = pages();
        let whole = if loads == Loads::Whole { "&whole" } else { "" };
        let address = format!("/?player={player}{whole}&url={url}");
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = browser.command(profile.path());
        command.arg(server.url(&address));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            server,
            _browser: Owned::spawn(&mut command),
            _profile: profile,
        }
    }

    /// Waits until the page has run for `time`; returns what it has seen.
    pub fn after(&self, time: Duration) -> Seen {
        wait_for("the page's report", time + Duration::from_secs(30), || {
            self.seen().filter(|seen| seen.ran >= time)
        })
    }

    fn seen(&self) -> Option<Seen> {
        let asked = self.server.asked();
        let newest = asked
            .iter()
            .rev()
            .find_map(|asked| asked.target.strip_prefix("/report?"))?;
        let text = percent_decode_str(newest).decode_utf8_lossy();
        let seen: Value = serde_json::from_str(&text).expect("the page reports in JSON");
        let list = |key: &str| seen[key].as_array().cloned().unwrap_or_default();
        let texts = |key: &str| list(key).iter().map(ToString::to_string).collect();
        Some(Seen {
            first_frame: seen["firstFrameMs"].as_u64().map(Duration::from_millis),
            stalls: seen["stalls"].as_u64().unwrap_or_default(),
            stalled: Duration::from_millis(seen["stalledMs"].as_u64().unwrap_or_default()),
            errors: texts("errors"),
            mended: texts("mended"),
            frames: seen["frames"].as_u64().unwrap_or_default(),
            ran: Duration::from_millis(seen["ranMs"].as_u64().unwrap_or_default()),
        })
    }
}

impl Browser {
    /// The installed program, if there is one.
    pub fn program(self) -> Option<&'static str> {
        let names: &[&str] = match self {
            Self::Chromium => &["chromium", "chromium-browser", "google-chrome"],
            Self::Firefox => &["firefox-esr", "firefox"],
        };
        names.iter().copied().find(|name| super::is_installed(name))
    }

    fn command(self, profile: &Path) -> Command {
        let mut command = Command::new(self.program().expect("the browser is installed"));
        match self {
            Self::Chromium => {
                command.args(["--headless=new", "--disable-gpu", "--no-first-run"]);
                command.args(["--remote-debugging-port=0"]);
                command.args(["--autoplay-policy=no-user-gesture-required"]);
                command.arg(format!("--user-data-dir={}", profile.display()));
                if rustix::process::getuid().is_root() {
                    // Chromium refuses to run its sandbox as root, the usual user in a container.
                    command.arg("--no-sandbox");
                }
            }
            Self::Firefox => {
                let settings = "user_pref(\"media.autoplay.default\", 0);\n\
                    user_pref(\"browser.aboutwelcome.enabled\", false);\n\
                    user_pref(\"datareporting.policy.dataSubmissionEnabled\", false);\n\
                    user_pref(\"browser.shell.checkDefaultBrowser\", false);\n\
                    user_pref(\"app.normandy.enabled\", false);\n";
                fs::write(profile.join("user.js"), settings).expect("the profile");
                command
                    .args(["--headless", "--no-remote", "--profile"])
                    .arg(profile);
                command.env("HOME", profile);
            }
        }
        command
    }
}

/// Serves the page that plays.
pub fn pages() -> Server {
    Server::start(serve)
}

fn serve(asked: &Asked) -> Reply {
    let packages = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/browser/node_modules"
    ));
    let library = |path: &str| {
        let script = fs::read(packages.join(path)).expect("npm ci --prefix tests/browser");
        Reply::ok("text/javascript", &script)
    };
    match asked.target.as_str() {
        "/library/hls.js" => library("hls.js/dist/hls.min.js"),
        "/library/Shaka" => library("shaka-player/dist/shaka-player.compiled.js"),
        "/library/dash.js" => library("dashjs/dist/modern/umd/dash.all.min.js"),
        "/library/video.js" => library("video.js/dist/video.min.js"),
        path if path.starts_with("/?") => {
            Reply::ok("text/html", include_bytes!("player.html").as_slice())
        }
        path if path.starts_with("/report") => Reply::ok("text/plain", b""),
        _ => Reply::new("404 Not Found", "", b""),
    }
}
