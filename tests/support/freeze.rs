//! Stops one piece of a worker, as a deadlock would. The other threads go on.

use std::fs;

use super::process::Identity;

/// Stops the threads of `process` that are called `name`, for as long as the calling thread lives:
/// among them may be one that has ended its work and keeps the name. The worker must stand outside its walls (`worker.sandbox = "off"`), or only root may trace it.
pub fn freeze(process: Identity, name: &str) {
    let tasks = format!("/proc/{}/task", process.pid);
    let threads = fs::read_dir(&tasks).unwrap_or_else(|error| panic!("{tasks}: {error}"));
    let names: Vec<(String, String)> = threads
        .filter_map(|thread| {
            let path = thread.ok()?.path();
            let comm = fs::read_to_string(path.join("comm")).ok()?;
            let id = path.file_name()?.to_str()?.to_owned();
            Some((comm.trim().to_owned(), id))
        })
        .collect();
    let called = names.iter().filter(|(comm, _)| comm == name);
    let ids: Vec<&String> = called.map(|(_, id)| id).collect();
    assert!(!ids.is_empty(), "no thread {name} among {names:?}");
    for id in ids {
        stop(id.parse().expect("a number"), name);
    }
}

fn stop(id: libc::pid_t, name: &str) {
    for request in [libc::PTRACE_SEIZE, libc::PTRACE_INTERRUPT] {
        let (address, data) = (0usize, 0usize);
        // SAFETY: both requests take no pointer; they change nothing in this process.
        let done = unsafe { libc::ptrace(request, id, address, data) };
        let error = std::io::Error::last_os_error();
        assert_eq!(done, 0, "ptrace({request}) of {name}: {error}");
    }
}
