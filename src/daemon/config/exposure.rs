//! Finds secrets that other users of this machine may read: those written into the configuration,
//! and those in files that it names.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::document::{Table, Value, parse};
use super::load::read;

/// Keys of a stream whose values are secrets.
const SECRET_KEYS: [&str; 3] = ["publish_key", "password", "viewer_password"];
/// Keys of a stream that name files with secrets.
const FILE_KEYS: [&str; 3] = ["publish_key_file", "password_file", "viewer_password_file"];
/// Other tables: keys whose values are secrets, and keys that name files with secrets.
const TABLES: [(&str, &[&str], &[&str]); 2] = [
    ("server", &[], &["key"]),
    (
        "access",
        &["password", "jwt_key"],
        &["password_file", "jwt_key_file"],
    ),
];

/// What others may read of the secrets in the valid configuration at `path`: one line for each
/// file, with what to do. Empty if there is nothing to say, or if the file cannot be read any more.
pub fn exposed(path: &Path) -> Vec<String> {
    let Ok(text) = read(path) else {
        return Vec::new();
    };
    let root = parse(&text, 0, &mut Vec::new());
    let streams: Vec<&Table> = root.get("stream").map_or_else(Vec::new, |entry| {
        let Value::Array(items) = &entry.node.value else {
            return Vec::new();
        };
        let tables = items.iter().filter_map(|item| match &item.value {
            Value::Table(table) => Some(table),
            _ => None,
        });
        tables.collect()
    });
    let mut warnings = Vec::new();
    let written = |table: &&&Table| SECRET_KEYS.iter().any(|key| table.text(key).is_some());
    let holders = streams.iter().filter(written);
    let tables = TABLES.iter().filter_map(|(name, secrets, files)| {
        let Value::Table(table) = &root.get(name)?.node.value else {
            return None;
        };
        Some((*name, table, *secrets, *files))
    });
    let tables: Vec<(&str, &Table, &[&str], &[&str])> = tables.collect();
    let of_tables = tables.iter().filter_map(|(name, table, secrets, _)| {
        let mut secrets = secrets.iter();
        secrets
            .any(|key| table.text(key).is_some())
            .then_some(*name)
    });
    let of_streams = holders.filter_map(|table| table.text("name"));
    let names: Vec<&str> = of_streams.chain(of_tables).collect();
    if let (false, Some((who, mode))) = (names.is_empty(), readers(path)) {
        let (shown, names) = (path.display(), names.join(", "));
        warnings.push(format!(
            "{who} can read {shown} (mode {mode:04o}), which holds secrets of {names}; \
             run: chmod 600 {shown} (or move each secret into a file of its own: publish_key_file, \
             password_file)"
        ));
    }
    let base = path.parent().unwrap_or(Path::new(""));
    let of_tables = tables
        .iter()
        .flat_map(|(_, table, _, files)| files.iter().filter_map(|key| table.text(key)));
    let of_streams = streams
        .into_iter()
        .flat_map(|table| FILE_KEYS.iter().filter_map(|key| table.text(key)));
    for file in of_tables.chain(of_streams) {
        let file = base.join(file);
        if let Some((who, mode)) = readers(&file) {
            let shown = file.display();
            warnings.push(format!(
                "{who} can read {shown} (mode {mode:04o}), which holds a secret; run: chmod 600 \
                 {shown}"
            ));
        }
    }
    warnings
}

/// Who but its owner can read a file, and its mode; `None` if nobody can.
///
/// A file of another owner that its group may read is in order: a service reads what root keeps for
/// it (`root:weir`, mode 0640).
fn readers(path: &Path) -> Option<(&'static str, u32)> {
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.permissions().mode() & 0o7777;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    match mode {
        mode if mode & 0o004 != 0 => Some(("anybody on this machine", mode)),
        mode if mode & 0o040 != 0 && own => Some(("its group", mode)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn open_files_with_secrets_are_told_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path
        };
        let bare = "[[stream]]\nname = \"a\"\n";
        let inline = "[[stream]]\nname = \"a\"\npublish_key = \"QdxB3nLwcZTnUt0m\"\n";
        let password = "[[stream]]\nname = \"b\"\nsource = \"http://h/\"\npassword = \"hunter2\"\n";
        for (text, mode, told) in [
            (bare, 0o644, None),
            (inline, 0o600, None),
            (inline, 0o644, Some("anybody on this machine can read")),
            (inline, 0o640, Some("its group can read")),
            (password, 0o664, Some("holds secrets of the streams b;")),
        ] {
            let path = write("config.toml", text, mode);
            let warnings = exposed(&path);
            assert_eq!(warnings.len(), usize::from(told.is_some()), "{warnings:?}");
            for warning in &warnings {
                assert!(warning.contains(told.unwrap()), "{warning}");
                let fix = format!("run: chmod 600 {}", path.display());
                assert!(warning.contains(&fix), "{warning}");
                assert!(!warning.contains("QdxB") && !warning.contains("hunter2"));
            }
        }
        let of_stream = "[[stream]]\nname = \"a\"\npublish_key_file = \"a.key\"\n";
        let of_server = "[server]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
        for named in [of_stream, of_server] {
            let path = write("config.toml", named, 0o644);
            for (mode, told) in [(0o600, false), (0o640, true)] {
                let key = write("a.key", "QdxB3nLwcZTnUt0m", mode);
                let warnings = exposed(&path);
                assert_eq!(warnings.len(), usize::from(told), "{warnings:?}");
                for warning in warnings {
                    assert!(warning.ends_with(&format!("run: chmod 600 {}", key.display())));
                }
            }
        }
    }
}
