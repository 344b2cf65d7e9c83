//! Hides secrets in the text of a configuration before any of it is shown.
//!
//! A report quotes the lines it complains about, and reports go to logs. The text may be broken
//! in any way (that is why there is a report), so this works on text, not on parsed values, and
//! when in doubt it hides too much: all that follows a secret's key up to the next line that
//! begins something else.

use std::ops::Range;

use super::{rungs, secrets, sections, streams};

/// Keys whose values are secret.
const SECRET_KEYS: [&str; 2] = [PUBLISH_KEY, "password"];
const PUBLISH_KEY: &str = "publish_key";
/// Parts of a name that make its value secret, for keys that are not ours.
const SECRET_WORDS: [&str; 5] = ["key", "pass", "secret", "token", "pwd"];
/// Longest word that is compared with the keys, in bytes: keeps that cheap on hostile text.
const COMPARED_BYTES_MAX: usize = 64;
const BLANK: [char; 2] = [' ', '\t'];
const QUOTES: [char; 2] = ['"', '\''];

/// The text of a file with every secret replaced by as many bytes of `*`: spans into the one are
/// spans into the other.
pub(super) fn mask(text: &str) -> String {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    let mut covered = 0;
    for range in entries(text) {
        // A secret of several lines may go on into what looks like an entry.
        let start = range.start.max(covered);
        let Some(entry) = text.get(start..range.end) else {
            continue;
        };
        let shown = secret_at(entry).unwrap_or(entry.len());
        let (before, after) = entry.split_at_checked(shown).unwrap_or((entry, ""));
        hidden.extend(addresses(before).map(|part| shift(part, start)));
        if !after.is_empty() {
            let at = start + shown;
            let value = value(text.get(at..).unwrap_or(after), after.len());
            covered = at + value.end;
            if !is_placeholder(before, after.get(value.clone()).unwrap_or_default()) {
                hidden.push(shift(value, at));
            }
        }
    }
    hide(text, hidden)
}

/// The same for an environment variable, `NAME=value`. Its value is as it stands, so a secret is
/// all of it.
pub(super) fn mask_variable(text: &str) -> String {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let start = text.len() - value.len();
    let mut hidden: Vec<_> = addresses(text).collect();
    if is_secret_variable(name) {
        let is_key = name.to_ascii_lowercase().ends_with(PUBLISH_KEY);
        if !(is_key && secrets::is_placeholder(value)) {
            hidden.push(start..text.len());
        }
    } else if let Some(at) = secret_at(value) {
        hidden.push(start + at..text.len());
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

/// The text cut where a key, a table or a comment begins a line. Whatever other lines there are
/// belong to the one before.
fn entries(text: &str) -> Vec<Range<usize>> {
    let mut entries: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let range = at..at + line.len();
        at = range.end;
        match entries.last_mut() {
            Some(entry) if !begins_entry(line) => entry.end = range.end,
            _ => entries.push(range),
        }
    }
    entries
}

fn begins_entry(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with(['#', '{']) || (line.starts_with('[') && line.contains(']')) {
        return true;
    }
    let parts = match QUOTES.into_iter().find(|quote| line.starts_with(*quote)) {
        Some(quote) => line.get(1..).and_then(|text| text.split_once(quote)),
        None => line
            .find(|c| !is_word(c) && c != '.')
            .and_then(|at| line.split_at_checked(at)),
    };
    parts.is_some_and(|(key, rest)| {
        // A secret's key is one without an equals sign, too.
        let is_key = rest.trim_start_matches(BLANK).starts_with('=');
        !key.is_empty() && (is_key || is_secret(key))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Where the key of a secret ends: behind the first word of an entry, or before an equals sign or
/// colon with such a key before it.
fn secret_at(entry: &str) -> Option<usize> {
    let (mut is_first, mut is_named) = (true, false);
    let mut word = None;
    for (at, c) in entry.char_indices().chain([(entry.len(), '\n')]) {
        if is_word(c) {
            word.get_or_insert(at);
            continue;
        }
        if let Some(start) = word.take() {
            let is_secret = entry.get(start..at).is_some_and(is_secret);
            if is_secret && is_first {
                return Some(at);
            }
            is_first = false;
            is_named |= is_secret;
        }
        match c {
            '=' | ':' if is_named => return Some(at),
            ',' | '{' | '\n' => is_named = false,
            _ => {}
        }
    }
    None
}

/// Whether a key of this name has a secret value: one of ours, a misspelt one, or something that
/// sounds like one. Names of files are not secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let near = |known: &&str| strsim::damerau_levenshtein(&name, known) <= 3;
    !(name.ends_with("_file") || name.ends_with("-file"))
        && (SECRET_WORDS.iter().any(|word| name.contains(word))
            || (name.len() <= COMPARED_BYTES_MAX && SECRET_KEYS.iter().any(near)))
}

/// Whether a variable's value is secret. The last part of its name is its key; one that nobody
/// knows may stand in the wrong place.
fn is_secret_variable(name: &str) -> bool {
    let key = name.rsplit("__").next().unwrap_or(name);
    if known_keys().any(|known| known.eq_ignore_ascii_case(key)) {
        is_secret(key)
    } else {
        name.split("__").any(is_secret)
    }
}

/// Where the value lies in `text`, which follows a key and begins with the `entry_bytes` that are
/// left of its entry. Quotes around it are left out, so that they can be seen.
fn value(text: &str, entry_bytes: usize) -> Range<usize> {
    let value = after_key(text);
    let start = text.len() - value.len();
    let quotes = [r#"""""#, "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| value.starts_with(quote));
    let reach = match quote {
        Some(quote) if quote.len() > 1 => end_of_long_string(value, quote),
        None if value.starts_with(['[', '{']) => end_of_brackets(value),
        _ => 0,
    };
    let end = entry_bytes.max(start + reach);
    let start = start + quote.map_or(0, str::len);
    let inner = text.get(start..end).unwrap_or_default().trim_end();
    let inner = quote.and_then(|q| inner.strip_suffix(q)).unwrap_or(inner);
    start..start + inner.len()
}

/// What follows a key's closing quote and its equals sign, as far as they are there.
fn after_key(text: &str) -> &str {
    let unquoted = text
        .strip_prefix(QUOTES)
        .map(|text| text.trim_start_matches(BLANK))
        .filter(|text| text.starts_with(['=', ':']));
    let text = unquoted.unwrap_or(text).trim_start_matches(BLANK);
    let value = text.strip_prefix(['=', ':']).unwrap_or(text);
    value.trim_start_matches(BLANK)
}

/// The end of the line in which a string of several lines is closed, or the end of all.
fn end_of_long_string(value: &str, quote: &str) -> usize {
    let mut from = quote.len();
    while let Some(at) = value.get(from..).and_then(|text| text.find(quote)) {
        let before = value.get(..from + at).unwrap_or_default();
        let slashes = before.len() - before.trim_end_matches('\\').len();
        // A quote behind an odd number of backslashes is a character like any other.
        if quote.starts_with('\'') || slashes.is_multiple_of(2) {
            return end_of_line(value, from + at);
        }
        from += at + 1;
    }
    value.len()
}

/// The end of the first line that ends with a closing bracket, or the end of all.
fn end_of_brackets(value: &str) -> usize {
    let mut at = 0;
    for line in value.split_inclusive('\n') {
        at += line.len();
        if line.trim_end().trim_end_matches(',').ends_with([']', '}']) {
            return at;
        }
    }
    at
}

fn end_of_line(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.find('\n').unwrap_or(rest.len())
}

/// Whether a publish key is none yet: that is no secret, and seeing it explains the mistake.
fn is_placeholder(before: &str, value: &str) -> bool {
    let key = before.trim_start().trim_start_matches(QUOTES);
    key == PUBLISH_KEY && secrets::is_placeholder(value)
}

/// User name and password of an address in an entry, and its query and fragment, where many
/// cameras want the password. What is no address to a parser may still hold them, so it is the
/// signs that count: all before the last `@`, and all behind a `?`, or a `#` that begins no
/// comment.
fn addresses(entry: &str) -> impl Iterator<Item = Range<usize>> {
    let user = entry
        .rfind('@')
        .map(|end| behind_scheme(entry).min(end)..end);
    let (mut quotes, mut before) = (0_usize, ' ');
    let begins_query = |c: char| {
        let in_text = quotes % 2 == 1 || !before.is_whitespace();
        quotes += usize::from(QUOTES.contains(&c));
        before = c;
        c == '?' || (c == '#' && in_text)
    };
    let shown = entry.trim_end();
    let end = shown.strip_suffix(QUOTES).unwrap_or(shown).len();
    let query = entry.find(begins_query).map(|at| at + 1..end);
    user.into_iter().chain(query)
}

/// Where the value of an entry begins, behind quotes, brackets and a scheme.
fn behind_scheme(entry: &str) -> usize {
    let value = entry.split_once('=').map_or(entry, |(_, value)| value);
    let value = value.trim_start_matches([' ', '\t', '"', '\'', '[', '{']);
    let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let address = value.trim_start_matches(scheme).strip_prefix("://");
    entry.len() - address.unwrap_or(value).len()
}

/// The keys of a configuration without mistakes.
fn known_keys() -> impl Iterator<Item = &'static str> {
    let keys = [
        sections::SERVER_KEYS,
        sections::HLS_KEYS,
        sections::SESSION_KEYS,
        sections::ENCODER_KEYS,
        rungs::KEYS,
        streams::KEYS,
    ];
    keys.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests;
