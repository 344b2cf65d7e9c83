//! Loads the file, the built-in ladder and the environment into [`Settings`], or a [`Report`].

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::document::{Table, parse};
use super::problem::{Place, Problem, Text};
use super::reader::{At, Section, table, tables};
use super::report::Report;
use super::settings::Settings;
use super::{access, edges, front_door, mask, overrides, rungs, sections, streams};
use crate::daemon::access::Policy;

/// Longest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Where a configuration is searched for, in this order.
const DEFAULT_PATHS: [&str; 2] = ["config.toml", "/etc/weir/config.toml"];
const ROOT_KEYS: &[&str] = &[
    "server", "hls", "session", "encoder", "worker", "limits", "access", "edge", "rung", "stream",
];

/// The configuration file if the user names none: `/etc/weir/config.toml` if only that exists,
/// else `config.toml` in the current folder.
pub fn default_path() -> PathBuf {
    let [here, system] = DEFAULT_PATHS.map(PathBuf::from);
    if !here.exists() && system.exists() {
        system
    } else {
        here
    }
}

/// Reads and validates the configuration at `path`; the `WEIR__…` variables of `env` (see
/// [`environment`](overrides::environment)) replace values in it. Relative paths in the file start
/// at its folder.
///
/// # Errors
/// A [`Report`] of every mistake.
pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Settings, Report> {
    load_text(path, &read(path), env)
}

/// Validates what [`read`] returned for `path`.
///
/// # Errors
/// A [`Report`] of every mistake.
pub(super) fn load_text(
    path: &Path,
    text: &Result<String, String>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Settings, Report> {
    let name = path.display().to_string();
    let of_file =
        |title: String, help: &str| Report::of_file(name.clone(), Problem::of_file(title, help));
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let title = format!("{} cannot be read: {error}", path.display());
            return Err(of_file(title, "name another file with --config FILE"));
        }
    };
    let base = match std::path::absolute(path) {
        Ok(absolute) => absolute.parent().unwrap_or(Path::new("/")).to_owned(),
        Err(error) => {
            let title = format!("the folder of {} cannot be found: {error}", path.display());
            return Err(of_file(title, "name the file with its full path"));
        }
    };
    validate(&name, text, &base, env)
}

/// The content of a configuration file, or why it cannot be read.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("it has more than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// `text` as settings. The report calls it `name`; relative paths start at `base`.
///
/// # Errors
/// A [`Report`] of every mistake.
pub fn validate(
    name: &str,
    text: &str,
    base: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Settings, Report> {
    let mut problems = Vec::new();
    let mut root = parse(text, 0, &mut problems);
    let is_broken = !problems.is_empty();
    let masked = match is_broken {
        true => mask::broken(text),
        false => mask::document(text, &root),
    };
    let ladder = Text::new("built-in ladder", rungs::DEFAULT_LADDER.to_owned());
    let mut texts = vec![Text::new(name, masked), ladder];
    // After a syntax error, further mistakes would be guesses.
    if is_broken {
        return Err(Report::new(texts, problems));
    }
    if root.get("rung").is_none() {
        for entry in parse(rungs::DEFAULT_LADDER, 1, &mut problems).entries {
            root.set(entry);
        }
    }
    overrides::apply(env, &mut root, &mut texts, &mut problems);
    let settings = settings(&root, base, &mut problems);
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(Report::new(texts, problems))
    }
}

/// Reads the whole tree. The settings are complete only if there are no problems.
fn settings(root: &Table, base: &Path, problems: &mut Vec<Problem>) -> Settings {
    let empty = Table::default();
    let start = Place::new(0, 0..0);
    let root_title = "the configuration".to_owned();
    let section = Section::open(root, start, root_title, ROOT_KEYS, problems);
    let open = |name: &str, keys: &[&str], problems: &mut Vec<Problem>| {
        let (table, place) = table(&section, name, &empty, problems);
        Section::open(table, place, format!("[{name}]"), keys, problems)
    };
    let server_section = open("server", sections::SERVER_KEYS, problems);
    let server = sections::server(&server_section, base, problems);
    let default_access = access::default_access(&server_section, problems);
    let hls_section = open("hls", sections::HLS_KEYS, problems);
    let before = problems.len();
    let hls = sections::hls(&hls_section, problems);
    // The comparison of rungs with a default that stands in for a wrong value would only confuse.
    let segment = (problems.len() == before).then(|| At {
        value: hls.segment,
        place: hls_section.node("segment").map(|node| node.place.clone()),
    });
    let session = open("session", sections::SESSION_KEYS, problems);
    let session = sections::session(&session, segment.as_ref(), problems);
    let encoder = open("encoder", sections::ENCODER_KEYS, problems);
    let encoder = sections::encoder(&encoder, problems);
    let worker = open("worker", sections::WORKER_KEYS, problems);
    let worker = sections::worker(&worker, problems);
    let limits = open("limits", front_door::LIMITS_KEYS, problems);
    let limits = front_door::limits(&limits, problems);
    let access_section = open("access", access::KEYS, problems);
    let (access, password) = access::options(&access_section, base, problems);
    let shared = Policy {
        access: default_access,
        password,
    };
    let edges = edges::read(tables(&section, "edge", problems), problems);
    let whole_segment = segment.filter(|_| hls.has_whole_segments());
    let rung_tables = tables(&section, "rung", problems);
    let ladder = rungs::read(rung_tables, root.get("rung"), whole_segment, problems);
    let stream_tables = tables(&section, "stream", problems);
    let streams = streams::read(stream_tables, &ladder, &shared, base, problems);
    Settings {
        server,
        hls,
        session,
        encoder,
        worker,
        limits,
        access,
        edges,
        ladder: ladder.rungs,
        streams,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_every_section() {
        let mut overridden: Vec<&str> = overrides::TABLES
            .into_iter()
            .chain(overrides::ARRAYS)
            .collect();
        let mut read = ROOT_KEYS.to_vec();
        overridden.sort_unstable();
        read.sort_unstable();
        assert_eq!(overridden, read);
    }
}
