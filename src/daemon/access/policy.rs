//! What a stream asks of those who want to watch it.

use std::time::Duration;

use url::Url;

use super::jwt::PublicKey;
use super::password::Password;

/// What opens a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing is asked.
    #[default]
    Public,
    /// A password, or an address that weir signed.
    Password,
    /// An address that weir signed, a JSON Web Token, or the yes of a webhook.
    Token,
}

/// What one stream asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// What opens it.
    pub access: Access,
    /// Its password; a stream that asks for one always has it.
    pub password: Option<Password>,
}

/// What all streams share.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// For how long a browser that gave the password is let in.
    pub remember: Duration,
    /// Which JSON Web Tokens are taken.
    pub jwt: Option<Jwt>,
    /// Who is asked about everybody with another token, or none.
    pub webhook: Option<Url>,
}

impl Default for Options {
    /// Nobody is asked; a browser is let in for half a day.
    fn default() -> Self {
        Self {
            remember: Duration::from_secs(12 * 3600),
            jwt: None,
            webhook: None,
        }
    }
}

/// Which JSON Web Tokens are taken (RFC 7519).
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt {
    /// The key that signs them.
    pub key: Option<PublicKey>,
    /// Where the keys are that sign them (RFC 7517 section 5).
    pub jwks: Option<Url>,
    /// Who must have issued them (`iss`).
    pub issuer: Option<String>,
    /// For whom they must be (`aud`).
    pub audience: Option<String>,
}

/// Why somebody may not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was shown.
    #[error("this stream is not public")]
    Missing,
    /// What was shown does not open this stream.
    #[error("this does not open the stream")]
    Wrong,
    /// What was shown opened this stream once.
    #[error("this has expired")]
    Expired,
    /// Too many wrong ones came from this address.
    #[error("too many attempts")]
    TooMany(Duration),
    /// Whoever has to decide does not answer.
    #[error("it cannot be found out now who may watch")]
    Unavailable,
}
