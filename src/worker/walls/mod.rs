//! The walls around a worker, which decodes with C code what strangers send.
//!
//! Before it reads a byte of media, a worker gives up everything that it does not need: new
//! privileges, files, programs, other processes, and in the end the network. The order matters.
//! Landlock binds only the calling thread and the threads that it starts, so [`Walls::raise`] comes
//! before GStreamer makes threads. A warm spare learns only later whether it needs the network, so
//! [`Walls::close_network`] is a filter of its own, which the kernel applies to all threads.

mod calls;
mod files;
mod gaps;

pub use files::Readable;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::model::sandbox::Sandbox;
use crate::wire::probe::Wall;
use crate::worker::media::template::Opening;
use gaps::{Gaps, UnixSockets};

/// The walls that stand around this process.
#[derive(Debug)]
pub struct Walls {
    sandbox: Sandbox,
    sockets: UnixSockets,
    walls: Vec<Wall>,
}

impl Walls {
    /// Raises every wall but that of the network, and leaves `openings` in the wall around files.
    /// Must be called while the process has only one thread.
    ///
    /// # Errors
    /// Which wall is missing, if every wall is [required](Sandbox::Required).
    pub fn raise<'a>(
        sandbox: Sandbox,
        openings: impl Iterator<Item = &'a Opening>,
    ) -> Result<Self, String> {
        let gaps = Gaps::of(openings);
        let mut walls = Self {
            sandbox,
            sockets: gaps.sockets,
            walls: Vec::new(),
        };
        walls.add("new privileges", "no_new_privs", || {
            rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string())
        })?;
        // Media would land in core files, and a process of the same user could read it in /proc.
        walls.add("core files", "not dumpable", || {
            set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())
        })?;
        walls.add("files", "Landlock", || files::close(&gaps))?;
        walls.add("programs and other processes", "seccomp", || {
            calls::close(gaps.sockets)
        })?;
        Ok(walls)
    }

    /// Takes the network away from all threads. For a worker that pulls nothing.
    ///
    /// # Errors
    /// As [`Walls::raise`].
    pub fn close_network(&mut self) -> Result<(), String> {
        let sockets = self.sockets;
        self.add("network", "seccomp", || calls::close_network(sockets))
    }

    /// Every wall that was to be raised.
    pub fn list(self) -> Vec<Wall> {
        self.walls
    }

    fn add(
        &mut self,
        name: &str,
        made_of: &str,
        raise: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let raised = match self.sandbox {
            Sandbox::Off => Err("turned off by worker.sandbox".to_owned()),
            Sandbox::Auto | Sandbox::Required => raise(),
        };
        if let (Err(cause), Sandbox::Required) = (&raised, self.sandbox) {
            return Err(format!(
                "worker.sandbox is \"required\", but the wall before {name} ({made_of}) is \
                 missing: {cause}"
            ));
        }
        self.walls.push(Wall {
            name: name.to_owned(),
            made_of: made_of.to_owned(),
            missing: raised.err(),
        });
        Ok(())
    }
}
