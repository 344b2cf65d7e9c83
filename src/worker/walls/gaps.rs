//! What the templates need open in the walls, on this machine.

use std::path::PathBuf;

use crate::worker::media::template::Opening;

/// Whether a driver may open Unix sockets of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixSockets {
    /// For a driver whose device this machine has.
    Open,
    /// No driver here needs one.
    Closed,
}

/// The openings of all templates that this machine has a use for.
#[derive(Debug, PartialEq, Eq)]
pub struct Gaps {
    /// Files and folders that are read.
    pub read: Vec<PathBuf>,
    /// Files and folders that are read and written.
    pub write: Vec<PathBuf>,
    /// Devices that are read, written and controlled.
    pub devices: Vec<PathBuf>,
    /// Unix sockets.
    pub sockets: UnixSockets,
}

impl Gaps {
    /// The gaps for `openings`. What a driver needs is of no use without one of its devices.
    pub fn of<'a>(openings: impl Iterator<Item = &'a Opening>) -> Self {
        let mut gaps = Self {
            read: Vec::new(),
            write: Vec::new(),
            devices: Vec::new(),
            sockets: UnixSockets::Closed,
        };
        for opening in openings {
            let devices: Vec<PathBuf> = opening.devices().flat_map(matches).collect();
            if opening.devices().next().is_some() && devices.is_empty() {
                continue;
            }
            gaps.devices.extend(devices);
            gaps.read.extend(opening.read().flat_map(matches));
            gaps.write.extend(opening.write().flat_map(matches));
            if opening.unix_sockets {
                gaps.sockets = UnixSockets::Open;
            }
        }
        gaps
    }
}

/// The paths that a pattern stands for: a `*` at the end of the last name matches any end.
fn matches(pattern: &str) -> Vec<PathBuf> {
    let Some((folder, start)) = pattern
        .strip_suffix('*')
        .and_then(|start| start.rsplit_once('/'))
    else {
        let path = PathBuf::from(pattern);
        return if path.exists() {
            vec![path]
        } else {
            Vec::new()
        };
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
    use crate::worker::media::template::Library;

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
        assert_eq!(found("render"), ["render"]);
        assert_eq!(found("any").len(), 0);
    }

    #[test]
    fn a_driver_opens_nothing_without_its_device() {
        let folder = tempfile::tempdir().unwrap();
        let template = format!(
            "kind = \"decoder\"\n[sandbox]\ndevices = [\"{0}/card*\"]\nread = [\"{0}\"]\n\
             unix-sockets = true\n[[element]]\nfactory = \"x\"\n",
            folder.path().display()
        );
        std::fs::write(folder.path().join("mine.toml"), template).unwrap();
        let library = Library::load(Some(folder.path())).0;
        let gaps = || Gaps::of(library.openings());
        let without = gaps();
        assert!(!without.read.contains(&folder.path().to_owned()));
        let card = folder.path().join("card0");
        std::fs::write(&card, b"").unwrap();
        let with = gaps();
        assert!(with.read.contains(&folder.path().to_owned()));
        assert!(with.devices.contains(&card));
        assert_eq!(with.sockets, UnixSockets::Open);
    }
}
