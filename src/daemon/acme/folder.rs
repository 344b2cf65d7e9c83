//! Account and certificate of one directory, in files that only their owner can read.

use std::path::PathBuf;
use std::sync::Arc;

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::task::{JoinError, spawn_blocking};

use super::failure::Failure;
use crate::daemon::tls::{Files, Origin, Pair, store};

/// Longest file with an account, in bytes.
const ACCOUNT_BYTES_MAX: u64 = 64 * 1024;

/// The folder of one directory. Clones are cheap.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: Arc<PathBuf>,
    origin: Origin,
}

/// An account at an authority.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    /// The address that the authority was told last.
    pub(super) email: String,
    /// Its name there, and its key.
    pub(super) credentials: AccountCredentials,
}

impl Folder {
    /// The folder at `path`, whose certificates are of `origin`.
    pub(super) fn new(path: PathBuf, origin: Origin) -> Self {
        Self {
            path: Arc::new(path),
            origin,
        }
    }

    /// The kept certificate, if there is one that can be used.
    pub(super) async fn certificate(&self) -> Option<Pair> {
        let (path, origin) = (self.path.join("certificate.pem"), self.origin);
        let files = Files {
            certificate: path.clone(),
            key: path,
        };
        let loaded = spawn_blocking(move || Pair::load(&files, origin)).await;
        loaded.ok()?.ok()
    }

    /// Keeps a certificate with its chain and its key, in one file, so that they always fit.
    ///
    /// # Errors
    /// When it cannot be used, or not be written.
    pub(super) async fn keep_certificate(&self, key: &str, chain: &str) -> Result<Pair, Failure> {
        let text = format!("{}\n{}\n", key.trim_end(), chain.trim_end());
        let pair = Pair::of_text(&text, self.origin)?;
        self.write("certificate.pem", text).await?;
        Ok(pair)
    }

    /// The kept account, if there is one that can be used.
    pub(super) async fn account(&self) -> Option<Account> {
        let path = self.path.join("account.json");
        let file = tokio::fs::File::open(&path).await.ok()?;
        let mut text = Vec::new();
        let read = file.take(ACCOUNT_BYTES_MAX).read_to_end(&mut text).await;
        let account = read.ok().and_then(|_| serde_json::from_slice(&text).ok());
        if account.is_none() {
            tracing::warn!(
                file = %path.display(),
                next = "none: weir makes a new account",
                "the account at the certificate authority cannot be used"
            );
        }
        account
    }

    /// Keeps an account.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) async fn keep_account(&self, account: &Account) -> Result<(), Failure> {
        let text = serde_json::to_string(account);
        let text = text.map_err(|error| Failure::here(error, "none: weir asks again"))?;
        self.write("account.json", text).await
    }

    /// Forgets an account that the authority does not know.
    pub(super) async fn forget_account(&self) {
        let path = self.path.join("account.json");
        if let Err(error) = tokio::fs::remove_file(&path).await {
            tracing::debug!(%error, "the account could not be removed");
        }
    }

    async fn write(&self, name: &'static str, text: String) -> Result<(), Failure> {
        let path = self.path.clone();
        let written = spawn_blocking(move || {
            // The folder above is closed, too.
            if let Some(above) = path.parent() {
                store::folder(above)?;
            }
            store::folder(&path)?;
            store::write(&path.join(name), &text)
        });
        let stopped = |error: JoinError| Failure::here(error, "none: weir asks again");
        Ok(written.await.map_err(stopped)??)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const CREDENTIALS: &str = r#"{"id": "https://ca.lan/1", "key_pkcs8": "MIGHAgEAMBMGByqGSM49",
        "directory": "https://ca.lan/directory"}"#;

    fn account() -> Account {
        Account {
            email: "ops@example.org".to_owned(),
            credentials: serde_json::from_str(CREDENTIALS).unwrap(),
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_for_its_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("acme/letsencrypt");
        let folder = Folder::new(path.clone(), Origin::Authority);
        assert!(folder.certificate().await.is_none() && folder.account().await.is_none());

        let made = rcgen::generate_simple_self_signed(["live.example.org".to_owned()]).unwrap();
        let (key, chain) = (made.signing_key.serialize_pem(), made.cert.pem());
        folder.keep_certificate(&key, &chain).await.unwrap();
        folder.keep_account(&account()).await.unwrap();
        let pair = folder.certificate().await.unwrap();
        assert_eq!(pair.about().names, ["live.example.org"]);
        assert_eq!(pair.about().origin, Origin::Authority);
        assert_eq!(folder.account().await.unwrap().email, "ops@example.org");
        for (path, mode) in [
            (data.path().join("acme"), 0o700),
            (path.clone(), 0o700),
            (path.join("certificate.pem"), 0o600),
            (path.join("account.json"), 0o600),
        ] {
            let metadata = std::fs::metadata(&path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path:?}");
        }
        folder.forget_account().await;
        assert!(folder.account().await.is_none());
    }

    #[tokio::test]
    async fn a_certificate_that_cannot_be_used_is_not_kept() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::new(data.path().join("acme/a"), Origin::Trial);
        let [one, other] =
            ["a", "b"].map(|name| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap());
        let (key, certificate) = (one.signing_key.serialize_pem(), other.cert.pem());
        let kept = folder.keep_certificate(&key, &certificate).await;
        let failure = kept.unwrap_err();
        assert!(failure.cause.contains("does not fit"), "{}", failure.cause);
        assert!(folder.certificate().await.is_none());
    }
}
