//! Files of secrets under the data folder, which only their owner can read.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why something cannot be kept. Displays in one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error(
        "the folder {} cannot be used: {source}; make it writable for the user weir runs as, or set \
         server.data to another folder", path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(
        "{} cannot be written: {source}; make the folder writable for the user weir runs as, or set \
         server.data to another folder", path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// No key can be made.
    #[error("no certificate can be made: {0}")]
    Make(#[from] rcgen::Error),
    /// What was made cannot be used.
    #[error("the certificate that was made cannot be used: {0}")]
    Unusable(#[from] super::pair::PairError),
}

/// Makes `folder`, which only its owner may enter, and the folders above it. Blocks.
///
/// # Errors
/// [`StoreError::Folder`].
pub fn folder(folder: &Path) -> Result<(), StoreError> {
    let made = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::set_permissions(folder, Permissions::from_mode(0o700)));
    made.map_err(|source| StoreError::Folder {
        path: folder.to_owned(),
        source,
    })
}

/// Writes a file that only its owner can read, completely or not at all. Blocks.
///
/// # Errors
/// [`StoreError::Write`].
pub fn write(path: &Path, content: &str) -> Result<(), StoreError> {
    replace(path, content).map_err(|source| StoreError::Write {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, content: &str) -> io::Result<()> {
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    // A killed process with the same id may have left the file.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
