//! The validated configuration: what the rest of weir sees. No TOML and no spans here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::units::ByteSize;
use crate::model::ladder::Rung;

/// Everything a `config.toml` says, with defaults filled in and paths made absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[hls]`
    pub hls: Hls,
    /// `[session]`
    pub session: Session,
    /// `[encoder]`
    pub encoder: Encoder,
    /// `[[stream]]`, in the order of the file; names are unique.
    pub streams: Vec<Stream>,
}

/// `[server]`: listeners and the data folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Pages, HLS and API; `None` when turned off.
    pub http: Option<SocketAddr>,
    /// RTMP; `None` when turned off.
    pub rtmp: Option<SocketAddr>,
    /// Folder for everything weir writes.
    pub data: PathBuf,
}

/// `[hls]`: segments, parts and windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Hls {
    /// Nominal segment duration.
    pub segment: Duration,
    /// Nominal part duration; zero turns low latency off.
    pub part: Duration,
    /// `PART-HOLD-BACK`; `None` is three parts.
    pub hold_back: Option<Duration>,
    /// How far back a viewer can seek.
    pub window: Duration,
    /// Bound of all windows of all streams together.
    pub memory: ByteSize,
    /// Make the MPEG-TS set.
    pub ts: bool,
}

impl Hls {
    /// A worker sends whole segments, and not only parts of them.
    pub fn has_whole_segments(&self) -> bool {
        self.ts || self.part.is_zero()
    }
}

/// `[session]`: how a stream lives.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// How long a publisher may be gone before its session ends.
    pub grace: Duration,
}

/// `[encoder]`: which encoder families, and what to do when one fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoder {
    /// Families by preference.
    pub order: Vec<String>,
    /// What happens to a rung whose encoder fails.
    pub on_failure: OnFailure,
}

/// What happens to a rung whose encoder fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The next family takes over.
    Fallback,
    /// The rung is dropped.
    Shed,
    /// The stream ends.
    Fail,
}

/// `[[stream]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Name in addresses, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// Its part of the ladder, top first; never empty.
    pub rungs: Vec<Rung>,
}

/// Where a stream comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A publisher pushes it; the key as configured, or `None` to keep one under the data folder.
    Push {
        /// The configured publish key.
        key: Option<Secret>,
    },
    /// The test signal.
    Test,
    /// Fetched over HTTP.
    Pull {
        /// Address without credentials.
        url: url::Url,
        /// User name.
        user: Option<String>,
        /// Password.
        password: Option<Secret>,
        /// Refuse certificates that do not verify.
        tls_verify: bool,
    },
}

impl std::fmt::Display for Source {
    /// For status and logs: `push:`, `test:`, or the address without its query and fragment,
    /// where cameras want their passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Push { .. } => f.write_str("push:"),
            Self::Test => f.write_str("test:"),
            Self::Pull { url, .. } => {
                let mut shown = url.clone();
                shown.set_query(None);
                shown.set_fragment(None);
                write!(f, "{shown}")
            }
        }
    }
}

/// A value that never shows in a log: its `Debug` is `***`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Equality in a time that does not depend on where the values differ.
    pub fn matches(&self, other: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
