//! `weir worker`: the media process of one stream, and the tests that run in their own process.

use std::path::PathBuf;

use serde::Serialize;

use super::exit::Exit;
use super::terminal::{fail, say};
use crate::daemon::supervisor::probe::ORPHAN_MAX;
use crate::model::encoder::TemplateName;
use crate::model::sandbox::Sandbox;
use crate::worker;
use crate::worker::media::template::{self, Library};
use crate::worker::media::{self, probe};
use crate::worker::walls::Walls;

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
    /// Refresh GStreamer's list of plugins, then list the walls that can be raised, as JSON
    #[arg(long, conflicts_with_all = ["test", "build", "candidates"])]
    walls: bool,
    /// Which walls to raise before anything is read: auto, required or off
    #[arg(long, default_value_t)]
    sandbox: Sandbox,
    /// Folder of further templates
    #[arg(long, value_name = "FOLDER")]
    pipelines: Option<PathBuf>,
}

/// Runs one test, or the media process until its daemon goes.
pub(super) fn run(args: &Args) -> Exit {
    worker::yield_memory();
    let loaded = Library::load(args.pipelines.as_deref());
    // The only task that may start a program and write a file, and which therefore reads no media.
    let refreshed = if args.walls { media::init() } else { Ok(()) };
    let raised = refreshed.and_then(|()| Walls::raise(args.sandbox, loaded.0.openings()));
    match raised.and_then(|walls| act(args, loaded, walls)) {
        Ok(exit) => exit,
        Err(reason) if args.is_test() => {
            say(&format!("{reason}\n"));
            Exit::Failure
        }
        Err(reason) => fail(Exit::Failure, &reason),
    }
}

impl Args {
    /// Whether the process is short-lived and says on standard output why it failed.
    fn is_test(&self) -> bool {
        self.walls || self.candidates || self.test.is_some() || self.build.is_some()
    }
}

fn act(
    args: &Args,
    (library, errors): (Library, Vec<template::Error>),
    mut walls: Walls,
) -> Result<Exit, String> {
    if !args.is_test() {
        return worker::run((library, errors), walls).map(|()| Exit::Ok);
    }
    walls.close_network()?;
    if args.walls {
        return print(&walls.list());
    }
    if args.candidates {
        return print(&probe::list(&library, &errors));
    }
    end_when_orphaned();
    media::init()?;
    match (&args.test, &args.build) {
        (Some(name), _) => probe::test(&library, name)?,
        (None, Some(name)) => build(&library, name)?,
        (None, None) => {}
    }
    Ok(Exit::Ok)
}

/// Prints a [`crate::wire::probe::Listing`] or walls.
fn print(answer: &impl Serialize) -> Result<Exit, String> {
    let json = serde_json::to_string(answer).map_err(|error| error.to_string())?;
    Ok(say(&json))
}

fn end_when_orphaned() {
    std::thread::spawn(|| {
        std::thread::sleep(ORPHAN_MAX);
        std::process::exit(i32::from(Exit::Failure.code()));
    });
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
