//! Which players play when.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::browsers::{Browser, Loads, Page, Seen};
use super::programs::{self, FRAMEWORKS, PROGRAMS, READERS};
use super::{PLAYED, file_of, is_installed, write_table};
use crate::sources::Clip;
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, push_stream, turn};

/// The file that gets the table.
const TABLE: &str = "WEIR_PLAYERS_TABLE";
const STREAM: &str = "s";
const FPS: f64 = 30.0;
const LADDER: &str = "[[rung]]\nname = \"360p\"\nheight = 360\nbitrate = \"800k\"\n\
                      [[rung]]\nname = \"240p\"\nheight = 240\nbitrate = \"400k\"\n";
/// The publisher of a page's stream is away from the first time until the second.
const LOST: Duration = Duration::from_secs(8);
const BACK: Duration = Duration::from_secs(12);
/// For how long a page plays that is asked only whether it goes on.
const GOES_ON: Duration = Duration::from_secs(20);
/// Latest first picture of a page, in seconds.
const FIRST_S_MAX: f64 = 5.0;
/// Most that a player may stand behind the time since its first picture.
const LAG_S_MAX: f64 = 2.0;

/// A daemon with a stream that is live.
struct Stage {
    daemon: Daemon,
    publisher: Option<Publisher>,
}

impl Stage {
    fn new() -> Self {
        let daemon = Daemon::start(&format!("{LADDER}{}", push_stream(STREAM)));
        let mut stage = Self {
            daemon,
            publisher: None,
        };
        stage.publish();
        let viewer = Viewer::open(&stage.daemon, STREAM);
        // A player that comes to a running stream finds some segments.
        viewer.all_with(4, Duration::from_secs(30));
        stage
    }

    fn publish(&mut self) {
        let url = self.daemon.publish_url(STREAM, KEY);
        self.publisher = Some(Publisher::file(&Clip::PLAIN.file(), &url));
    }

    fn url(&self, set: &str) -> String {
        let file = file_of(set);
        self.daemon.url(&format!("/live/{STREAM}/{file}"))
    }
}

/// Plays `set` in a page for `time`, in which the publisher leaves and returns; returns what the page has seen.
fn seen_in_page(
    browser: Browser,
    player: &'static str,
    loads: Loads,
    set: &str,
    time: Duration,
) -> Seen {
    let mut stage = Stage::new();
    let page = Page::open(browser, player, loads, &stage.url(set));
    page.after(LOST);
    stage.publisher = None;
    page.after(BACK);
    stage.publish();
    page.after(time)
}

/// Plays in a page, and judges it.
fn in_page(
    browser: Browser,
    player: &'static str,
    loads: Loads,
    set: &str,
) -> Result<String, String> {
    let seen = seen_in_page(browser, player, loads, set, PLAYED);
    let first = seen
        .first_frame
        .map_or(f64::INFINITY, |first| first.as_secs_f64());
    let text = format!(
        "first picture after {first:.1} s, {} stalls, {} pictures{}",
        seen.stalls,
        seen.frames,
        complaints(&seen.errors)
    );
    // The position counts from the session's start, so only the pictures tell how much was played.
    let played = seen.frames as f64 / FPS;
    let smooth = played >= seen.ran.as_secs_f64() - first - LAG_S_MAX;
    match seen.errors.is_empty() && smooth && first <= FIRST_S_MAX {
        true => Ok(text),
        false => Err(text),
    }
}

fn complaints(lines: &[String]) -> String {
    match lines.first() {
        Some(first) => format!(", {} complaints such as: {first}", lines.len()),
        None => String::new(),
    }
}

/// Plays in a program.
fn in_program(program: programs::Program, set: &str) -> Result<String, String> {
    let stage = Stage::new();
    let played = program(&stage.url(set), PLAYED);
    let text = format!(
        "{} pictures in {} s{}",
        played.pictures,
        PLAYED.as_secs(),
        complaints(&played.complaints)
    );
    let least = (PLAYED.as_secs_f64() - 5.0) * FPS;
    match played.complaints.is_empty() && played.pictures as f64 >= least {
        true => Ok(text),
        false => Err(text),
    }
}

/// A way to play, and the program that it needs.
type Player = (
    &'static str,
    Option<&'static str>,
    Box<dyn Fn() -> Result<String, String>>,
);

fn players() -> Vec<Player> {
    let page_of = |name, browser: Browser, player, loads, set: &'static str| -> Player {
        (
            name,
            browser.program(),
            Box::new(move || in_page(browser, player, loads, set)),
        )
    };
    let page = |name, browser, player, set| page_of(name, browser, player, Loads::Parts, set);
    let program = |(name, needs, play, set): programs::Entry| -> Player {
        let found = is_installed(needs).then_some(needs);
        (name, found, Box::new(move || in_program(play, set)))
    };
    let mut players = vec![
        page(
            "hls.js 1.7 in Chromium",
            Browser::Chromium,
            "hls.js",
            "master",
        ),
        page(
            "hls.js 1.7 in Chromium, MPEG-TS",
            Browser::Chromium,
            "hls.js",
            "ts",
        ),
        page(
            "Shaka Player 5.2 in Chromium",
            Browser::Chromium,
            "Shaka",
            "master",
        ),
        page(
            "video.js 8.24 in Chromium",
            Browser::Chromium,
            "video.js",
            "master",
        ),
        page_of(
            "video.js 8.24 in Chromium, `llhls: false`",
            Browser::Chromium,
            "video.js",
            Loads::Whole,
            "master",
        ),
        page(
            "video.js 8.24 in Chromium, MPEG-TS",
            Browser::Chromium,
            "video.js",
            "ts",
        ),
        page_of(
            "dash.js 5.2 in Chromium, DASH",
            Browser::Chromium,
            "dash.js",
            Loads::Whole,
            "manifest",
        ),
        page_of(
            "Shaka Player 5.2 in Chromium, DASH",
            Browser::Chromium,
            "Shaka",
            Loads::Whole,
            "manifest",
        ),
        page(
            "hls.js 1.7 in Firefox",
            Browser::Firefox,
            "hls.js",
            "master",
        ),
    ];
    let all = [PROGRAMS.as_slice(), &FRAMEWORKS, &READERS].concat();
    players.extend(all.into_iter().map(program));
    players
}

/// It repeats requests, and showed nothing as long as a cache kept an answer that had ended (12 s).
#[test]
fn video_js_begins_and_goes_on_when_the_publisher_returns() {
    let _turn = turn();
    let seen = seen_in_page(
        Browser::Chromium,
        "video.js",
        Loads::Parts,
        "master",
        GOES_ON,
    );
    let first = seen.first_frame.expect("a picture");
    assert!(first < LOST, "{seen:?}");
    assert!(seen.errors.is_empty(), "{seen:?}");
    // More than was played before the publisher had left and returned.
    assert!(
        seen.frames as f64 > BACK.as_secs_f64() * FPS * 0.75,
        "{seen:?}"
    );
}

/// All players that are installed.
#[test]
#[ignore = "takes half an hour and needs many programs; scripts/compatibility runs it"]
fn all_players_play() {
    let mut table = "\n| player | plays | measured |\n| --- | --- | --- |\n".to_owned();
    let mut failed = Vec::new();
    let choice = std::env::var("WEIR_PLAYERS").unwrap_or_default();
    for (name, needs, play) in players()
        .into_iter()
        .filter(|(n, _, _)| n.contains(&choice))
    {
        let outcome = match needs {
            Some(_) => catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|panic| {
                Err(panic.downcast_ref::<String>().cloned().unwrap_or_default())
            }),
            None => Err("not installed here".to_owned()),
        };
        println!("{name}: {outcome:?}");
        let (plays, text) = match &outcome {
            Ok(text) => ("yes", text),
            Err(text) => ("no", text),
        };
        let _ = writeln!(table, "| {name} | {plays} | {} |", text.replace('|', "/"));
        if outcome.is_err() {
            failed.push(name);
        }
    }
    write_table(TABLE, &table);
    assert!(failed.is_empty(), "{failed:#?}");
}
