//! Starts worker processes.
//!
//! All are started from one thread that lives as long as the [`Spawner`]: a child's parent-death
//! signal (`PR_SET_PDEATHSIG`, prctl(2)) fires when the *thread* that started it ends, and a
//! thread of tokio's pool may end at any time. Dropping the spawner ends that thread, so the
//! kernel kills whatever worker is left, even when the daemon is killed itself.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::orders::{self, Orders};
use super::process::{self, Process, RESIDENT_MAX};
use super::stderr;
use crate::base::units::ByteSize;

/// Starts that may wait for the spawner's thread; more are refused.
const WAITING_MAX: usize = 64;

/// A process that has just been started, and the daemon's end of its socket.
#[derive(Debug)]
pub struct Launched {
    /// Non-blocking; its other end is the worker's standard input.
    pub socket: UnixStream,
    /// Handle of the process; dropping it kills the process.
    pub process: Process,
}

/// Starts workers: [`Spawner`] in the daemon, a scripted fake in tests.
pub trait Launch: Send + Sync + 'static {
    /// Starts one worker.
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>>;
}

/// The program that runs as a worker.
#[derive(Debug, Clone)]
pub struct Program {
    /// Path of the executable.
    pub path: PathBuf,
    /// Its `argv[0]`.
    pub arg0: OsString,
    /// Its further arguments.
    pub args: Vec<OsString>,
    /// Resident memory above which it is killed.
    pub resident_max: ByteSize,
}

impl Program {
    /// This executable as `weir worker`, through `/proc/self/exe`: the worker is the same version
    /// even after an upgrade has replaced the file on disk.
    pub fn own_worker(orders: &Orders) -> Self {
        Self {
            path: PathBuf::from("/proc/self/exe"),
            arg0: OsString::from("weir"),
            args: orders.args(None),
            resident_max: RESIDENT_MAX,
        }
    }
}

type Request = oneshot::Sender<io::Result<Launched>>;

/// The thread that starts workers, and the tasks that own them.
#[derive(Debug)]
pub struct Spawner {
    requests: Option<mpsc::SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
    children: TaskTracker,
}

impl Spawner {
    /// Starts the thread. Must be called in a tokio runtime, which the owner tasks run on.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(program: Program) -> io::Result<Self> {
        let (requests, receiver) = mpsc::sync_channel::<Request>(WAITING_MAX);
        let children = TaskTracker::new();
        let (tracker, runtime) = (children.clone(), Handle::current());
        let thread = std::thread::Builder::new()
            .name("weir-spawner".into())
            .spawn(move || {
                // tokio's `Command` needs a runtime to watch the child.
                let _runtime = runtime.enter();
                while let Ok(reply) = receiver.recv() {
                    // If the caller has gone, the process is dropped here and thereby killed.
                    let _ = reply.send(start(&program, &tracker));
                }
            })?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
            children,
        })
    }

    /// Waits until every process is reaped. Their handles must have been dropped.
    pub async fn reaped(&self) {
        self.children.close();
        self.children.wait().await;
    }
}

impl Launch for Spawner {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        let (reply, answer) = oneshot::channel();
        let sent = self
            .requests
            .as_ref()
            .map(|requests| requests.try_send(reply));
        Box::pin(async move {
            match sent {
                Some(Ok(())) => answer.await.unwrap_or_else(|_| Err(gone())),
                Some(Err(mpsc::TrySendError::Full(_))) => {
                    Err(io::Error::other("too many workers are being started"))
                }
                _ => Err(gone()),
            }
        })
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // The thread ends after at most one more fork.
            let _ = thread.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the spawner's thread has ended")
}

fn start(program: &Program, tracker: &TaskTracker) -> io::Result<Launched> {
    let (socket, theirs) = UnixStream::pair()?;
    socket.set_nonblocking(true)?;
    let mut child = execute(program, theirs)?;
    let pid = child
        .id()
        .ok_or_else(|| io::Error::other("it ended while it was started"))?;
    let (process, report) = Process::new(pid);
    if let Some(output) = child.stderr.take() {
        tracker.spawn(stderr::forward(output, pid, process.label().clone()));
    }
    tracker.spawn(process::own(
        child,
        pid,
        process.orders(),
        report,
        process.meter().clone(),
        program.resident_max,
    ));
    Ok(Launched { socket, process })
}

/// Runs the program with `socket` as its standard input. The daemon's copy of that end is closed
/// on return, so each process sees EOF when the other one ends.
fn execute(program: &Program, socket: UnixStream) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    command
        .arg0(&program.arg0)
        .args(&program.args)
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C must reach only the daemon, which then asks its workers to finish.
        .process_group(0)
        .kill_on_drop(true)
        .env_clear()
        .envs(orders::environment_inside());
    let daemon = rustix::process::getpid();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. The hook makes two
    // system calls (prctl and getppid), allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || die_with(daemon)) };
    command.spawn()
}

/// Makes the kernel kill this process when the thread that started it ends.
fn die_with(daemon: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The daemon may have died before the signal was asked for; then nothing would send it.
    if getppid() != Some(daemon) {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::daemon::supervisor::process::Exit;

    fn shell(script: &str) -> Spawner {
        Spawner::new(Program {
            path: "/bin/sh".into(),
            arg0: "sh".into(),
            args: vec!["-c".into(), script.into()],
            resident_max: RESIDENT_MAX,
        })
        .unwrap()
    }

    fn lines(launched: &Launched) -> BufReader<UnixStream> {
        let socket = launched.socket.try_clone().unwrap();
        socket.set_nonblocking(false).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        BufReader::new(socket)
    }

    fn line(reader: &mut impl BufRead) -> String {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn exists(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[tokio::test]
    async fn an_exit_is_reported_with_its_status_and_leaves_no_zombie() {
        let spawner = shell("exit 7");
        let mut launched = spawner.launch().await.unwrap();
        let Exit::Status(status) = launched.process.exited().await else {
            panic!("no status");
        };
        assert_eq!(status.code(), Some(7));
        assert!(!exists(launched.process.pid()));
    }

    #[tokio::test]
    async fn its_standard_input_is_our_socket() {
        let spawner = shell("read word; echo \"$word, too\" >&0");
        let launched = spawner.launch().await.unwrap();
        io::Write::write_all(&mut &launched.socket, b"hello\n").unwrap();
        assert_eq!(line(&mut lines(&launched)), "hello, too");
    }

    #[tokio::test]
    async fn dropping_the_handle_kills_the_process_and_what_it_started() {
        let spawner = shell("exec 3<&0; sleep 1000 & echo $! >&3; wait");
        let launched = spawner.launch().await.unwrap();
        let mut reader = lines(&launched);
        let grandchild: u32 = line(&mut reader).parse().unwrap();
        let pid = launched.process.pid();
        assert!(exists(pid) && exists(grandchild));
        drop(launched);
        spawner.reaped().await;
        assert!(!exists(pid));
        // The grandchild holds the socket too, so EOF means that it is dead.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_retired_process_may_end_by_itself() {
        let spawner = shell("read word; exit 3");
        let mut launched = spawner.launch().await.unwrap();
        io::Write::write_all(&mut &launched.socket, b"go\n").unwrap();
        launched.process.retire();
        let exit = launched.process.exited().await;
        assert!(
            matches!(exit, Exit::Status(s) if s.code() == Some(3)),
            "{exit}"
        );
    }

    #[tokio::test]
    async fn a_retired_process_that_stays_is_killed() {
        let spawner = shell("sleep 1000");
        let launched = spawner.launch().await.unwrap();
        let pid = launched.process.pid();
        launched.process.retire();
        spawner.reaped().await;
        assert!(!exists(pid));
    }

    #[tokio::test]
    async fn the_end_of_the_spawners_thread_kills_what_is_left() {
        let spawner = shell("echo up >&0; exec sleep 1000");
        let mut launched = spawner.launch().await.unwrap();
        assert_eq!(line(&mut lines(&launched)), "up");
        drop(spawner);
        let exit = launched.process.exited().await;
        assert!(exit.to_string().contains("SIGKILL"), "{exit}");
    }

    #[tokio::test]
    async fn a_process_above_its_memory_is_killed() {
        let spawner = Spawner::new(Program {
            path: "/bin/sleep".into(),
            arg0: "sleep".into(),
            args: vec!["1000".into()],
            resident_max: ByteSize::from_bytes(1),
        })
        .unwrap();
        let mut launched = spawner.launch().await.unwrap();
        let exit = launched.process.exited().await;
        assert!(matches!(exit, Exit::Memory(_)), "{exit}");
        assert!(!exists(launched.process.pid()));
    }

    #[tokio::test]
    async fn a_missing_program_is_an_error() {
        let program = Program {
            path: "/nowhere/weir".into(),
            ..Program::own_worker(&Orders::default())
        };
        let spawner = Spawner::new(program).unwrap();
        let error = spawner.launch().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
