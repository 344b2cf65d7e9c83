//! `weir check`: validates the configuration and the pipeline templates.

use super::config::Config;
use super::exit::Exit;
use super::terminal::{fail, say, warn};
use crate::daemon::config::exposed;
use crate::daemon::supervisor::probe;

/// Shows every mistake, or which secrets others may read and how many streams are configured.
pub(super) fn run(config: &Config) -> Exit {
    let settings = match config.load() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let orders = config.orders(settings.worker.sandbox);
    let mistakes = orders.pipelines.is_some().then(|| probe::mistakes(&orders));
    match mistakes.transpose() {
        Ok(Some(mistakes)) if !mistakes.is_empty() => {
            return fail(Exit::Config, &mistakes.join("\nerror: "));
        }
        Ok(_) => {}
        Err(cause) => return fail(Exit::Failure, &cause),
    }
    for warning in exposed(&config.path) {
        warn(&warning);
    }
    let streams = match settings.streams.len() {
        1 => "1 stream".to_owned(),
        count => format!("{count} streams"),
    };
    say(&format!("{} is valid: {streams}\n", config.path.display()))
}
