//! What operators meet: one-line errors, keys, metrics, readiness.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::support::clips::Clip;
use crate::support::daemon::{self, Daemon, free_port};
use crate::support::http::Client;
use crate::support::process::Owned;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, push_stream, small_ladder, turn, wait_for, wait_until};

/// Something needed is not available (`weir --help`).
const UNAVAILABLE: i32 = 69;
/// The data folder cannot be written (`weir --help`).
const DATA: i32 = 73;
const LIMIT: Duration = Duration::from_secs(10);

/// Runs a daemon that is expected to fail at start.
fn run(http: u16, rtmp: u16, data: &str) -> Output {
    let dir = tempfile::tempdir().expect("a folder");
    let config = format!(
        "[server]\nhttp = \"127.0.0.1:{http}\"\nrtmp = \"127.0.0.1:{rtmp}\"\ndata = \"{data}\"\n\
         [[stream]]\nname = \"s\"\nsource = \"push:\"\n"
    );
    run_config(dir.path(), &config)
}

/// Runs a daemon with `config` that is expected to fail at start.
fn run_config(dir: &Path, config: &str) -> Output {
    let path = dir.join("config.toml");
    fs::write(&path, config).expect("written");
    daemon::command()
        .args(["run", "--config"])
        .arg(&path)
        .output()
        .expect("weir")
}

/// Asserts that weir exited with `code` and printed one error line that contains `what`.
fn assert_one_error(output: &Output, code: i32, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("error:"))
        .collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(errors[0].contains(what), "{said}");
}

#[test]
fn a_port_that_is_taken_is_one_line_and_a_code() {
    let _turn = turn();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    for (http, rtmp) in [(port, free_port()), (free_port(), port)] {
        assert_one_error(&run(http, rtmp, "data"), UNAVAILABLE, &port.to_string());
    }
}

#[test]
fn a_data_folder_that_cannot_be_written_is_one_line_and_a_code() {
    let _turn = turn();
    // A file stands where the folder should be, which stops root as well.
    let file = tempfile::NamedTempFile::new().expect("a file");
    let data = file.path().join("data");
    let data = data.to_str().expect("text");
    assert_one_error(&run(free_port(), free_port(), data), DATA, data);
}

/// All files in a folder and its subfolders.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn keys_are_made_once_and_are_private() {
    let _turn = turn();
    let config = "[[stream]]\nname = \"s\"\nsource = \"push:\"\n";
    let mut weir = Daemon::start(config);
    let keys = |weir: &Daemon| {
        let config = weir.dir().join("config.toml");
        let output = daemon::command()
            .args(["keys", "s", "--config"])
            .arg(config)
            .output();
        String::from_utf8(output.expect("weir").stdout).expect("text")
    };
    let first = keys(&weir);
    let secret = first.split_once("key=").expect("a key").1.trim().to_owned();
    assert!(secret.len() >= 16, "{first}");
    let mut holders = 0;
    for path in files_below(&weir.dir().join("data")) {
        let content = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if String::from_utf8_lossy(&content).contains(&secret) {
            holders += 1;
            let mode = fs::metadata(&path).expect("its mode").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
    assert_eq!(holders, 1, "files that hold the key");
    assert!(!weir.log().contains(&secret), "a key is in the log");
    weir.signal(rustix::process::Signal::TERM);
    weir.wait_exit(Duration::from_secs(15));
    weir.start_again();
    assert_eq!(keys(&weir), first);
}

#[test]
fn metrics_and_the_api_tell_what_is_going_on() {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s"]));
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get("/live/s/master.m3u8").status, 404);
    assert_eq!(daemon.get("/live/nobody/master.m3u8").status, 404);
    let _publisher = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    daemon.wait_state("s", "live", LIMIT);
    viewer.playlist(&viewer.master.variants[0].uri);

    let seen = daemon.get("/api/v1/streams/s").json();
    let mut known: Vec<&String> = seen.as_object().expect("an object").keys().collect();
    known.sort();
    assert_eq!(known, ["name", "rungs", "since", "state", "viewers"]);
    let status = daemon.status("s");
    assert_eq!(status["name"], "s");
    assert_eq!(status["source"], "push:");
    assert_eq!(status["viewers"], 1, "{status}");
    let rungs = status["rungs"].as_array().expect("a list");
    let sizes: Vec<_> = rungs
        .iter()
        .map(|rung| (&rung["width"], &rung["height"]))
        .collect();
    assert_eq!(
        format!("{sizes:?}"),
        "[(Number(426), Number(240)), (Number(214), Number(120))]"
    );
    assert!(rungs.iter().all(|rung| rung["fps"] == 30.0), "{status}");
    assert_eq!(
        daemon
            .admin_get("/api/v1/streams")
            .json()
            .as_array()
            .map(Vec::len),
        Some(1)
    );

    wait_until("a thumbnail", LIMIT, || {
        let picture = daemon.get("/live/s/thumb.jpg");
        picture.status == 200 && picture.body.starts_with(&[0xff, 0xd8, 0xff])
    });
    let picture = daemon.get("/live/s/thumb.jpg");
    assert_eq!(picture.header("content-type"), Some("image/jpeg"));
    let metrics = daemon.admin_get("/metrics").text();
    for name in [
        "weir_http_requests",
        "weir_rtmp_connections",
        "weir_stream",
        "# EOF",
    ] {
        assert!(metrics.contains(name), "no {name} in\n{metrics}");
    }
}

/// The default admin port. Another program on this machine may have it.
const ADMIN_DEFAULT: &str = "127.0.0.1:8081";

/// A daemon that runs beside the test with a configuration of its own, until it is dropped.
struct Bare {
    _process: Owned,
    dir: tempfile::TempDir,
}

impl Bare {
    /// Starts weir with `server`, further keys of `[server]`.
    fn start(http: u16, server: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let config = format!("[server]\nhttp = \"127.0.0.1:{http}\"\nrtmp = \"\"\n{server}\n");
        fs::write(dir.path().join("config.toml"), config).expect("written");
        let log = fs::File::create(dir.path().join("weir.log")).expect("a log");
        let process = Owned::spawn(
            daemon::command()
                .args(["run", "--config"])
                .arg(dir.path().join("config.toml"))
                .stdout(Stdio::null())
                .stderr(Stdio::from(log)),
        );
        Self {
            _process: process,
            dir,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("weir.log")).expect("a log")
    }

    /// Waits until the log says `what`; returns the line.
    fn wait_said(&self, what: &str) -> String {
        wait_for(what, LIMIT, || {
            let log = self.log();
            log.lines()
                .find(|line| line.contains(what))
                .map(str::to_owned)
        })
    }
}

fn status(url: &str) -> u16 {
    Client::new().get(url).expect(url).status
}

#[test]
fn metrics_and_the_full_api_are_not_there_from_outside() {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s"]));
    for path in ["/metrics", "/readyz"] {
        assert_eq!(daemon.get(path).status, 404, "{path}");
        assert_eq!(daemon.admin_get(path).status, 200, "{path}");
    }
    for path in ["/api/v1/streams", "/api/v1/streams/s"] {
        let seen = daemon.get(path);
        assert_eq!(seen.header("access-control-allow-origin"), Some("*"));
        for secret in ["source", "worker_pid", "last_error", "encoder", "input"] {
            assert!(!seen.text().contains(secret), "{path} says {secret}");
        }
        let full = daemon.admin_get(path);
        assert!(full.text().contains("worker_pid"), "{}", full.text());
        for (name, _) in &full.headers {
            assert!(!name.starts_with("access-control-"), "{path} has {name}");
        }
    }
}

#[test]
fn a_default_admin_port_that_is_taken_is_a_warning() {
    let _turn = turn();
    // Whoever has the port, this test or another program: the daemon cannot have it.
    let _taken = TcpListener::bind(ADMIN_DEFAULT);
    let http = free_port();
    let weir = Bare::start(http, "");
    let line = weir.wait_said("no admin port");
    assert!(line.contains("WARN") && line.contains("8081"), "{line}");
    assert!(line.contains("set [server] admin to a free port"), "{line}");
    weir.wait_said("HTTP is listening");
    assert_eq!(status(&format!("http://127.0.0.1:{http}/healthz")), 200);
    for path in ["/metrics", "/readyz"] {
        assert_eq!(status(&format!("http://127.0.0.1:{http}{path}")), 404);
    }
}

#[test]
fn an_admin_port_that_is_turned_off_is_not_missed() {
    let _turn = turn();
    let http = free_port();
    let weir = Bare::start(http, "admin = \"\"");
    weir.wait_said("HTTP is listening");
    wait_until("an answer", LIMIT, || {
        let answer = Client::new().get(&format!("http://127.0.0.1:{http}/metrics"));
        answer.is_ok_and(|answer| answer.status == 404)
    });
    let log = weir.log();
    assert!(!log.contains("admin port"), "{log}");
}

#[test]
fn a_configured_admin_port_that_is_taken_is_an_error() {
    let _turn = turn();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let dir = tempfile::tempdir().expect("a folder");
    let config = format!(
        "[server]\nhttp = \"127.0.0.1:{}\"\nrtmp = \"\"\nadmin = \"127.0.0.1:{port}\"\n",
        free_port()
    );
    let output = run_config(dir.path(), &config);
    assert_one_error(
        &output,
        UNAVAILABLE,
        &format!("admin cannot listen on 127.0.0.1:{port}"),
    );
}

#[test]
fn only_listed_sites_may_use_media_and_api() {
    let _turn = turn();
    let http = free_port();
    let weir = Bare::start(http, "admin = \"\"\ncors = [\"https://site.example\"]");
    weir.wait_said("HTTP is listening");
    let url = format!("http://127.0.0.1:{http}/api/v1/streams");
    for (origin, allowed) in [
        ("https://site.example", Some("https://site.example")),
        ("https://other.example", None),
    ] {
        let answer = Client::new().get_from(&url, origin).expect("an answer");
        let echoed = answer.header("access-control-allow-origin");
        assert_eq!(echoed, allowed, "{origin}");
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[test]
fn a_media_address_that_names_nothing_starts_no_worker() {
    let _turn = turn();
    let small = small_ladder(&[]);
    let demo = "[[stream]]\nname = \"demo\"\nsource = \"test:\"\n";
    let daemon = Daemon::start(&format!("[hls]\nts = false\n{small}{demo}"));
    for file in [
        "NOSUCHSESSION/240p/index.m3u8",
        "NOSUCHSESSION/240p/index.m3u8?_HLS_msn=1",
        "NOSUCHSESSION/240p/ts.m3u8",
        "NOSUCHSESSION/240p/1.m4s",
        "ts.m3u8",
        "thumb.jpg",
    ] {
        let answer = daemon.get(&format!("/live/demo/{file}"));
        assert_eq!(answer.status, 404, "{file}");
    }
    let status = daemon.status("demo");
    assert_eq!(
        (&status["state"], &status["viewers"]),
        (&"idle".into(), &0.into())
    );
    // What starts the stream comes after all that, and starts its first worker.
    let viewer = Viewer::open(&daemon, "demo");
    let log = daemon.log();
    assert_eq!(log.matches("worker starts").count(), 1, "{log}");
    drop(viewer);
}

#[test]
fn secrets_that_others_can_read_are_warned_of_at_start() {
    let _turn = turn();
    // The file of this test is as open as the user's mask makes it, so its mode is set.
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("config.toml");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let config = format!(
        "[server]\nhttp = \"127.0.0.1:{port}\"\nrtmp = \"\"\n{}",
        push_stream("s")
    );
    fs::write(&path, config).expect("written");
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        let output = daemon::command()
            .args(["run", "--config"])
            .arg(&path)
            .output();
        let output = output.expect("weir");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(UNAVAILABLE), "{said}");
        let fix = format!("run: chmod 600 {}", path.display());
        assert_eq!(said.contains(&fix), warned, "{said}");
        assert!(!said.contains(KEY), "{said}");
    }
}
