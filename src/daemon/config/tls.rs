//! Reads what `[server]` says about TLS: the certificate with its key, and the redirect.

use std::path::{Path, PathBuf};

use super::document::Value;
use super::problem::Problem;
use super::reader::{Section, Wrong};
use super::values;
use crate::daemon::tls::{Files, Origin, Pair, PairError, Part};

/// Reads `certificate` and `key`, and the files that they name; relative paths start at `base`.
/// `None` without both.
pub(super) fn certificate(
    section: &Section<'_>,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Files> {
    let before = problems.len();
    let certificate = section.get("certificate", file, problems);
    let key = section.get("key", file, problems);
    if problems.len() > before {
        return None;
    }
    let files = match (certificate, key) {
        (Some(certificate), Some(key)) => Files {
            certificate: base.join(certificate.value),
            key: base.join(key.value),
        },
        (None, None) => return None,
        (Some(_), None) => {
            problems.extend(lonely(section, "certificate", "key"));
            return None;
        }
        (None, Some(_)) => {
            problems.extend(lonely(section, "key", "certificate"));
            return None;
        }
    };
    match Pair::load(&files, Origin::Files) {
        Ok(_) => Some(files),
        Err(error) => {
            problems.extend(unusable(section, &error));
            None
        }
    }
}

/// The path of a file.
pub(super) fn file(value: &Value) -> Result<PathBuf, Wrong> {
    match values::text(value)? {
        text if text.is_empty() => Err(Wrong::new("expected the path of a PEM file")),
        text if text.contains("-----BEGIN") => {
            let help = "write it into a file (chmod 600), and its path here".to_owned();
            Err(
                Wrong::new("expected the path of a PEM file, found what belongs into it")
                    .help(Some(help)),
            )
        }
        text => Ok(text.into()),
    }
}

fn lonely(section: &Section<'_>, present: &str, missing: &str) -> Option<Problem> {
    let node = section.node(present)?;
    let title = format!("`{missing}` is missing in {}", section.title);
    let label = format!("`{present}` needs `{missing}`");
    let help = format!(
        "add {missing} = \"FILE\", or remove `{present}`: then weir makes a certificate itself"
    );
    Some(Problem::at(node.place.clone(), title, label).help(Some(help)))
}

fn unusable(section: &Section<'_>, error: &PairError) -> Option<Problem> {
    let (key, other) = match error.part() {
        Part::Certificate => ("certificate", "key"),
        Part::Key => ("key", "certificate"),
    };
    let wrong = Wrong::new(error.to_string()).help(Some(error.next_step().to_owned()));
    let problem = section.wrong(key, section.node(key)?, wrong);
    Some(match (error, section.node(other)) {
        (PairError::Mismatch, Some(other)) => {
            problem.context(other.place.clone(), "this is the certificate")
        }
        _ => problem,
    })
}

/// Reads `http_redirect`, which needs a port to redirect to.
pub(super) fn redirect(
    section: &Section<'_>,
    has_https: bool,
    problems: &mut Vec<Problem>,
) -> bool {
    let redirect = section.get_or("http_redirect", false, values::boolean, problems);
    if let (true, false, Some(place)) = (redirect.value, has_https, redirect.place) {
        let title = format!("`http_redirect` in {} does not fit", section.title);
        let label = "there is no port to redirect to: `https` is turned off";
        let help = "write https = \"0.0.0.0:8443\" too, or false here".to_owned();
        problems.push(Problem::at(place, title, label).help(Some(help)));
    }
    redirect.value
}
