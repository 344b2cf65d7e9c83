//! The tree of values that a configuration is read from: `config.toml`, the built-in ladder if the
//! file has none, and the overrides of the environment. Every value knows its place.

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::problem::{Place, Problem};

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

/// A value of TOML or of an environment variable.
#[derive(Debug)]
pub(super) enum Value {
    String(String),
    /// Saturated to the range of `i64`; the allowed ranges of all settings are far narrower.
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
    /// Text of an environment variable; its key decides the type.
    Variable(String),
}

impl Value {
    /// The type with an article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) | Self::Variable(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a decimal number",
            Self::Boolean(_) => "true or false",
            Self::Datetime => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// A key of a table with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

/// A table. Keys are unique.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub entries: Vec<Entry>,
}

impl Table {
    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The mutable entry of a key.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Adds or replaces the entry of a key.
    pub fn set(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// The value of a key, if it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node.value {
            Value::String(text) | Value::Variable(text) => Some(text),
            _ => None,
        }
    }
}

/// Parses `text`, whose index in the report is `id`. Syntax errors go to `problems`; the table is
/// then incomplete and not worth validating.
pub(super) fn parse(text: &str, id: usize, problems: &mut Vec<Problem>) -> Table {
    let (root, errors) = DeTable::parse_recoverable(text);
    problems.extend(errors.iter().map(|error| {
        let span = error.span().unwrap_or(0..0);
        Problem::at(
            Place::new(id, span),
            "this is not valid TOML",
            error.message(),
        )
    }));
    table(root.get_ref(), id)
}

fn table(table: &DeTable<'_>, id: usize) -> Table {
    let entries = table.iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        key_place: Place::new(id, key.span()),
        node: node(value, id),
    });
    Table {
        entries: entries.collect(),
    }
}

// The parser bounds how deep a document is nested, and so the recursion.
fn node(value: &Spanned<DeValue<'_>>, id: usize) -> Node {
    Node {
        place: Place::new(id, value.span()),
        value: match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(integer) => Value::Integer(saturated(integer)),
            DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(items) => Value::Array(array(items, id)),
            DeValue::Table(inner) => Value::Table(table(inner, id)),
        },
    }
}

fn array(items: &DeArray<'_>, id: usize) -> Vec<Node> {
    items.iter().map(|item| node(item, id)).collect()
}

fn saturated(integer: &DeInteger<'_>) -> i64 {
    let text = integer.as_str();
    i64::from_str_radix(text, integer.radix()).unwrap_or(if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    })
}
