//! A certificate with its chain and its key: reading, checking, and what it says of itself.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::SecondsFormat;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::base::time::rfc3339;

/// Longest file with a certificate or a key, in bytes; a long chain has some 10 KiB.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Certificates of a chain that are sent.
const CHAIN_MAX: usize = 16;
/// How long before its end a certificate is spoken of.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// A certificate of an authority is spoken of when less than this part of its life is left: it should
/// have been renewed long before.
const PART_LEFT: u32 = 6;

/// The files of a pair, both in PEM; they may be the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, followed by those of its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The content of [`Files`].
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Where a pair comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Files that the configuration names.
    Files,
    /// weir made it; no browser trusts it by itself.
    SelfMade,
    /// A certificate authority made it for weir.
    Authority,
    /// An authority made it for a trial; no browser trusts it by itself.
    Trial,
}

/// A certificate with its chain and the key that fits it.
#[derive(Clone)]
pub struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    about: About,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Where it comes from.
    pub origin: Origin,
    /// SHA-256 of the certificate, as browsers show it: `AB:CD:…`
    pub fingerprint: String,
    /// The host names and addresses that it is for.
    pub names: Vec<String>,
    /// When it begins.
    pub begins: SystemTime,
    /// When it ends.
    pub expires: SystemTime,
}

/// One of the two files of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The certificate.
    Certificate,
    /// The key.
    Key,
}

/// Why a pair cannot be used. Displays in one line, without paths and without anything that is in the
/// files.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The file cannot be read.
    #[error("this file cannot be read: {1}")]
    Unreadable(Part, io::Error),
    /// It is a folder or something else.
    #[error("this is not a file")]
    NotAFile(Part),
    /// It has too many bytes.
    #[error("this file has more than 256 KiB")]
    TooLong(Part),
    /// A part of it is missing or damaged.
    #[error("this file is damaged or half-written: it is not whole PEM text")]
    Damaged(Part),
    /// There is nothing in it.
    #[error("there is no certificate in this file")]
    NoCertificate,
    /// There is no key in it.
    #[error("there is no private key in this file")]
    NoKey,
    /// The key has a password.
    #[error("the private key in this file is encrypted")]
    EncryptedKey,
    /// The certificate is not one.
    #[error("the certificate in this file cannot be used: {0}")]
    BadCertificate(String),
    /// The key is of an unknown kind, or damaged.
    #[error("the private key in this file cannot be used: {0}")]
    BadKey(String),
    /// The two do not belong together.
    #[error("this key does not fit the certificate")]
    Mismatch,
}

impl PairError {
    /// The file at fault.
    pub fn part(&self) -> Part {
        match self {
            Self::Unreadable(part, _)
            | Self::NotAFile(part)
            | Self::TooLong(part)
            | Self::Damaged(part) => *part,
            Self::NoCertificate | Self::BadCertificate(_) => Part::Certificate,
            Self::NoKey | Self::EncryptedKey | Self::BadKey(_) | Self::Mismatch => Part::Key,
        }
    }

    /// What to do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Unreadable(..) => {
                "a relative path starts at the folder of the configuration; the user that weir runs \
                 as must be able to read the file"
            }
            Self::NotAFile(_) | Self::TooLong(_) | Self::NoCertificate => {
                "name a PEM file: the server's certificate first (-----BEGIN CERTIFICATE-----), then \
                 those of its chain, such as certbot's fullchain.pem"
            }
            Self::Damaged(_) => "copy the file again, as a whole",
            Self::NoKey => {
                "name a PEM file with the key of the certificate (-----BEGIN PRIVATE KEY-----), such \
                 as certbot's privkey.pem"
            }
            Self::EncryptedKey => {
                "take the password away: openssl pkey -in OLD -out NEW, then chmod 600 NEW"
            }
            Self::BadCertificate(_) => "have a new certificate made, or name another file",
            Self::BadKey(_) => {
                "use a key of ECDSA P-256 or P-384, Ed25519, or RSA with 2048 bits on"
            }
            Self::Mismatch => {
                "name the key that the certificate was made with; the server's certificate comes \
                 first in its file, before those of its chain"
            }
        }
    }
}

impl Files {
    /// Reads both files. Blocks.
    pub(super) fn read(&self) -> Result<Texts, PairError> {
        let certificate = read(&self.certificate, Part::Certificate)?;
        let key = match self.certificate == self.key {
            // The same file is read once, so that both are of one writing.
            true => certificate.clone(),
            false => read(&self.key, Part::Key)?,
        };
        Ok(Texts { certificate, key })
    }
}

pub(super) fn read(path: &Path, part: Part) -> Result<Vec<u8>, PairError> {
    let unreadable = |error| PairError::Unreadable(part, error);
    // Checked before the file is opened: opening a named pipe would wait for ever.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(PairError::NotAFile(part));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let mut file = file.take(FILE_BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(PairError::TooLong(part)),
        false => Ok(bytes),
    }
}

impl Pair {
    /// Reads and checks a pair. Blocks.
    ///
    /// # Errors
    /// When a file cannot be read, what is in it cannot be used, or the key does not fit.
    pub fn load(files: &Files, origin: Origin) -> Result<Self, PairError> {
        Self::parse(&files.read()?, origin)
    }

    /// Checks a pair that is PEM text: key and certificate, followed by those of its chain.
    ///
    /// # Errors
    /// When it cannot be used, or the key does not fit.
    pub fn of_text(text: &str, origin: Origin) -> Result<Self, PairError> {
        let text = text.as_bytes().to_vec();
        let texts = Texts {
            certificate: text.clone(),
            key: text,
        };
        Self::parse(&texts, origin)
    }

    pub(super) fn parse(texts: &Texts, origin: Origin) -> Result<Self, PairError> {
        let chain = CertificateDer::pem_slice_iter(&texts.certificate);
        let chain: Result<Vec<_>, _> = chain.take(CHAIN_MAX).collect();
        let chain = chain.map_err(|_| PairError::Damaged(Part::Certificate))?;
        let about = About::of(chain.first().ok_or(PairError::NoCertificate)?, origin)?;
        let key = private_key(&texts.key)?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => PairError::Mismatch,
            rustls::Error::InvalidCertificate(cause) => {
                PairError::BadCertificate(cause.to_string())
            }
            other => PairError::BadKey(other.to_string()),
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            about,
        })
    }

    /// Whether a client would get the same from both.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert && self.about == other.about
    }

    /// What the certificate says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The certificate itself, without its chain.
    pub fn certificate_der(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PairError> {
    use rustls::pki_types::pem::Error;
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        // The text of any other error may have bytes of the key in it.
        Error::NoItemsFound if has(text, b"ENCRYPTED PRIVATE KEY") => PairError::EncryptedKey,
        Error::NoItemsFound => PairError::NoKey,
        _ => PairError::Damaged(Part::Key),
    })
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is not shown.
        self.about.fmt(f)
    }
}

impl About {
    fn of(certificate: &CertificateDer<'_>, origin: Origin) -> Result<Self, PairError> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| PairError::BadCertificate(error.to_string()))?;
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map_or_else(Vec::new, |names| {
            names.value.general_names.iter().filter_map(name).collect()
        });
        let validity = parsed.validity();
        let date =
            |unix_s: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_s).unwrap_or(0));
        let digest = Sha256::digest(certificate);
        let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Self {
            origin,
            fingerprint: hex.join(":"),
            names,
            begins: date(validity.not_before.timestamp()),
            expires: date(validity.not_after.timestamp()),
        })
    }

    /// The time of [`About::expires`] as text.
    pub fn expires_text(&self) -> String {
        date_text(self.expires)
    }

    /// How long it holds, from its begin to its end.
    pub fn lifetime(&self) -> Duration {
        let lifetime = self.expires.duration_since(self.begins);
        lifetime.unwrap_or_default()
    }

    /// What an operator should know at `now`: that the certificate has ended, or will soon.
    pub fn remark(&self, now: SystemTime) -> Option<String> {
        let text = self.expires_text();
        if self.expires <= now {
            return Some(format!("the certificate has expired ({text})"));
        }
        let soon = match self.origin {
            Origin::Files | Origin::SelfMade => EXPIRES_SOON,
            Origin::Authority | Origin::Trial => EXPIRES_SOON.min(self.lifetime() / PART_LEFT),
        };
        (self.expires < now + soon).then(|| format!("the certificate expires soon ({text})"))
    }
}

/// A date in UTC, to the second.
pub fn date_text(date: SystemTime) -> String {
    let since_epoch = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    rfc3339(unix_ms, SecondsFormat::Secs)
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
