//! The validated configuration, as the rest of weir uses it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::cors::Cors;
use crate::base::secret::Secret;
use crate::base::units::ByteSize;
use crate::daemon::{access, acme, tls};
use crate::model::encoder::{Family, OnFailure};
use crate::model::ladder::Rung;
use crate::model::passthrough;
use crate::model::sandbox::Sandbox;
use crate::model::source::Source;
use crate::model::steering::Edge;

/// All settings of a `config.toml`, with defaults filled in and absolute paths.
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
    /// `[worker]`
    pub worker: Worker,
    /// `[limits]`
    pub limits: Limits,
    /// `[access]`
    pub access: access::Options,
    /// `[[edge]]`, in the order of the file; names are unique.
    pub edges: Vec<Edge>,
    /// `[[rung]]`: the ladder, top first; never empty. Each stream has its own part of it.
    pub ladder: Vec<Rung>,
    /// `[[stream]]`, in the order of the file; names are unique.
    pub streams: Vec<Stream>,
}

/// `[server]`: listeners and the data folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Pages, HLS and the public API; `None` when turned off.
    pub http: Option<SocketAddr>,
    /// The same with TLS; `None` when turned off.
    pub https: Option<SocketAddr>,
    /// RTMP; `None` when turned off.
    pub rtmp: Option<SocketAddr>,
    /// RTMP with TLS; `None` when turned off.
    pub rtmps: Option<SocketAddr>,
    /// The certificate for TLS; without one, and without `acme`, weir makes it.
    pub certificate: Option<tls::Files>,
    /// The certificate that an authority makes, and who that is.
    pub acme: Option<acme::Settings>,
    /// Visitors of pages without TLS are sent to `https`.
    pub http_redirect: bool,
    /// Folder for all files that weir writes.
    pub data: PathBuf,
    /// Metrics, health and the full API; `None` when turned off.
    pub admin: Option<Admin>,
    /// Names under which the admin port may be asked, in lower case; addresses and `localhost`
    /// always may.
    pub admin_hosts: Vec<String>,
    /// Web sites whose pages may use media and the public API.
    pub cors: Cors,
    /// Web sites whose pages may frame the bare player.
    pub embed: Cors,
    /// Proxies that are believed who their clients are.
    pub trusted_proxies: Vec<IpNet>,
    /// Every connection is one of such a proxy and begins with a PROXY header.
    pub proxy_protocol: bool,
}

impl Server {
    /// Where the certificate comes from; `None` where no port speaks TLS.
    pub fn certificate_source(&self) -> Option<tls::Source> {
        self.https.or(self.rtmps)?;
        Some(match (&self.certificate, &self.acme) {
            (Some(files), _) => tls::Source::Files(files.clone()),
            (None, Some(acme)) => acme.source(&self.data),
            (None, None) => tls::Source::SelfMade(self.data.clone()),
        })
    }

    /// What is wanted of a certificate authority; `None` where none is asked.
    pub fn acme_plan(&self) -> Option<acme::Plan> {
        self.acme.clone().map(|settings| acme::Plan {
            settings,
            data: self.data.clone(),
        })
    }
}

/// The admin port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// Nobody configured it, so weir runs without it where its port is taken.
    pub is_default: bool,
}

/// `[limits]`: what one address, and all together, may have at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// HTTP connections of one address.
    pub connections: usize,
    /// HTTP requests in progress of one address.
    pub requests: usize,
    /// RTMP connections of one address that are not publishing yet.
    pub strangers: usize,
    /// HTTP connections of all addresses.
    pub connections_total: usize,
}

/// `[hls]`: segments, parts and windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Hls {
    /// Nominal segment duration.
    pub segment: Duration,
    /// Nominal part duration; zero turns low latency off.
    pub part: Duration,
    /// `PART-HOLD-BACK`; `None` means three parts.
    pub hold_back: Option<Duration>,
    /// How far back a viewer can seek.
    pub window: Duration,
    /// Bound of the memory of all windows of all streams together.
    pub memory: ByteSize,
    /// Make the MPEG-TS renditions.
    pub ts: bool,
}

impl Hls {
    /// Whether a worker sends whole segments, not only parts.
    pub fn has_whole_segments(&self) -> bool {
        self.ts || self.part.is_zero()
    }
}

/// `[session]`: the lifetime of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// How long a session waits for its publisher to come back.
    pub grace: Duration,
    /// How long a stream that runs only while somebody watches goes on after the last request for a
    /// playlist.
    pub linger: Duration,
}

/// `[encoder]`: the encoder families, and what happens when an encoder fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoder {
    /// Encoder families in order of preference.
    pub order: Vec<Family>,
    /// What happens to a rung whose encoder fails.
    pub on_failure: OnFailure,
    /// Rungs that nobody watches are not encoded, unless a stream says otherwise.
    pub rungs_on_demand: bool,
    /// A publisher for whose stream the machine has no room is refused.
    pub refuse_overload: bool,
    /// Whether a good source is the top rung as it is, unless a stream says otherwise.
    pub passthrough: passthrough::Policy,
}

/// `[worker]`: the processes that handle media.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Which walls a worker has around it.
    pub sandbox: Sandbox,
}

/// `[[stream]]`: one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Name in addresses, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Where its media comes from.
    pub source: Source,
    /// The configured publish key; a pushed stream without one has a key under the data folder.
    pub publish_key: Option<Secret>,
    /// Its rungs of the ladder, top first; never empty.
    pub rungs: Vec<Rung>,
    /// Whether its rungs that nobody watches are not encoded; `None` leaves it to `[encoder]`.
    pub rungs_on_demand: Option<bool>,
    /// Whether a good source is its top rung as it is; `None` leaves it to `[encoder]`.
    pub passthrough: Option<passthrough::Policy>,
    /// Who may watch it.
    pub policy: access::Policy,
    /// A source that weir fetches is fetched only while somebody watches; false for other sources.
    pub on_demand: bool,
}
