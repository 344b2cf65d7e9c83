//! The text of a configuration as a report may quote it: every secret is replaced by `*`.
//!
//! The masked text has as many bytes as the original, so a place in one is a place in the other.

use std::ops::Range;

use super::document::{Node, Table, Value};
use super::{access, rungs, secrets, sections, streams};

/// Keys whose values are secret.
const SECRET_KEYS: [&str; 2] = [PUBLISH_KEY, "password"];
const PUBLISH_KEY: &str = "publish_key";
/// An unknown key with one of these words in it may be meant for a secret.
const SECRET_WORDS: [&str; 5] = ["key", "pass", "secret", "token", "pwd"];
/// A key that has such a word in it and holds no secret.
const PASSTHROUGH: &str = "passthrough";
/// Longest word that is compared with the secret keys, in bytes: bounds the time per word.
const COMPARED_BYTES_MAX: usize = 64;
const QUOTES: [&str; 4] = [r#"""""#, "'''", "\"", "'"];

/// Masks a file that was parsed into `root`: the values of secret keys up to the ends of their
/// lines, credentials and queries in all strings, and comments that seem to hold a secret.
pub(super) fn document(text: &str, root: &Table) -> String {
    let mut finder = Finder {
        text,
        hidden: Vec::new(),
        tokens: Vec::new(),
    };
    finder.table(root, false);
    finder.comments();
    hide(text, finder.hidden)
}

/// Masks a file with a syntax error: a line is shown up to its `=`, or whole when it is the header
/// of a table. Nothing is shown after a quote that begins a string of several lines.
pub(super) fn broken(text: &str) -> String {
    let known = ["\"\"\"", "'''"]
        .iter()
        .filter_map(|quote| text.find(quote));
    let known = known.min().unwrap_or(text.len());
    let lines = lines(text).map(|line| {
        let shown = shown_of_broken(text.get(line.clone()).unwrap_or_default());
        let start = if line.start > known { 0 } else { shown };
        line.start + start..line.end
    });
    hide(text, lines.collect())
}

/// The environment variable `name` as `NAME=value`, masked.
pub(super) fn variable(name: &str, value: &str) -> String {
    let is_key = name.to_ascii_lowercase().ends_with(PUBLISH_KEY);
    let is_secret = is_secret_variable(name) && !(is_key && secrets::is_placeholder(value));
    let hidden = if is_secret || names_a_secret(value) {
        std::iter::once(0..value.len()).collect()
    } else {
        in_address(value).collect()
    };
    format!("{name}={}", hide(value, hidden))
}

/// Collects the secrets of a parsed file.
struct Finder<'a> {
    text: &'a str,
    hidden: Vec<Range<usize>>,
    /// Keys and strings. A `#` in them does not begin a comment.
    tokens: Vec<Range<usize>>,
}

impl Finder<'_> {
    /// `is_secret` means that the table is the value of a secret key.
    fn table(&mut self, table: &Table, is_secret: bool) {
        for entry in &table.entries {
            let key = entry.key_place.span();
            if is_secret {
                self.hidden.push(key.clone());
            }
            self.tokens.push(key);
            let node = &entry.node;
            let is_placeholder = entry.key == PUBLISH_KEY
                && matches!(&node.value, Value::String(text) if secrets::is_placeholder(text));
            let is_secret = is_secret || self::is_secret(&entry.key);
            self.node(node, is_secret && !is_placeholder);
        }
    }

    fn node(&mut self, node: &Node, is_secret: bool) {
        let span = node.place.span();
        match &node.value {
            Value::Table(table) => self.table(table, is_secret),
            Value::Array(items) => items.iter().for_each(|item| self.node(item, is_secret)),
            Value::String(text) => {
                self.tokens.push(span.clone());
                self.string(span.clone(), text);
            }
            _ => {}
        }
        if is_secret && !span.is_empty() {
            // Up to the end of the line: a comment there may hold the secret before this one.
            let end = line_end(self.text, span.end);
            self.hidden.push(within_quotes(self.text, span.start..end));
        }
    }

    fn string(&mut self, span: Range<usize>, parsed: &str) {
        let inner = within_quotes(self.text, span);
        let raw = self.text.get(inner.clone()).unwrap_or_default();
        // Escapes may stand for the signs that end a user name or begin a query.
        let is_escaped = raw != parsed && parsed.contains(['@', '?', '#']);
        if is_escaped || names_a_secret(parsed) {
            self.hidden.push(inner);
        } else {
            self.hidden
                .extend(in_address(raw).map(|range| shift(range, inner.start)));
        }
    }

    fn comments(&mut self) {
        let outside = hide(self.text, self.tokens.clone());
        for line in lines(self.text) {
            let Some(at) = outside.get(line.clone()).and_then(|line| line.find('#')) else {
                continue;
            };
            let (start, text) = (line.start, self.text.get(line.clone()).unwrap_or_default());
            let comment = text.get(at..).unwrap_or_default();
            // A comment with a quote may be the rest of a secret that has `"#` in it.
            if comment.contains('"') || comment.trim_end().ends_with('\'') {
                self.hidden.push(start + shown_of_broken(text)..line.end);
            } else if comment.contains(['@', '?']) || words(comment).any(is_secret) {
                self.hidden.push(start + at + 1..line.end);
            }
        }
    }
}

/// Whether the value of a key is secret: the key is a secret key, a misspelt one, or has a word in it
/// that suggests a secret. Names of files are not secret.
fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let near = |known: &&str| strsim::damerau_levenshtein(&key, known) <= 3;
    !(key.ends_with("_file") || key.ends_with("-file") || key == PASSTHROUGH)
        && (SECRET_WORDS.iter().any(|word| key.contains(word))
            || (key.len() <= COMPARED_BYTES_MAX && SECRET_KEYS.iter().any(near)))
}

/// Whether a variable's value is secret. The last part of its name is its key; if that key is
/// unknown, any part of the name may be meant as the key.
fn is_secret_variable(name: &str) -> bool {
    let key = name.rsplit("__").next().unwrap_or(name);
    if known_keys().any(|known| known.eq_ignore_ascii_case(key)) {
        is_secret(key)
    } else {
        name.split("__").any(is_secret)
    }
}

/// Whether a string has something like `password=` in it.
fn names_a_secret(text: &str) -> bool {
    let named = text.rsplit_once(['=', ':']);
    named.is_some_and(|(before, _)| words(before).any(is_secret))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// User name and password of an address, and its query and fragment, where cameras accept
/// passwords. An address that does not parse may still hold them, so signs count: all before
/// the last `@`, and all after a `?` or `#`.
fn in_address(text: &str) -> impl Iterator<Item = Range<usize>> {
    let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let host = text.trim_start_matches(scheme).strip_prefix("://");
    let host = text.len() - host.unwrap_or(text).len();
    let user = text.rfind('@').map(|end| host.min(end)..end);
    let query = text.find(['?', '#']).map(|at| at + 1..text.len());
    user.into_iter().chain(query)
}

/// How many bytes of a line in a file with a syntax error are shown.
fn shown_of_broken(line: &str) -> usize {
    let is_key = |text: &str| text.trim().chars().all(|c| is_word(c) || c == '.');
    match line.split_once('=') {
        Some((key, value)) if is_key(key) => line.len() - value.trim_start().len(),
        None if line.starts_with('[') && is_key(line.trim().trim_matches(['[', ']'])) => line.len(),
        _ => 0,
    }
}

/// A value's range without the white space after it and the quotes around it.
fn within_quotes(text: &str, range: Range<usize>) -> Range<usize> {
    let value = text.get(range.clone()).unwrap_or_default().trim_end();
    let quote = QUOTES.iter().find(|quote| value.starts_with(**quote));
    let quote = quote.copied().unwrap_or_default();
    let inner = value.get(quote.len()..).unwrap_or_default();
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    let start = range.start + quote.len();
    start..start + inner.len()
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        at += line.len();
        at - line.len()..at
    })
}

fn line_end(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.find('\n').unwrap_or(rest.len())
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// Replaces every byte in `ranges` by `*`, except ends of lines.
fn hide(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_by_key(|range| range.start);
    let mut ranges = ranges.into_iter().peekable();
    let mut end = 0;
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        while let Some(range) = ranges.next_if(|range| range.start <= at) {
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

/// The keys of a configuration without mistakes.
fn known_keys() -> impl Iterator<Item = &'static str> {
    let keys = [
        sections::SERVER_KEYS,
        sections::HLS_KEYS,
        sections::SESSION_KEYS,
        sections::ENCODER_KEYS,
        rungs::KEYS,
        streams::KEYS,
        access::KEYS,
    ];
    keys.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests;
