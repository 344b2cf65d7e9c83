//! What a process can still do inside the walls of a worker, in each role.
//!
//! The test starts itself as a child process, which raises the walls as a worker does and then tries
//! what an attacker would try.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use weir::model::sandbox::Sandbox;
use weir::worker::media::template::Library;
use weir::worker::walls::{Readable, Walls};

/// Names the role to a child process.
const ROLE: &str = "WEIR_WALLS_ROLE";
/// Folder with what the child tries to reach.
const FOLDER: &str = "WEIR_WALLS_FOLDER";
/// Port that accepts connections.
const PORT: &str = "WEIR_WALLS_PORT";

type Attempts = BTreeMap<String, Result<(), i32>>;

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

/// The outcome of a system call that returns -1 when it fails.
fn call(returned: libc::c_long) -> io::Result<()> {
    match returned {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn socket(domain: i32, kind: i32) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    call(unsafe { libc::socket(domain, kind, 0) }.into())
}

/// Everything that an attacker would try, by name.
fn attempts(folder: &Path, port: u16) -> Attempts {
    let parent = std::os::unix::process::parent_id();
    let private = folder.join("key");
    let tried: [(&str, io::Result<()>); 17] = [
        ("read a key", fs::read(&private).map(drop)),
        ("list a folder", fs::read_dir(folder).map(drop)),
        ("write a file", fs::write(folder.join("new"), b"x")),
        ("empty a file", fs::write(&private, b"")),
        (
            "change a mode",
            fs::set_permissions(&private, fs::Permissions::from_mode(0o644)),
        ),
        (
            "read the environment of its parent",
            fs::read(format!("/proc/{parent}/environ")).map(drop),
        ),
        ("read the accounts", fs::read("/etc/passwd").map(drop)),
        (
            "run a program",
            Command::new("/bin/true").status().map(drop),
        ),
        // SAFETY: signal 0 only asks whether the process exists.
        (
            "signal its parent",
            call(unsafe { libc::kill(parent.cast_signed(), 0) }.into()),
        ),
        (
            "connect by TCP",
            TcpStream::connect(("127.0.0.1", port)).map(drop),
        ),
        ("make a UDP socket", socket(libc::AF_INET, libc::SOCK_DGRAM)),
        ("listen", TcpListener::bind(("127.0.0.1", 0)).map(drop)),
        (
            "bind a UDP port",
            UdpSocket::bind(("127.0.0.1", 0)).map(drop),
        ),
        (
            "connect to a Unix socket",
            UnixStream::connect(folder.join("socket")).map(drop),
        ),
        (
            "make a netlink socket",
            socket(libc::AF_NETLINK, libc::SOCK_DGRAM),
        ),
        // SAFETY: an unknown command makes both calls fail before they read the null pointer.
        (
            "make a ring",
            call(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, 0) }).or_else(|e| {
                if errno(&e) == libc::EFAULT {
                    Ok(())
                } else {
                    Err(e)
                }
            }),
        ),
        (
            "read a library's folder",
            fs::read_dir("/usr/lib").map(drop),
        ),
    ];
    tried
        .into_iter()
        .map(|(name, outcome)| (name.to_owned(), outcome.map_err(|e| errno(&e))))
        .collect()
}

/// The child's side; as a test of its own it does nothing.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let port = std::env::var(PORT).unwrap().parse().unwrap();
    let library = Library::load(None).0;
    if role != "none" {
        let mut walls = Walls::raise(Sandbox::Required, library.openings()).unwrap();
        if role != "pull" {
            walls.close_network().unwrap();
        }
        assert_eq!(rustix::process::dumpable_behavior().unwrap() as i32, 0);
    }
    // Decoders need threads, also inside.
    std::thread::spawn(|| ()).join().unwrap();
    for (name, outcome) in attempts(&folder, port) {
        println!("attempt\t{name}\t{}", outcome.err().unwrap_or(0));
    }
}

/// What a child in this role could do: the number of the error, 0 without one, by attempt.
fn tried(role: &str) -> BTreeMap<String, i32> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), b"secret").unwrap();
    let _unix = UnixListener::bind(folder.path().join("socket")).unwrap();
    let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(FOLDER, folder.path())
        .env(PORT, tcp.local_addr().unwrap().port().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    let attempts = said.lines().filter_map(|line| {
        let (_, attempt) = line.split_once("attempt\t")?;
        let (name, errno) = attempt.split_once('\t')?;
        Some((name.to_owned(), errno.parse().unwrap()))
    });
    attempts.collect()
}

#[test]
fn without_walls_everything_can_be_done() {
    let failed: Vec<_> = tried("none")
        .into_iter()
        .filter(|(_, errno)| *errno != 0)
        .collect();
    assert_eq!(failed, []);
}

/// What may be done in a role; all else must fail with "forbidden", or as if the kernel lacked it.
#[test]
fn inside_the_walls_little_can_be_done() {
    for (role, allowed) in [
        ("push", &["read a library's folder"][..]),
        ("test", &["read a library's folder"]),
        (
            "pull",
            &[
                "connect by TCP",
                "make a UDP socket",
                "read a library's folder",
            ],
        ),
    ] {
        let tried = tried(role);
        let done: Vec<&str> = tried
            .iter()
            .filter(|(_, errno)| **errno == 0)
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(done, allowed, "{role}: {tried:?}");
        let refusals = [0, libc::EPERM, libc::EACCES, libc::ENOSYS];
        let other: Vec<_> = tried
            .iter()
            .filter(|(_, errno)| !refusals.contains(errno))
            .collect();
        assert_eq!(other, [], "{role}");
    }
}

/// A file of the wall's opening that another program replaces while the process is inside.
#[test]
fn a_file_that_was_replaced_is_noticed() {
    if std::env::var_os(ROLE).is_none() {
        // In a process of its own, because the other tests need a thread without walls.
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_file_that_was_replaced_is_noticed"])
            .env(ROLE, "replaced")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [file, next] = ["names", "next"].map(|name| folder.path().join(name));
    fs::write(&file, b"old").unwrap();
    let template = format!(
        "kind = \"http-source\"\n[sandbox]\nread = [\"{}\"]\n[[element]]\nfactory = \"x\"\n",
        file.display()
    );
    fs::write(folder.path().join("mine.toml"), template).unwrap();
    let (library, errors) = Library::load(Some(folder.path()));
    assert!(errors.is_empty(), "{errors:?}");
    // A thread that starts before the wall does not stand inside it.
    let (replace, orders) = std::sync::mpsc::channel::<()>();
    let outside = std::thread::spawn({
        let file = file.clone();
        move || {
            orders.recv().unwrap();
            fs::write(&next, b"new").unwrap();
            fs::rename(next, file).unwrap();
        }
    });
    Walls::raise(Sandbox::Required, library.openings()).unwrap();
    let readable = Readable::of([file.clone(), folder.path().join("mine.toml")]);
    assert_eq!(fs::read(&file).unwrap(), b"old");
    assert_eq!(readable.replaced(), None);
    replace.send(()).unwrap();
    outside.join().unwrap();
    assert_eq!(readable.replaced(), Some(file.as_path()));
}
