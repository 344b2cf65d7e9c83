//! Why a pull fails, for a person: what happened, and what to do next.

use std::io;

use url::Url;

use super::nearness::Nearness;
use crate::model::source;

/// Longest address that a cause shows, in characters.
const SHOWN_CHARS_MAX: usize = 200;
/// Longest word of a server or of GStreamer that a cause shows, in characters.
const WORD_CHARS_MAX: usize = 120;

/// Why a pull fails. `Display` is for logs and status: it shows addresses without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// weir itself ended the request.
    #[error("weir stopped the request")]
    Stopped,
    /// Nobody listens there.
    #[error("{0} refused the connection; check the port, and whether the server runs")]
    Refused(Shown),
    /// The name has no address.
    #[error("there is no host of the name {0}; check the address, and the DNS of this machine")]
    UnknownHost(String),
    /// The network failed.
    #[error("{at} cannot be reached ({why}); check the network")]
    Unreachable {
        /// Address that was asked.
        at: Shown,
        /// What the system says.
        why: String,
    },
    /// The server accepted the connection and is silent.
    #[error("{0} sent nothing for 8 s; check whether the camera or server still works")]
    Silent(Shown),
    /// The connection ended too early.
    #[error("{0} closed the connection in the middle of its answer")]
    BrokenOff(Shown),
    /// The answer is not HTTP.
    #[error("{0} does not answer with HTTP; check the port")]
    NotHttp(Shown),
    /// The certificate does not verify.
    #[error(
        "the certificate of {at} {fault}; renew it, or set tls_verify = false for this stream to \
         accept it"
    )]
    Certificate {
        /// Address that was asked.
        at: Shown,
        /// What is wrong with the certificate.
        fault: &'static str,
    },
    /// TLS failed for another reason.
    #[error(
        "{at} does not speak TLS with weir ({why}); check whether https:// and the port are right"
    )]
    Tls {
        /// Address that was asked.
        at: Shown,
        /// What the TLS library says.
        why: String,
    },
    /// 401, and no password is configured.
    #[error(
        "{0} asks for a password (401 Unauthorized); set user and password_file for this stream"
    )]
    PasswordNeeded(Shown),
    /// 401 in answer to the configured password.
    #[error(
        "{0} refused the user or the password (401 Unauthorized); check user and password_file"
    )]
    PasswordWrong(Shown),
    /// 401 by another origin than the configured one.
    #[error(
        "{0} asks for a password (401 Unauthorized), but the password goes to the configured origin \
         only; if that server may have it, configure its address as the source"
    )]
    PasswordElsewhere(Shown),
    /// 401, and neither Digest nor Basic can be answered.
    #[error(
        "{0} asks for an authentication that weir does not speak (401 Unauthorized); set the server \
         to Digest with MD5 or SHA-256, or to Basic"
    )]
    AuthenticationUnknown(Shown),
    /// Another status than success.
    #[error("{at} answers with status {code}; {}", next_step(*.code))]
    Status {
        /// Address that was asked.
        at: Shown,
        /// Status code.
        code: u16,
    },
    /// A page for people.
    #[error(
        "{0} answers with a web page (text/html), not with media; find the address of the stream \
         itself in the manual of the camera"
    )]
    WebPage(Shown),
    /// A redirect without a usable address.
    #[error("{0} redirects without saying where to")]
    RedirectBroken(Shown),
    /// Redirects without an end.
    #[error(
        "the source redirects more than 5 times, in the end to {0}; configure the last address"
    )]
    Redirects(Shown),
    /// A redirect from TLS to plain text, with a password configured.
    #[error(
        "the source redirects from https:// to {0}, which is not encrypted; a source with a password \
         must stay with https://"
    )]
    Downgrade(Shown),
    /// A playlist or redirect names something that is not HTTP.
    #[error("the source names a {0}: address; weir fetches only what http:// and https:// name")]
    Scheme(String),
    /// A playlist or redirect names an address closer to this machine.
    #[error(
        "the source names {at}, a {} address and closer to this machine than the configured one; \
         set allow_private = true for this stream if it may", .nearness.word()
    )]
    Closer {
        /// What is named.
        at: Shown,
        /// How close it is.
        nearness: Nearness,
    },
    /// A piece of a playlist is too large.
    #[error("{0} is larger than the 256 MiB that weir takes for one piece of a playlist")]
    TooLarge(Shown),
    /// The server ignores the range that a playlist names.
    #[error("{0} does not serve parts of a file, which the playlist names (EXT-X-BYTERANGE)")]
    NoRanges(Shown),
    /// A playlist behind an address that was not configured as one.
    #[error(
        "the source answers with {0}; weir takes an HLS playlist only from a source whose path ends \
         in .m3u8, and no other manifest"
    )]
    Manifest(String),
    /// A format that is not on the list of what weir takes.
    #[error("the source sends {0}, which weir does not take; set it to H.264 and AAC if it can")]
    Format(String),
    /// A format that weir takes, but this machine does not decode.
    #[error("this machine has no decoder for {0}; `weir doctor` shows what is missing")]
    NoDecoder(String),
    /// Data that is no media.
    #[error(
        "{at} sends no media that weir knows ({kind}); check whether this is the stream's address"
    )]
    UnknownMedia {
        /// Address that was asked.
        at: Shown,
        /// Content type of the answer.
        kind: String,
    },
}

impl Cause {
    /// Whether the source broke a rule: the pull ends at once, whatever still plays.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Scheme(_) | Self::Closer { .. } | Self::Downgrade(_) | Self::Manifest(_)
        )
    }

    /// The cause behind an error of reading or writing a connection to `url`.
    pub fn of_io(url: &Url, error: &io::Error) -> Self {
        let at = Shown::of(url);
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Silent(at),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::BrokenOff(at),
            io::ErrorKind::InvalidData => Self::NotHttp(at),
            io::ErrorKind::ConnectionRefused => Self::Refused(at),
            _ => Self::Unreachable {
                at,
                why: word(&error.to_string()),
            },
        }
    }
}

/// The next step after a status code (RFC 9110 section 15).
fn next_step(code: u16) -> &'static str {
    match code {
        403 => "the server forbids it: check the rights of the user, or the address",
        404 | 410 => "there is nothing at this path: check the address",
        429 | 503 => "the server has too much to do: weir tries again later",
        500.. => "the server has an error: look into its log",
        _ => "check whether this is the stream's address",
    }
}

/// An address without its secrets, of bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// The shown form of `url`.
    pub fn of(url: &Url) -> Self {
        Self(short(&source::shown(url), SHOWN_CHARS_MAX))
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word from outside: one line of bounded length.
pub fn word(text: &str) -> String {
    short(text.lines().next().unwrap_or_default(), WORD_CHARS_MAX)
}

fn short(text: &str, chars_max: usize) -> String {
    let visible = |c: &char| !c.is_control();
    let mut short: String = text.chars().filter(visible).take(chars_max).collect();
    if text.chars().filter(visible).count() > chars_max {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn errors_of_a_connection_have_plain_causes() {
        let at = url("http://u:hunter2@cam/video?pwd=hunter2");
        for (kind, expected) in [
            (io::ErrorKind::TimedOut, "sent nothing for 8 s"),
            (io::ErrorKind::ConnectionRefused, "refused the connection"),
            (io::ErrorKind::UnexpectedEof, "closed the connection"),
            (io::ErrorKind::InvalidData, "does not answer with HTTP"),
            (io::ErrorKind::HostUnreachable, "cannot be reached"),
        ] {
            let text = Cause::of_io(&at, &kind.into()).to_string();
            assert!(text.starts_with("http://cam/video "), "{text}");
            assert!(text.contains(expected), "{kind}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_status_says_the_next_step() {
        for (code, expected) in [
            (403, "status 403; the server forbids it"),
            (404, "status 404; there is nothing at this path"),
            (502, "status 502; the server has an error"),
            (503, "status 503; the server has too much to do"),
            (204, "status 204; check whether"),
        ] {
            let at = Shown::of(&url("http://cam/"));
            let text = Cause::Status { at, code }.to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn what_a_server_names_is_short_and_one_line() {
        let long = url(&format!("http://cam/{}", "a".repeat(5000)));
        assert_eq!(Shown::of(&long).to_string().chars().count(), 201);
        assert_eq!(word("a\u{1b}[31m\nb"), "a[31m");
    }
}
