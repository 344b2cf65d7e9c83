//! Publish keys. A pushed stream without a configured key has one that is made once and kept under
//! the data folder, in one file per stream that only its owner can read.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::secrets;
use super::settings::Settings;
use crate::base::secret::Secret;
use crate::daemon::access::Access;
use crate::model::source::Source;

/// Characters of a random key: 192 bits.
const KEY_CHARS: usize = 32;
/// 64 characters that need no escaping in a query (RFC 4648, section 5).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The file of the secret that signs addresses. No stream has a name with a dot.
const SIGNING: &str = ".signing";

/// Why keys cannot be kept. Displays in one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be created or entered.
    #[error(
        "the data folder {} cannot be used: {source}; make it writable for the user weir runs as, \
         or set server.data to another folder", path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A key cannot be written.
    #[error(
        "the publish key {} cannot be written: {source}; make the folder writable for the user \
         weir runs as, or set server.data to another folder", path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A kept key cannot be used.
    #[error(
        "the publish key in {} cannot be used: {reason}; put it right, or remove the file to have \
         a new key made", path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system returns no random numbers.
    #[error("no publish key can be made, the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// The folder with the keys.
#[derive(Debug, Clone)]
pub struct KeyStore {
    folder: PathBuf,
}

impl KeyStore {
    /// Opens the folder `keys` under the data folder; creates both if they are missing.
    ///
    /// # Errors
    /// [`Error::Folder`].
    pub fn open(data: &Path) -> Result<Self, Error> {
        let folder = data.join("keys");
        let error = |source| Error::Folder {
            path: data.to_owned(),
            source,
        };
        std::fs::create_dir_all(data).map_err(error)?;
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => Err(error(source)),
            _ => restrict(&folder, 0o700).map_err(error),
        }?;
        Ok(Self { folder })
    }

    /// The kept key of a stream; created if there is none.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Write`] or [`Error::Random`].
    pub fn key(&self, stream: &str) -> Result<Secret, Error> {
        // Names of streams are `[a-z0-9_-]{1,64}`, so the path stays in this folder.
        let path = self.folder.join(stream);
        if !path.exists() {
            let key = random_key().map_err(Error::Random)?;
            self.keep(&path, &key).map_err(|source| Error::Write {
                path: path.clone(),
                source,
            })?;
        }
        let unusable = |reason: String| Error::Read {
            path: path.clone(),
            reason,
        };
        restrict(&path, 0o600).map_err(|error| unusable(error.to_string()))?;
        let key = secrets::read_file(&path).map_err(|error| unusable(error.to_string()))?;
        if secrets::is_publish_key(&key) {
            Ok(Secret::new(key))
        } else {
            Err(unusable(secrets::KEY_EXPECTED.to_owned()))
        }
    }

    /// The secret that signs addresses; created if there is none. It ends, and with it every signed
    /// address, when its file is removed.
    ///
    /// # Errors
    /// As of [`key`](Self::key).
    pub fn signing_key(&self) -> Result<Secret, Error> {
        self.key(SIGNING)
    }

    /// Writes a key file completely or not at all. A key that another process has written meanwhile
    /// stays.
    fn keep(&self, path: &Path, key: &str) -> std::io::Result<()> {
        let temporary = self.folder.join(format!(".new-{}", std::process::id()));
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
        file.write_all(key.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // Unlike a rename, a link does not replace an existing file.
        let linked = std::fs::hard_link(&temporary, path);
        std::fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => File::open(&self.folder)?.sync_all(),
        }
    }
}

/// All keys that settings leave to the data folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Keys {
    /// The publish keys, by stream.
    pub publish: BTreeMap<String, Secret>,
    /// The secret that signs addresses; `None` where every stream is public.
    pub signing: Option<Secret>,
}

impl Keys {
    /// The keys for `settings`; those that do not exist yet are created.
    ///
    /// # Errors
    /// The first [`Error`].
    pub fn of(settings: &Settings) -> Result<Self, Error> {
        let mut streams = settings.streams.iter();
        let signing = streams
            .any(|stream| stream.policy.access != Access::Public)
            .then(|| KeyStore::open(&settings.server.data)?.signing_key())
            .transpose()?;
        Ok(Self {
            publish: publish_keys(settings)?,
            signing,
        })
    }
}

/// The publish key of every pushed stream: the configured one, else the kept one, which is created
/// if there is none. Uses the data folder only if a stream has no configured key.
///
/// # Errors
/// The first [`Error`].
pub fn publish_keys(settings: &Settings) -> Result<BTreeMap<String, Secret>, Error> {
    let mut store = None;
    let mut keys = BTreeMap::new();
    for stream in &settings.streams {
        let key = match (&stream.source, &stream.publish_key) {
            (Source::Push, Some(key)) => key.clone(),
            (Source::Push, None) => {
                let store = match &mut store {
                    Some(store) => store,
                    none => none.insert(KeyStore::open(&settings.server.data)?),
                };
                store.key(&stream.name)?
            }
            (Source::Test | Source::Pull(_), _) => continue,
        };
        keys.insert(stream.name.clone(), key);
    }
    Ok(keys)
}

/// Sets the permissions to `mode` if anybody but the owner has any.
fn restrict(path: &Path, mode: u32) -> std::io::Result<()> {
    if std::fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

fn random_key() -> Result<String, getrandom::Error> {
    let mut bytes = [0; KEY_CHARS];
    getrandom::fill(&mut bytes)?;
    // 256 is a multiple of 64, so all characters are equally likely.
    let char = |byte: u8| ALPHABET.get(usize::from(byte % 64)).map(|b| char::from(*b));
    Ok(bytes.into_iter().filter_map(char).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let nested = data.path().join("not/yet/there");
        let store = KeyStore::open(&nested).unwrap();
        let key = store.key("studio").unwrap();
        assert_eq!(key.expose().len(), KEY_CHARS);
        assert!(secrets::is_publish_key(key.expose()));
        assert_eq!(KeyStore::open(&nested).unwrap().key("studio").unwrap(), key);
        assert_ne!(store.key("other").unwrap(), key);
        assert_eq!(mode(&nested.join("keys")), 0o700);
        assert_eq!(mode(&nested.join("keys/studio")), 0o600);
        let mut names: Vec<_> = std::fs::read_dir(nested.join("keys"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["other", "studio"]);
    }

    #[test]
    fn a_key_written_meanwhile_stays() {
        let data = tempfile::tempdir().unwrap();
        let store = KeyStore::open(data.path()).unwrap();
        let path = data.path().join("keys/studio");
        store.keep(&path, "first-key").unwrap();
        store.keep(&path, "second-key").unwrap();
        assert_eq!(store.key("studio").unwrap().expose(), "first-key");
    }

    #[test]
    fn a_kept_key_is_checked_and_closed() {
        let data = tempfile::tempdir().unwrap();
        let store = KeyStore::open(data.path()).unwrap();
        let path = data.path().join("keys/studio");
        std::fs::write(&path, "chosen-by-hand\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(store.key("studio").unwrap().expose(), "chosen-by-hand");
        assert_eq!(mode(&path), 0o600);
        std::fs::write(&path, "").unwrap();
        let error = store.key("studio").unwrap_err().to_string();
        assert!(
            error.contains("this file is empty; put it right, or remove"),
            "{error}"
        );
    }

    #[test]
    fn an_unusable_folder_says_what_to_do_in_one_line() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("data");
        std::fs::write(&file, "").unwrap();
        let error = KeyStore::open(&file).unwrap_err().to_string();
        assert!(
            error.contains("make it writable") && !error.contains('\n'),
            "{error}"
        );
    }
}
