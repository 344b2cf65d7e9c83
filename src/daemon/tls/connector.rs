//! The client's side of TLS, for servers that weir itself asks.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::pair::{self, PairError, Part};

/// Roots that one file may have.
const ROOTS_MAX: usize = 256;

/// A connection that weir has opened.
pub type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Opens connections to servers whose certificates it trusts. Clones are cheap.
#[derive(Clone)]
pub struct Connector(TlsConnector);

/// Why nothing can be trusted. Displays in one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum NoTrust {
    /// The file with further roots.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(std::path::PathBuf, PairError),
    /// There is not one root.
    #[error("this machine trusts no certificate authority: install the package ca-certificates")]
    NoRoots,
    /// rustls refuses.
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[from] rustls::Error),
}

impl Connector {
    /// Trusts what this machine trusts, and the roots in the file `further`. Blocks.
    ///
    /// # Errors
    /// [`NoTrust`].
    pub fn trusting(further: Option<&Path>) -> Result<Self, NoTrust> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "certificates that this machine trusts cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        if let Some(path) = further {
            let file = |error| NoTrust::File(path.to_owned(), error);
            for root in further_roots(path).map_err(file)? {
                let added = roots.add(root);
                added.map_err(|error| file(PairError::BadCertificate(error.to_string())))?;
            }
        }
        if roots.is_empty() {
            return Err(NoTrust::NoRoots);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Connects to `host`, a name or an address without brackets. The caller bounds the time.
    ///
    /// # Errors
    /// When the server cannot be reached, or its certificate is not trusted or not for `host`.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<ClientStream> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host, port)).await?;
        self.0.connect(name, stream).await
    }
}

/// The certificates in a PEM file of roots, at least one. Blocks.
///
/// # Errors
/// When the file cannot be read, or has none.
pub fn further_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let bytes = pair::read(path, Part::Certificate)?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes)
        .take(ROOTS_MAX)
        .collect();
    match roots {
        Ok(roots) if roots.is_empty() => Err(PairError::NoCertificate),
        Ok(roots) => Ok(roots),
        Err(_) => Err(PairError::Damaged(Part::Certificate)),
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
