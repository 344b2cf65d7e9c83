use std::os::unix::fs::symlink;

use super::super::self_made::make;
use super::*;

const ENCRYPTED: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";

fn made() -> (String, String) {
    let names = vec![
        "localhost".to_owned(),
        "192.0.2.1".to_owned(),
        "2001:db8::1".to_owned(),
    ];
    make(names, SystemTime::now()).unwrap()
}

fn parse(certificate: &str, key: &str) -> Result<Pair, PairError> {
    let texts = Texts {
        certificate: certificate.into(),
        key: key.into(),
    };
    Pair::parse(&texts, Origin::Files)
}

#[test]
fn a_pair_says_what_it_is() {
    let (certificate, key) = made();
    let pair = parse(&certificate, &key).unwrap();
    let about = pair.about();
    assert_eq!(about.names, ["localhost", "192.0.2.1", "2001:db8::1"]);
    let hex: Vec<&str> = about.fingerprint.split(':').collect();
    assert!(
        hex.len() == 32 && hex.iter().all(|byte| byte.len() == 2),
        "{about:?}"
    );
    // Both may be in one file, and other things too.
    let both = format!("a comment\n{key}{certificate}");
    assert!(parse(&both, &both).unwrap().is_same(&pair));
    let shown = format!("{pair:?}");
    assert!(
        shown.contains("localhost") && !shown.contains("PRIVATE"),
        "{shown}"
    );
}

#[test]
fn a_chain_is_sent_as_it_is_written() {
    let ((first, key), (second, _)) = (made(), made());
    let pair = parse(&format!("{first}{second}"), &key).unwrap();
    assert_eq!(pair.certified.cert.len(), 2);
    assert!(!pair.is_same(&parse(&first, &key).unwrap()));
    // The server's own certificate comes first.
    let error = parse(&format!("{second}{first}"), &key).unwrap_err();
    assert!(matches!(error, PairError::Mismatch));
}

#[test]
fn mistakes_are_told_with_the_file_and_the_way_out() {
    let ((certificate, key), (_, other_key)) = (made(), made());
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let no_base64 = "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (written, key, part, said, next) in [
        (
            "",
            &*key,
            Part::Certificate,
            "no certificate",
            "fullchain.pem",
        ),
        (
            &*key,
            &key,
            Part::Certificate,
            "no certificate",
            "-----BEGIN CERTIFICATE-----",
        ),
        (
            &half(&certificate),
            &key,
            Part::Certificate,
            "half-written",
            "copy the file again",
        ),
        (
            no_certificate,
            &key,
            Part::Certificate,
            "cannot be used",
            "another file",
        ),
        (&certificate, "", Part::Key, "no private key", "privkey.pem"),
        (
            &certificate,
            &certificate,
            Part::Key,
            "no private key",
            "privkey.pem",
        ),
        (
            &certificate,
            &half(&key),
            Part::Key,
            "half-written",
            "copy the file again",
        ),
        (
            &certificate,
            no_base64,
            Part::Key,
            "half-written",
            "copy the file again",
        ),
        (
            &certificate,
            no_key,
            Part::Key,
            "cannot be used",
            "ECDSA P-256",
        ),
        (
            &certificate,
            ENCRYPTED,
            Part::Key,
            "is encrypted",
            "openssl pkey",
        ),
        (
            &certificate,
            &other_key,
            Part::Key,
            "does not fit",
            "made with",
        ),
    ] {
        let error = parse(written, key).unwrap_err();
        let text = format!("{error}; {}", error.next_step());
        assert_eq!(error.part(), part, "{text}");
        assert!(text.contains(said) && text.contains(next), "{text}");
        assert!(!text.contains('\n') && !text.contains("!!!!"), "{text}");
    }
}

#[test]
fn files_are_checked_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (certificate, key) = made();
    std::fs::write(path("good"), certificate + &key).unwrap();
    std::fs::write(path("long"), vec![b'a'; 256 * 1024 + 1]).unwrap();
    symlink(path("good"), path("link")).unwrap();
    let load = |certificate: &str, key: &str| {
        let files = Files {
            certificate: path(certificate),
            key: path(key),
        };
        Pair::load(&files, Origin::Files).map(|_| ())
    };
    assert!(load("good", "good").is_ok() && load("link", "good").is_ok());
    for (certificate, key, part, said) in [
        ("none", "good", Part::Certificate, "cannot be read"),
        ("good", "none", Part::Key, "cannot be read"),
        (".", "good", Part::Certificate, "not a file"),
        ("good", "long", Part::Key, "more than 256 KiB"),
    ] {
        let error = load(certificate, key).unwrap_err();
        assert_eq!(error.part(), part);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn an_end_is_spoken_of_before_it_comes() {
    let (certificate, key) = made();
    let pair = parse(&certificate, &key).unwrap();
    let about = pair.about();
    let day = Duration::from_secs(24 * 3600);
    let remark = |now| about.remark(now).unwrap_or_default();
    assert_eq!(remark(about.expires - 15 * day), "");
    assert!(remark(about.expires - 13 * day).contains("expires soon (20"));
    assert!(remark(about.expires).contains("has expired (20"));
}

#[test]
fn a_certificate_that_is_renewed_is_spoken_of_only_when_that_fails() {
    let (certificate, key) = made();
    let mut about = parse(&certificate, &key).unwrap().about().clone();
    let day = Duration::from_secs(24 * 3600);
    let left = |about: &About, left: Duration| about.remark(about.expires - left).is_some();
    about.begins = about.expires - 6 * day;
    assert!(
        left(&about, 5 * day),
        "a file is spoken of 14 days before its end"
    );
    about.origin = Origin::Authority;
    assert!(!left(&about, 2 * day) && left(&about, day / 2));
    about.begins = about.expires - 90 * day;
    assert!(!left(&about, 20 * day) && left(&about, 13 * day));
}
