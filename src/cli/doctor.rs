//! `weir doctor`.

use super::{Config, Exit, fail};

/// `weir doctor [--json]`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Tries every encoder and decoder.
pub(super) fn run(config: &Config, args: &Args) -> Exit {
    let form = if args.json { "JSON" } else { "text" };
    let file = config.path.display();
    fail(
        Exit::Unavailable,
        &format!("this build has no doctor to examine {file} in {form}"),
    )
}
