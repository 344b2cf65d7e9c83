//! `config.toml` → typed, validated settings; every mistake with its place and its fix.
//!
//! [`load`] reports all mistakes at once, which is why nothing here uses serde: it stops at the
//! first. The text becomes a tree whose values know their place (`document`), the environment is
//! put over it (`overrides`), and typed readers (`reader`, `values`) walk it and collect what is
//! wrong (`report`), section by section (`sections`, `rungs`, `streams`).

mod diff;
mod document;
pub mod keys;
mod mask;
mod overrides;
mod reader;
mod report;
mod rungs;
mod secrets;
mod sections;
pub mod settings;
mod streams;
mod values;
pub mod watch;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use document::{Table, parse};
use reader::{At, Section, table, tables};
use report::{Place, Problem, Source};
use settings::Settings;

pub use diff::{Changes, diff};
pub use overrides::environment;
pub use report::Report;
pub use sections::ENCODER_FAMILIES;

/// Longest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Where a configuration is looked for, in this order.
const DEFAULT_PATHS: [&str; 2] = ["config.toml", "/etc/weir/config.toml"];
const ROOT_KEYS: &[&str] = &["server", "hls", "session", "encoder", "rung", "stream"];

/// The configuration that is used when none is named: `config.toml` in the current folder, else
/// `/etc/weir/config.toml`; the first of them when there is neither.
pub fn default_path() -> PathBuf {
    let [here, system] = DEFAULT_PATHS.map(PathBuf::from);
    if !here.exists() && system.exists() {
        system
    } else {
        here
    }
}

/// Reads and validates the configuration at `path`, with the `WEIR__…` variables of `env` (see
/// [`environment`]) over it. Relative paths in it are taken relative to it.
///
/// # Errors
/// A [`Report`] of every mistake.
pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Settings, Report> {
    load_text(path, read(path), env)
}

/// The same of what [`read`] said.
fn load_text(
    path: &Path,
    text: Result<String, String>,
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

/// What a configuration file says, or why that cannot be known.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("it has more than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// `text` as settings; `name` is what the report calls it, `base` what paths are relative to.
fn validate(
    name: &str,
    text: String,
    base: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Settings, Report> {
    let source = |name: &str, text: String| Source {
        name: name.to_owned(),
        text,
        is_variable: false,
    };
    let mut sources = vec![
        source(name, text),
        source("built-in ladder", rungs::DEFAULT_LADDER.to_owned()),
    ];
    let mut problems = Vec::new();
    let mut root = parse(&sources, 0, &mut problems);
    // After a syntax error the rest means little; its mistakes would be guesses.
    if !problems.is_empty() {
        return Err(Report::new(sources, problems));
    }
    if root.get("rung").is_none() {
        for entry in parse(&sources, 1, &mut problems).entries {
            root.set(entry);
        }
    }
    overrides::apply(env, &mut root, &mut sources, &mut problems);
    let settings = settings(&root, base, &mut problems);
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(Report::new(sources, problems))
    }
}

/// Reads the whole tree. The settings are whole only when there were no problems.
fn settings(root: &Table, base: &Path, problems: &mut Vec<Problem>) -> Settings {
    let empty = Table::default();
    let start = Place::new(0, 0..0);
    let root_title = "the configuration".to_owned();
    let section = Section::open(root, start, root_title, ROOT_KEYS, problems);
    let open = |name: &str, keys: &[&str], problems: &mut Vec<Problem>| {
        let (table, place) = table(&section, name, &empty, problems);
        Section::open(table, place, format!("[{name}]"), keys, problems)
    };
    let server = open("server", sections::SERVER_KEYS, problems);
    let server = sections::server(&server, base, problems);
    let hls_section = open("hls", sections::HLS_KEYS, problems);
    let before = problems.len();
    let hls = sections::hls(&hls_section, problems);
    // Of values that are wrong by themselves nothing more is said.
    let whole_segment = (hls.has_whole_segments() && problems.len() == before).then(|| At {
        value: hls.segment,
        place: hls_section.node("segment").map(|node| node.place.clone()),
    });
    let session = open("session", sections::SESSION_KEYS, problems);
    let session = sections::session(&session, problems);
    let encoder = open("encoder", sections::ENCODER_KEYS, problems);
    let encoder = sections::encoder(&encoder, problems);
    let rung_tables = tables(&section, "rung", problems);
    let ladder = rungs::read(rung_tables, root.get("rung"), whole_segment, problems);
    let stream_tables = tables(&section, "stream", problems);
    let streams = streams::read(stream_tables, &ladder, base, problems);
    Settings {
        server,
        hls,
        session,
        encoder,
        streams,
    }
}

#[cfg(test)]
mod tests;
