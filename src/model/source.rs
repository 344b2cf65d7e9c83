//! Where a stream's media comes from.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Position, Url};

use crate::base::secret::{Secret, exposed};

/// Where a stream's media comes from. `Display` is for logs: `push:`, `test:`, or the address of a
/// [`Pull`]; [`place`](Source::place) is for the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// A publisher sends it to the daemon.
    Push,
    /// The built-in test signal.
    Test,
    /// The worker fetches it over HTTP and reconnects for ever.
    Pull(Pull),
}

/// An HTTP address that is fetched, and how. `Display` is the address without its query and
/// fragment, because cameras accept passwords there.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Pull {
    /// `http://` or `https://` address without user and password.
    #[serde(with = "address")]
    pub url: Url,
    /// User name for Basic or Digest authentication.
    pub user: Option<String>,
    /// Password of the user.
    #[serde(with = "exposed")]
    pub password: Option<Secret>,
    /// Refuse certificates that do not verify.
    pub tls_verify: bool,
    /// What a playlist or a redirect names may be closer to this machine than the host of `url`:
    /// at a private, link-local or loopback address.
    pub allow_private: bool,
}

impl Source {
    /// What the API shows: `push:`, `test:`, or scheme, host and port of the address. Cameras
    /// accept secrets in the path and in the query.
    pub fn place(&self) -> String {
        match self {
            Self::Push | Self::Test => self.to_string(),
            // No user and password come before the host: the configuration refuses them there.
            Self::Pull(pull) => pull.url[..Position::BeforePath].to_owned(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push => f.write_str("push:"),
            Self::Test => f.write_str("test:"),
            Self::Pull(pull) => pull.fmt(f),
        }
    }
}

impl fmt::Display for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.url))
    }
}

/// An address for logs and status: without user, password, query and fragment, because cameras and
/// streaming services accept secrets there.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // An address that cannot have a user or password has none to be removed.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pull({self})")
    }
}

/// Serde helper: an address as text. A text that is not an address is a decoding error.
mod address {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use url::Url;

    pub fn serialize<S: Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(url.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
        Url::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(url: &str) -> Source {
        Source::Pull(Pull {
            url: url.parse().unwrap(),
            user: Some("viewer".to_owned()),
            password: Some(Secret::new("hunter2".to_owned())),
            tls_verify: true,
            allow_private: false,
        })
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        let source = pull("https://10.0.0.7/a?pwd=hunter2#hunter2");
        assert_eq!(source.to_string(), "https://10.0.0.7/a");
        assert!(!format!("{source:?}").contains("hunter2"), "{source:?}");
        let redirect = Url::parse("http://viewer:hunter2@h/a?hunter2").unwrap();
        assert_eq!(shown(&redirect), "http://h/a");
    }

    #[test]
    fn the_api_shows_where_it_is_and_no_more() {
        for (url, place) in [
            ("https://10.0.0.7/a?pwd=hunter2#b", "https://10.0.0.7"),
            (
                "http://cam.example:8000/hunter2/v.mjpg",
                "http://cam.example:8000",
            ),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(pull(url).place(), place);
        }
        assert_eq!(Source::Push.place(), "push:");
    }

    #[test]
    fn the_worker_receives_address_and_password_unabridged() {
        let source = pull("http://10.0.0.7/v?token=a");
        let bytes = postcard::to_stdvec(&source).unwrap();
        assert_eq!(postcard::from_bytes::<Source>(&bytes).unwrap(), source);
    }

    #[test]
    fn a_bad_address_does_not_decode() {
        let mut bytes = postcard::to_stdvec(&pull("http://h/")).unwrap();
        let at = bytes.iter().position(|byte| *byte == b':').unwrap();
        bytes[at] = b' ';
        assert!(postcard::from_bytes::<Source>(&bytes).is_err());
    }
}
