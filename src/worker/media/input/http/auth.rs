//! Answers to a server's challenge: Digest (RFC 7616) where it is offered, else Basic (RFC 7617).

use std::collections::BTreeMap;

use gst::glib;

/// One challenge of a `WWW-Authenticate` header (RFC 9110 section 11.6.1).
#[derive(Debug, Default, PartialEq, Eq)]
struct Challenge {
    /// In lower case.
    scheme: String,
    /// Names in lower case.
    parameters: BTreeMap<String, String>,
}

/// What an answer is made of.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// User name.
    pub user: &'a str,
    /// Password.
    pub password: &'a str,
    /// Path and query of the request, as the request line has them.
    pub target: &'a str,
    /// A text that nobody can guess, for Digest.
    pub cnonce: &'a str,
}

/// The value of the `Authorization` header that answers the challenges in `headers`, the values of
/// `WWW-Authenticate`. `None` when no challenge can be answered.
///
/// A server that offers Digest never gets Basic, which shows the password to everybody on the way.
pub fn answer<'a>(headers: impl Iterator<Item = &'a str>, login: Login<'_>) -> Option<String> {
    let challenges: Vec<_> = headers.flat_map(challenges).collect();
    let of = |scheme: &str| {
        let scheme = scheme.to_owned();
        challenges.iter().filter(move |c| c.scheme == scheme)
    };
    if of("digest").next().is_some() {
        return of("digest").find_map(|challenge| digest(challenge, login));
    }
    of("basic").next().map(|_| {
        let pair = format!("{}:{}", login.user, login.password);
        format!("Basic {}", glib::base64_encode(pair.as_bytes()))
    })
}

/// The answer of RFC 7616 section 3.4; `None` for an algorithm or a protection that is not spoken.
fn digest(challenge: &Challenge, login: Login<'_>) -> Option<String> {
    let get = |name: &str| challenge.parameters.get(name).map(String::as_str);
    let algorithm = get("algorithm").unwrap_or("MD5");
    let kind = match algorithm.to_ascii_uppercase().as_str() {
        "MD5" => glib::ChecksumType::Md5,
        "SHA-256" => glib::ChecksumType::Sha256,
        _ => return None,
    };
    let hash = |text: String| glib::compute_checksum_for_data(kind, text.as_bytes());
    let (realm, nonce) = (get("realm").unwrap_or_default(), get("nonce")?);
    let Login {
        user,
        password,
        target,
        cnonce,
    } = login;
    let secret = hash(format!("{user}:{realm}:{password}"))?;
    let request = hash(format!("GET:{target}"))?;
    // RFC 2069 knew no "qop"; its servers do not send the parameter.
    let protected = match get("qop") {
        Some(offered)
            if offered
                .split(',')
                .any(|q| q.trim().eq_ignore_ascii_case("auth")) =>
        {
            true
        }
        Some(_) => return None,
        None => false,
    };
    let response = if protected {
        hash(format!("{secret}:{nonce}:00000001:{cnonce}:auth:{request}"))?
    } else {
        hash(format!("{secret}:{nonce}:{request}"))?
    };
    let (user, realm, nonce) = (quoted(user), quoted(realm), quoted(nonce));
    let mut value = format!(
        "Digest username={user}, realm={realm}, nonce={nonce}, uri={}, response=\"{response}\"",
        quoted(target)
    );
    if get("algorithm").is_some() {
        value += &format!(", algorithm={algorithm}");
    }
    if protected {
        value += &format!(", qop=auth, nc=00000001, cnonce={}", quoted(cnonce));
    }
    if let Some(opaque) = get("opaque") {
        value += &format!(", opaque={}", quoted(opaque));
    }
    Some(value)
}

/// A quoted string (RFC 9110 section 5.6.4). A control character would end the header, so it is left
/// out.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    for item in items(header) {
        let (word, rest) = item.split_once([' ', '\t']).unwrap_or((&item, ""));
        let rest = rest.trim_start();
        // "Digest realm=..." begins a challenge; "realm=..." and "realm = ..." go on with it.
        let parameter = if word.contains('=') || rest.starts_with('=') {
            item.as_str()
        } else {
            found.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                parameters: BTreeMap::new(),
            });
            rest
        };
        if let (Some((name, value)), Some(challenge)) =
            (parameter.split_once('='), found.last_mut())
        {
            let name = name.trim().to_ascii_lowercase();
            challenge.parameters.insert(name, unquoted(value.trim()));
        }
    }
    found
}

/// Splits at commas outside quotes; leaves empty items out.
fn items(header: &str) -> Vec<String> {
    let (mut items, mut item) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for c in header.chars() {
        if c == ',' && !quoted {
            items.push(std::mem::take(&mut item));
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        item.push(c);
    }
    items.push(item);
    let trimmed = items.iter().map(|item| item.trim().to_owned());
    trimmed.filter(|item| !item.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let (mut text, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => break,
            c => {
                text.push(c);
                escaped = false;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login<'static> {
        Login {
            user: "Mufasa",
            password: "Circle of Life",
            target: "/dir/index.html",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        }
    }

    /// The challenges of RFC 7616 section 3.9.1.
    const MD5: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
        algorithm=MD5, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    #[test]
    fn the_example_of_rfc_7616() {
        let value = answer([MD5].into_iter(), login()).unwrap();
        assert!(
            value.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""),
            "{value}"
        );
        let sha = MD5.replace("algorithm=MD5", "algorithm=SHA-256");
        let value = answer([sha.as_str()].into_iter(), login()).unwrap();
        let response = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert!(value.contains(response), "{value}");
    }

    #[test]
    fn a_server_that_offers_digest_never_gets_basic() {
        let digest = "Digest realm=\"a\", nonce=\"b\"";
        for headers in [
            vec!["Basic realm=\"a, Digest\"", digest],
            vec!["Basic realm=\"a\", Digest realm=\"a\", nonce=\"b\""],
            vec![digest, "Basic realm=\"a\""],
        ] {
            let value = answer(headers.iter().copied(), login()).unwrap();
            assert!(value.starts_with("Digest "), "{value}");
        }
        let unknown = [
            "Digest algorithm=MD4, nonce=\"b\", realm=\"a\"",
            "Basic realm=\"a\"",
        ];
        assert_eq!(answer(unknown.into_iter(), login()), None);
    }

    #[test]
    fn basic_is_answered_when_it_alone_is_offered() {
        let value = answer(
            ["Negotiate", "basic realm=\"a\\\", Digest b\""].into_iter(),
            login(),
        );
        assert_eq!(value.unwrap(), "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl");
        assert_eq!(answer(["Bearer realm=\"a\""].into_iter(), login()), None);
    }

    #[test]
    fn what_a_server_sends_cannot_end_a_parameter() {
        let header = "Digest realm = \"a\\\"b\" , nonce=\"c\\\\\", qop=auth";
        let value = answer([header].into_iter(), login()).unwrap();
        assert!(
            value.contains("realm=\"a\\\"b\", nonce=\"c\\\\\""),
            "{value}"
        );
        assert_eq!(quoted("a\r\nb"), "\"ab\"");
    }
}
