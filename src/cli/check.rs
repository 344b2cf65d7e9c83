//! `weir check`: validates the configuration and the pipeline templates.

use std::time::SystemTime;

use super::config::Config;
use super::exit::Exit;
use super::terminal::{fail, say, warn};
use crate::daemon::config::exposed;
use crate::daemon::supervisor::probe;
use crate::daemon::tls::Source;

/// Shows every mistake; or which secrets others may read, whether the certificate ends soon, and how
/// many streams are configured.
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
    if let Some(files) = &settings.server.certificate
        && let Ok(Some(about)) = Source::Files(files.clone()).examine()
        && let Some(remark) = about.remark(SystemTime::now())
    {
        warn(&format!(
            "{}: {remark}; renew it",
            files.certificate.display()
        ));
    }
    let streams = match settings.streams.len() {
        1 => "1 stream".to_owned(),
        count => format!("{count} streams"),
    };
    say(&format!("{} is valid: {streams}\n", config.path.display()))
}
