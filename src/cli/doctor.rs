//! `weir doctor`: tests which encoders and decoders work on this machine, which walls stand, and what
//! certificate TLS has; on request also how many ladders the machine sustains.

mod capacity;
mod certificate;

use std::fmt::Write;

use serde::Serialize;

use self::capacity::Sustained;
use self::certificate::Certificate;
use super::config::Config;
use super::exit::Exit;
use super::terminal::{fail, say};
use crate::daemon::supervisor;
use crate::model::encoder::{Family, TemplateName};
use crate::wire::probe::{Kind, Outcome, Wall};

/// `weir doctor [--capacity] [--json]`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also measure how many ladders of the configuration this machine sustains; takes up to 30 s
    #[arg(long)]
    capacity: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is reported.
#[derive(Serialize)]
struct Examination {
    version: &'static str,
    /// The encoder template streams will use.
    encoder: Option<TemplateName>,
    /// The walls around workers.
    walls: Vec<Wall>,
    candidates: Vec<Outcome>,
    /// The certificate, if a port speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate>,
    /// How many ladders the machine sustains, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<Sustained>,
}

/// Tries every encoder and decoder.
pub(super) fn run(config: &Config, args: &Args) -> Exit {
    // The configuration is optional here, but one that is named must exist, and one that exists
    // must be valid.
    let is_wanted = config.is_named || config.path.exists();
    let settings = match is_wanted {
        true => config.load(),
        false => Config::built_in(),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let orders = config.orders(settings.worker.sandbox);
    let examined = supervisor::probe::walls(&orders)
        .and_then(|walls| Ok((walls, supervisor::probe::all(&orders)?)));
    let (walls, candidates) = match examined {
        Ok(examined) => examined,
        Err(cause) => return fail(Exit::Failure, &cause),
    };
    let encoder = chosen(&candidates, &settings.encoder.order);
    let asked = encoder.as_ref().filter(|_| args.capacity);
    let capacity = asked.map(|encoder| capacity::measure(&settings, encoder, &orders));
    let capacity = match capacity.transpose() {
        Ok(capacity) => capacity,
        Err(cause) => return fail(Exit::Failure, &format!("no ladder can be made: {cause}")),
    };
    let examination = Examination {
        version: env!("CARGO_PKG_VERSION"),
        encoder,
        walls,
        candidates,
        certificate: Certificate::of(&settings.server),
        capacity,
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

fn chosen(outcomes: &[Outcome], families: &[Family]) -> Option<TemplateName> {
    let works = |outcome: &&Outcome| outcome.failure.is_none();
    let encoders = || outcomes.iter().filter(works).map(|it| &it.candidate);
    let of_family = |family: &Family| {
        encoders().find(|it| it.kind == Kind::VideoEncoder && it.family == *family)
    };
    let chosen = families.iter().find_map(of_family)?;
    Some(chosen.template.clone())
}

fn describe(examination: &Examination) -> String {
    let mut text = format!("weir {}\n", examination.version);
    let mut kind = None;
    for Outcome { candidate, failure } in &examination.candidates {
        if kind.replace(candidate.kind) != Some(candidate.kind) {
            let kind = candidate.kind.text();
            let _ = writeln!(text, "\n{kind}s, each tried with a few frames:");
        }
        let (mark, note) = match failure {
            None if candidate.hardware => ("works", "in hardware"),
            None => ("works", ""),
            Some(reason) => ("  no ", reason.as_str()),
        };
        let line = format!("  {mark}  {:<20} {note}", candidate.template);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(
        text,
        "\nwalls around every worker, which decodes what strangers send:"
    );
    for wall in &examination.walls {
        let mark = if wall.missing.is_none() {
            "stands"
        } else {
            "    no"
        };
        let note = wall.missing.as_deref().unwrap_or_default();
        let made_of = format!("({})", wall.made_of);
        let line = format!("  {mark}  {:<29} {made_of:<14} {note}", wall.name);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if let Some(certificate) = &examination.certificate {
        let _ = write!(text, "{certificate}");
    }
    let verdict = match &examination.encoder {
        Some(encoder) => format!("Streams will be encoded by {encoder}."),
        None => "No encoder works: run `scripts/setup`, which installs x264's.".to_owned(),
    };
    let _ = writeln!(text, "\n{verdict}");
    if let Some(capacity) = &examination.capacity {
        let _ = writeln!(text, "{capacity}");
    }
    text
}
