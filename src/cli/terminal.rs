//! What a command writes to the terminal.

use std::io::{IsTerminal, Write};

use super::exit::Exit;
use crate::daemon::config::Report;

/// Shows every mistake in a configuration.
pub(super) fn show(report: &Report) {
    let stderr = std::io::stderr();
    // https://no-color.org: set and not empty.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let text = report.render(stderr.is_terminal() && !plain);
    // Where standard error is closed there is nowhere left to complain.
    let _ = stderr.lock().write_all(text.as_bytes());
}

/// Writes to standard output. A closed pipe (`weir keys | head`) is no error.
pub(super) fn say(text: &str) -> Exit {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(
            Exit::Failure,
            &format!("standard output cannot be written: {error}"),
        ),
        _ => Exit::Ok,
    }
}

/// Writes an error line; returns `exit`, so that a command can end with it.
pub(super) fn fail(exit: Exit, message: &str) -> Exit {
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    exit
}

/// Writes a warning line.
pub(super) fn warn(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "warning: {message}");
}
