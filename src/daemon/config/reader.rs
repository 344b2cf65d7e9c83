//! Typed reading of a table. Unknown keys, wrong types and wrong values become problems; reading
//! continues after each.

use super::document::{Node, Table, Value};
use super::problem::{Place, Problem};

/// Maximum number of items in a list.
const ITEMS_MAX: usize = 64;

/// Why a value is rejected.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// What was expected, and what was found.
    pub label: String,
    /// How to fix it.
    pub help: Option<String>,
}

impl Wrong {
    /// A rejected value; `label` says what was expected.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            help: None,
        }
    }

    /// Adds how to fix it.
    pub fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// A value and its place; `place` is `None` for a default.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub value: T,
    pub place: Option<Place>,
}

/// A table that is being read.
pub(super) struct Section<'a> {
    table: &'a Table,
    /// Place of its header.
    pub place: Place,
    /// Its name in messages: `[hls]`, `[[stream]] "studio"`.
    pub title: String,
}

impl<'a> Section<'a> {
    /// Begins to read a table; a key that is not among `keys` is a problem.
    pub fn open(
        table: &'a Table,
        place: Place,
        title: String,
        keys: &[&str],
        problems: &mut Vec<Problem>,
    ) -> Self {
        for entry in &table.entries {
            if keys.contains(&entry.key.as_str()) {
                continue;
            }
            let help = nearest(&entry.key, keys.iter().copied());
            problems.push(
                Problem::at(
                    entry.key_place.clone(),
                    format!("unknown key `{}` in {title}", entry.key),
                    format!("expected one of: {}", keys.join(", ")),
                )
                .help(help.map(|key| format!("did you mean `{key}`?"))),
            );
        }
        Self {
            table,
            place,
            title,
        }
    }

    /// The value of a key, if it is present and valid.
    pub fn get<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
        problems: &mut Vec<Problem>,
    ) -> Option<At<T>> {
        let node = self.node(key)?;
        match parse(&node.value) {
            Ok(value) => Some(At {
                value,
                place: Some(node.place.clone()),
            }),
            Err(wrong) => {
                problems.push(self.wrong(key, node, wrong));
                None
            }
        }
    }

    /// The value of a key, or the default if it is missing or invalid.
    pub fn get_or<T>(
        &self,
        key: &str,
        default: T,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
        problems: &mut Vec<Problem>,
    ) -> At<T> {
        self.get(key, parse, problems).unwrap_or(At {
            value: default,
            place: None,
        })
    }

    /// The value of a key that has no default, if it is valid. A missing key is a problem.
    pub fn required<T>(
        &self,
        key: &str,
        example: &str,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
        problems: &mut Vec<Problem>,
    ) -> Option<At<T>> {
        if self.node(key).is_none() {
            let title = format!("`{key}` is missing in {}", self.title);
            let problem = Problem::at(self.place.clone(), title, format!("expected `{key}`"));
            problems.push(problem.help(Some(format!("add a line such as {example}"))));
        }
        self.get(key, parse, problems)
    }

    /// The names in the list of a key, each with its place: distinct and at least one. `None` if
    /// the key is missing or has no such list. An environment variable separates names by commas.
    pub fn names(
        &self,
        key: &str,
        noun: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<(String, Place)>> {
        let node = self.node(key)?;
        let mut wrong = |node: &Node, wrong: Wrong| problems.push(self.wrong(key, node, wrong));
        let items = match list(node, "names") {
            Ok(items) => items,
            Err(error) => {
                wrong(node, error);
                return None;
            }
        };
        let mut names: Vec<(String, Place)> = Vec::new();
        for (item, text) in items {
            match text {
                None => {
                    let kind = item.value.kind();
                    let label = format!("expected the name of {noun} as a string, found {kind}");
                    wrong(item, Wrong::new(label));
                }
                Some(text) if names.iter().any(|(name, _)| *name == text) => {
                    wrong(item, Wrong::new("this name is in the list already"));
                }
                Some(text) => names.push((text, item.place.clone())),
            }
        }
        if names.is_empty() {
            let label = format!("expected at least one name of {noun}");
            wrong(node, Wrong::new(label));
            return None;
        }
        Some(names)
    }

    /// The items in the list of a key, of which there may be none. An environment variable separates
    /// items by commas.
    pub fn items<T>(
        &self,
        key: &str,
        nouns: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
        problems: &mut Vec<Problem>,
    ) -> Vec<T> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let items = list(node, nouns).unwrap_or_else(|error| {
            problems.push(self.wrong(key, node, error));
            Vec::new()
        });
        let mut parsed = Vec::new();
        for (item, text) in items {
            let label = || format!("expected a string, found {}", item.value.kind());
            let text = text.ok_or_else(|| Wrong::new(label()));
            match text.and_then(|text| parse(&text)) {
                Ok(value) => parsed.push(value),
                Err(error) => problems.push(self.wrong(key, item, error)),
            }
        }
        parsed
    }

    /// The value of a key before any check.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.table.get(key).map(|entry| &entry.node)
    }

    /// The place of a key, not of its value.
    pub fn key_place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|entry| entry.key_place.clone())
    }

    /// A problem with the value of a key.
    pub fn wrong(&self, key: &str, node: &Node, wrong: Wrong) -> Problem {
        Problem::at(
            node.place.clone(),
            format!("`{key}` in {} is wrong", self.title),
            wrong.label,
        )
        .help(wrong.help)
    }
}

/// At most [`ITEMS_MAX`] items of an array, or texts between the commas of a variable; `None` for an
/// item that is not a string.
fn list<'n>(node: &'n Node, nouns: &str) -> Result<Vec<(&'n Node, Option<String>)>, Wrong> {
    let items: Vec<_> = match &node.value {
        Value::Array(items) => items
            .iter()
            .map(|item| match &item.value {
                Value::String(text) => (item, Some(text.clone())),
                _ => (item, None),
            })
            .collect(),
        Value::Variable(text) => text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| (node, Some(name.to_owned())))
            .collect(),
        other => {
            let help = match other {
                Value::String(name) => Some(format!("write [{name:?}]")),
                _ => None,
            };
            let label = format!("expected an array of {nouns}, found {}", other.kind());
            return Err(Wrong::new(label).help(help));
        }
    };
    if items.len() > ITEMS_MAX {
        return Err(Wrong::new(format!("expected at most {ITEMS_MAX} {nouns}")));
    }
    Ok(items)
}

/// The table of `[name]` under `root`, or `empty` if there is none.
pub(super) fn table<'a>(
    root: &Section<'a>,
    name: &str,
    empty: &'a Table,
    problems: &mut Vec<Problem>,
) -> (&'a Table, Place) {
    match root.node(name) {
        Some(Node {
            place,
            value: Value::Table(table),
        }) => (table, place.clone()),
        Some(node) => {
            let label = format!("expected a table, found {}", node.value.kind());
            let help = Some(format!(
                "write [{name}], then its keys in lines of their own"
            ));
            problems.push(root.wrong(name, node, Wrong::new(label).help(help)));
            (empty, node.place.clone())
        }
        None => (empty, root.place.clone()),
    }
}

/// The tables of `[[name]]` under `root`.
pub(super) fn tables<'a>(
    root: &Section<'a>,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(&'a Table, Place)> {
    let Some(node) = root.node(name) else {
        return Vec::new();
    };
    let wrong = |node: &Node| {
        let label = format!("expected an array of tables, found {}", node.value.kind());
        let help = Some(format!("write [[{name}]] with two brackets, once for each"));
        root.wrong(name, node, Wrong::new(label).help(help))
    };
    let Value::Array(items) = &node.value else {
        problems.push(wrong(node));
        return Vec::new();
    };
    let mut tables = Vec::new();
    for item in items {
        match &item.value {
            Value::Table(table) => tables.push((table, item.place.clone())),
            _ => problems.push(wrong(item)),
        }
    }
    tables
}

/// The candidate that is most like `written`, if any is similar.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // No candidate is longer. The bound keeps the comparison cheap on hostile text.
    if written.len() > 128 {
        return None;
    }
    let written = written.to_ascii_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&written, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_near() {
        let keys = ["segment", "part", "hold_back", "window", "memory", "ts"];
        for (written, meant) in [
            ("prt", Some("part")),
            ("holdback", Some("hold_back")),
            ("Segment", Some("segment")),
            ("windwo", Some("window")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, keys.into_iter()), meant, "{written}");
        }
        assert_eq!(nearest(&"segment".repeat(20), keys.into_iter()), None);
    }
}
