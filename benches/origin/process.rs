//! A server in a process of its own, and what it has used.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::thread::CpuSet;

/// The core of the server; the readers have the other one.
pub const SERVER_CORE: usize = 0;
pub const READERS_CORE: usize = 1;

/// Lets this thread, and those that it starts, run on one core only.
pub fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &cores) {
        eprintln!("core {core} cannot be had alone, so the figures mean less: {error}");
    }
}

/// A child process; ends with this value.
pub struct Running {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// It speaks TLS there.
    pub is_secured: bool,
    /// Where weir's metrics are.
    pub admin: SocketAddr,
    /// The first line that it wrote, after its address.
    pub path: String,
}

/// User and system time, and resident memory.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub cpu: Duration,
    pub resident_bytes: u64,
}

impl Running {
    /// Starts this program again as a server.
    pub fn weir(arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("serve").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let mut words = line.split_whitespace();
        let mut word = || words.next().expect("the server says where");
        let (address, admin, path) = (word(), word(), word());
        Self {
            child,
            address: address.parse().unwrap(),
            is_secured: arguments.contains(&"--tls"),
            admin: admin.parse().unwrap(),
            path: path.to_owned(),
        }
    }

    /// Takes a server that has been started otherwise.
    pub fn other(child: Child, address: SocketAddr) -> Self {
        Self {
            child,
            address,
            is_secured: false,
            admin: address,
            path: String::new(),
        }
    }

    pub fn used(&self) -> Used {
        used(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killed, nginx would leave its workers behind.
        let pid = i32::try_from(self.child.id()).ok();
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _reaped = self.child.wait();
    }
}

/// What a process and its children have used: those of nginx do its work.
fn used(pid: u32) -> Used {
    let mut used = Used {
        cpu: Duration::ZERO,
        resident_bytes: 0,
    };
    for process in std::iter::once(pid).chain(children(pid)) {
        let folder = format!("/proc/{process}");
        used.cpu += cpu(Path::new(&folder));
        used.resident_bytes += resident_bytes(Path::new(&folder));
    }
    used
}

fn resident_bytes(folder: &Path) -> u64 {
    let memory = std::fs::read_to_string(folder.join("statm")).unwrap_or_default();
    let pages = memory.split(' ').nth(1);
    let pages = pages.and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * rustix::param::page_size() as u64
}

fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn cpu(folder: &Path) -> Duration {
    // `schedstat` counts nanoseconds, `stat` only hundredths of a second; one for each thread.
    let threads = std::fs::read_dir(folder.join("task"))
        .into_iter()
        .flatten()
        .flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// User and system time of this process.
pub fn own_cpu() -> Duration {
    cpu(Path::new("/proc/self"))
}

/// Resident memory of this process.
pub fn own_resident_bytes() -> u64 {
    resident_bytes(Path::new("/proc/self"))
}
