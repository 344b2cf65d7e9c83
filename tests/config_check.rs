//! `weir check` and `weir keys` as users meet them: exact reports and exit codes.
//!
//! `tests/configs/NAME.toml` is a broken configuration; `NAME.txt` is the whole report on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs")
}

/// Command that runs `weir` in `folder`, with only the environment `env`.
fn weir(folder: &Path, env: &[(&str, &str)], args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The report of `weir check` on a file of [`configs`].
fn report(file: &str, env: &[(&str, &str)]) -> String {
    let output = weir(&configs(), env, &["check", "--config", file]);
    assert_eq!(output.status.code(), Some(2), "{file}");
    assert_eq!(text(&output.stdout), "", "{file}");
    text(&output.stderr)
}

#[test]
fn reports_are_exact() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(configs())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    names.sort();
    assert!(names.len() >= 10);
    for path in names {
        let file = path.file_name().unwrap().to_str().unwrap();
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        let report = report(file, &[]);
        assert_eq!(report, expected, "{file}: the report is now\n{report}");
        assert!(!report.contains("hunter2"), "{file} shows a password");
        assert!(!report.contains("QdxB3nLwcZTnUt0m"), "{file} shows a key");
    }
}

#[test]
fn mistakes_of_the_environment_name_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.toml"),
        "[[stream]]\nname = \"studio\"\n",
    )
    .unwrap();
    let env = [
        ("WEIR__HLS__PART", "5s"),
        ("WEIR__RUNG__720__BITRATE", "3M"),
        ("WEIR__SERVER__HTPP", "0.0.0.0:80"),
        ("WEIR__STREAM__studio__PUBLISH_KEY", "se&cret"),
        ("WEIR__STREAMS__studio__SOURCE", "test:"),
    ];
    let output = weir(folder.path(), &env, &["check"]);
    assert_eq!(output.status.code(), Some(2));
    let expected = include_str!("configs/environment.txt");
    let report = text(&output.stderr);
    assert_eq!(report, expected, "the report is now\n{report}");
}

#[test]
fn a_valid_configuration_is_said_to_be_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = weir(root, &[], &["check"]);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), "config.toml is valid: 2 streams\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["check", "keys", "doctor", "run"] {
        let output = weir(folder.path(), &[], &[command, "--config", "none.toml"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(text(&output.stderr).contains("none.toml cannot be read: No such file"));
    }
}

#[test]
fn key_files_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("studio.key");
    let config = "[[stream]]\nname = \"studio\"\npublish_key_file = \"studio.key\"\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let set = |content: &str, mode: u32| {
        std::fs::write(&key, content).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
    };
    for (content, mode, said) in [
        (
            "QdxB3nLwcZTnUt0m",
            0o644,
            "anybody on this machine can read this file (mode 0644)",
        ),
        (
            "CHANGE_ME",
            0o600,
            "in this file: this is a placeholder, not a key",
        ),
        ("", 0o600, "this file is empty"),
    ] {
        set(content, mode);
        let output = weir(folder.path(), &[], &["check"]);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let report = text(&output.stderr);
        assert!(
            report.contains("config.toml:3:20") && report.contains(said),
            "{report}"
        );
    }
    set("QdxB3nLwcZTnUt0m\n", 0o600);
    let output = weir(folder.path(), &[], &["keys", "studio"]);
    assert!(text(&output.stdout).contains("studio?key=QdxB3nLwcZTnUt0m\n"));
    assert!(
        !folder.path().join("data").exists(),
        "a folder was made without need"
    );
}

#[test]
fn a_configuration_with_secrets_that_others_can_read_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let config = "[[stream]]\nname = \"studio\"\npublish_key = \"QdxB3nLwcZTnUt0m\"\n";
    std::fs::write(&path, config).unwrap();
    for (mode, warned) in [(0o644, true), (0o640, true), (0o600, false)] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let output = weir(folder.path(), &[], &["check"]);
        assert_eq!(output.status.code(), Some(0));
        let said = text(&output.stderr);
        assert_eq!(said.starts_with("warning: "), warned, "{said}");
        assert_eq!(
            said.contains("run: chmod 600 config.toml"),
            warned,
            "{said}"
        );
        assert!(!said.contains("QdxB3nLwcZTnUt0m"), "{said}");
    }
}

/// A certificate that signs itself and its key, both in PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_certificate_and_its_key_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    };
    let config = "[server]\nhttps = \"0.0.0.0:8443\"\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
    write("config.toml", config);
    let ((certificate, key), (_, other_key)) = (certificate(), certificate());
    write("a.pem", &certificate);
    for (key, place, said) in [
        (
            other_key.as_str(),
            "config.toml:4:7",
            "this key does not fit the certificate",
        ),
        (
            &key[..key.len() / 2],
            "config.toml:4:7",
            "this file is damaged or half-written",
        ),
        (
            "",
            "config.toml:4:7",
            "there is no private key in this file",
        ),
    ] {
        write("a.key", key);
        let output = weir(folder.path(), &[], &["check"]);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let report = text(&output.stderr);
        assert!(report.contains(place) && report.contains(said), "{report}");
        assert!(!report.contains("BEGIN PRIVATE KEY-----\n"), "{report}");
    }
    let key = write("a.key", &key);
    let output = weir(folder.path(), &[], &["check"]);
    assert_eq!(
        (text(&output.stderr), output.status.code()),
        (String::new(), Some(0))
    );
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let output = weir(folder.path(), &[], &["check"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        said.starts_with("warning: ") && said.contains("run: chmod 600 a.key"),
        "{said}"
    );
    write("a.pem", "");
    let report = text(&weir(folder.path(), &[], &["check"]).stderr);
    assert!(report.contains("config.toml:3:15"), "{report}");
}

#[test]
fn a_certificate_that_has_expired_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 2, 3);
    let key = rcgen::KeyPair::generate().unwrap();
    let both = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let path = folder.path().join("a.pem");
    std::fs::write(&path, both).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let config = "[server]\ncertificate = \"a.pem\"\nkey = \"a.pem\"\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let output = weir(folder.path(), &[], &["check"]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    assert!(
        said.contains("a.pem: the certificate has expired (2020-02-03T00:00:00Z)"),
        "{said}"
    );
}

#[test]
fn keys_are_made_once_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[stream]]\nname = \"studio\"\n[[stream]]\nname = \"demo\"\nsource = \"test:\"\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let env = [("WEIR__SERVER__RTMP", "127.0.0.1:1936")];
    let first = weir(folder.path(), &env, &["keys"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let kept = std::fs::read_to_string(folder.path().join("data/keys/studio")).unwrap();
    let expected = format!(
        "studio\n  OBS server:     rtmp://127.0.0.1:1936/live\n  OBS stream key: studio?key={kept}"
    );
    assert_eq!(text(&first.stdout), expected);
    assert_eq!(
        weir(folder.path(), &env, &["keys", "studio"]).stdout,
        first.stdout
    );

    for (name, said) in [
        ("demo", "is not published"),
        ("nobody", "published are: studio"),
    ] {
        let output = weir(folder.path(), &env, &["keys", name]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_data_folder_that_cannot_be_written_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.toml"),
        "[[stream]]\nname = \"studio\"\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("data"), "in the way").unwrap();
    let output = weir(folder.path(), &[], &["keys"]);
    assert_eq!(output.status.code(), Some(73));
    let errors = text(&output.stderr);
    let line = errors
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap();
    assert!(
        line.contains("make it writable for the user weir runs as"),
        "{line}"
    );
}
