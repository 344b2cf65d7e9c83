//! Segments of paths. warp passes them on undecoded, and none of the allowed characters needs
//! decoding, so a segment with a `%` is no name.

use std::str::FromStr;

use crate::base::names::is_name;

/// A segment that does not fit the route; the next route is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotOne;

/// A stream's name, `[a-z0-9_-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

/// A session, rendition or file of a stream: `[A-Za-z0-9_.-]{1,96}`, not starting with a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token(String);

/// The folder of a rendition, `/live/NAME/SESSION/RENDITION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RenditionPath {
    stream: Name,
    session: Token,
    rendition: Token,
}

const TOKEN_BYTES_MAX: usize = 96;

impl RenditionPath {
    pub(super) const fn new(stream: Name, session: Token, rendition: Token) -> Self {
        Self {
            stream,
            session,
            rendition,
        }
    }

    /// Stream, session and rendition.
    pub(super) fn parts(&self) -> (&str, &str, &str) {
        (
            self.stream.as_str(),
            self.session.as_str(),
            self.rendition.as_str(),
        )
    }
}

impl Name {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Token {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotOne)
        }
    }
}

impl FromStr for Token {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let fits = (1..=TOKEN_BYTES_MAX).contains(&text.len());
        if fits && !text.starts_with('.') && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotOne)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "x".repeat(64);
        for good in ["a", "demo", "cam_1-b", longest.as_str()] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        let too_long = "x".repeat(65);
        for bad in ["", "Demo", "a.b", "a%20b", "ä", "a b", too_long.as_str()] {
            assert_eq!(bad.parse::<Name>(), Err(NotOne), "{bad}");
        }
    }

    #[test]
    fn tokens() {
        for good in ["index.m3u8", "1.0.m4s", "init-0.mp4", "A9_-"] {
            assert!(good.parse::<Token>().is_ok(), "{good}");
        }
        let too_long = "x".repeat(97);
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a%2fb",
            "a/b",
            "\"",
            too_long.as_str(),
        ] {
            assert_eq!(bad.parse::<Token>(), Err(NotOne), "{bad}");
        }
    }
}
