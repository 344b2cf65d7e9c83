//! Processes: which are children of which, and which still run.

use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A child process that is killed and reaped when dropped.
#[derive(Debug)]
pub struct Owned(pub Child);

impl Owned {
    /// Starts `command` without standard input.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Both calls fail only when the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Identity of a process: the kernel may give the same process id to another process later, but not
/// with the same start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    start_ticks: u64,
}

impl Identity {
    /// Identity of the process that has `pid` now.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self {
            pid,
            start_ticks: stat.start_ticks,
        })
    }

    /// Whether the process still runs: it has neither gone nor become a zombie.
    pub fn is_running(self) -> bool {
        Stat::read(self.pid)
            .is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != 'Z')
    }

    /// Sends a signal.
    pub fn signal(self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("the process is ours");
    }
}

struct Stat {
    state: char,
    parent: u32,
    start_ticks: u64,
}

impl Stat {
    /// Reads fields 3, 4 and 22 of `/proc/PID/stat` (proc(5)). The process name before them may
    /// contain any character, a bracket too.
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Children of process `parent` that still run.
pub fn children(parent: u32) -> Vec<Identity> {
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| Stat::read(pid).is_some_and(|s| s.parent == parent && s.state != 'Z'))
        .filter_map(Identity::of)
        .collect()
}
