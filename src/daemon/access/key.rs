//! Keys that JSON Web Tokens are checked with.

use jsonwebtoken::DecodingKey;

use crate::base::secret::Secret;

/// Shortest secret for HS256: "A key of the same size as the hash output (for instance, 256 bits for
/// 'HS256') or larger MUST be used with this algorithm" (RFC 7518 section 3.2).
const SECRET_BYTES_MIN: usize = 32;

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

impl PublicKey {
    /// The key as the checks need it.
    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.key
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key() {
        assert_eq!(PublicKey::parse("short").unwrap_err(), KeyError::Short);
        for (text, expected) in [
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                KeyError::Private,
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                KeyError::Unusable,
            ),
        ] {
            assert_eq!(PublicKey::parse(text).unwrap_err(), expected);
        }
    }
}
