//! `weir run`: the daemon.

use super::{Config, Exit, fail};

/// Runs the daemon until it is told to stop.
pub(super) fn run(config: &Config) -> Exit {
    match config.load() {
        Ok(_) => fail(Exit::Unavailable, "this build has no daemon"),
        Err(exit) => exit,
    }
}
