//! Environment variables that replace values of the file: `WEIR__SERVER__HTTP`, and by the name of
//! a table in an array `WEIR__STREAM__studio__PUBLISH_KEY`, `WEIR__RUNG__720p__BITRATE`, and by that of
//! a table in a table `WEIR__SERVER__ACME__EMAIL`.

use super::document::{Entry, Node, Table, Value};
use super::mask;
use super::problem::{Place, Problem, Text};
use super::reader::nearest;
use super::rungs::default_name;

/// Prefix of the name of every override.
const PREFIX: &str = "WEIR__";
/// Tables that are overridden by `WEIR__TABLE__KEY`.
pub(super) const TABLES: [&str; 7] = [
    "server", "hls", "session", "encoder", "worker", "limits", "access",
];
/// Tables in a table, which are overridden by `WEIR__TABLE__INNER__KEY`.
const INNER_TABLES: [(&str, &str); 1] = [("server", "acme")];
/// Arrays of tables that are overridden by `WEIR__ARRAY__NAME__KEY`.
pub(super) const ARRAYS: [&str; 3] = ["stream", "rung", "edge"];

/// The overrides in the environment of this process. What is not UTF-8 in a name or value becomes
/// replacement characters, so that validation rejects it.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| {
            let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// A variable as the tree needs it.
struct Variable {
    /// Index of its text in the report.
    text: usize,
    /// The parts of the name between `__`, without the prefix, each with its place.
    parts: Vec<(String, Place)>,
    value: Node,
}

impl Variable {
    fn new(text: usize, name: &str, value: &str) -> Option<Self> {
        let mut start = PREFIX.len();
        let mut parts = Vec::new();
        for part in name.strip_prefix(PREFIX)?.split("__") {
            parts.push((part.to_owned(), Place::new(text, start..start + part.len())));
            start += part.len() + "__".len();
        }
        let at = name.len() + 1;
        Some(Self {
            text,
            parts,
            value: Node {
                place: Place::new(text, at..at + value.len()),
                value: Value::Variable(value.to_owned()),
            },
        })
    }

    fn name_place(&self) -> Place {
        let end = self.parts.last().map_or(0, |(_, place)| place.span().end);
        Place::new(self.text, 0..end)
    }
}

/// Puts the variables of `env` that begin with `WEIR__` into `root`, and the masked text of each
/// into `texts`. A variable that names nothing in `root` goes to `problems`.
pub(super) fn apply(
    env: impl Iterator<Item = (String, String)>,
    root: &mut Table,
    texts: &mut Vec<Text>,
    problems: &mut Vec<Problem>,
) {
    let mut env: Vec<_> = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    // Reports do not depend on the order of the environment.
    env.sort();
    // The names before any override: an override of a name must not change what others refer to.
    let names = ARRAYS.map(|section| (section, names(root, section)));
    for (name, value) in env {
        let variable = Variable::new(texts.len(), &name, &value);
        texts.push(Text::new("environment", mask::variable(&name, &value)));
        if let Some(variable) = variable {
            problems.extend(apply_one(variable, root, &names));
        }
    }
}

/// Puts a variable into `root`, or says why that is impossible. `names` has the names of the
/// tables of each array.
fn apply_one(
    variable: Variable,
    root: &mut Table,
    names: &[(&str, Vec<Option<String>>)],
) -> Option<Problem> {
    let section = variable
        .parts
        .first()
        .map(|(part, _)| part.to_ascii_lowercase())
        .unwrap_or_default();
    let of_array = names.iter().find(|(array, _)| *array == section);
    match (variable.parts.as_slice(), of_array) {
        ([_, _], _) if TABLES.contains(&section.as_str()) => {
            set_in_table(root, section, variable);
            None
        }
        ([_, (inner, _), _], _)
            if INNER_TABLES.contains(&(section.as_str(), inner.to_ascii_lowercase().as_str())) =>
        {
            let inner = inner.to_ascii_lowercase();
            if let Some(table) = table_in(root, section, &variable) {
                set_in_table(table, inner, variable);
            }
            None
        }
        // A name may contain "__"; a section or a key does not.
        ([_, parts @ .., _], Some((_, names))) if !parts.is_empty() => {
            let parts: Vec<&str> = parts.iter().map(|(part, _)| part.as_str()).collect();
            let name = parts.join("__");
            set_in_array(root, &section, &name, names, variable)
        }
        _ => Some(unknown(&section, &variable)),
    }
}

fn unknown(section: &str, variable: &Variable) -> Problem {
    let known = TABLES.into_iter().chain(ARRAYS);
    let help = if ARRAYS.contains(&section) {
        let section = section.to_ascii_uppercase();
        Some(format!(
            "write WEIR__{section}__NAME__KEY, such as WEIR__{section}__studio__…"
        ))
    } else {
        nearest(section, known).map(|s| format!("did you mean `WEIR__{}__…`?", s.to_uppercase()))
    };
    Problem::at(
        variable.name_place(),
        "this environment variable overrides nothing",
        "expected WEIR__SECTION__KEY, WEIR__STREAM__NAME__KEY or WEIR__RUNG__NAME__KEY",
    )
    .help(help)
}

/// The entry that a variable sets; the last part of the variable's name is the key.
fn entry(variable: Variable) -> Option<Entry> {
    let (key, key_place) = variable.parts.into_iter().next_back()?;
    Some(Entry {
        key: key.to_ascii_lowercase(),
        key_place,
        node: variable.value,
    })
}

fn set_in_table(root: &mut Table, section: String, variable: Variable) {
    if let Some(table) = table_in(root, section, &variable)
        && let Some(entry) = entry(variable)
    {
        table.set(entry);
    }
}

/// The table `section` of `root`, made if there is none. `None` if it is something else, which is
/// reported when it is read.
fn table_in<'a>(
    root: &'a mut Table,
    section: String,
    variable: &Variable,
) -> Option<&'a mut Table> {
    let place = variable.name_place();
    if root.get(&section).is_none() {
        root.set(Entry {
            key: section.clone(),
            key_place: place.clone(),
            node: Node {
                place,
                value: Value::Table(Table::default()),
            },
        });
    }
    match &mut root.get_mut(&section)?.node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

fn set_in_array(
    root: &mut Table,
    section: &str,
    name: &str,
    names: &[Option<String>],
    variable: Variable,
) -> Option<Problem> {
    let mut found = names.iter().enumerate().filter(|(_, known)| {
        let known = known.as_deref();
        known.is_some_and(|known| known.eq_ignore_ascii_case(name))
    });
    let (at, is_only) = (found.next().map(|(at, _)| at), found.next().is_none());
    if let (Some(at), true) = (at, is_only) {
        if let (Some(table), Some(entry)) = (tables(root, section).nth(at), entry(variable)) {
            table.set(entry);
        }
        return None;
    }
    let names: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    let (title, label, help) = if at.is_some() {
        (
            format!("more than one {section} is named `{name}`"),
            "this variable could override any of them".to_owned(),
            Some(format!("give each [[{section}]] a `name` of its own")),
        )
    } else {
        (
            format!("there is no {section} named `{name}` to override"),
            match names.as_slice() {
                [] => format!("there is no [[{section}]] with a name"),
                names => format!("expected the name of a {section}: {}", names.join(", ")),
            },
            nearest(name, names.iter().copied()).map(|n| format!("did you mean `{n}`?")),
        )
    };
    Some(Problem::at(variable.name_place(), title, label).help(help))
}

/// The tables of an array.
fn tables<'a>(root: &'a mut Table, section: &str) -> impl Iterator<Item = &'a mut Table> {
    let items = match root.get_mut(section).map(|e| &mut e.node.value) {
        Some(Value::Array(items)) => items.as_mut_slice(),
        _ => &mut [],
    };
    items.iter_mut().filter_map(|item| match &mut item.value {
        Value::Table(table) => Some(table),
        _ => None,
    })
}

/// The names of the tables of an array. A rung without a name has the name of its height.
fn names(root: &mut Table, section: &str) -> Vec<Option<String>> {
    let name = |table: &mut Table| match (table.get("name"), table.get("height")) {
        (Some(_), _) => table.text("name").map(str::to_owned),
        (None, Some(height)) if section == "rung" => match height.node.value {
            Value::Integer(height) => Some(default_name(height)),
            _ => None,
        },
        _ => None,
    };
    tables(root, section).map(name).collect()
}
