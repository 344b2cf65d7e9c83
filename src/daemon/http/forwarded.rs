//! The client of a request that came through proxies: `Forwarded` (RFC 7239) and the older
//! `X-Forwarded-For`.
//!
//! Each proxy adds the address that it saw to the right end. What stands further left was written
//! by the client or by somebody on the way, so only trusted proxies are followed, from the right.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::daemon::net::Proxies;

/// The older header.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Trusted proxies in a row that are followed.
const HOPS_MAX: usize = 16;
/// Bytes of all lines of one of the headers.
const HEADER_BYTES_MAX: usize = 4096;

/// The client of a request that `peer` sent: `peer` itself unless it is a trusted proxy that says
/// something else. Where a header is malformed, or the two headers contradict each other, `peer` is
/// the client: many proxies pass on a header of the client's that they do not write themselves.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, proxies: &Proxies) -> IpAddr {
    if !proxies.trusts(peer) {
        return peer;
    }
    let standard = lines(headers, FORWARDED)
        .map(|lines| follow(lines.and_then(|lines| forwarded(&lines)), proxies));
    let older = lines(headers, X_FORWARDED_FOR)
        .map(|lines| follow(lines.map(|lines| x_forwarded_for(&lines)), proxies));
    let client = match (standard, older) {
        (Some(standard), Some(older)) if standard != older => None,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => None,
    };
    client.unwrap_or(peer)
}

/// All lines of a header, in order; `None` when there is no such header, `Some(None)` when its
/// lines are too long or no text.
fn lines(headers: &HeaderMap, name: HeaderName) -> Option<Option<Vec<&str>>> {
    let values = headers.get_all(name);
    let bytes: usize = values.iter().map(|value| value.len()).sum();
    values.iter().next()?;
    let texts = values.iter().map(|value| value.to_str().ok());
    Some(if bytes > HEADER_BYTES_MAX {
        None
    } else {
        texts.collect()
    })
}

/// The first address from the right end that is no trusted proxy, or the left end when all are.
/// `None` when what stands there is no address, or is too far away.
fn follow(hops: Option<Vec<Option<IpAddr>>>, proxies: &Proxies) -> Option<IpAddr> {
    let mut client = None;
    for (number, hop) in hops?.into_iter().rev().enumerate() {
        let hop = hop.filter(|_| number < HOPS_MAX)?.to_canonical();
        client = Some(hop);
        if !proxies.trusts(hop) {
            break;
        }
    }
    client
}

/// The addresses in `X-Forwarded-For`, separated by commas; `None` for what is no address.
fn x_forwarded_for(lines: &[&str]) -> Vec<Option<IpAddr>> {
    let hops = lines.iter().flat_map(|line| line.split(','));
    hops.map(|hop| {
        let hop = hop.trim();
        // No standard says whether an IPv6 address has brackets.
        hop.parse().ok().or_else(|| node(hop))
    })
    .collect()
}

/// The addresses in `Forwarded`, one per element; `None` for an element that names no address. The
/// whole is `None` when it is malformed.
fn forwarded(lines: &[&str]) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    for line in lines {
        // RFC 9110 section 5.6.1.2: a recipient "MUST parse and ignore a reasonable number of empty
        // list elements".
        let elements = split(line, ',')?.into_iter().map(str::trim);
        for element in elements.filter(|element| !element.is_empty()) {
            hops.push(element_for(element)?);
        }
    }
    Some(hops)
}

/// The address in the parameter `for` of one element. RFC 7239 section 4:
/// `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`,
/// `forwarded-pair = token "=" value`, `value = token / quoted-string`.
fn element_for(element: &str) -> Option<Option<IpAddr>> {
    let (mut address, mut names) = (None, 0);
    for pair in split(element, ';')?.into_iter().map(str::trim) {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        let value = value_text(value)?;
        if !is_token(name) {
            return None;
        }
        // "Note that as […] parameter names are case-insensitive".
        if name.eq_ignore_ascii_case("for") {
            names += 1;
            address = node(&value);
        }
    }
    // "Each parameter MUST NOT occur more than once per field-value" element.
    (names <= 1).then_some(address)
}

/// The parts of `text` between separators outside of quoted strings; `None` when a quoted string
/// does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, char) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if quoted && char == '\\' {
            escaped = true;
        } else if char == '"' {
            quoted = !quoted;
        } else if char == separator && !quoted {
            parts.push(text.get(start..at)?);
            start = at + char.len_utf8();
        }
    }
    parts.push(text.get(start..)?);
    (!quoted).then_some(parts)
}

/// The content of a token or a quoted string.
fn value_text(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return is_token(value).then(|| value.to_owned());
    };
    let (mut text, mut chars) = (String::new(), inner.strip_suffix('"')?.chars());
    while let Some(char) = chars.next() {
        text.push(match char {
            '\\' => chars.next()?,
            '"' => return None,
            char => char,
        });
    }
    Some(text)
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// The address in a node (RFC 7239 section 6): `192.0.2.43`, `192.0.2.43:47011`,
/// `[2001:db8::1]` or `[2001:db8::1]:47011`. A node may also be `unknown` or a made-up name such as
/// `_hidden`, which is no address.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    match text.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => text.parse().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client_of(peer: &str, headers: &[(&str, &str)]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, value.parse().unwrap());
        }
        let proxies = Proxies::new(networks.to_vec(), false);
        client(&map, peer.parse().unwrap(), &proxies).to_string()
    }

    fn check(name: &str, value: &str, expected: &str) {
        let got = client_of(PROXY, &[(name, value)]);
        assert_eq!(got, expected, "{name}: {value}");
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        for header in [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")] {
            assert_eq!(client_of("192.0.2.1", &[header]), "192.0.2.1");
            assert_eq!(client_of(PROXY, &[header]), "1.1.1.1");
            assert_eq!(client_of("::ffff:10.0.0.1", &[header]), "1.1.1.1");
        }
        assert_eq!(client_of(PROXY, &[]), PROXY);
    }

    #[test]
    fn proxies_are_followed_from_the_right() {
        for (value, expected) in [
            ("1.1.1.1, 2.2.2.2", "2.2.2.2"),
            ("1.1.1.1, 2.2.2.2, 10.9.9.9", "2.2.2.2"),
            ("2001:db8::1,10.9.9.9,fd00::1", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("1.1.1.1:4711", "1.1.1.1"),
            ("::ffff:1.1.1.1", "1.1.1.1"),
            // All are proxies: the farthest of them asks for itself.
            ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
            // What the client wrote does not matter.
            ("\"garbage, 2.2.2.2", "2.2.2.2"),
            // What a proxy wrote does.
            ("1.1.1.1, garbage", PROXY),
            ("1.1.1.1, garbage, 10.2.2.2", PROXY),
            ("1.1.1.1,", PROXY),
            ("unknown", PROXY),
            ("", PROXY),
        ] {
            check("x-forwarded-for", value, expected);
        }
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
        ];
        assert_eq!(client_of(PROXY, &lines), "2.2.2.2");
    }

    #[test]
    fn the_standard_header_is_parsed() {
        for (value, expected) in [
            ("for=1.1.1.1", "1.1.1.1"),
            ("For=\"1.1.1.1:4711\";proto=https;by=10.0.0.1", "1.1.1.1"),
            ("proto=https; for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=\"[2001:db8::1]:4711\", for=10.2.2.2", "2001:db8::1"),
            ("for=1.1.1.1, , for=2.2.2.2;host=\"a,b;c\\\"\"", "2.2.2.2"),
            ("for=\"1.1.1\\.1\"", "1.1.1.1"),
            ("for=unknown, for=2.2.2.2", "2.2.2.2"),
            ("for=1.1.1.1, for=unknown", PROXY),
            ("for=1.1.1.1, for=_hidden", PROXY),
            ("for=1.1.1.1, proto=https", PROXY),
            ("for=1.1.1.1;for=2.2.2.2", PROXY),
            ("for=[2001:db8::1]", PROXY),
            ("for=\"2001:db8::1\"", PROXY),
            ("for=\"1.1.1.1", PROXY),
            ("for=\"x, for=1.1.1.1", PROXY),
            ("for 1.1.1.1", PROXY),
            ("=1.1.1.1", PROXY),
        ] {
            check("forwarded", value, expected);
        }
    }

    #[test]
    fn headers_that_contradict_each_other_are_not_believed() {
        let both = |older| {
            client_of(
                PROXY,
                &[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", older)],
            )
        };
        assert_eq!(both("1.1.1.1"), "1.1.1.1");
        assert_eq!(both("2.2.2.2"), PROXY);
        assert_eq!(both("garbage"), PROXY);
    }

    #[test]
    fn hops_and_bytes_are_bounded() {
        let hops = |count: usize| format!("1.1.1.1{}", ", 10.2.2.2".repeat(count));
        check("x-forwarded-for", &hops(HOPS_MAX - 1), "1.1.1.1");
        check("x-forwarded-for", &hops(HOPS_MAX), PROXY);
        let long = |bytes: usize| format!("{},1.1.1.1", "x".repeat(bytes - 8));
        check("x-forwarded-for", &long(HEADER_BYTES_MAX), "1.1.1.1");
        check("x-forwarded-for", &long(HEADER_BYTES_MAX + 1), PROXY);
    }
}
