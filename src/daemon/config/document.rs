//! The tree of values a configuration is read from: `config.toml`, the built-in ladder where the
//! file has none, and the environment's overrides on top. Every value knows its place.

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::report::{Place, Problem, Source};

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

/// What TOML can say, and what an environment variable can.
#[derive(Debug)]
pub(super) enum Value {
    String(String),
    /// Saturated to the range of `i64`, which every range check here is far inside of.
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
    /// Text of an environment variable; it becomes what its key wants.
    Variable(String),
}

impl Value {
    /// What it is, with an article, for messages.
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

    /// The entry of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Sets a key, whatever it was before.
    pub fn set(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// The text of a key, when it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node.value {
            Value::String(text) | Value::Variable(text) => Some(text),
            _ => None,
        }
    }
}

/// Parses `sources[source]`. Syntax errors go to `problems`; the table then has what could be
/// read, and is not worth validating.
pub(super) fn parse(sources: &[Source], source: usize, problems: &mut Vec<Problem>) -> Table {
    let text = sources.get(source).map_or("", |s| s.text.as_str());
    let (root, errors) = DeTable::parse_recoverable(text);
    problems.extend(errors.iter().map(|error| {
        let span = error.span().unwrap_or(0..0);
        Problem::at(
            Place::new(source, span),
            "this is not valid TOML",
            error.message(),
        )
    }));
    table(root.get_ref(), source)
}

fn table(table: &DeTable<'_>, source: usize) -> Table {
    let entries = table.iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        key_place: Place::new(source, key.span()),
        node: node(value, source),
    });
    Table {
        entries: entries.collect(),
    }
}

// As deep as the document is nested, which the parser bounds.
fn node(value: &Spanned<DeValue<'_>>, source: usize) -> Node {
    Node {
        place: Place::new(source, value.span()),
        value: match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(integer) => Value::Integer(saturated(integer)),
            DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(items) => Value::Array(array(items, source)),
            DeValue::Table(inner) => Value::Table(table(inner, source)),
        },
    }
}

fn array(items: &DeArray<'_>, source: usize) -> Vec<Node> {
    items.iter().map(|item| node(item, source)).collect()
}

fn saturated(integer: &DeInteger<'_>) -> i64 {
    let text = integer.as_str();
    i64::from_str_radix(text, integer.radix()).unwrap_or(if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    })
}
