//! Streams that are not public, as browsers, players and operators meet them.

use std::time::Duration;

use rustix::process::Signal;

use crate::chromium::Chromium;
use crate::support::clips::Clip;
use crate::support::daemon::{Daemon, command};
use crate::support::publisher::Publisher;
use crate::support::{KEY, probe, push_stream, small_ladder, turn, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const SMALL: Clip = Clip::new(426, 240, 30);

/// A daemon with one stream that is published and has `access`.
fn start(access: &str) -> (Daemon, Publisher) {
    let config = format!("{}{access}\n", small_ladder(&["s"]));
    let daemon = Daemon::start(&config);
    let publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    daemon.wait_state("s", "live", LIMIT);
    (daemon, publisher)
}

/// What `weir sign` prints in the line `kind`.
fn signed(daemon: &Daemon, kind: &str) -> String {
    let output = command()
        .args(["sign", "s", "--for", "1h", "--config"])
        .arg(daemon.dir().join("config.toml"))
        .output()
        .expect("weir runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines = text.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(kind));
    line.expect("such a line").trim().to_owned()
}

#[test]
fn a_browser_plays_after_the_password() {
    let _turn = turn();
    let (daemon, _publisher) = start("access = \"password\"\nviewer_password = \"open sesame\"");
    assert_eq!(daemon.get("/live/s/master.m3u8").status, 401);
    let mut browser = Chromium::open();
    browser.goto(&daemon.url("/watch/s"));
    let enter = |browser: &mut Chromium, password: &str| {
        browser.eval(&format!(
            "(document.querySelector('#password').value = '{password}', \
             document.querySelector('form').requestSubmit())"
        ));
    };
    assert_eq!(
        browser.eval("document.querySelector('#wrong').checkVisibility()"),
        false
    );
    enter(&mut browser, "open barley");
    browser.wait_until("location.hash === '#wrong'", LIMIT);
    browser.wait_until("document.querySelector('#wrong').checkVisibility()", LIMIT);
    browser.screenshot("password");
    enter(&mut browser, "open sesame");
    browser.wait_until("document.querySelector('#video')", LIMIT);
    browser.wait_played(4.0, LIMIT);
    browser.assert_scripts_healthy();
    assert_eq!(
        browser.eval("location.pathname + location.hash"),
        "/watch/s"
    );
    // Another password ends it: the page says so.
    let access = "access = \"password\"\nviewer_password = \"other words\"";
    daemon.write_config(&format!("{}{access}\n", small_ladder(&["s"])));
    daemon.signal(Signal::HUP);
    browser.wait_until(
        "document.querySelector('#stage').dataset.view === 'locked'",
        LIMIT,
    );
    browser.screenshot("locked");
}

#[test]
fn signed_addresses_play_in_pages_and_players_until_the_secret_is_gone() {
    let _turn = turn();
    let (daemon, _publisher) = start("access = \"token\"");
    let playlist = signed(&daemon, "playlist:");
    assert!(daemon.get("/watch/s").status == 401 && daemon.get("/embed/s").status == 401);
    let mut browser = Chromium::open();
    for page in ["page:", "player:"] {
        browser.goto(&signed(&daemon, page));
        browser.wait_played(3.0, LIMIT);
        browser.assert_scripts_healthy();
    }
    browser.play_bare(&playlist);
    browser.wait_played(3.0, LIMIT);
    browser.assert_healthy();
    let kinds = ["audio", "video"].map(str::to_owned);
    assert_eq!(probe::kinds_at(&playlist), kinds.into());
    let log = daemon.log();
    let pass = playlist.split('/').nth(4).expect("a pass");
    assert!(!log.contains(pass), "{log}");

    let secret = daemon.dir().join("data/keys/.signing");
    std::fs::remove_file(secret).expect("a secret");
    daemon.signal(Signal::HUP);
    let path = playlist.strip_prefix(&daemon.url("")).expect("an address");
    wait_until("the end of the signature", LIMIT, || {
        daemon.get(path).status == 401
    });
    let again = signed(&daemon, "playlist:");
    let path = again.strip_prefix(&daemon.url("")).expect("an address");
    assert_eq!(daemon.get(path).status, 200);
}

#[test]
fn who_may_watch_changes_without_a_new_session() {
    let _turn = turn();
    let (daemon, _publisher) = start("");
    let session = |daemon: &Daemon, path: &str| {
        let master = daemon.get(path).text();
        let uri = master.lines().last().expect("a variant").to_owned();
        uri.split('/').next().expect("a session").to_owned()
    };
    let before = session(&daemon, "/live/s/master.m3u8");
    let ladder = small_ladder(&[]);
    let stream = push_stream("s");
    daemon.write_config(&format!("{ladder}{stream}access = \"token\"\n"));
    daemon.signal(Signal::HUP);
    wait_until("the new rule", LIMIT, || {
        daemon.get("/live/s/master.m3u8").status == 401
    });
    let playlist = signed(&daemon, "playlist:");
    let path = playlist.strip_prefix(&daemon.url("")).expect("an address");
    assert_eq!(session(&daemon, path), before);
    assert_eq!(daemon.status("s")["state"], "live");
}
