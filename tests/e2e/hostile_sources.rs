//! Sources that want more than to be fetched: files of this machine, services that only this machine
//! reaches, the password of another server. And the causes that a person reads when a pull fails.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::camera::{PASSWORD, USER};
use crate::support::clips::Clip;
use crate::support::daemon::{Daemon, free_port};
use crate::support::process::Owned;
use crate::support::server::{Asked, Reply, Server};
use crate::support::{turn, wait_until};

/// A silent source is given up after 8 s, and all sources of a test start at once.
const LIMIT: Duration = Duration::from_secs(60);
const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// Configuration of a stream that is pulled from `url`.
fn pulled(name: &str, url: &str, more: &str) -> String {
    format!("[[stream]]\nname = \"{name}\"\nsource = \"{url}\"\n{more}")
}

fn login() -> String {
    format!("user = \"{USER}\"\npassword = \"{PASSWORD}\"\n")
}

/// Waits until the API gives `expected` as a part of the stream's last error.
fn fails_with(daemon: &Daemon, stream: &str, expected: &str) {
    wait_until(&format!("{stream}: {expected}"), LIMIT, || {
        let status = daemon.status(stream);
        assert_ne!(status["state"], "live", "{stream} plays");
        let cause = status["last_error"].as_str().unwrap_or_default().to_owned();
        cause.contains(expected)
    });
    assert!(daemon.log().contains(expected), "{stream}: not in the log");
}

/// A media playlist of one segment, after the lines `head`.
fn playlist(head: &str, segment: &str) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n{head}\
         #EXTINF:2,\n{segment}\n#EXTINF:2,\n{segment}\n#EXTINF:2,\n{segment}\n"
    )
}

#[test]
fn a_playlist_behind_a_plain_address_opens_nothing() {
    let _turn = turn();
    let file = Clip::new(426, 240, 30).file();
    let internal = Server::start(|_| Reply::ok("video/mp2t", b""));
    let names = [
        format!("file://{}", file.display()),
        internal.url("/internal.ts"),
    ];
    let source = Server::start(move |asked| {
        let name = if asked.target == "/a" {
            &names[0]
        } else {
            &names[1]
        };
        Reply::ok("video/mp2t", playlist("", name).as_bytes())
    });
    let daemon =
        Daemon::start(&(pulled("a", &source.url("/a"), "") + &pulled("b", &source.url("/b"), "")));
    for stream in ["a", "b"] {
        fails_with(&daemon, stream, "answers with an HLS playlist");
    }
    assert_eq!(internal.asked(), []);
}

#[test]
fn a_playlist_opens_no_file() {
    let _turn = turn();
    let file = format!("file://{}", Clip::new(426, 240, 30).file().display());
    let lists = [
        ("/segment.m3u8", playlist("", &file)),
        ("/key.m3u8", {
            let key = format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{file}\"\n");
            playlist(&key, "/segment.ts")
        }),
        ("/init.m3u8", {
            playlist(&format!("#EXT-X-MAP:URI=\"{file}\"\n"), "/segment.ts")
        }),
        ("/variant.m3u8", {
            format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\n{file}\n")
        }),
    ];
    let config = |source: &Server| -> String {
        let paths = lists
            .iter()
            .map(|(path, _)| *path)
            .chain(["/redirect.m3u8"]);
        let config = paths.map(|path| pulled(&path[1..path.len() - 5], &source.url(path), ""));
        config.collect()
    };
    let answers = lists.clone();
    let source = Server::start(move |asked| {
        let found = answers.iter().find(|(path, _)| *path == asked.target);
        match (found, asked.target.as_str()) {
            (Some((_, text)), _) => Reply::ok(PLAYLIST, text.as_bytes()),
            (None, "/redirect.m3u8") => Reply::redirect(&file),
            _ => Reply::ok("video/mp2t", b"G"),
        }
    });
    let daemon = Daemon::start(&config(&source));
    for stream in ["segment", "key", "init", "variant", "redirect"] {
        fails_with(&daemon, stream, "names a file: address");
    }
}

#[test]
fn a_source_names_nothing_that_is_closer_than_itself() {
    let _turn = turn();
    let internal = Server::start(|_| Reply::ok("video/mp2t", b"G"));
    let inside = internal.url("/internal");
    let lists = [
        ("/segment.m3u8", playlist("", &inside)),
        ("/key.m3u8", {
            let key = format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{inside}\"\n");
            playlist(&key, "/segment.ts")
        }),
        ("/init.m3u8", {
            playlist(&format!("#EXT-X-MAP:URI=\"{inside}\"\n"), "/segment.ts")
        }),
        ("/variant.m3u8", {
            format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\n{inside}.m3u8\n")
        }),
    ];
    let answers = lists.clone();
    let source = Server::start(move |asked| {
        let found = answers.iter().find(|(path, _)| *path == asked.target);
        match (found, asked.target.as_str()) {
            (Some((_, text)), _) => Reply::ok(PLAYLIST, text.as_bytes()),
            (None, "/redirect") => Reply::redirect(&inside),
            // The redirect of a segment is followed when the segment itself is harmless.
            _ => Reply::ok("video/mp2t", b"G"),
        }
    });
    let names = ["segment", "key", "init", "variant"];
    let playlists = names.map(|name| pulled(name, &source.outer_url(&format!("/{name}.m3u8")), ""));
    let redirect = pulled("redirect", &source.outer_url("/redirect"), "");
    let daemon = Daemon::start(&(playlists.concat() + &redirect));
    for stream in ["segment", "key", "init", "variant", "redirect"] {
        fails_with(
            &daemon,
            stream,
            "a loopback address and closer to this machine",
        );
    }
    assert_eq!(internal.asked(), []);
    drop(daemon);

    // The same source may do all this when the configuration says so.
    let allowed = "allow_private = true\n";
    let daemon = Daemon::start(&pulled("s", &source.outer_url("/segment.m3u8"), allowed));
    wait_until("a request inside", LIMIT, || !internal.asked().is_empty());
    drop(daemon);
}

#[test]
fn a_redirect_takes_no_password_to_another_origin() {
    let _turn = turn();
    let ask = || Reply::new("401 No", "WWW-Authenticate: Basic realm=\"a\"\r\n", b"");
    let thief = Server::start(move |_| ask());
    let away = thief.url("/video");
    // One path redirects at once, the other only when the password was right.
    let camera = Server::start(move |asked| match (&asked.authorization, &*asked.target) {
        (None, "/asks") => ask(),
        _ => Reply::redirect(&away),
    });
    let config = ["at-once", "asks"].map(|name| {
        let url = camera.url(&format!("/{name}"));
        pulled(name, &url, &login())
    });
    let daemon = Daemon::start(&config.concat());
    for stream in ["at-once", "asks"] {
        fails_with(
            &daemon,
            stream,
            "the password goes to the configured origin only",
        );
    }
    let stolen: Vec<_> = thief
        .asked()
        .into_iter()
        .filter_map(|asked| asked.authorization)
        .collect();
    assert_eq!(stolen, Vec::<String>::new());
    let given: Vec<_> = camera.asked();
    let unasked = given.iter().filter(|asked| asked.target == "/at-once");
    assert!(unasked.clone().count() > 0);
    assert!(
        unasked.clone().all(|asked| asked.authorization.is_none()),
        "{given:?}"
    );
    assert!(
        given.iter().any(|asked| asked.authorization.is_some()),
        "{given:?}"
    );
}

/// `openssl` as an HTTPS server with a certificate that nobody signed.
fn tls_server(dir: &std::path::Path, port: u16) -> Owned {
    let (key, certificate) = (dir.join("key.pem"), dir.join("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl is installed").success());
    let server = Owned::spawn(
        Command::new("openssl")
            .args(["s_server", "-quiet", "-www", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-key")
            .arg(&key)
            .arg("-cert")
            .arg(&certificate)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    wait_until("the TLS server", LIMIT, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    server
}

/// The answer of a server whose every address is wrong in its own way.
fn faulty(asked: &Asked) -> Reply {
    match asked.target.split('?').next().unwrap() {
        "/missing" => Reply::new("404 Not Found", "", b""),
        "/broken" => Reply::new("500 Oops", "", b""),
        "/asks" => Reply::new(
            "401 No",
            "WWW-Authenticate: Digest realm=a, nonce=b\r\n",
            b"",
        ),
        "/strange" => Reply::new("401 No", "WWW-Authenticate: Negotiate\r\n", b""),
        "/page" => Reply::ok("text/html; charset=utf-8", b"<!doctype html><p>Hello</p>"),
        "/text" => Reply::ok(
            "text/plain",
            b"<html><body>Hello, this is no stream</body></html>",
        ),
        "/parts" => Reply::ok(
            "multipart/x-mixed-replace; boundary=b",
            &b"--b\r\nContent-Type: text/plain\r\n\r\nno picture\r\n".repeat(4),
        ),
        "/nothing" => Reply::ok("video/mp2t", b""),
        "/pdf" => Reply::ok("application/pdf", b"%PDF-1.4 and so on and so on and so on"),
        "/dash" => Reply::ok(
            "application/dash+xml",
            b"<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>",
        ),
        "/ssh" => Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
        "/cut" => Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec()),
        "/file" => Reply::redirect("file:///etc/hostname"),
        "/silent" => Reply::Silence,
        _ => Reply::redirect("/loop?pwd=hunter2"),
    }
}

/// Addresses of [`faulty`], the cause that each must have, and whether the pull has a password.
const FAULTS: [(&str, &str, bool); 15] = [
    (
        "missing",
        "status 404; there is nothing at this path",
        false,
    ),
    ("broken", "status 500; the server has an error", false),
    ("asks", "asks for a password (401", false),
    (
        "strange",
        "an authentication that weir does not speak",
        true,
    ),
    (
        "page",
        "answers with a web page (text/html), not with media",
        false,
    ),
    (
        "text",
        "answers with a web page (text/html), not with media",
        false,
    ),
    (
        "parts",
        "the source sends text/plain, which weir does not take",
        false,
    ),
    (
        "nothing",
        "sends no media that weir knows (video/mp2t)",
        false,
    ),
    (
        "pdf",
        "the source sends application/pdf, which weir does not take",
        false,
    ),
    (
        "dash",
        "sends no media that weir knows (application/dash+xml)",
        false,
    ),
    ("ssh", "does not answer with HTTP", false),
    (
        "cut",
        "closed the connection in the middle of its answer",
        false,
    ),
    ("file", "names a file: address", false),
    ("silent", "sent nothing for 8 s", false),
    ("loop", "redirects more than 5 times", false),
];

#[test]
fn every_failure_has_a_cause_that_helps() {
    let _turn = turn();
    let source = Server::start(faulty);
    let dir = tempfile::tempdir().expect("a folder");
    let (tls, nobody) = (free_port(), free_port());
    let _tls = tls_server(dir.path(), tls);
    // No resolver sends a question for a label of more than 63 bytes (RFC 1035 section 2.3.4).
    let unknown = format!("http://{}/", "a".repeat(64));
    let secret = "?pwd=hunter2";
    let mut config: String = FAULTS
        .iter()
        .map(|(name, _, has_password)| {
            let more = has_password.then(login).unwrap_or_default();
            pulled(name, &source.url(&format!("/{name}{secret}")), &more)
        })
        .collect();
    config += &pulled(
        "refused",
        &format!("http://127.0.0.1:{nobody}/{secret}"),
        "",
    );
    config += &pulled("unknown", &unknown, "");
    config += &pulled("certificate", &format!("https://127.0.0.1:{tls}/"), "");
    let unverified = "tls_verify = false\n";
    config += &pulled(
        "unverified",
        &format!("https://127.0.0.1:{tls}/"),
        unverified,
    );
    config += &pulled("plain", &source.url("/x").replace("http:", "https:"), "");
    let daemon = Daemon::start(&config);
    let others = [
        ("refused", "refused the connection; check the port"),
        ("unknown", "there is no host of the name aaa"),
        (
            "certificate",
            "is signed by nobody whom this machine trusts; renew it, or set tls_verify",
        ),
        (
            "unverified",
            "answers with a web page (text/html), not with media",
        ),
        ("plain", "does not speak TLS with weir"),
    ];
    let cases = FAULTS.map(|(name, expected, _)| (name, expected));
    for (stream, expected) in cases.into_iter().chain(others) {
        fails_with(&daemon, stream, expected);
        assert!(
            !daemon.status(stream).to_string().contains("hunter2"),
            "{stream}"
        );
    }
    let log = daemon.log();
    assert!(
        !log.contains("hunter2") && !log.contains(PASSWORD),
        "a secret is in the log:\n{log}"
    );
}
