//! Hides secrets in the text of a configuration before any of it is shown.
//!
//! A report quotes the lines it complains about, and reports go to logs. The text may be broken
//! in any way (that is why there is a report), so this works on text, not on parsed values, and
//! when in doubt it hides too much.

use std::ops::Range;

use super::secrets;

/// Keys whose values are secret.
const SECRET_KEYS: [&str; 2] = [PUBLISH_KEY, "password"];
const PUBLISH_KEY: &str = "publish_key";
/// An address that is longer ends where the text ends: too much is hidden, but quickly.
const ADDRESS_CHARS_MAX: usize = 4096;
/// Parts of a name that make its value secret, for keys that are not ours.
const SECRET_WORDS: [&str; 5] = ["key", "pass", "secret", "token", "pwd"];

/// `text` with every secret value replaced by as many bytes of `*`: spans into the one are spans
/// into the other.
pub(super) fn mask(text: &str) -> String {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    let mut covered = 0;
    for (at, _) in text.match_indices('=') {
        // Inside a value that is hidden already.
        if at < covered {
            continue;
        }
        let (before, after) = (text.get(..at), text.get(at + 1..));
        let name = before.map(name_before).unwrap_or_default();
        if is_secret(name) {
            // A placeholder is no secret, and seeing it explains the mistake.
            let hide = |r: &Range<usize>| {
                let value = after.and_then(|text| text.get(r.clone()));
                !(name == PUBLISH_KEY && value.is_some_and(secrets::is_placeholder))
            };
            let value = after.and_then(value_after).filter(hide);
            if let Some(range) = value {
                covered = at + 1 + range.end;
                hidden.push(shift(range, at + 1));
            }
        }
    }
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        hidden.extend(
            text.get(start..)
                .map(credentials)
                .into_iter()
                .flatten()
                .map(|r| shift(r, start)),
        );
    }
    hide(text, hidden)
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn hide(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_by_key(|r| r.start);
    let mut ranges = ranges.into_iter().peekable();
    let mut end = 0;
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        while let Some(range) = ranges.next_if(|r| r.start <= at) {
            end = end.max(range.end);
        }
        if at < end && c != '\n' {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

/// The bare or quoted key that `text` ends with; of an environment variable's name its last part.
fn name_before(text: &str) -> &str {
    let text = text
        .trim_end_matches([' ', '\t'])
        .trim_end_matches(['"', '\'']);
    let start = text
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .and_then(|at| text.get(at..)?.chars().next().map(|c| at + c.len_utf8()))
        .unwrap_or(0);
    let name = text.get(start..).unwrap_or_default();
    name.rsplit("__").next().unwrap_or(name)
}

/// Whether a key of this name has a secret value: one of ours, a misspelt one, or something that
/// sounds like one. Names of files are not secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let near = |known: &&str| strsim::damerau_levenshtein(&name, known) <= 3;
    // The bound keeps the comparison cheap on hostile text.
    name.len() <= 64
        && !name.ends_with("_file")
        && (SECRET_WORDS.iter().any(|word| name.contains(word)) || SECRET_KEYS.iter().any(near))
}

/// Where the value lies in what follows an equals sign; `None` when there is nothing to hide.
fn value_after(text: &str) -> Option<Range<usize>> {
    let start = text.len() - text.trim_start_matches([' ', '\t']).len();
    let value = text.get(start..)?;
    for quote in ["\"\"\"", "'''"] {
        if let Some(inner) = value.strip_prefix(quote) {
            let length = inner.find(quote).unwrap_or(inner.len());
            return Some(shift(0..length, start + quote.len()));
        }
    }
    let line = value.lines().next().unwrap_or_default();
    for quote in ['"', '\''] {
        if let Some(inner) = line.strip_prefix(quote) {
            let length = closing(inner, quote);
            return Some(shift(0..length, start + 1));
        }
    }
    if value.starts_with(['[', '{']) {
        let length = value.find([']', '}']).unwrap_or(value.len());
        return Some(shift(0..length, start));
    }
    Some(shift(0..line.len(), start))
}

/// Where the quote that closes a string is, or the end of the line.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return at;
        }
        escaped = quote == '"' && c == '\\' && !escaped;
    }
    text.len()
}

/// User name and password of an address (after its `://`), and its query, where many cameras
/// want the password.
fn credentials(text: &str) -> Vec<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || c == '"' || c == '\'';
    let end = text
        .char_indices()
        .take(ADDRESS_CHARS_MAX)
        .find(|(_, c)| ends(*c))
        .map_or(text.len(), |(at, _)| at);
    let address = text.get(..end).unwrap_or_default();
    let authority = address.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rfind('@').map(|at| 0..at);
    let query = address.find('?').map(|at| at + 1..address.len());
    user.into_iter().chain(query).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        for (text, shown) in [
            (
                "publish_key = \"abc\" # mine",
                "publish_key = \"***\" # mine",
            ),
            ("publish_key=\"a\\\"c\"", "publish_key=\"****\""),
            ("\"publish_key\" = 'abc'", "\"publish_key\" = '***'"),
            ("pulbish_kye = \"abc\"", "pulbish_kye = \"***\""),
            ("password = \"é\"", "password = \"**\""),
            ("publish_key = abc", "publish_key = ***"),
            ("publish_key = \"abc", "publish_key = \"***"),
            (
                "publish_key = \"\"\"\nabc\n\"\"\"\na=1",
                "publish_key = \"\"\"\n***\n\"\"\"\na=1",
            ),
            ("publish_key = [\n\"abc\"]", "publish_key = *\n*****]"),
            (
                "{ password = \"a\", user = \"b\" }",
                "{ password = \"*\", user = \"b\" }",
            ),
            ("publish_key = \"CHANGE_ME\"", "publish_key = \"CHANGE_ME\""),
            ("password = \"CHANGE_ME\"", "password = \"*********\""),
            ("publish_key_file = \"k\"", "publish_key_file = \"k\""),
            ("password_file = \"k\"", "password_file = \"k\""),
            (
                "WEIR__STREAM__a__PUBLISH_KEY=abc",
                "WEIR__STREAM__a__PUBLISH_KEY=***",
            ),
            (
                "WEIR__STREAM__key__SOURCE=push:",
                "WEIR__STREAM__key__SOURCE=push:",
            ),
            ("source = \"http://u:p@h/x\"", "source = \"http://***@h/x\""),
            ("source = \"http://h/x?a=b\"", "source = \"http://h/x?***\""),
            ("source = \"http://h/@x\"", "source = \"http://h/@x\""),
        ] {
            assert_eq!(mask(text), shown);
        }
    }

    #[test]
    fn no_other_key_is_taken_for_a_secret() {
        use super::super::{rungs, sections, streams};
        let keys = [
            sections::SERVER_KEYS,
            sections::HLS_KEYS,
            sections::SESSION_KEYS,
            sections::ENCODER_KEYS,
            rungs::KEYS,
            streams::KEYS,
        ];
        for key in keys.concat() {
            assert_eq!(is_secret(key), SECRET_KEYS.contains(&key), "{key}");
        }
    }

    proptest! {
        #[test]
        fn length_is_kept(text: String, key in "(publish_key|password) ?= ?[\"'\\[]{0,3}\\PC*") {
            let all = format!("{text}\n{key}");
            prop_assert_eq!(mask(&all).len(), all.len());
        }
    }
}
