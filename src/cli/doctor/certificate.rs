//! What `weir doctor` says of the certificate for TLS.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::daemon::config::settings::Server;
use crate::daemon::tls::{About, Origin};

/// The certificate, or why there is none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Certificate {
    /// It is made at the next start.
    NotMadeYet,
    /// There it is.
    Present {
        /// weir made it itself.
        is_self_made: bool,
        /// Host names and addresses that it is for.
        names: Vec<String>,
        /// When it ends.
        expires: String,
        /// SHA-256 of it.
        fingerprint: String,
        /// What is wrong with it.
        #[serde(skip_serializing_if = "Option::is_none")]
        remark: Option<String>,
    },
    /// It cannot be used.
    Unusable(String),
}

impl Certificate {
    /// The certificate of the ports with TLS; `None` where there is no such port.
    pub(super) fn of(server: &Server) -> Option<Self> {
        let source = server.certificate_source()?;
        Some(match source.examine() {
            Ok(Some(about)) => Self::present(about),
            Ok(None) => Self::NotMadeYet,
            Err(missing) => Self::Unusable(missing.to_string()),
        })
    }

    fn present(about: About) -> Self {
        Self::Present {
            is_self_made: about.origin == Origin::SelfMade,
            expires: about.expires_text(),
            remark: about.remark(SystemTime::now()),
            names: about.names,
            fingerprint: about.fingerprint,
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\ncertificate for TLS:\n")?;
        let (is_self_made, names, expires, fingerprint, remark) = match self {
            Self::NotMadeYet => return f.write_str("  is made by weir itself at its next start\n"),
            Self::Unusable(cause) => return writeln!(f, "  {cause}"),
            Self::Present {
                is_self_made,
                names,
                expires,
                fingerprint,
                remark,
            } => (is_self_made, names, expires, fingerprint, remark),
        };
        let origin = match is_self_made {
            true => "weir itself; browsers ask before they accept it",
            false => "files of the configuration",
        };
        writeln!(f, "  from     {origin}")?;
        writeln!(f, "  for      {}", names.join(", "))?;
        writeln!(f, "  until    {expires}")?;
        writeln!(f, "  SHA-256  {fingerprint}")?;
        match remark {
            Some(remark) => writeln!(f, "  {remark}"),
            None => Ok(()),
        }
    }
}
