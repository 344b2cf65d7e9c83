//! Which encoders and decoders work on this machine: each is tried in a child process, so one
//! that crashes or hangs its driver harms nothing but itself.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::orders::{self, Orders};
use crate::model::encoder::{Family, TemplateName};
use crate::wire::probe::{Candidate, Kind, Listing, Outcome, Wall};

/// How long a test may take before its process is ended because its driver hangs. Longer than the
/// test itself waits for a frame.
const TEST_MAX: Duration = Duration::from_secs(10);
/// How long GStreamer may take to load every plugin and ask what the plugin has.
const PLUGINS_MAX: Duration = Duration::from_secs(60);
/// When a test's process ends by itself, in case the process that started it is gone.
pub const ORPHAN_MAX: Duration = Duration::from_secs(15);
/// How often a running test is polled.
const POLL: Duration = Duration::from_millis(10);
/// Longest answer that is read. A pipe holds as much, so a child that keeps to it never blocks.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Tests every encoder and decoder. Blocks for a second or two.
///
/// # Errors
/// Why the candidates cannot be listed.
pub fn all(orders: &Orders) -> Result<Vec<Outcome>, String> {
    Ok(test(list(orders)?.candidates, orders))
}

/// Tests the video encoders of `families`, in that order. Blocks.
///
/// # Errors
/// Why the candidates cannot be listed.
pub fn encoders(families: &[Family], orders: &Orders) -> Result<Vec<Outcome>, String> {
    let rank = |encoder: &Candidate| families.iter().position(|family| *family == encoder.family);
    let mut encoders = list(orders)?.candidates;
    encoders.retain(|it| it.kind == Kind::VideoEncoder && rank(it).is_some());
    encoders.sort_by_key(rank);
    Ok(test(encoders, orders))
}

/// Mistakes in the user's own templates: `file:line: what is wrong`. Blocks.
///
/// # Errors
/// Why the templates cannot be listed.
pub fn mistakes(orders: &Orders) -> Result<Vec<String>, String> {
    let listing = list(orders)?;
    let built = |name: &TemplateName| child(&format!("--build={name}"), orders).err();
    let unbuilt = listing.own.iter().filter_map(built);
    Ok(listing.mistakes.into_iter().chain(unbuilt).collect())
}

/// Raises every wall of a worker's sandbox in a child process, and says which ones stand. The child
/// first refreshes GStreamer's list of plugins, which no worker may do. Blocks for a moment; for
/// seconds when plugins have changed.
///
/// # Errors
/// Why the walls cannot be tried, or which one is missing although all are required.
pub fn walls(orders: &Orders) -> Result<Vec<Wall>, String> {
    let mut command = own_program("--walls", orders);
    command.envs(orders::environment());
    let json = answer(command, PLUGINS_MAX)?;
    serde_json::from_str(&json).map_err(|error| format!("walls cannot be listed: {error}"))
}

fn test(candidates: Vec<Candidate>, orders: &Orders) -> Vec<Outcome> {
    let tested = |candidate: Candidate| Outcome {
        failure: child(&format!("--test={}", candidate.template), orders).err(),
        candidate,
    };
    candidates.into_iter().map(tested).collect()
}

/// Asks a child process which templates there are.
fn list(orders: &Orders) -> Result<Listing, String> {
    let listing = child("--candidates", orders)
        .and_then(|json| serde_json::from_str(&json).map_err(|error| error.to_string()));
    listing.map_err(|cause| format!("pipeline templates cannot be listed: {cause}"))
}

/// Runs `weir worker TASK` inside its walls; gives what it prints, which is the reason when it fails.
fn child(task: &str, orders: &Orders) -> Result<String, String> {
    let mut command = own_program(task, orders);
    command.envs(orders::environment_inside());
    answer(command, TEST_MAX)
}

/// `weir worker TASK`, without an environment.
fn own_program(task: &str, orders: &Orders) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(orders.args(Some(task))).env_clear();
    command
}

/// Runs a process for at most `time_max`.
fn answer(mut command: Command, time_max: Duration) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the test cannot be started: {error}"))?;
    let status = wait(&mut child, time_max)?;
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        // An answer that cannot be read counts as no answer.
        let _ = stdout.take(ANSWER_BYTES_MAX).read_to_string(&mut answer);
    }
    match (status.success(), answer.trim()) {
        (true, _) => Ok(answer),
        (false, "") => Err(format!("its test crashed ({status})")),
        (false, reason) => Err(reason.to_owned()),
    }
}

fn wait(child: &mut Child, time_max: Duration) -> Result<ExitStatus, String> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if begin.elapsed() < time_max => std::thread::sleep(POLL),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("its test hung and was ended".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, time_max: Duration) -> Result<String, String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        answer(command, time_max)
    }

    #[test]
    fn a_test_says_why_it_failed() {
        let failed = |script| shell(script, TEST_MAX).unwrap_err();
        assert_eq!(shell("echo it", TEST_MAX).unwrap(), "it\n");
        assert_eq!(failed("echo why; exit 1"), "why");
        assert!(failed("exit 1").starts_with("its test crashed"));
        assert!(failed("kill -SEGV $$").starts_with("its test crashed"));
    }

    #[test]
    fn a_test_that_hangs_is_ended() {
        let result = shell("exec sleep 1000", Duration::from_millis(50));
        assert_eq!(result.unwrap_err(), "its test hung and was ended");
    }
}
