//! `weir check`.

use super::{Config, Exit, say};

/// Validates the configuration.
pub(super) fn run(config: &Config) -> Exit {
    let settings = match config.load() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let streams = match settings.streams.len() {
        1 => "1 stream".to_owned(),
        count => format!("{count} streams"),
    };
    say(&format!("{} is valid: {streams}\n", config.path.display()))
}
