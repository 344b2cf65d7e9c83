//! JSON Web Tokens of others (RFC 7519), signed with HS256, RS256, ES256 or EdDSA (RFC 7518, RFC 8037).
//!
//! A token names what it opens in the claim `stream`: a name, several, or `*`. It must have an end (`exp`).

use std::sync::Arc;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Header, Validation, decode,
    decode_header,
};
use ring::{hmac, signature as ring_signature};
use serde::Deserialize;

use super::client::Client;
use super::jwks::Jwks;
use super::policy::{self, Refusal};
use crate::base::secret::Secret;

/// Shortest secret for HS256: "A key of the same size as the hash output (for instance, 256 bits for
/// 'HS256') or larger MUST be used with this algorithm" (RFC 7518 section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Clocks of others may differ by this much.
const LEEWAY_S: u64 = 5;

/// A key that tokens are checked with: a public key, or a secret for HS256.
#[derive(Debug, Clone)]
pub struct PublicKey {
    text: Secret,
    key: DecodingKey,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Shorter than HS256 may use.
    #[error("expected a public key in PEM, or a secret of at least 32 bytes")]
    Short,
    /// PEM, but of no key that tokens can be checked with.
    #[error("expected a public key for RS256, ES256 or EdDSA")]
    Unusable,
    /// Whoever has it can make tokens.
    #[error("this is a private key; expected its public key")]
    Private,
}

impl PublicKey {
    /// Reads a public key in PEM, or a secret.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let pem = text.as_bytes();
        let key = match text.contains("-----BEGIN") {
            true if text.contains("PRIVATE KEY-----") => return Err(KeyError::Private),
            true => DecodingKey::from_rsa_pem(pem)
                .or_else(|_| DecodingKey::from_ec_pem(pem))
                .or_else(|_| DecodingKey::from_ed_pem(pem))
                .map_err(|_| KeyError::Unusable)?,
            false if text.len() < SECRET_BYTES_MIN => return Err(KeyError::Short),
            false => DecodingKey::from_secret(pem),
        };
        let text = Secret::new(text.to_owned());
        Ok(Self { text, key })
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Verifier {
    settings: policy::Jwt,
    jwks: Option<Jwks>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    stream: Streams,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Streams {
    One(String),
    Several(Vec<String>),
}

impl Streams {
    fn contain(&self, stream: &str) -> bool {
        let opens = |name: &String| name == stream || name == "*";
        match self {
            Self::One(name) => opens(name),
            Self::Several(names) => names.iter().any(opens),
        }
    }
}

impl Verifier {
    /// Takes the tokens that `settings` describe; keys that have to be fetched are fetched through
    /// `client`.
    pub(super) fn new(settings: &policy::Jwt, client: &Arc<Client>) -> Self {
        // A second verifier finds the first one's provider, which is the same.
        let _ = PROVIDER.install_default();
        let jwks = settings.jwks.clone();
        Self {
            settings: settings.clone(),
            jwks: jwks.map(|url| Jwks::new(url, client.clone())),
        }
    }

    /// Whether `text` could be a token: two dots between three texts (RFC 7515 section 7.1).
    pub(super) fn is_token(text: &str) -> bool {
        text.split('.').count() == 3
    }

    /// Whether the token opens `stream` now.
    ///
    /// # Errors
    /// [`Refusal`]
    pub(super) async fn check(&self, stream: &str, token: &str) -> Result<(), Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Wrong)?;
        let mut keys: Vec<DecodingKey> = self
            .settings
            .key
            .iter()
            .map(|key| key.key.clone())
            .collect();
        let fetched = match &self.jwks {
            Some(jwks) => jwks.keys(header.kid.as_deref()).await,
            None => Ok(Vec::new()),
        };
        let unavailable = fetched.is_err();
        keys.extend(fetched.unwrap_or_default());
        let mut refusal = match unavailable {
            true => Refusal::Unavailable,
            false => Refusal::Wrong,
        };
        for key in keys {
            match self.check_with(&key, &header, stream, token) {
                Ok(()) => return Ok(()),
                // Only a key that fits can find that the token has expired.
                Err(Refusal::Expired) => refusal = Refusal::Expired,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn check_with(
        &self,
        key: &DecodingKey,
        header: &Header,
        stream: &str,
        token: &str,
    ) -> Result<(), Refusal> {
        // The key decides on the algorithm, never the token: else a public key could be used as a
        // secret (RFC 8725 section 2.1).
        let algorithm = algorithm(key);
        if header.alg != algorithm {
            return Err(Refusal::Wrong);
        }
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        // `aud` is checked also where none is configured: "If the principal processing the claim does
        // not identify itself with a value in the "aud" claim when this claim is present, then the JWT
        // MUST be rejected" (RFC 7519 section 4.1.3).
        let mut required = vec!["exp"];
        if let Some(audience) = &self.settings.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &self.settings.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        let token = decode::<Claims>(token, key, &validation).map_err(|error| refusal(&error))?;
        match token.claims.stream.contain(stream) {
            true => Ok(()),
            false => Err(Refusal::Wrong),
        }
    }
}

/// The one algorithm that is taken with a key.
fn algorithm(key: &DecodingKey) -> Algorithm {
    match key.family() {
        AlgorithmFamily::Hmac => Algorithm::HS256,
        AlgorithmFamily::Rsa => Algorithm::RS256,
        AlgorithmFamily::Ec => Algorithm::ES256,
        AlgorithmFamily::Ed => Algorithm::EdDSA,
    }
}

fn refusal(error: &Error) -> Refusal {
    match error.kind() {
        ErrorKind::ExpiredSignature => Refusal::Expired,
        _ => Refusal::Wrong,
    }
}

/// The cryptography of `ring`, which TLS uses too. weir signs no such tokens outside its tests.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Ring {
            algorithm: *algorithm,
            key: key.clone(),
        }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Ring {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signed: &Vec<u8>) -> Result<(), signature::Error> {
        use DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
        use ring_signature::{
            ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
            UnparsedPublicKey,
        };
        let verified = match (self.algorithm, self.key.kind()) {
            (Algorithm::HS256, SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signed)
            }
            (Algorithm::RS256, SecretOrDer(key)) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(message, signed)
            }
            (Algorithm::RS256, RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signed)
            }
            (Algorithm::ES256, SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signed)
            }
            (Algorithm::EdDSA, SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signed)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

#[cfg(test)]
mod tests;
