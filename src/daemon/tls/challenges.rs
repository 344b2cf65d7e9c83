//! What a certificate authority finds when it asks whether a name is of this server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// The protocol in which an authority asks over TLS (RFC 8737 section 6.2).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";
/// Questions that may be open at a time; a certificate has at most as many names.
const OPEN_MAX: usize = 64;
/// Bytes of the digest in a certificate that answers (RFC 8737 section 3: SHA-256).
const DIGEST_BYTES: usize = 32;

/// The questions that are open now. Clones are cheap and hold the same.
#[derive(Clone, Default)]
pub struct Challenges {
    open: Arc<RwLock<Open>>,
}

#[derive(Default)]
struct Open {
    /// HTTP-01 (RFC 8555 section 8.3): the answer by token.
    tokens: BTreeMap<String, String>,
    /// TLS-ALPN-01 (RFC 8737): the certificate that answers, by name.
    names: BTreeMap<String, Arc<CertifiedKey>>,
}

/// A question that is answered until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Answered {
    challenges: Challenges,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Token(String),
    Name(String),
}

/// Why a question cannot be answered. Displays in one line.
#[derive(Debug, thiserror::Error)]
pub enum Unanswerable {
    /// Too many questions are open.
    #[error("more than {OPEN_MAX} challenges are open at a time")]
    TooMany,
    /// The digest has another length.
    #[error("the digest of the challenge is not one of SHA-256")]
    Digest,
    /// No certificate can be made.
    #[error("no certificate can be made for the challenge: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate that was made cannot be used.
    #[error("the certificate made for the challenge cannot be used: {0}")]
    Unusable(#[from] tokio_rustls::rustls::Error),
}

impl Challenges {
    /// The answer to an authority that asks over HTTP for `token`.
    pub fn answer(&self, token: &str) -> Option<String> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.tokens.get(token).cloned()
    }

    /// Answers over HTTP.
    ///
    /// # Errors
    /// [`Unanswerable::TooMany`].
    pub fn over_http(&self, token: &str, answer: &str) -> Result<Answered, Unanswerable> {
        self.open(Key::Token(token.to_owned()), |open| {
            open.tokens.insert(token.to_owned(), answer.to_owned());
        })
    }

    /// Answers over TLS, with a certificate for `name` that has `digest`, the SHA-256 of the key
    /// authorization, in it.
    ///
    /// # Errors
    /// [`Unanswerable`].
    pub fn over_tls(&self, name: &str, digest: &[u8]) -> Result<Answered, Unanswerable> {
        let certified = Arc::new(certified(name, digest)?);
        self.open(Key::Name(name.to_owned()), |open| {
            open.names.insert(name.to_owned(), certified);
        })
    }

    /// Whether a client that begins with `hello` is an authority whose question is open: it offers
    /// `acme-tls/1` and no other protocol, and asks for a name in question (RFC 8737 section 3).
    pub(super) fn are_asked_by(&self, hello: &ClientHello<'_>) -> bool {
        let offered = hello.alpn().map(|mut names| (names.next(), names.next()));
        offered == Some((Some(ACME_TLS), None)) && self.certificate(hello).is_some()
    }

    fn certificate(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.names.get(&name).cloned()
    }

    fn open(&self, key: Key, insert: impl FnOnce(&mut Open)) -> Result<Answered, Unanswerable> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.tokens.len() + open.names.len() >= OPEN_MAX {
            return Err(Unanswerable::TooMany);
        }
        insert(&mut open);
        Ok(Answered {
            challenges: self.clone(),
            key,
        })
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        let open = self.challenges.open.write();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        match &self.key {
            Key::Token(token) => drop(open.tokens.remove(token)),
            Key::Name(name) => drop(open.names.remove(name)),
        }
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certificate(&hello)
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys are not shown.
        f.write_str("Challenges")
    }
}

/// A certificate as RFC 8737 section 3 wants it: self-signed, for one name, and with the digest in a
/// critical extension.
fn certified(name: &str, digest: &[u8]) -> Result<CertifiedKey, Unanswerable> {
    if digest.len() != DIGEST_BYTES {
        return Err(Unanswerable::Digest);
    }
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let chain = vec![certificate.der().clone()];
    // Not `CertifiedKey::from_der`: it reads the certificate to compare the keys, and refuses every
    // critical extension that it does not know.
    let key = ring::default_provider()
        .key_provider
        .load_private_key(key)?;
    Ok(CertifiedKey::new(chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_until_it_is_closed() {
        let challenges = Challenges::default();
        assert_eq!(challenges.answer("abc"), None);
        let answered = challenges.over_http("abc", "abc.thumb").unwrap();
        assert_eq!(challenges.answer("abc").as_deref(), Some("abc.thumb"));
        assert_eq!(challenges.answer("abd"), None);
        drop(answered);
        assert_eq!(challenges.answer("abc"), None);
    }

    #[test]
    fn open_questions_are_bounded() {
        let challenges = Challenges::default();
        let token = |n: usize| challenges.over_http(&n.to_string(), "answer");
        let open: Vec<_> = (0..OPEN_MAX).map(|n| token(n).unwrap()).collect();
        assert!(matches!(token(OPEN_MAX), Err(Unanswerable::TooMany)));
        drop(open);
        assert!(token(OPEN_MAX).is_ok());
    }

    #[test]
    fn a_certificate_that_answers_has_the_digest() {
        use x509_parser::prelude::{FromDer, X509Certificate};
        let made = certified("live.example.org", &[7; DIGEST_BYTES]).unwrap();
        let (_, parsed) = X509Certificate::from_der(&made.cert[0]).unwrap();
        // RFC 8737 section 6.1: id-pe-acmeIdentifier is 1.3.6.1.5.5.7.1.31.
        let of_acme = |oid: &str| oid == "1.3.6.1.5.5.7.1.31";
        let extension = parsed
            .extensions()
            .iter()
            .find(|extension| of_acme(&extension.oid.to_id_string()))
            .unwrap();
        assert!(extension.critical);
        // An OCTET STRING of 32 bytes.
        assert_eq!(extension.value[..2], [4, 32]);
        assert_eq!(extension.value[2..], [7; DIGEST_BYTES]);
        assert!(matches!(
            certified("live.example.org", &[7; 31]),
            Err(Unanswerable::Digest)
        ));
    }
}
