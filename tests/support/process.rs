//! The process table: who is whose child, and who is still there.

use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A process that is killed and reaped when the test is done with it.
#[derive(Debug)]
pub struct Owned(pub Child);

impl Owned {
    /// Starts `command` without standard input.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One process at one time: a number alone may be given to another process later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    start_ticks: u64,
}

impl Identity {
    /// The process that has `pid` now.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self {
            pid,
            start_ticks: stat.start_ticks,
        })
    }

    /// It is still running: neither gone nor waiting to be reaped.
    pub fn is_running(self) -> bool {
        Stat::read(self.pid)
            .is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != 'Z')
    }

    /// Sends it a signal.
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
    /// Fields 3, 4 and 22 of `/proc/PID/stat` (proc(5)); the name before them may hold anything.
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

/// The children of process `parent` that still run.
pub fn children(parent: u32) -> Vec<Identity> {
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| Stat::read(pid).is_some_and(|s| s.parent == parent && s.state != 'Z'))
        .filter_map(Identity::of)
        .collect()
}
