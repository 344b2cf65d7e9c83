//! The server's side of the TLS handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

use super::certificates::Certificates;
use super::challenges::ACME_TLS;
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
    config: Arc<ServerConfig>,
    /// Shown to authorities that ask in a protocol of their own; only where HTTP is spoken.
    of_challenges: Option<Arc<ServerConfig>>,
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
        let mut config = showing(Arc::new(certificates.clone()))?;
        // A viewer who comes back is spared a round trip, and no memory is held for those who do not:
        // the state is with the client. The keys of these tickets change every six hours.
        config.ticketer = ring::Ticketer::new()?;
        // No early data: an attacker could repeat it (RFC 8446 section 8).
        config.max_early_data_size = 0;
        let mut of_challenges = None;
        if application == Application::Http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let mut answering = showing(Arc::new(certificates.challenges().clone()))?;
            answering.alpn_protocols = vec![ACME_TLS.to_vec()];
            of_challenges = Some(Arc::new(answering));
        }
        Ok(Self {
            config: Arc::new(config),
            of_challenges,
            certificates: certificates.clone(),
        })
    }

    /// Whether browsers may trust the certificate in force by themselves: weir did not make it, nor
    /// a directory for trials.
    pub fn is_trusted(&self) -> bool {
        match self.certificates.in_force().about().origin {
            Origin::Files | Origin::Authority => true,
            Origin::SelfMade | Origin::Trial => false,
        }
    }

    /// The handshake. The caller bounds its time; its bytes are bounded by rustls, which takes no
    /// handshake message of more than 64 KiB. `None` if the client was a certificate authority whose
    /// question is answered with the handshake: nothing is to be served to it.
    ///
    /// # Errors
    /// When the client leaves, or does not speak TLS as it should.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Option<Stream>> {
        let begun = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let challenges = self.certificates.challenges();
        let asks = |_: &&Arc<ServerConfig>| challenges.are_asked_by(&begun.client_hello());
        let Some(config) = self.of_challenges.as_ref().filter(asks).cloned() else {
            return begun.into_stream(self.config.clone()).await.map(Some);
        };
        // RFC 8737 section 4: "The "acme-tls/1" protocol does not carry application data."
        begun.into_stream(config).await?.shutdown().await?;
        tracing::debug!("a certificate authority was answered over TLS");
        Ok(None)
    }
}

/// TLS 1.3 and 1.2 with the certificates of `resolver`.
fn showing(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(config
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver))
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
