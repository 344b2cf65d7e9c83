//! The walls around real workers, and around the memory of the daemon.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Signal, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::support::camera::{Auth, Camera, Options};
use crate::support::clips::Clip;
use crate::support::daemon::{self, Daemon};
use crate::support::process::{Identity, Owned};
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
/// Something needed is not available (`weir --help`).
const UNAVAILABLE: i32 = 69;

/// A field of `/proc/PID/status` (proc_pid_status(5)).
fn field(process: Identity, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// The names of a process's environment variables; `None` where its walls keep them from this test
/// too, as they do unless this test runs as root.
fn variables(process: Identity) -> Option<Vec<String>> {
    match fs::read_to_string(format!("/proc/{}/environ", process.pid)) {
        Ok(text) => {
            let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
            Some(pairs.map(|(name, _)| name.to_owned()).collect())
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            None
        }
    }
}

#[test]
fn every_worker_stands_inside_walls() {
    let _turn = turn();
    let camera = Camera::start(Options {
        auth: Auth::Open,
        content_length: true,
        fps: 15,
        ..Options::default()
    });
    let daemon = Daemon::start(&format!(
        "{}[[stream]]\nname = \"demo\"\nsource = \"test:\"\n\
         [[stream]]\nname = \"cam\"\nsource = \"{}\"\n",
        small_ladder(&["s"]),
        camera.url(),
    ));
    let _publisher = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("s", KEY));
    let streams = ["s", "demo", "cam"];
    // A stream that plays has read media.
    let viewers = streams.map(|stream| Viewer::open(&daemon, stream));
    for viewer in &viewers {
        viewer.all_with(2, LIMIT);
    }
    // The workers of the three streams, and the spare.
    wait_until("four workers", LIMIT, || daemon.workers().len() == 4);
    for worker in daemon.workers() {
        wait_until("the worker to stand inside its walls", LIMIT, || {
            field(worker, "NoNewPrivs").as_deref() == Some("1")
                && field(worker, "Seccomp").as_deref() == Some("2")
        });
        // The daemon has both, for this test was started by cargo.
        for name in variables(worker).unwrap_or_default() {
            assert!(name != "PATH" && !name.starts_with("CARGO"), "{name}");
        }
    }
    // A worker that needs no network has one filter more.
    let filters = |stream: &str| {
        let count = field(daemon.worker(stream), "Seccomp_filters");
        count.map(|count| count.parse::<u32>().expect("a number"))
    };
    assert_eq!(filters("s"), filters("demo"));
    assert_eq!(filters("s"), filters("cam").map(|count| count + 1));
    let log = daemon.log();
    assert!(!log.contains("lack walls"), "{log}");
}

/// Makes a program believe that the kernel has no Landlock.
fn without_landlock(command: &mut Command) {
    let calls = [
        libc::SYS_landlock_create_ruleset,
        libc::SYS_landlock_add_rule,
        libc::SYS_landlock_restrict_self,
    ];
    let filter = SeccompFilter::new(
        calls.into_iter().map(|call| (call, Vec::new())).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
        std::env::consts::ARCH.try_into().expect("an architecture"),
    );
    let program: BpfProgram = filter.and_then(TryInto::try_into).expect("a filter");
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. The hook makes two
    // system calls, allocates nothing unless one fails, and takes no lock.
    unsafe {
        command.pre_exec(move || {
            seccompiler::apply_filter(&program).map_err(|_| std::io::Error::last_os_error())
        })
    };
}

#[test]
fn a_kernel_without_landlock_is_told_and_refused_where_walls_are_required() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    let write = |sandbox: &str| {
        let text = format!(
            "[server]\nhttp = \"127.0.0.1:0\"\nrtmp = \"\"\n[worker]\nsandbox = \"{sandbox}\"\n"
        );
        fs::write(&config, text).expect("written");
    };
    let weir = |action: &str| {
        let mut command = daemon::command();
        command.args([action, "--config"]).arg(&config);
        without_landlock(&mut command);
        command
    };
    write("required");
    let refused = weir("run").output().expect("weir");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(UNAVAILABLE), "{said}");
    assert!(
        said.contains("the wall before files (Landlock) is missing"),
        "{said}"
    );

    write("auto");
    let doctor = weir("doctor").output().expect("weir");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let files = said.lines().find(|line| line.contains("(Landlock)"));
    let files = files.unwrap_or_else(|| panic!("{said}"));
    assert!(
        files.contains("no  files") && files.contains("no Landlock"),
        "{said}"
    );
    assert!(said.contains("stands  network"), "{said}");
    assert!(
        doctor.status.success(),
        "encoders work without that wall: {said}"
    );

    let log = folder.path().join("log");
    let file = fs::File::create(&log).expect("a file");
    let mut running = weir("run");
    running
        .stderr(file.try_clone().expect("a file"))
        .stdout(file);
    let _running = Owned::spawn(&mut running);
    wait_until("a warning", LIMIT, || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.contains("workers lack walls") && log.contains("files (Landlock)")
    });
}

#[test]
fn a_crash_of_the_daemon_leaves_no_core_file() {
    let _turn = turn();
    let mut limit = getrlimit(Resource::Core);
    limit.current = limit.maximum;
    setrlimit(Resource::Core, limit).expect("the hard limit");
    let folder = tempfile::tempdir().expect("a folder");
    let mut other = Owned::spawn(Command::new("sleep").arg("1000").current_dir(folder.path()));
    Identity::of(other.pid())
        .expect("it runs")
        .signal(Signal::ABORT);
    if !other.0.wait().expect("its status").core_dumped() {
        eprintln!("this machine writes no core files at all");
        return;
    }
    let mut daemon = Daemon::start(&small_ladder(&["s"]));
    daemon.signal(Signal::ABORT);
    let status = daemon.wait_exit(LIMIT);
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!status.core_dumped(), "{status}");
}
