//! Passwords of streams.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};

use crate::base::secret::Secret;

/// Every hash begins so (PHC string format).
const HASH_START: &str = "$argon2";
/// Shortest password, in characters.
const CHARS_MIN: usize = 6;
/// Longest password, in bytes.
pub const BYTES_MAX: usize = 256;

/// The password of a stream: itself, or its Argon2id hash (RFC 9106).
#[derive(Debug, Clone, PartialEq)]
pub struct Password(Secret);

/// Why a text is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPassword {
    /// It is too short or too long.
    #[error("expected a password of 6 to 256 characters, or a hash that `weir password` printed")]
    Length,
    /// It begins as a hash does, but is none.
    #[error("this begins like a hash, but is none that `weir password` printed")]
    Hash,
}

impl Password {
    /// Reads a password, or its hash.
    ///
    /// # Errors
    /// [`NoPassword`]
    pub fn parse(text: &str) -> Result<Self, NoPassword> {
        if text.starts_with(HASH_START) {
            PasswordHash::new(text).map_err(|_| NoPassword::Hash)?;
        } else if text.chars().count() < CHARS_MIN || text.len() > BYTES_MAX {
            return Err(NoPassword::Length);
        }
        Ok(Self(Secret::new(text.to_owned())))
    }

    /// The hash of a password, with a salt of its own.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
        let hash = Argon2::default().hash_password(password.as_bytes())?;
        Ok(hash.to_string())
    }

    /// Whether `attempt` is the password. With a hash this takes some 20 ms and 19 MiB.
    pub fn matches(&self, attempt: &str) -> bool {
        match PasswordHash::new(self.0.expose()) {
            Ok(hash) if self.is_hashed() => Argon2::default()
                .verify_password(attempt.as_bytes(), &hash)
                .is_ok(),
            _ => self.0.matches(attempt),
        }
    }

    fn is_hashed(&self) -> bool {
        self.0.expose().starts_with(HASH_START)
    }

    /// Differs for each password.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose().as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_itself_or_by_its_hash() {
        let hash = Password::hash("open sesame").unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_ne!(hash, Password::hash("open sesame").unwrap());
        for text in ["open sesame", &hash] {
            let password = Password::parse(text).unwrap();
            assert!(password.matches("open sesame"));
            for wrong in ["open sesam", "", "Open sesame", &hash] {
                assert!(!password.matches(wrong), "{wrong}");
            }
        }
    }

    #[test]
    fn what_is_no_password() {
        assert_eq!(Password::parse("short"), Err(NoPassword::Length));
        assert_eq!(Password::parse(&"x".repeat(257)), Err(NoPassword::Length));
        assert_eq!(Password::parse("$argon2id$broken"), Err(NoPassword::Hash));
    }
}
