//! Which encoders and decoders work on this machine: each is tried in a child process, so one
//! that crashes or hangs its driver harms nothing but itself.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::spawner::is_private;
use crate::worker::media::probe::{self, Outcome};
use crate::worker::media::template::Library;

/// How long one test may take before its process is ended: its driver hangs. More than the test
/// itself waits for a frame.
const TEST_MAX: Duration = Duration::from_secs(10);
/// When a test's process ends by itself: nobody is there any more to end it.
pub const ORPHAN_MAX: Duration = Duration::from_secs(15);
/// How often a running test is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// Tests every encoder and decoder. Blocks; takes a second or two.
pub fn all(pipelines: Option<&Path>) -> Vec<Outcome> {
    let (library, _) = Library::load(pipelines);
    let mut outcomes = probe::candidates(&library);
    for outcome in &mut outcomes {
        outcome.failure = run(&outcome.template, pipelines).err();
    }
    outcomes
}

/// Templates of the video encoders that work, in the order of `families`. Blocks.
pub fn encoders(families: &[String], pipelines: Option<&Path>) -> Vec<Outcome> {
    let (library, _) = Library::load(pipelines);
    let mut outcomes: Vec<_> = probe::candidates(&library)
        .into_iter()
        .filter(|outcome| outcome.kind == probe::VIDEO_ENCODER)
        .filter(|outcome| families.contains(&outcome.family))
        .collect();
    let rank = |outcome: &Outcome| families.iter().position(|family| *family == outcome.family);
    outcomes.sort_by_key(rank);
    for outcome in &mut outcomes {
        outcome.failure = run(&outcome.template, pipelines).err();
    }
    outcomes
}

/// Mistakes in the user's own templates: `file:line: what is wrong`. Blocks.
pub fn mistakes(pipelines: &Path) -> Vec<String> {
    let (library, errors) = Library::load(Some(pipelines));
    let mut mistakes: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let own = library.iter().filter(|template| !template.is_shipped());
    for template in own {
        if let Err(reason) = child(&["--build", &template.name], Some(pipelines)) {
            mistakes.push(reason);
        }
    }
    mistakes
}

fn run(template: &str, pipelines: Option<&Path>) -> Result<(), String> {
    child(&["--test", template], pipelines)
}

/// Runs `weir worker ARGS`; what it prints is why it fails.
fn child(args: &[&str], pipelines: Option<&Path>) -> Result<(), String> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("worker").args(args);
    if let Some(folder) = pipelines {
        command.arg("--pipelines").arg(folder);
    }
    answer(command, std::env::vars_os().map(|(key, _)| key), TEST_MAX)
}

/// Runs a test for at most `time_max`, without what is private in the environment of these `keys`.
fn answer(
    mut command: Command,
    keys: impl Iterator<Item = OsString>,
    time_max: Duration,
) -> Result<(), String> {
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
        // What cannot be read is replaced by the exit status below.
        let _ = stdout.take(ANSWER_BYTES_MAX).read_to_string(&mut answer);
    }
    match (status.success(), answer.trim()) {
        (true, _) => Ok(()),
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

    fn shell(script: &str, time_max: Duration) -> Result<(), String> {
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
        assert_eq!(shell("true", TEST_MAX), Ok(()));
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
