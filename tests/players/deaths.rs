//! Players of a stream whose worker is killed again and again.
//!
//! The players of a group play the same stream at the same time. `WEIR_DEATHS` chooses groups by a word of
//! their names, and `WEIR_DEATHS_SEED` repeats the moments of an earlier run.

use std::any::Any;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;

use super::browsers::{Browser, Loads, Page, Seen};
use super::programs::{self, Entry, FRAMEWORKS, PROGRAMS, Program, READERS};
use super::{is_installed, write_table};
use crate::followed::{self, Follower};
use crate::sources;
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, push_stream, turn, wait_until};

/// The file that gets the table.
const TABLE: &str = "WEIR_DEATHS_TABLE";
/// A word in the names of the groups that play.
const CHOICE: &str = "WEIR_DEATHS";
/// The number from which the moments come; a new one in each run by default.
const SEED: &str = "WEIR_DEATHS_SEED";
const STREAM: &str = "s";
const FPS: f64 = 30.0;
const LADDER: &str = "[encoder]\npassthrough = \"never\"\n\
    [[rung]]\nname = \"360p\"\nheight = 360\nbitrate = \"800k\"\n\
    [[rung]]\nname = \"240p\"\nheight = 240\nbitrate = \"400k\"\n";
const LIMIT: Duration = Duration::from_secs(30);
/// A clip is longer than a play, so that it never begins again.
const CLIP_S: u32 = 200;

/// How often the worker dies.
const DEATHS: u32 = 20;
/// A worker that has lived for 5 s is replaced at once, and one that dies sooner after a wait, longer each
/// time (`src/daemon/supervisor/restarts.rs`). A death is tried here, not that wait.
const LIFE_MIN: Duration = Duration::from_millis(5200);
/// The moment of a death is drawn from so much time: a segment.
const SPREAD: Duration = Duration::from_secs(2);
/// From a death to the end of the segment that was open, on average.
const RECOVERY: Duration = Duration::from_millis(1200);
/// Players play on after the last death for so long.
const AFTER: Duration = Duration::from_secs(12);
/// Latest first picture of a page, in seconds.
const FIRST_S_MAX: f64 = 5.0;
/// Most that a player may stand behind the time since its first picture.
const LAG_S_MAX: f64 = 2.0;

/// Draws numbers by SplitMix64 (Steele and others, "Fast splittable pseudorandom number generators", 2014).
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let chosen = std::env::var(SEED).ok();
        let chosen = chosen.map(|seed| seed.parse().expect("WEIR_DEATHS_SEED is a number"));
        let seed = chosen.unwrap_or_else(|| {
            let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
            u64::from(now.subsec_nanos())
        });
        Self(seed)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.draw() % SPREAD.as_micros() as u64)
    }
}

/// Where the stream comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A publisher with key frames so many seconds apart.
    Push(u32),
    /// weir reads HLS.
    Pull,
}

/// A daemon with a stream that is live.
struct Stage {
    daemon: Daemon,
    cmaf: Viewer,
    ts: Viewer,
    _source: Box<dyn Any>,
}

impl Stage {
    fn new(source: Source) -> Self {
        let clip = |gop_seconds| Clip::new(640, 360, 30).gop(gop_seconds).lasting(CLIP_S);
        let (daemon, source): (Daemon, Box<dyn Any>) = match source {
            Source::Push(gop_seconds) => {
                let daemon = Daemon::start(&format!("{LADDER}{}", push_stream(STREAM)));
                let url = daemon.publish_url(STREAM, KEY);
                let publisher = Publisher::ffmpeg(clip(gop_seconds), &url);
                (daemon, Box::new(publisher))
            }
            Source::Pull => {
                let (url, server) = sources::live_hls(&clip(2).file(), "-hls_segment_type mpegts");
                let stream = format!("[[stream]]\nname = \"{STREAM}\"\nsource = \"{url}\"\n");
                (Daemon::start(&format!("{LADDER}{stream}")), server)
            }
        };
        let cmaf = Viewer::open(&daemon, STREAM);
        let ts = Viewer::open_ts(&daemon, STREAM);
        // A player that comes to a running stream finds some segments.
        cmaf.all_with(4, LIMIT);
        Self {
            daemon,
            cmaf,
            ts,
            _source: source,
        }
    }

    fn url(&self, set: &str) -> String {
        self.daemon.url(&format!("/live/{STREAM}/{set}.m3u8"))
    }

    /// Kills the worker at these moments, each counted from the time when the worker is healthy; returns
    /// when the last one died. All playlists go on without a discontinuity, a gap or a broken rule.
    fn kill_workers(&self, moments: &[Duration]) -> Instant {
        let mut last = Instant::now();
        followed::while_this(&self.cmaf, &self.ts, Follower::Onlooker, || {
            for (death, moment) in moments.iter().enumerate() {
                let worker = self.daemon.worker(STREAM);
                let (born, before) = (Instant::now(), self.last_msn());
                wait_until("the moment of a death", LIMIT, || {
                    born.elapsed() >= LIFE_MIN + *moment
                });
                let open = self.last_msn();
                assert!(open > before, "no whole segment before death {death}");
                assert_eq!(self.daemon.worker(STREAM), worker, "before death {death}");
                worker.signal(Signal::KILL);
                last = Instant::now();
                wait_until("media of another worker", LIMIT, || {
                    self.last_msn() > open && self.daemon.worker(STREAM) != worker
                });
                eprintln!(
                    "death {death}: the open segment ended {:?} later",
                    last.elapsed()
                );
            }
        });
        last
    }

    fn last_msn(&self) -> u64 {
        let top = &self.cmaf.master.variants[0].uri;
        self.cmaf.playlist(top).last_msn()
    }
}

/// How a player plays an address for a time.
type Play = Box<dyn Fn(&str, Duration) -> Result<String, String> + Send + Sync>;

/// A way to play one of the sets of playlists, and the program that it needs, if it is installed.
struct Player {
    name: &'static str,
    needs: Option<&'static str>,
    set: &'static str,
    play: Play,
}

fn page(name: &'static str, player: &'static str, loads: Loads, set: &'static str) -> Player {
    let browser = Browser::Chromium;
    let play = move |url: &str, time: Duration| {
        judge_page(&Page::open(browser, player, loads, url).after(time))
    };
    Player {
        name,
        needs: browser.program(),
        set,
        play: Box::new(play),
    }
}

fn program((name, needs, play, set): Entry) -> Player {
    Player {
        name,
        needs: is_installed(needs).then_some(needs),
        set,
        play: Box::new(move |url, time| judge_program(play, url, time)),
    }
}

fn judge_page(seen: &Seen) -> Result<String, String> {
    let first = seen
        .first_frame
        .map_or(f64::INFINITY, |it| it.as_secs_f64());
    let due = (seen.ran.as_secs_f64() - first) * FPS;
    let text = format!(
        "{} of {due:.0} pictures, {} stalls of {:.1} s in all{}{}",
        seen.frames,
        seen.stalls,
        seen.stalled.as_secs_f64(),
        listed("complaints", &seen.errors),
        listed("faults that it mended", &seen.mended),
    );
    let smooth = seen.frames as f64 >= due - LAG_S_MAX * FPS;
    match seen.errors.is_empty() && smooth && first <= FIRST_S_MAX {
        true => Ok(text),
        false => Err(text),
    }
}

fn judge_program(play: Program, url: &str, time: Duration) -> Result<String, String> {
    let played = play(url, time);
    let due = time.as_secs_f64() * FPS;
    let text = format!(
        "{} of {due:.0} pictures{}",
        played.pictures,
        listed("complaints", &played.complaints)
    );
    // As much as a program without deaths may lack in `runs.rs`.
    let enough = played.pictures as f64 >= due - 5.0 * FPS;
    match played.complaints.is_empty() && enough {
        true => Ok(text),
        false => Err(text),
    }
}

fn listed(what: &str, lines: &[String]) -> String {
    let Some(first) = lines.first() else {
        return String::new();
    };
    let mut other = lines.iter().filter(|line| *line != first);
    let other = other.next().map(|line| format!(" and {line}"));
    let count = lines.len();
    format!(
        ", {count} {what} such as {first}{}",
        other.unwrap_or_default()
    )
}

/// Players that play one stream at the same time.
struct Group {
    name: &'static str,
    source: Source,
    players: Vec<Player>,
}

fn groups() -> Vec<Group> {
    use Loads::{Parts, Whole};
    let push = Source::Push(2);
    let three = |source, name| Group {
        name,
        source,
        players: vec![
            page("hls.js 1.7 in Chromium", "hls.js", Parts, "master"),
            program(("ffmpeg", "ffmpeg", programs::ffmpeg, "master")),
            program(("mpv", "mpv", programs::mpv, "master")),
        ],
    };
    let group = |name, players| Group {
        name,
        source: push,
        players,
    };
    vec![
        group(
            "hls.js",
            vec![
                page("hls.js 1.7 in Chromium", "hls.js", Parts, "master"),
                page("hls.js 1.7, whole segments", "hls.js", Whole, "master"),
                page("hls.js 1.7, MPEG-TS", "hls.js", Parts, "ts"),
            ],
        ),
        group(
            "Shaka",
            vec![
                page("Shaka Player 5.2 in Chromium", "Shaka", Parts, "master"),
                page("Shaka Player 5.2, whole segments", "Shaka", Whole, "master"),
                page("Shaka Player 5.2, MPEG-TS", "Shaka", Parts, "ts"),
            ],
        ),
        group(
            "video.js",
            vec![
                page("video.js 8.24 in Chromium", "video.js", Parts, "master"),
                page("video.js 8.24, `llhls: false`", "video.js", Whole, "master"),
                page("video.js 8.24, MPEG-TS", "video.js", Parts, "ts"),
            ],
        ),
        group("programs", PROGRAMS.into_iter().map(program).collect()),
        group("readers", READERS.into_iter().map(program).collect()),
        group("frameworks", FRAMEWORKS.into_iter().map(program).collect()),
        three(Source::Push(8), "key frames 8 s apart"),
        three(Source::Pull, "a pull of HLS"),
    ]
}

/// A line of the table.
struct Row {
    source: &'static str,
    name: String,
    outcome: Result<String, String>,
}

/// What a panic said.
fn said(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// Plays a group; returns a row for each player, and one for what weir served.
fn play(group: &Group, dice: &mut Dice) -> Vec<Row> {
    let source = match group.source {
        Source::Push(2) => "push",
        Source::Push(_) => "push, key frames 8 s apart",
        Source::Pull => "pull of HLS",
    };
    let seed = dice.0;
    println!("{}: {SEED}={seed}", group.name);
    let moments: Vec<Duration> = (0..DEATHS).map(|_| dice.moment()).collect();
    let moments_in_all: Duration = moments.iter().sum();
    let time = moments_in_all + DEATHS * (LIFE_MIN + RECOVERY) + AFTER;
    let stage = Stage::new(group.source);
    thread::scope(|scope| {
        let playing = group.players.iter().map(|player| {
            let url = stage.url(player.set);
            let play = move || (player.play)(&url, time);
            let outcome = move || match player.needs {
                Some(_) => catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|it| Err(said(it))),
                None => Err("not installed here".to_owned()),
            };
            (player.name, scope.spawn(outcome))
        });
        let playing: Vec<_> = playing.collect();
        let begun = Instant::now();
        let killed = catch_unwind(AssertUnwindSafe(|| stage.kill_workers(&moments)));
        let weir = match killed {
            Ok(last) if last + AFTER / 2 <= begun + time => Ok(format!(
                "{DEATHS} deaths, {SEED}={seed}: no discontinuity, no gap"
            )),
            Ok(_) => Err(format!(
                "{SEED}={seed}: too little was played after the deaths"
            )),
            Err(panic) => Err(format!("{SEED}={seed}: {}", said(panic))),
        };
        let players = playing.into_iter().map(|(name, one)| Row {
            source,
            name: name.to_owned(),
            outcome: one.join().unwrap_or_else(|it| Err(said(it))),
        });
        let mut rows: Vec<Row> = players.collect();
        rows.push(Row {
            source,
            name: format!("what weir served to these ({})", group.name),
            outcome: weir,
        });
        rows
    })
}

/// All players that are installed, while the worker dies [`DEATHS`] times.
#[test]
#[ignore = "takes twenty minutes and needs many programs; scripts/compatibility runs it"]
fn all_players_outlive_workers() {
    let _turn = turn();
    let (choice, mut dice) = (std::env::var(CHOICE).unwrap_or_default(), Dice::new());
    let mut table =
        "\n| player | source | plays | measured |\n| --- | --- | --- | --- |\n".to_owned();
    let mut failed = Vec::new();
    for group in groups().iter().filter(|it| it.name.contains(&choice)) {
        for row in play(group, &mut dice) {
            println!("{}, {}: {:?}", row.name, row.source, row.outcome);
            let (plays, text) = match &row.outcome {
                Ok(text) => ("yes", text),
                Err(text) => ("no", text),
            };
            let text = text.replace('|', "/").replace('\n', " ");
            let _ = writeln!(
                table,
                "| {} | {} | {plays} | {text} |",
                row.name, row.source
            );
            failed.extend(
                row.outcome
                    .is_err()
                    .then(|| format!("{}, {}", row.name, row.source)),
            );
        }
    }
    write_table(TABLE, &table);
    assert!(failed.is_empty(), "{failed:#?}");
}
