//! The wall before the files: Landlock (<https://docs.kernel.org/userspace-api/landlock.html>).

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};

use super::gaps::Gaps;

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
/// Variables that name libraries, plugins and certificates, with a colon between two paths.
const PATHS_IN_ENVIRONMENT: [&str; 8] = [
    "LD_LIBRARY_PATH",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_PATH_1_0",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GIO_EXTRA_MODULES",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
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

/// Closes all files but libraries and those of `gaps`.
///
/// # Errors
/// Why not.
pub fn close(gaps: &Gaps) -> Result<(), String> {
    let mut read: Vec<PathBuf> = LIBRARIES.iter().map(PathBuf::from).collect();
    read.extend(DEVICES_TO_READ.iter().map(PathBuf::from));
    read.extend(paths_in_environment());
    read.extend(registry_folder());
    read.extend(gaps.read.iter().cloned());
    let mut devices = vec![PathBuf::from("/dev/null")];
    devices.extend(gaps.devices.iter().cloned());
    let status = restrict(&read, &gaps.write, &devices).map_err(|error| error.to_string())?;
    verdict(&status)
}

fn restrict(
    read: &[PathBuf],
    write: &[PathBuf],
    devices: &[PathBuf],
) -> Result<RestrictionStatus, RulesetError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = reading | AccessFs::WriteFile | AccessFs::Truncate;
    let device = reading | AccessFs::WriteFile | AccessFs::IoctlDev;
    Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .create()?
        .add_rules(path_beneath_rules(read, reading))?
        .add_rules(path_beneath_rules(write, writing))?
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

fn paths_in_environment() -> impl Iterator<Item = PathBuf> {
    let values = PATHS_IN_ENVIRONMENT.iter().filter_map(std::env::var_os);
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
