//! `weir doctor`: what this machine can do, tried for real.

use std::fmt::Write;

use serde::Serialize;

use super::config::Config;
use super::exit::Exit;
use super::terminal::{fail, say};
use crate::daemon::supervisor;
use crate::worker::media::probe::{self, Outcome};

/// `weir doctor [--json]`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is reported.
#[derive(Serialize)]
struct Examination {
    version: &'static str,
    /// The encoder template streams will use.
    encoder: Option<String>,
    candidates: Vec<Outcome>,
}

/// Tries every encoder and decoder.
pub(super) fn run(config: &Config, args: &Args) -> Exit {
    // The machine can be examined without a configuration. One that was named has to be there, and
    // a wrong one is worth its own report.
    let is_wanted = config.is_named || config.path.exists();
    let order = match is_wanted.then(|| config.load()).transpose() {
        Ok(settings) => settings.map(|settings| settings.encoder.order),
        Err(exit) => return exit,
    };
    let families = order.unwrap_or_else(|| {
        crate::daemon::config::ENCODER_FAMILIES
            .map(str::to_owned)
            .into()
    });
    let pipelines = config.pipelines();
    let candidates = supervisor::probe::all(pipelines.as_deref());
    let examination = Examination {
        version: env!("CARGO_PKG_VERSION"),
        encoder: chosen(&candidates, &families),
        candidates,
    };
    let works = examination.encoder.is_some();
    let text = if args.json {
        match serde_json::to_string_pretty(&examination) {
            Ok(json) => json + "\n",
            Err(error) => return fail(Exit::Failure, &error.to_string()),
        }
    } else {
        describe(&examination)
    };
    match say(&text) {
        Exit::Ok if !works => Exit::Unavailable,
        exit => exit,
    }
}

fn chosen(candidates: &[Outcome], families: &[String]) -> Option<String> {
    let working = |family: &String| {
        let mut of_family = candidates
            .iter()
            .filter(|outcome| outcome.kind == probe::VIDEO_ENCODER && outcome.family == *family);
        of_family.find(|outcome| outcome.failure.is_none())
    };
    families
        .iter()
        .find_map(working)
        .map(|outcome| outcome.template.clone())
}

fn describe(examination: &Examination) -> String {
    let mut text = format!("weir {}\n", examination.version);
    let mut kind = "";
    for outcome in &examination.candidates {
        if outcome.kind != kind {
            kind = &outcome.kind;
            let _ = writeln!(text, "\n{kind}s, each tried with a few frames:");
        }
        let (mark, note) = match &outcome.failure {
            None if outcome.hardware => ("works", "in hardware"),
            None => ("works", ""),
            Some(reason) => ("  no ", reason.as_str()),
        };
        let line = format!("  {mark}  {:<20} {note}", outcome.template);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let verdict = match &examination.encoder {
        Some(encoder) => format!("Streams will be encoded by {encoder}."),
        None => "No encoder works: run `scripts/setup`, which installs x264's.".to_owned(),
    };
    let _ = writeln!(text, "\n{verdict}");
    text
}
