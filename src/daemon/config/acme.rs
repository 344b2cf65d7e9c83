//! Reads `acme` of `[server]`: the certificate that an authority makes.

use std::net::IpAddr;
use std::path::Path;

use url::Url;

use super::document::{Node, Value};
use super::problem::Problem;
use super::reader::{Section, Wrong};
use super::{tls, values};
use crate::daemon::acme::{Directory, Settings};
use crate::daemon::tls::further_roots;

const KEYS: &[&str] = &["domains", "email", "directory", "ca"];
/// Longest name of a host and longest label of it, in bytes (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
/// Longest address for mail, in bytes (RFC 5321 section 4.5.3.1.3, without the angle brackets).
const EMAIL_BYTES_MAX: usize = 254;
const EXAMPLE: &str = "acme = { domains = [\"live.example.org\"], email = \"ops@example.org\" }";

/// Reads `acme`; relative paths start at `base`. `None` without it.
pub(super) fn read(
    server: &Section<'_>,
    base: &Path,
    has_https: bool,
    problems: &mut Vec<Problem>,
) -> Option<Settings> {
    let node = server.node("acme")?;
    let Value::Table(table) = &node.value else {
        let label = format!("expected a table, found {}", node.value.kind());
        let wrong = Wrong::new(label).help(Some(format!("write {EXAMPLE}")));
        problems.push(server.wrong("acme", node, wrong));
        return None;
    };
    let before = problems.len();
    let title = format!("`acme` of {}", server.title);
    let section = Section::open(table, node.place.clone(), title, KEYS, problems);
    problems.extend(unfit(server, node, has_https));
    let domains = domains(&section, problems);
    let example = "email = \"ops@example.org\": the authority writes there when something is wrong";
    let email = section.required("email", example, email, problems);
    let directory = section.get_or("directory", Directory::LetsEncrypt, directory, problems);
    let ca = section.get("ca", |value| roots(value, base), problems);
    let email = email.filter(|_| problems.len() == before)?;
    Some(Settings {
        domains,
        email: email.value,
        directory: directory.value,
        ca: ca.map(|ca| ca.value),
    })
}

/// What `acme` does not go together with.
fn unfit(server: &Section<'_>, node: &Node, has_https: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let place = server.key_place("acme");
    let place = place.unwrap_or_else(|| node.place.clone());
    if let Some((key, other)) = ["certificate", "key"]
        .iter()
        .find_map(|key| Some((key, server.node(key)?)))
    {
        let title = format!("`acme` and `{key}` in {} exclude each other", server.title);
        let label = "a certificate authority makes the certificate";
        let help = "remove `certificate` and `key`, or `acme`".to_owned();
        let problem = Problem::at(place.clone(), title, label).help(Some(help));
        problems.push(problem.context(other.place.clone(), "it is in a file"));
    }
    if !has_https {
        let title = format!("`acme` in {} does not fit", server.title);
        let label = "there is no port to show the certificate at: `https` is turned off";
        let help = "write https = \"0.0.0.0:443\" too, or remove `acme`".to_owned();
        problems.push(Problem::at(place, title, label).help(Some(help)));
    }
    problems
}

fn domains(section: &Section<'_>, problems: &mut Vec<Problem>) -> Vec<String> {
    let before = problems.len();
    let mut domains = section.items("domains", "names", domain, problems);
    if domains.is_empty() && problems.len() == before {
        let place = section.node("domains").map(|node| node.place.clone());
        let place = place.unwrap_or_else(|| section.place.clone());
        let title = format!("`domains` is missing in {}", section.title);
        let label = "expected the names by which viewers come";
        let help = "add domains = [\"live.example.org\"]".to_owned();
        problems.push(Problem::at(place, title, label).help(Some(help)));
    }
    domains.sort_unstable();
    domains.dedup();
    domains
}

/// A name in the DNS, in lower case.
fn domain(text: &str) -> Result<String, Wrong> {
    let expected = "expected the name of a host such as \"live.example.org\"";
    let helped = |label: &str, help: &str| Err(Wrong::new(label).help(Some(help.to_owned())));
    if text.contains('*') {
        return helped(
            "a name with a wildcard can only be proved in the DNS (DNS-01), which weir does not do",
            "name each host, or have another client make the certificate: `certificate` and `key`",
        );
    }
    if text.parse::<IpAddr>().is_ok() {
        return helped(
            "this is an address; weir has certificates made for names only",
            "write the name of the host, or leave `acme` out: then weir makes a certificate itself",
        );
    }
    if text.contains(['/', ':']) {
        return helped(
            expected,
            "write the name alone, without https://, port and path",
        );
    }
    if !text.is_ascii() {
        return helped(
            "this name has letters that the DNS does not know",
            "write it as the DNS has it (xn--…); the address bar of a browser copies it so",
        );
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let edges = label.starts_with('-') || label.ends_with('-');
        (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(allowed) && !edges
    };
    match name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label) {
        true => Ok(name),
        false => Err(Wrong::new(expected)),
    }
}

fn email(value: &Value) -> Result<String, Wrong> {
    let text = values::text(value)?;
    let expected = "expected an address for mail such as \"ops@example.org\"";
    if let Some(bare) = text.strip_prefix("mailto:") {
        return Err(Wrong::new(expected).help(Some(format!("write {bare:?}"))));
    }
    // RFC 8555 section 7.3: the address "MUST NOT contain [...] more than one "addr-spec"".
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b',' | b'?' | b'<' | b'>');
    let is_address = text
        .split_once('@')
        .is_some_and(|(who, host)| !who.is_empty() && !host.contains('@') && domain(host).is_ok());
    match is_address && text.len() <= EMAIL_BYTES_MAX && text.bytes().all(allowed) {
        true => Ok(text),
        false => Err(Wrong::new(expected)),
    }
}

fn directory(value: &Value) -> Result<Directory, Wrong> {
    let text = values::text(value)?;
    match text.as_str() {
        "production" => return Ok(Directory::LetsEncrypt),
        "staging" => return Ok(Directory::LetsEncryptStaging),
        _ => {}
    }
    let expected = "expected \"production\" or \"staging\" (Let's Encrypt), or the https:// address of \
                    a directory";
    let url = Url::parse(&text).map_err(|_| Wrong::new(expected))?;
    if url.scheme() != "https" || !url.has_host() {
        return Err(Wrong::new(expected));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("a directory is asked without user and password"));
    }
    Ok(Directory::Other(url.into()))
}

/// The path of a file with certificates of authorities.
fn roots(value: &Value, base: &Path) -> Result<std::path::PathBuf, Wrong> {
    let path = base.join(tls::file(value)?);
    match further_roots(&path) {
        Ok(_) => Ok(path),
        Err(error) => {
            let help =
                "name a PEM file with the roots that the directory's own certificate comes from";
            Err(Wrong::new(error.to_string()).help(Some(help.to_owned())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::validate;
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn domains_are_names_in_the_dns() {
        let long = "x".repeat(LABEL_BYTES_MAX + 1);
        for (written, expected) in [
            ("Live.Example.org", Some("live.example.org")),
            ("live.example.org.", Some("live.example.org")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("weir", Some("weir")),
            ("*.example.org", None),
            ("192.0.2.1", None),
            ("2001:db8::1", None),
            ("https://live.example.org", None),
            ("live.example.org:8443", None),
            ("bücher.example", None),
            ("a..b", None),
            ("-a.example", None),
            ("a_b.example", None),
            ("", None),
            (&long, None),
        ] {
            assert_eq!(domain(written).ok().as_deref(), expected, "{written}");
        }
        let wildcard = domain("*.example.org").unwrap_err();
        assert!(wildcard.label.contains("DNS-01"), "{wildcard:?}");
    }

    #[test]
    fn addresses_for_mail_are_one_address() {
        for (written, is_one) in [
            ("ops@example.org", true),
            ("ops+weir@example.org", true),
            ("mailto:ops@example.org", false),
            ("ops@example.org,b@example.org", false),
            ("ops@example.org?subject=x", false),
            ("ops", false),
            ("@example.org", false),
            ("ops@", false),
            ("a@b@c", false),
        ] {
            assert_eq!(email(&text(written)).is_ok(), is_one, "{written}");
        }
    }

    #[test]
    fn directories_are_known_by_name_or_by_a_safe_address() {
        let other = |url: &str| Some(Directory::Other(url.to_owned()));
        for (written, expected) in [
            ("production", Some(Directory::LetsEncrypt)),
            ("staging", Some(Directory::LetsEncryptStaging)),
            ("https://ca.lan/dir", other("https://ca.lan/dir")),
            ("https://[::1]:14000/dir", other("https://[::1]:14000/dir")),
            ("http://ca.lan/dir", None),
            ("https://a:b@ca.lan/dir", None),
            ("ca.lan", None),
            ("", None),
        ] {
            assert_eq!(directory(&text(written)).ok(), expected, "{written}");
        }
    }

    #[test]
    fn the_environment_overrides_keys_of_acme() {
        let config = "[server]\nhttps = \"0.0.0.0:8443\"\n\
                      acme = { domains = [\"b.test\", \"A.test\"], email = \"ops@b.test\" }";
        let read = |text: &str, env: &[(&str, &str)]| {
            let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            let settings = validate("config.toml", text, Path::new("/etc/weir"), env);
            settings.map(|settings| settings.server.acme)
        };
        let acme = read(config, &[]).unwrap().unwrap();
        assert_eq!(acme.domains, ["a.test", "b.test"]);
        assert_eq!(acme.directory, Directory::LetsEncrypt);
        let env = [
            ("WEIR__SERVER__ACME__DOMAINS", "c.test, d.test"),
            ("WEIR__SERVER__ACME__DIRECTORY", "staging"),
        ];
        let acme = read(config, &env).unwrap().unwrap();
        assert_eq!(acme.domains, ["c.test", "d.test"]);
        assert_eq!(acme.directory, Directory::LetsEncryptStaging);
        assert_eq!(acme.email, "ops@b.test");
        // All of it may come from there.
        let env = [
            ("WEIR__SERVER__HTTPS", "0.0.0.0:8443"),
            ("WEIR__SERVER__ACME__DOMAINS", "c.test"),
            ("WEIR__SERVER__ACME__EMAIL", "ops@c.test"),
        ];
        assert!(read("", &env).unwrap().is_some());
        assert!(read("", &[("WEIR__SERVER__ACME", "c.test")]).is_err());
        assert!(read("", &[("WEIR__SERVER__HTTPS__X", "c.test")]).is_err());
    }
}
