//! The server's side of the TLS handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

use super::certificates::Certificates;
use super::pair::Origin;

/// A connection that is secure. Its writes pass through rustls, which encrypts up to 64 KiB at a time
/// in records of 16 KiB and hands them to the kernel in one call.
pub type Stream = tokio_rustls::server::TlsStream<TcpStream>;

/// What is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// HTTP/2 or HTTP/1.1, whichever the client prefers less: ALPN (RFC 7301) lets the server choose,
    /// and the server prefers HTTP/2.
    Http,
    /// RTMP, for which no ALPN name is registered.
    Rtmp,
}

/// Makes connections secure with the certificate in force. Clones are cheap.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    certificates: Certificates,
}

impl Acceptor {
    /// TLS 1.3 and 1.2 for `application`, with the pair that `certificates` holds when a handshake
    /// begins.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(
        certificates: &Certificates,
        application: Application,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let mut config = config
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates.clone()));
        // A viewer who comes back is spared a round trip, and no memory is held for those who do not:
        // the state is with the client. The keys of these tickets change every six hours.
        config.ticketer = ring::Ticketer::new()?;
        // No early data: an attacker could repeat it (RFC 8446 section 8).
        config.max_early_data_size = 0;
        config.alpn_protocols = match application {
            Application::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Application::Rtmp => Vec::new(),
        };
        Ok(Self {
            tls: TlsAcceptor::from(Arc::new(config)),
            certificates: certificates.clone(),
        })
    }

    /// Whether the certificate in force is one that weir made, which browsers do not trust.
    pub fn is_self_made(&self) -> bool {
        self.certificates.in_force().about().origin == Origin::SelfMade
    }

    /// The handshake. The caller bounds its time; its bytes are bounded by rustls, which takes no
    /// handshake message of more than 64 KiB.
    ///
    /// # Errors
    /// When the client leaves, or does not speak TLS as it should.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        self.tls.accept(stream).await
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.in_force().certified)
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acceptor").field(&self.certificates).finish()
    }
}
