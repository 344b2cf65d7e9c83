//! The wall before the files: Landlock (<https://docs.kernel.org/userspace-api/landlock.html>).

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};

use crate::worker::media::template::Opening;

/// The rights that are taken away are those of this version. Later versions have none that a
/// process without writable files could use, and version 1 has enough of them.
const VERSION: ABI = ABI::V5;
/// Where libraries are, GStreamer's plugins among them.
const LIBRARIES: [&str; 6] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
];
/// Sources of nothing and of chance.
const DEVICES_TO_READ: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];
/// Variables that name folders of libraries and plugins, with a colon between two of them.
const FOLDERS_IN_ENVIRONMENT: [&str; 6] = [
    "LD_LIBRARY_PATH",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_PATH_1_0",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GIO_EXTRA_MODULES",
];

/// How names are resolved. Other programs replace these files as a whole, for example when a network
/// changes.
const NAME_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Files that could be read once. Landlock knows a file by its inode, so a process inside the wall
/// cannot read the file that takes its place.
#[derive(Debug, Default)]
pub struct Readable(Vec<PathBuf>);

impl Readable {
    /// The files of [`NAME_FILES`] that can be read now.
    pub fn names() -> Self {
        Self::of(NAME_FILES.map(PathBuf::from))
    }

    /// Those of `paths` that can be read now.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let readable = |path: &PathBuf| File::open(path).is_ok();
        Self(paths.into_iter().filter(readable).collect())
    }

    /// A file that can no longer be read because another one has taken its place.
    pub fn replaced(&self) -> Option<&Path> {
        let is_closed = |path: &Path| {
            File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        };
        self.0
            .iter()
            .map(PathBuf::as_path)
            .find(|path| is_closed(path))
    }
}

/// Closes all files but libraries and `openings`.
///
/// # Errors
/// Why not, or not completely.
pub fn close<'a>(openings: impl Iterator<Item = &'a Opening>) -> Result<(), String> {
    let mut read: Vec<PathBuf> = LIBRARIES.iter().map(PathBuf::from).collect();
    read.extend(DEVICES_TO_READ.iter().map(PathBuf::from));
    read.extend(folders_in_environment());
    read.extend(registry_folder());
    let mut devices = vec![PathBuf::from("/dev/null")];
    for opening in openings {
        let present: Vec<PathBuf> = opening.devices().flat_map(matches).collect();
        // What a driver reads is of no use without its device.
        if opening.devices().next().is_none() || !present.is_empty() {
            read.extend(opening.read().flat_map(matches));
        }
        devices.extend(present);
    }
    let status = restrict(&read, &devices).map_err(|error| error.to_string())?;
    verdict(&status)
}

fn restrict(read: &[PathBuf], devices: &[PathBuf]) -> Result<RestrictionStatus, RulesetError> {
    let device = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::IoctlDev;
    Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .create()?
        .add_rules(path_beneath_rules(
            read,
            AccessFs::ReadFile | AccessFs::ReadDir,
        ))?
        .add_rules(path_beneath_rules(devices, device))?
        .restrict_self()
}

fn verdict(status: &RestrictionStatus) -> Result<(), String> {
    match (&status.ruleset, status.landlock) {
        // "Partially" means that the kernel lacks rights of later versions. Moving a file to
        // another folder (version 2) is always forbidden without that right; truncating (3) and
        // ioctl on a device (5) need a file that could be opened for it, or a path: `calls` refuses
        // truncate(2).
        (RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced, _) => Ok(()),
        (_, LandlockStatus::NotEnabled) => Err("the kernel has Landlock turned off; add \
            `landlock` to its boot parameter `lsm=`"
            .to_owned()),
        _ => Err("the kernel has no Landlock; Linux 5.13 or later has it".to_owned()),
    }
}

fn folders_in_environment() -> impl Iterator<Item = PathBuf> {
    let values = FOLDERS_IN_ENVIRONMENT.iter().filter_map(std::env::var_os);
    let split = |value: OsString| std::env::split_paths(&value).collect::<Vec<_>>();
    values.flat_map(split).filter(|path| path.is_absolute())
}

/// The folder of GStreamer's list of plugins, without which it would load every plugin to ask what
/// the plugin has.
fn registry_folder() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).map(PathBuf::from);
    let named = ["GST_REGISTRY_1_0", "GST_REGISTRY"]
        .into_iter()
        .find_map(of);
    let cache = || of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
    match named {
        Some(file) => file.parent().map(Path::to_owned),
        None => Some(cache()?.join("gstreamer-1.0")),
    }
}

/// The paths that a pattern stands for: a `*` at the end of the last name matches any end.
fn matches(pattern: &str) -> Vec<PathBuf> {
    let Some((folder, start)) = pattern
        .strip_suffix('*')
        .and_then(|start| start.rsplit_once('/'))
    else {
        return vec![PathBuf::from(pattern)];
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(start.as_bytes())
    };
    entries.map(|entry| entry.path()).filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_end_of_a_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["card0", "card1", "render"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let found = |pattern: &str| {
            let mut paths = matches(&format!("{}/{pattern}", folder.path().display()));
            paths.sort();
            let names = paths.iter().filter_map(|path| path.file_name());
            names.map(|name| name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("card*"), ["card0", "card1"]);
        assert_eq!(found("*").len(), 3);
        assert_eq!(found("none*").len(), 0);
        assert_eq!(found("any"), ["any"]);
    }
}
