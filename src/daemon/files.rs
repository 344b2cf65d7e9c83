//! Tells when files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// A changed file is read after this time without another change: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// A changed file is read at the latest after this time.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);

/// Watches the folders of some files, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    changes: mpsc::Receiver<()>,
    // Dropping it ends the watching.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches for anything that is written, created, renamed or removed beside `files`. Folders are
    /// watched instead of files because editors replace files. Where a file is a link, the folder of
    /// what it names is watched too.
    ///
    /// # Errors
    /// When a folder cannot be watched.
    pub fn beside<'a>(files: impl IntoIterator<Item = &'a Path>) -> notify::Result<Self> {
        // A full queue of one already says that something has changed.
        let (changed, changes) = mpsc::channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Reading a file causes events too. An error may hide a change.
                let is_change = event.map_or(true, |event| match event.kind {
                    EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
                    _ => true,
                });
                if is_change {
                    // A full queue reports a change already; a closed one has no reader.
                    let _ = changed.try_send(());
                }
            })?;
        for folder in folders(files)? {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self {
            changes,
            _watcher: watcher,
        })
    }

    /// Waits for a change, then until no other has come for 200 ms, at most 2 s. A call that is
    /// cancelled may have taken a change with it.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            // The watcher lives as long as this does, so its end of the queue stays open.
            std::future::pending::<()>().await;
        }
        let quiet = async {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
        };
        // In both cases, quiet or timeout, the caller reads the files.
        let _ = tokio::time::timeout(QUIET_WAIT_MAX, quiet).await;
    }
}

fn folders<'a>(files: impl IntoIterator<Item = &'a Path>) -> std::io::Result<BTreeSet<PathBuf>> {
    let folder = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut folders = BTreeSet::new();
    for file in files {
        folders.insert(folder(&std::path::absolute(file)?));
        // A file that is not there yet names nothing.
        folders.extend(file.canonicalize().ok().as_deref().map(folder));
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_link_and_what_it_names_are_watched() {
        let (links, targets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, target) = (links.path().join("file"), targets.path().join("file"));
        std::fs::write(&target, "first").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut watch = Watch::beside([link.as_path()]).unwrap();
        std::fs::write(&target, "second").unwrap();
        tokio::time::timeout(LIMIT, watch.changed()).await.unwrap();
        std::fs::remove_file(&link).unwrap();
        tokio::time::timeout(LIMIT, watch.changed()).await.unwrap();
    }
}
