//! Typed reading of a table: unknown keys, wrong types and wrong values become problems, and
//! reading goes on.

use super::document::{Node, Table, Value};
use super::report::{Place, Problem};

/// Names a list may have.
const NAMES_MAX: usize = 64;

/// Why a value will not do.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// What was expected (and found).
    pub label: String,
    /// How it is put right.
    pub help: Option<String>,
}

impl Wrong {
    /// Something else was expected.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            help: None,
        }
    }

    /// Adds how it is put right.
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

/// One table being read.
pub(super) struct Section<'a> {
    table: &'a Table,
    /// Where its header is.
    pub place: Place,
    /// What it is called in messages: `[hls]`, `[[stream]] "studio"`.
    pub title: String,
}

impl<'a> Section<'a> {
    /// Begins to read a table that may have these `keys`.
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

    /// A key's value, when it is there and right.
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

    /// A key's value, or the default when it is not there or wrong.
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

    /// The value of a key that has no default, when it is right.
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

    /// A key's list of distinct names, each with its place; not empty. `None` when the key is not
    /// there or no such list. An environment variable separates them with commas.
    pub fn names(
        &self,
        key: &str,
        noun: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<(String, Place)>> {
        let node = self.node(key)?;
        let mut names: Vec<(String, Place)> = Vec::new();
        let mut wrong = |node: &Node, label: String| {
            problems.push(self.wrong(key, node, Wrong::new(label)));
        };
        let list = list(node);
        if list.len() > NAMES_MAX {
            wrong(node, format!("expected at most {NAMES_MAX} names"));
            return None;
        }
        for (item, text) in list {
            match text {
                None => {
                    let kind = item.value.kind();
                    wrong(
                        item,
                        format!("expected the name of {noun} as a string, found {kind}"),
                    );
                }
                Some(text) if names.iter().any(|(name, _)| *name == text) => {
                    wrong(item, "this name is in the list already".to_owned());
                }
                Some(text) => names.push((text, item.place.clone())),
            }
        }
        match &node.value {
            Value::Array(_) | Value::Variable(_) if names.is_empty() => {
                wrong(node, format!("expected at least one name of {noun}"));
                None
            }
            Value::Array(_) | Value::Variable(_) => Some(names),
            other => {
                let label = format!("expected an array of names, found {}", other.kind());
                let help = match other {
                    Value::String(name) => Some(format!("write [{name:?}]")),
                    _ => None,
                };
                problems.push(self.wrong(key, node, Wrong::new(label).help(help)));
                None
            }
        }
    }

    /// A key's value as it stands.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.table.get(key).map(|entry| &entry.node)
    }

    /// The place of a key itself.
    pub fn key_place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|entry| entry.key_place.clone())
    }

    /// The problem of a key's value.
    pub fn wrong(&self, key: &str, node: &Node, wrong: Wrong) -> Problem {
        Problem::at(
            node.place.clone(),
            format!("`{key}` in {} is wrong", self.title),
            wrong.label,
        )
        .help(wrong.help)
    }
}

/// The items of an array, or of a variable's text between commas; `None` for what is no string.
fn list(node: &Node) -> Vec<(&Node, Option<String>)> {
    match &node.value {
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
        _ => Vec::new(),
    }
}

/// The table of `[name]` under `root`; an empty one when there is none.
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

/// The candidate that was probably meant, if any is near.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer than any name here; keeps the comparison cheap on hostile text.
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
