//! `weir worker`: the media process of one stream, and the tests that run in their own process.

use std::path::PathBuf;

use super::exit::Exit;
use super::terminal::{fail, say};
use crate::daemon::supervisor::probe::ORPHAN_MAX;
use crate::model::encoder::TemplateName;
use crate::worker;
use crate::worker::media::template::{self, Library};
use crate::worker::media::{self, probe};

/// `weir worker`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Try this encoder or decoder template with a few frames, and say why it fails
    #[arg(long, value_name = "TEMPLATE")]
    test: Option<TemplateName>,
    /// Only build this template
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "test")]
    build: Option<TemplateName>,
    /// List the templates that can be tested, as JSON
    #[arg(long, conflicts_with_all = ["test", "build"])]
    candidates: bool,
    /// Folder of further templates
    #[arg(long, value_name = "FOLDER")]
    pipelines: Option<PathBuf>,
}

/// Runs one test, or the media process until its daemon goes.
pub(super) fn run(args: &Args) -> Exit {
    match (&args.test, &args.build) {
        (Some(name), _) => answer(args, |library| probe::test(library, name)),
        (_, Some(name)) => answer(args, |library| build(library, name)),
        (None, None) if args.candidates => list(args),
        (None, None) => match worker::run() {
            Ok(()) => Exit::Ok,
            Err(reason) => fail(Exit::Failure, &reason),
        },
    }
}

/// Prints a [`crate::wire::probe::Listing`]. Does not start GStreamer.
fn list(args: &Args) -> Exit {
    let (library, errors) = Library::load(args.pipelines.as_deref());
    match serde_json::to_string(&probe::list(&library, &errors)) {
        Ok(json) => say(&json),
        Err(error) => fail(Exit::Failure, &error.to_string()),
    }
}

fn answer(args: &Args, test: impl FnOnce(&Library) -> Result<(), String>) -> Exit {
    std::thread::spawn(|| {
        std::thread::sleep(ORPHAN_MAX);
        std::process::exit(i32::from(Exit::Failure.code()));
    });
    let (library, _) = Library::load(args.pipelines.as_deref());
    match media::init().and_then(|()| test(&library)) {
        Ok(()) => Exit::Ok,
        Err(reason) => {
            say(&format!("{reason}\n"));
            Exit::Failure
        }
    }
}

/// Builds a template. One that names a missing element is unavailable on this machine, not wrong.
fn build(library: &Library, name: &TemplateName) -> Result<(), String> {
    let template = library
        .get(name)
        .ok_or_else(|| format!("no template `{name}`"))?;
    match template::build(template, &template::Values::any()) {
        Ok(_) | Err(template::Error::MissingElement { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
