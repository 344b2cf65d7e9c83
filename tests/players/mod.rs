//! Players of all kinds, against one stream. `cargo test` plays in the browser that the other tests
//! use; `scripts/compatibility players` plays in all that are installed, and writes their table in
//! `docs/COMPATIBILITY.md`.

mod browsers;
mod deaths;
pub mod programs;
mod runs;

pub use browsers::pages;

use std::process::{Command, Stdio};
use std::time::Duration;

/// For how long each player plays.
const PLAYED: Duration = Duration::from_secs(60);

/// The file that lists a set of renditions: `master` and `ts` are playlists, `manifest` is of DASH.
pub fn file_of(set: &str) -> String {
    let suffix = if set == "manifest" { "mpd" } else { "m3u8" };
    format!("{set}.{suffix}")
}

/// Whether a program of that name can be started.
pub fn is_installed(name: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", name])
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// Writes a table into the file that the variable names.
fn write_table(variable: &str, table: &str) {
    if let Some(path) = std::env::var_os(variable) {
        std::fs::write(path, table).expect("the table is written");
    }
}
