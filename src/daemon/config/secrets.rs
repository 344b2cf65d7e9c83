//! Checks of publish keys, and secrets in the configuration or in files that it names.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::document::Value;
use super::problem::Problem;
use super::reader::{Section, Wrong};
use super::values;
use crate::base::secret::Secret;

/// Shortest publish key, in characters.
const KEY_CHARS_MIN: usize = 8;
/// Longest publish key, in characters.
const KEY_CHARS_MAX: usize = 128;
/// Longest file with a secret, in bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// Longest address, user name or password, in bytes.
const TEXT_BYTES_MAX: usize = 2048;

/// The rule for publish keys, for messages.
pub(super) const KEY_EXPECTED: &str =
    "expected 8 to 128 of the characters A-Z, a-z, 0-9, -, ., _ and ~";

/// Whether a value is a placeholder for a secret, such as `CHANGE_ME`.
pub(super) fn is_placeholder(value: &str) -> bool {
    let word: String = value
        .to_ascii_lowercase()
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .collect();
    let words = [
        "secret",
        "changeme",
        "key",
        "publishkey",
        "streamkey",
        "mykey",
        "password",
        "example",
        "placeholder",
    ];
    // Such as "xxxxxxxx", "********" or "..."; the empty text is not a placeholder.
    let blank = !word.is_empty() && word.chars().all(|c| matches!(c, 'x' | '*' | '.' | '?'));
    words.contains(&word.as_str())
        || word.starts_with("your")
        || word.starts_with("replace")
        || (word.starts_with('<') && word.ends_with('>'))
        || blank
}

/// Whether a text can be a publish key. Publishers send it in a query (`studio?key=…`), so it has
/// only characters that need no escaping there (RFC 3986, section 2.3), and it is too long to be
/// guessed.
pub(super) fn is_publish_key(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(unreserved)
}

/// Why no secret can be read from a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("this file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("this is not a file")]
    NotAFile,
    #[error("anybody on this machine can read this file (mode {mode:04o})")]
    TooOpen { mode: u32 },
    #[error("this file has more than {FILE_BYTES_MAX} bytes")]
    TooLong,
    #[error("this file is empty")]
    Empty,
    #[error("this file is not UTF-8 text")]
    NotText,
}

/// The secret in a file, without leading and trailing white space.
pub(super) fn read_file(path: &Path) -> Result<String, FileError> {
    // Checked before the file is opened: opening a named pipe would wait for ever.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(FileError::TooOpen { mode });
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotText)?;
    match text.trim() {
        "" => Err(FileError::Empty),
        secret => Ok(secret.to_owned()),
    }
}

/// A string of at most [`TEXT_BYTES_MAX`].
pub(super) fn short(value: &Value) -> Result<String, Wrong> {
    let text = values::text(value)?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(Wrong::new(format!(
            "expected at most {TEXT_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

/// The secret in `key`, or in the file that `file_key` names. `check` validates it.
pub(super) fn secret(
    section: &Section<'_>,
    [key, file_key]: [&str; 2],
    check: fn(&str) -> Result<(), Wrong>,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Secret> {
    if let (Some(_), Some(place)) = (section.node(key), section.key_place(file_key)) {
        let title = format!(
            "`{key}` and `{file_key}` in {} are both there",
            section.title
        );
        let problem = Problem::at(place, title, "expected one of the two");
        problems.push(match section.key_place(key) {
            Some(first) => problem.context(first, "this is the other"),
            None => problem,
        });
    }
    let parse = |value: &Value| {
        let text = short(value)?;
        check(&text).map(|()| Secret::new(text))
    };
    let inline = section.get(key, parse, problems);
    let parse = |value: &Value| {
        let path = base.join(values::text(value)?);
        let text = read_file(&path).map_err(|error| unreadable(&error, &path))?;
        check(&text).map_err(|wrong| Wrong {
            label: format!("in this file: {}", wrong.label),
            ..wrong
        })?;
        Ok(Secret::new(text))
    };
    let in_file = section.get(file_key, parse, problems);
    inline.or(in_file).map(|secret| secret.value)
}

fn unreadable(error: &FileError, path: &Path) -> Wrong {
    let path = path.display();
    let help = match error {
        FileError::TooOpen { .. } => format!("run: chmod 600 {path}"),
        FileError::Unreadable(_) => {
            "a relative path starts at the folder of the configuration".to_owned()
        }
        _ => format!("put the secret alone into {path}"),
    };
    Wrong::new(error.to_string()).help(Some(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known() {
        for placeholder in [
            "SECRET",
            "CHANGE_ME",
            "change-me",
            "changeme",
            "<your key>",
            "<...>",
            "your-key",
            "YOUR_SECRET_HERE",
            "replace-me",
            "xxxxxxxx",
            "********",
            "stream-key",
        ] {
            assert!(is_placeholder(placeholder), "{placeholder}");
        }
        for key in ["", "Zx8-qqLm_02", "secretly-chosen", "keykeykey1"] {
            assert!(!is_placeholder(key), "{key}");
        }
    }

    #[test]
    fn publish_keys_are_safe_in_a_query() {
        for key in ["12345678", "aZ09-._~", "x".repeat(128).as_str()] {
            assert!(is_publish_key(key), "{key}");
        }
        for key in [
            "1234567",
            "a b c d e",
            "a&b=c%d?",
            "schlüssel",
            "x".repeat(129).as_str(),
        ] {
            assert!(!is_publish_key(key), "{key}");
        }
    }

    #[test]
    fn files_are_checked_before_they_are_believed() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8], mode: u32| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        };
        assert_eq!(read_file(&file("good", b" abc\n", 0o640)).unwrap(), "abc");
        let error = |path: &Path| read_file(path).unwrap_err();
        assert!(matches!(
            error(&file("open", b"abc", 0o644)),
            FileError::TooOpen { mode: 0o644 }
        ));
        assert!(matches!(
            error(&file("empty", b"\n", 0o600)),
            FileError::Empty
        ));
        assert!(matches!(
            error(&file("long", &[b'a'; 4097], 0o600)),
            FileError::TooLong
        ));
        assert!(matches!(
            error(&file("bytes", b"\xff\xfe", 0o600)),
            FileError::NotText
        ));
        assert!(matches!(error(dir.path()), FileError::NotAFile));
        assert!(matches!(
            error(&dir.path().join("none")),
            FileError::Unreadable(_)
        ));
    }
}
