//! A certificate for both servers.

use std::path::Path;

use tempfile::TempDir;
use weir::daemon::tls::Files;

use super::tls_client;

/// A certificate that signs itself, in a folder that ends with this value.
pub struct Certificate(TempDir);

impl Certificate {
    pub fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let (certificate, key) = tls_client::certificate();
        std::fs::write(files.certificate, certificate).unwrap();
        std::fs::write(files.key, key).unwrap();
        Self(folder)
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// The files of the certificate in this folder.
pub fn files(folder: &Path) -> Files {
    Files {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    }
}
