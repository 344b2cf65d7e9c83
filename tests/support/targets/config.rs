//! Validates arbitrary texts as configurations, with overrides of the environment: no panic, and no
//! report shows a secret. Reads no file.

use std::path::Path;

use toml::Value;
use weir::daemon::config::validate;

/// A secret that occurs nowhere by chance.
const SECRET: &str = "Zq7Zq7Zq7";
/// Keys whose value is read from a file.
const FILE_KEYS: &str = "_file";

/// Runs one input: the text of a configuration and, after a zero byte, environment variables, one
/// `NAME=VALUE` per line.
pub fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let (text, variables) = input.split_once('\0').unwrap_or((input, ""));
    let tree = toml::from_str::<toml::Table>(text).map(Value::Table).ok();
    let reads_a_file = tree.as_ref().is_some_and(names_a_file);
    if reads_a_file || variables.to_lowercase().contains(FILE_KEYS) {
        return;
    }
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let base = Path::new("/nonexistent");
    let result = validate("config.toml", text, base, variables);
    if let Err(report) = result {
        let shown = report.render(false);
        assert!(report.mistakes() > 0 && !shown.is_empty());
        let hidden = tree.as_ref().map_or(0, |tree| secrets(tree, false));
        if hidden > 0 && hidden == input.matches(SECRET).count() {
            assert!(!shown.contains(SECRET), "a secret is shown:\n{shown}");
        }
    }
}

/// Whether a key of the tree names a file with a secret.
fn names_a_file(value: &Value) -> bool {
    match value {
        Value::Table(table) => {
            let mut entries = table.iter();
            entries.any(|(key, value)| key.ends_with(FILE_KEYS) || names_a_file(value))
        }
        Value::Array(items) => items.iter().any(names_a_file),
        _ => false,
    }
}

/// How often [`SECRET`] is in the value of a secret key.
fn secrets(value: &Value, is_secret: bool) -> usize {
    match value {
        Value::Table(table) => {
            let of = |(key, value): (&String, &Value)| {
                secrets(
                    value,
                    is_secret || ["publish_key", "password"].contains(&key.as_str()),
                )
            };
            table.iter().map(of).sum()
        }
        Value::Array(items) => items.iter().map(|item| secrets(item, is_secret)).sum(),
        Value::String(text) if is_secret => text.matches(SECRET).count(),
        _ => 0,
    }
}
