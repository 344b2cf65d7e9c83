//! `weir worker`: one stream's media process.

use super::{Exit, fail};

/// `weir worker`
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the media process until its daemon goes.
pub(super) fn run(_args: &Args) -> Exit {
    fail(Exit::Unavailable, "this build has no worker")
}
