//! A weir daemon with ports and a folder of its own.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::http::{Answer, Client};
use super::process::{Identity, Owned, children};
use super::{wait_for, wait_until};

/// Longest time until a daemon is ready; it tries every encoder first.
const READY: Duration = Duration::from_secs(30);

/// These ports are below the range that the kernel gives to outgoing connections, so that no other
/// process takes a port between our check and the daemon's `bind`.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;

/// A port of the loopback interface that nobody listens on.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time start at different ports.
    let base = u16::try_from(std::process::id() % 97).unwrap_or(0) * 100;
    wait_for("a free port", Duration::from_secs(5), || {
        let offset = base.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = FIRST_PORT + offset;
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    process: Owned,
    client: Client,
    /// Port of pages, HLS and API.
    pub http: u16,
    /// Port of RTMP.
    pub rtmp: u16,
    /// Port of metrics, health and the full API; chosen by the system at each start.
    pub admin: u16,
    environment: Environment,
    dir: TempDir,
}

/// Variables for a daemon, beyond those of the test run.
pub type Environment = Vec<(&'static str, OsString)>;

impl Daemon {
    /// Starts weir with `config`, which has no `[server]` table, and waits until it is ready.
    pub fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self::start_in(dir, Environment::new(), config)
    }

    /// Starts weir with `config` and in `environment`; `dir` becomes the daemon's folder.
    pub fn start_in(dir: TempDir, environment: Environment, config: &str) -> Self {
        let (http, rtmp) = (free_port(), free_port());
        write_config(dir.path(), http, rtmp, config);
        let mut daemon = Self {
            process: spawn(dir.path(), &environment),
            client: Client::new(),
            http,
            rtmp,
            admin: 0,
            environment,
            dir,
        };
        daemon.wait_ready(0);
        daemon
    }

    /// Starts the daemon again after it has ended, with the same folder and ports.
    pub fn start_again(&mut self) {
        let logged = self.log().len();
        self.process = spawn(self.dir.path(), &self.environment);
        self.wait_ready(logged);
    }

    /// Waits until the daemon is ready whose log begins at byte `logged`.
    fn wait_ready(&mut self, logged: usize) {
        self.admin = wait_for("an admin port", READY, || {
            self.assert_running();
            admin_port(self.log().get(logged..)?)
        });
        wait_until("/readyz", READY, || {
            self.assert_running();
            let answer = self.client.get(&self.admin_url("/readyz"));
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }

    fn assert_running(&self) {
        let log = self.log();
        assert!(
            self.is_running(),
            "weir ended instead of getting ready:\n{log}"
        );
    }

    /// Replaces the configuration; send `SIGHUP` to make the daemon read it.
    pub fn write_config(&self, config: &str) {
        write_config(self.dir.path(), self.http, self.rtmp, config);
    }

    /// Folder of the configuration and of `data`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The whole log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("weir.log")).unwrap_or_default()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the daemon still runs.
    pub fn is_running(&self) -> bool {
        Identity::of(self.pid()).is_some_and(Identity::is_running)
    }

    /// All child processes, workers among them.
    pub fn workers(&self) -> Vec<Identity> {
        children(self.pid())
    }

    /// Worker process of `stream`.
    pub fn worker(&self, stream: &str) -> Identity {
        wait_for("a worker", Duration::from_secs(10), || {
            let pid = self.status(stream)["worker_pid"].as_u64()?;
            Identity::of(u32::try_from(pid).ok()?)
        })
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: Signal) {
        Identity::of(self.pid()).expect("weir runs").signal(signal);
    }

    /// Waits until the daemon has exited.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        wait_for("weir to exit", limit, || {
            self.process.0.try_wait().expect("its status")
        })
    }

    /// Address of `path` on this daemon.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// Address of `path` on this daemon's admin port.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin)
    }

    /// Address to publish `stream` to, with `key`.
    pub fn publish_url(&self, stream: &str, key: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{stream}?key={key}", self.rtmp)
    }

    /// Sends `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        let answer = self.client.get(&self.url(path));
        answer.unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// Sends `GET path` to the admin port.
    pub fn admin_get(&self, path: &str) -> Answer {
        let answer = self.client.get(&self.admin_url(path));
        answer.unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// Full status of `stream`, from the admin port.
    pub fn status(&self, stream: &str) -> serde_json::Value {
        let answer = self.admin_get(&format!("/api/v1/streams/{stream}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until `stream` is in `state`.
    pub fn wait_state(&self, stream: &str, state: &str, limit: Duration) {
        wait_until(&format!("{stream} to be {state}"), limit, || {
            self.status(stream)["state"] == state
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(8000);
            let tail = (tail..log.len())
                .find(|&at| log.is_char_boundary(at))
                .unwrap_or(0);
            eprintln!("--- log of weir\n{}\n---", &log[tail..]);
        }
    }
}

fn write_config(dir: &Path, http: u16, rtmp: u16, config: &str) {
    let server = format!(
        "[server]\nhttp = \"127.0.0.1:{http}\"\nrtmp = \"127.0.0.1:{rtmp}\"\n\
         admin = \"127.0.0.1:0\"\ndata = \"data\"\n\n"
    );
    fs::write(dir.join("config.toml"), server + config).expect("the configuration is written");
}

/// The port in the line that says where the admin port is.
pub fn admin_port(log: &str) -> Option<u16> {
    let line = log
        .lines()
        .find(|line| line.contains("admin port is listening"))?;
    let port = line.rsplit_once("address=127.0.0.1:")?.1;
    port.split_whitespace().next()?.parse().ok()
}

fn spawn(dir: &Path, environment: &Environment) -> Owned {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("weir.log"));
    let log = log.expect("a log file");
    let error_log = log.try_clone().expect("a log file");
    Owned::spawn(
        command()
            .args(["run", "--config"])
            .arg(dir.join("config.toml"))
            .envs(environment.iter().cloned())
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(error_log)),
    )
}

/// Command that runs the weir under test.
pub fn command() -> Command {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_weir")));
    // The environment of the test run must not configure the daemon.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEIR_") {
            command.env_remove(name);
        }
    }
    command
}
