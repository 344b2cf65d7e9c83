//! What `weir doctor` says of the certificate for TLS.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::daemon::acme;
use crate::daemon::config::settings::Server;
use crate::daemon::tls::{About, Origin, date_text};

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
        /// Who made it, as people read it.
        from: String,
        /// Host names and addresses that it is for.
        names: Vec<String>,
        /// When it ends.
        expires: String,
        /// When the authority is asked for another one, at the latest; nobody is asked for others.
        #[serde(skip_serializing_if = "Option::is_none")]
        renewed: Option<String>,
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
            Ok(Some(about)) => Self::present(about, server),
            Ok(None) => Self::NotMadeYet,
            Err(missing) => Self::Unusable(missing.to_string()),
        })
    }

    fn present(about: About, server: &Server) -> Self {
        let is_of_authority = matches!(about.origin, Origin::Authority | Origin::Trial);
        let renewed = is_of_authority.then(|| date_text(acme::renewal(&about)));
        Self::Present {
            is_self_made: about.origin == Origin::SelfMade,
            from: from(&about, server),
            renewed,
            expires: about.expires_text(),
            remark: about.remark(SystemTime::now()),
            names: about.names,
            fingerprint: about.fingerprint,
        }
    }
}

fn from(about: &About, server: &Server) -> String {
    let directory = |acme: &acme::Settings| acme.directory.url().to_owned();
    let directory = server.acme.as_ref().map(directory).unwrap_or_default();
    match about.origin {
        Origin::Files => "files of the configuration".to_owned(),
        Origin::Authority => directory,
        Origin::Trial => format!("{directory}; for trials, no browser trusts it"),
        Origin::SelfMade if server.acme.is_some() => format!(
            "weir itself, until {directory} has made one: the log says why it has not; browsers ask \
             before they accept it"
        ),
        Origin::SelfMade => "weir itself; browsers ask before they accept it".to_owned(),
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\ncertificate for TLS:\n")?;
        let (from, names, expires, renewed, fingerprint, remark) = match self {
            Self::NotMadeYet => return f.write_str("  is made by weir itself at its next start\n"),
            Self::Unusable(cause) => return writeln!(f, "  {cause}"),
            Self::Present {
                from,
                names,
                expires,
                renewed,
                fingerprint,
                remark,
                ..
            } => (from, names, expires, renewed, fingerprint, remark),
        };
        writeln!(f, "  from     {from}")?;
        writeln!(f, "  for      {}", names.join(", "))?;
        writeln!(f, "  until    {expires}")?;
        if let Some(renewed) = renewed {
            writeln!(f, "  renewed  by {renewed}, while the daemon runs")?;
        }
        writeln!(f, "  SHA-256  {fingerprint}")?;
        match remark {
            Some(remark) => writeln!(f, "  {remark}"),
            None => Ok(()),
        }
    }
}
