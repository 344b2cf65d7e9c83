//! Which encoders and decoders work on this machine: each is tried in a child process, so one
//! that crashes or hangs its driver harms nothing but itself.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::spawner::is_private;
use crate::model::encoder::{Family, TemplateName};
use crate::wire::probe::{Candidate, Kind, Listing, Outcome};

/// How long a test may take before its process is ended because its driver hangs. Longer than the
/// test itself waits for a frame.
const TEST_MAX: Duration = Duration::from_secs(10);
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
pub fn all(pipelines: Option<&Path>) -> Result<Vec<Outcome>, String> {
    Ok(test(list(pipelines)?.candidates, pipelines))
}

/// Tests the video encoders of `families`, in that order. Blocks.
///
/// # Errors
/// Why the candidates cannot be listed.
pub fn encoders(families: &[Family], pipelines: Option<&Path>) -> Result<Vec<Outcome>, String> {
    let rank = |encoder: &Candidate| families.iter().position(|family| *family == encoder.family);
    let mut encoders = list(pipelines)?.candidates;
    encoders.retain(|it| it.kind == Kind::VideoEncoder && rank(it).is_some());
    encoders.sort_by_key(rank);
    Ok(test(encoders, pipelines))
}

/// Mistakes in the user's own templates: `file:line: what is wrong`. Blocks.
///
/// # Errors
/// Why the templates cannot be listed.
pub fn mistakes(pipelines: &Path) -> Result<Vec<String>, String> {
    let listing = list(Some(pipelines))?;
    let built = |name: &TemplateName| child(&format!("--build={name}"), Some(pipelines)).err();
    let unbuilt = listing.own.iter().filter_map(built);
    Ok(listing.mistakes.into_iter().chain(unbuilt).collect())
}

fn test(candidates: Vec<Candidate>, pipelines: Option<&Path>) -> Vec<Outcome> {
    let tested = |candidate: Candidate| Outcome {
        failure: child(&format!("--test={}", candidate.template), pipelines).err(),
        candidate,
    };
    candidates.into_iter().map(tested).collect()
}

/// Asks a child process which templates there are.
fn list(pipelines: Option<&Path>) -> Result<Listing, String> {
    let listing = child("--candidates", pipelines)
        .and_then(|json| serde_json::from_str(&json).map_err(|error| error.to_string()));
    listing.map_err(|cause| format!("pipeline templates cannot be listed: {cause}"))
}

/// Runs `weir worker ARG`; gives what it prints, which is the reason when it fails.
fn child(arg: &str, pipelines: Option<&Path>) -> Result<String, String> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("worker").arg(arg);
    if let Some(folder) = pipelines {
        command.arg("--pipelines").arg(folder);
    }
    answer(command, std::env::vars_os().map(|(key, _)| key), TEST_MAX)
}

/// Runs a test for at most `time_max`, without the private ones of these environment variables.
fn answer(
    mut command: Command,
    keys: impl Iterator<Item = OsString>,
    time_max: Duration,
) -> Result<String, String> {
    for key in keys.filter(|key| is_private(key)) {
        command.env_remove(key);
    }
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
        command
            .args(["-c", script])
            .env("WEIR__STREAM__a__PUBLISH_KEY", "secret")
            .env("WEIR_LOG", "debug");
        let keys = ["WEIR__STREAM__a__PUBLISH_KEY", "WEIR_LOG"];
        answer(command, keys.map(OsString::from).into_iter(), time_max)
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

    #[test]
    fn overrides_of_the_configuration_stay_here() {
        let result = shell("env; exit 1", TEST_MAX).unwrap_err();
        assert!(result.contains("WEIR_LOG=debug"), "{result}");
        assert!(!result.contains("secret"), "{result}");
    }
}
