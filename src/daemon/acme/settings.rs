//! What is wanted, and of whom.

use std::path::{Path, PathBuf};

use instant_acme::LetsEncrypt;
use sha2::{Digest, Sha256};

use crate::daemon::tls::Source;

/// The folder for everything of ACME, under the data folder.
const FOLDER: &str = "acme";
/// Bytes of a digest that make a folder's name unique.
const DIGEST_BYTES: usize = 8;

/// A certificate, and the directory of the authority that is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The names that the certificate is for, in lower case; at least one.
    pub domains: Vec<String>,
    /// Whom the authority tells when something is wrong with certificates.
    pub email: String,
    /// Who is asked.
    pub directory: Directory,
    /// A PEM file with roots that the directory's own TLS may have, beside those of this machine.
    pub ca: Option<PathBuf>,
}

/// The directory of a certificate authority (RFC 8555 section 7.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directory {
    /// Let's Encrypt.
    LetsEncrypt,
    /// Let's Encrypt for trials, whose certificates no browser trusts.
    LetsEncryptStaging,
    /// Any other, by its `https` address.
    Other(String),
}

impl Directory {
    /// Its address.
    pub fn url(&self) -> &str {
        match self {
            Self::LetsEncrypt => LetsEncrypt::Production.url(),
            Self::LetsEncryptStaging => LetsEncrypt::Staging.url(),
            Self::Other(url) => url,
        }
    }

    /// The folder of its own, so that accounts and certificates of two directories do not mix.
    fn folder_name(&self) -> String {
        match self {
            Self::LetsEncrypt => "letsencrypt".to_owned(),
            Self::LetsEncryptStaging => "letsencrypt-staging".to_owned(),
            Self::Other(url) => {
                let digest = Sha256::digest(url);
                let bytes = digest.iter().take(DIGEST_BYTES);
                let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
                format!("directory-{hex}")
            }
        }
    }
}

impl Settings {
    /// The folder with account and certificate, under the folder `data`.
    pub(super) fn folder(&self, data: &Path) -> PathBuf {
        data.join(FOLDER).join(self.directory.folder_name())
    }

    /// Where the TLS ports find the certificate, under the folder `data`.
    pub fn source(&self, data: &Path) -> Source {
        Source::Authority {
            kept: self.folder(data).join("certificate.pem"),
            is_trial: self.directory == Directory::LetsEncryptStaging,
            data: data.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directory_has_a_folder_of_its_own() {
        let directories = [
            Directory::LetsEncrypt,
            Directory::LetsEncryptStaging,
            Directory::Other("https://ca.lan/a".to_owned()),
            Directory::Other("https://ca.lan/b".to_owned()),
        ];
        let mut names: Vec<String> = directories.iter().map(Directory::folder_name).collect();
        assert!(names.iter().all(|name| !name.contains('/')), "{names:?}");
        names.dedup();
        assert_eq!(names.len(), directories.len());
    }
}
