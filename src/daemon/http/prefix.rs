//! A pass in front of an address: `/s/PASS/live/NAME/…`.

/// In front of a pass, in an address.
const PREFIX: &str = "/s/";
/// Longest pass, in bytes; tokens of others have a few hundred.
const BYTES_MAX: usize = 2048;
/// The pass in front of an address, and the number of bytes up to the address itself; `None` where
/// there is none.
pub(super) fn in_front(path: &str) -> Option<(&str, usize)> {
    let (pass, _) = path.strip_prefix(PREFIX)?.split_once('/')?;
    is_pass(pass).then_some((pass, PREFIX.len() + pass.len()))
}

/// An address with a pass in front of it.
pub(super) fn address(pass: &str, path: &str) -> String {
    format!("{PREFIX}{pass}{path}")
}

/// An address as logs show it: without its pass.
pub(super) fn hidden(path: &str) -> String {
    match in_front(path) {
        Some((_, end)) => address("***", path.get(end..).unwrap_or_default()),
        None => path.to_owned(),
    }
}

/// Unreserved characters alone (RFC 3986 section 2.3): they need no escape in a path.
pub(super) fn is_pass(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_stands_in_front_of_an_address() {
        let long = "x".repeat(BYTES_MAX + 1);
        for (path, expected) in [
            ("/s/a.b-c/live/demo/master.m3u8", Some(("a.b-c", 8))),
            ("/s/a/", Some(("a", 4))),
            ("/s/a", None),
            ("/s//live", None),
            ("/s/a%20b/live", None),
            ("/live/demo/master.m3u8", None),
            (&format!("/s/{long}/live"), None),
        ] {
            assert_eq!(in_front(path), expected, "{path}");
        }
        assert_eq!(hidden("/s/secret/live/demo/a"), "/s/***/live/demo/a");
        assert_eq!(hidden("/live/demo/a"), "/live/demo/a");
    }
}
