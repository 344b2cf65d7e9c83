//! One worker process, from its start until it is reaped.

use std::fmt;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::meter::Meter;
use super::voice::Voice;
use crate::base::procfs;
use crate::base::units::ByteSize;

/// Resident memory above which a worker is killed and replaced. A ladder of four rungs up to 1080p
/// stays far below it, so more means a leak. (`RLIMIT_AS` would break CUDA, which reserves address
/// space that it never uses.)
pub const RESIDENT_MAX: ByteSize = ByteSize::from_mib(2048);
/// How often memory and CPU time are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a worker that has finished may take to exit by itself.
const EXIT_WAIT_MAX: Duration = Duration::from_secs(2);

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It exited, or a signal ended it.
    Status(ExitStatus),
    /// It was killed because it used this much memory.
    Memory(ByteSize),
    /// Waiting for it failed, for this reason.
    Unknown(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |size: &ByteSize| size.bytes() / (1024 * 1024);
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Memory(resident) => write!(
                f,
                "killed: {} MiB resident, more than {} MiB",
                mib(resident),
                mib(&RESIDENT_MAX)
            ),
            Self::Unknown(error) => write!(f, "cannot be waited for: {error}"),
        }
    }
}

/// The stream that a worker serves, for log lines, and how many of those the worker may cause.
#[derive(Debug, Default)]
pub struct Label {
    stream: OnceLock<String>,
    voice: Voice,
}

impl Label {
    /// Name of the stream; `spare` until the worker gets one.
    pub fn name(&self) -> &str {
        self.stream.get().map_or("spare", String::as_str)
    }

    /// Sets the stream. Further calls change nothing.
    pub fn set(&self, stream: &str) {
        let _ = self.stream.set(stream.to_owned());
    }

    /// Limits of what the worker says.
    pub fn voice(&self) -> &Voice {
        &self.voice
    }
}

/// Handle of a running worker. Dropping it kills the process (`SIGKILL`), unless it was
/// [retired](Process::retire); the task that owns the child ([`own`]) reaps it in both cases.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    label: Arc<Label>,
    meter: Meter,
    orders: Orders,
    exit: watch::Receiver<Option<Exit>>,
}

/// What a [`Process`] tells the task that owns the child.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Kill the process now.
    pub kill: CancellationToken,
    /// The process is about to exit: kill it only if it does not.
    pub retire: CancellationToken,
}

impl Process {
    /// A handle, and the sender through which the owner task reports the exit.
    pub fn new(pid: u32) -> (Self, watch::Sender<Option<Exit>>) {
        let (reporter, exit) = watch::channel(None);
        let (label, meter, orders) = Default::default();
        (
            Self {
                pid,
                label,
                meter,
                orders,
                exit,
            },
            reporter,
        )
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The stream it serves.
    pub fn label(&self) -> &Arc<Label> {
        &self.label
    }

    /// The CPU that it uses, as the owner task has measured it.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Tokens for the owner task to watch.
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Waits until the process has been reaped. Cancel-safe.
    pub async fn exited(&mut self) -> Exit {
        match self.exit.wait_for(Option::is_some).await {
            Ok(exit) => exit
                .clone()
                .unwrap_or_else(|| Exit::Unknown("no status".into())),
            Err(_) => Exit::Unknown("its owner has gone".into()),
        }
    }

    /// The worker has finished: gives it 2 s to exit by itself.
    pub fn retire(&self) {
        self.orders.retire.cancel();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.orders.retire.is_cancelled() {
            self.orders.kill.cancel();
        }
    }
}

/// Owns `child` until it is reaped, kills it above `resident_max`, measures the CPU that it uses,
/// reports how it ended.
pub async fn own(
    mut child: Child,
    pid: u32,
    orders: Orders,
    report: watch::Sender<Option<Exit>>,
    meter: Meter,
    resident_max: ByteSize,
) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let exit = loop {
        tokio::select! {
            status = child.wait() => break Exit::of(status),
            () = orders.kill.cancelled() => break kill(&mut child, pid).await,
            () = orders.retire.cancelled() => break match timeout(EXIT_WAIT_MAX, child.wait()).await {
                Ok(status) => Exit::of(status),
                Err(_) => kill(&mut child, pid).await,
            },
            _ = look.tick() => {
                if let Some(cpu_time) = cpu_time(pid).await {
                    meter.measured(cpu_time, Instant::now());
                }
                match resident(pid).await {
                    Some(size) if size > resident_max => {
                        kill(&mut child, pid).await;
                        break Exit::Memory(size);
                    }
                    _ => {}
                }
            },
        }
    };
    report.send_replace(Some(exit));
}

impl Exit {
    fn of(status: std::io::Result<ExitStatus>) -> Self {
        status.map_or_else(|error| Self::Unknown(error.to_string()), Self::Status)
    }
}

/// Kills the process and its children (they form one process group) and reaps it.
async fn kill(child: &mut Child, pid: u32) -> Exit {
    use rustix::process::{Pid, Signal, kill_process_group};

    // `id()` is `None` once the child is reaped; until then the kernel cannot reuse its id.
    let group = child
        .id()
        .filter(|id| *id == pid)
        .and_then(|id| i32::try_from(id).ok());
    if let Some(group) = group.and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    Exit::of(child.wait().await)
}

/// Resident memory; `None` once the process has ended.
async fn resident(pid: u32) -> Option<ByteSize> {
    let status = tokio::fs::read_to_string(format!("/proc/{pid}/status")).await;
    procfs::resident(&status.ok()?)
}

/// CPU time since its start; `None` once the process has ended.
async fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = tokio::fs::read_to_string(format!("/proc/{pid}/stat")).await;
    procfs::cpu_time(&stat.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_very_process_has_resident_memory() {
        assert!(resident(std::process::id()).await.unwrap().bytes() > 0);
    }
}
