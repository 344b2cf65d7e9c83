//! What `/proc` says about a process, read during a scrape.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::procfs;

/// The state of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// Bytes of memory in RAM.
    pub(super) resident_bytes: u64,
    /// Number of threads.
    pub(super) threads: u64,
    /// Open file descriptors; `None` if they cannot be listed.
    pub(super) open_fds: Option<u64>,
    /// The soft limit of open file descriptors; `None` if there is none.
    pub(super) max_fds: Option<u64>,
}

/// The state of this process.
pub(super) fn this() -> Option<Snapshot> {
    let root = PathBuf::from("/proc/self");
    let mut snapshot = status(&root)?;
    snapshot.open_fds = fs::read_dir(root.join("fd"))
        .ok()
        .map(|entries| entries.count() as u64);
    snapshot.max_fds = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Some(snapshot)
}

/// Resident bytes of another process of the same user; `None` when it is gone.
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    status(Path::new(&format!("/proc/{pid}"))).map(|snapshot| snapshot.resident_bytes)
}

/// `None` for a zombie, which has no memory.
fn status(root: &Path) -> Option<Snapshot> {
    let status = fs::read_to_string(root.join("status")).ok()?;
    Some(Snapshot {
        resident_bytes: procfs::resident(&status)?.bytes(),
        threads: procfs::threads(&status)?,
        ..Snapshot::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_itself() {
        let snapshot = this().unwrap();
        assert!(snapshot.resident_bytes > 0 && snapshot.threads > 0);
        assert!(snapshot.open_fds > Some(2), "{snapshot:?}");
        assert!(resident_bytes(std::process::id()).is_some());
    }
}
