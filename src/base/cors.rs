//! Which web sites may use media and API from their own pages.

use std::fmt;

use url::Url;

/// The web sites whose pages may read media and API from here (Fetch standard, "CORS protocol").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Every site.
    Any,
    /// These sites; none if the list is empty.
    Only(Vec<WebOrigin>),
}

/// The origin of a web site as browsers send it: scheme, host and, unless it is the scheme's own,
/// port (RFC 6454 section 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(String);

/// Why a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoOrigin {
    /// It is not the address of a web site.
    NotASite,
    /// It is, but browsers send this instead.
    Spelling(String),
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl WebOrigin {
    /// The origin that `text` spells exactly as browsers do.
    ///
    /// # Errors
    /// [`NoOrigin`].
    pub fn parse(text: &str) -> Result<Self, NoOrigin> {
        let url = Url::parse(text).map_err(|_| NoOrigin::NotASite)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NoOrigin::NotASite);
        }
        let origin = url.origin().ascii_serialization();
        if origin == text {
            Ok(Self(origin))
        } else {
            Err(NoOrigin::Spelling(origin))
        }
    }
}

impl Cors {
    /// Whether pages of the site that sends `origin` may read. Origins are compared byte for byte:
    /// browsers send only one spelling.
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(sites) => sites.iter().any(|WebOrigin(site)| site == origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spelled_as_browsers_do() {
        for good in [
            "https://example.org",
            "http://localhost:3000",
            "http://10.0.0.7:8080",
            "https://[::1]",
        ] {
            assert_eq!(WebOrigin::parse(good), Ok(WebOrigin(good.into())), "{good}");
        }
        for (text, sent) in [
            ("https://example.org/", "https://example.org"),
            ("https://example.org/player", "https://example.org"),
            ("https://Example.org:443", "https://example.org"),
            ("http://ä.example", "http://xn--4ca.example"),
        ] {
            let spelling = NoOrigin::Spelling(sent.into());
            assert_eq!(WebOrigin::parse(text), Err(spelling), "{text}");
        }
        for bad in ["", "*", "null", "example.org", "file:///a", "https://"] {
            assert_eq!(WebOrigin::parse(bad), Err(NoOrigin::NotASite), "{bad}");
        }
    }

    #[test]
    fn only_listed_sites_are_allowed() {
        let listed = Cors::Only(vec![WebOrigin::parse("https://a.example").unwrap()]);
        for (origin, allowed) in [
            ("https://a.example", true),
            ("https://a.example:8443", false),
            ("http://a.example", false),
            ("https://b.a.example", false),
            ("https://a.example.evil", false),
            ("null", false),
        ] {
            assert_eq!(listed.allows(origin), allowed, "{origin}");
            assert!(Cors::Any.allows(origin) && !Cors::Only(Vec::new()).allows(origin));
        }
    }
}
