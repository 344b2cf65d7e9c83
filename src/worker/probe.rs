//! Which encoders and decoders work on this machine: each is tried in a child process, so one
//! that crashes or hangs its driver harms nothing but itself.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::media::probe::{self, Outcome};
use crate::media::template::Library;

/// How long one test's process may live; it limits itself to less.
const CHILD_MAX: Duration = Duration::from_secs(12);
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
    command.arg("worker").args(args).stdin(Stdio::null());
    if let Some(folder) = pipelines {
        command.arg("--pipelines").arg(folder);
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the test cannot be started: {error}"))?;
    let status = wait(&mut child)?;
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

fn wait(child: &mut Child) -> Result<std::process::ExitStatus, String> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if begin.elapsed() < CHILD_MAX => std::thread::sleep(POLL),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("its test hung and was ended".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
