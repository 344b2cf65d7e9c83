//! A source of the corpus: a clip, its way to weir, and what a viewer must get of it.

use std::time::Duration;

use super::clip::Clip;
use super::delivery::{self, Delivery};
use super::judge::{self, Verdict};
use crate::support::daemon::Daemon;
use crate::support::viewer::Viewer;
use crate::support::{KEY, wait_for};

/// One rung that keeps the size and rate of every source up to 1080p at 120 frames per second, in
/// segments of one second, so that a source is judged after few seconds.
const LADDER: &str = "[hls]\nsegment = \"1s\"\nts = false\n\
                      [[rung]]\nname = \"top\"\nheight = 1080\nfps = 120\nbitrate = \"16M\"\n";
/// The name of the stream.
pub const STREAM: &str = "s";
const LIMIT: Duration = Duration::from_secs(40);
/// The longest that a picture may stand still beyond its own time.
const GAP_MAX: Duration = Duration::from_millis(100);
/// Seconds that are judged of most sources.
const SECONDS: u64 = 8;
/// The longest slot of a canvas.
const SLOT_MAX: Duration = Duration::from_millis(101);

/// What a viewer must get.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// Picture and sound as the clip has them, within the bounds.
    Plays(Bounds),
    /// The source is refused, and the status of the stream says this word.
    Refused(&'static str),
}

/// Bounds of what a viewer may get.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Size of the picture.
    pub size: (u32, u32),
    /// Pictures per second.
    pub fps: f64,
    /// Seconds that are judged, from the first on.
    pub seconds: u64,
    /// Most repeats and skips, per picture.
    pub irregular_max: f64,
    /// Longest that the picture stands still beyond its own time.
    pub gap_max: Duration,
    /// Greatest distance of sound and picture, in milliseconds; `None` where nothing beeps or
    /// nothing moves.
    pub apart_ms_max: Option<f64>,
    /// Greatest error of a colour, of 255; `None` where the pattern is not shown.
    pub colour_max: Option<u8>,
    /// Pictures without the pattern, as while nothing has come.
    pub unreadable_max: usize,
    /// Beeps that may be missing beside those of the first and the last second.
    pub beeps_missing_max: u64,
}

impl Bounds {
    /// The bounds for a source that is as it should be.
    pub const fn of(size: (u32, u32), fps: f64) -> Self {
        Self {
            size,
            fps,
            seconds: SECONDS,
            irregular_max: 0.03,
            // A slot of a slow canvas is longer than the bound, and its picture is shown up to half a
            // slot early or late.
            gap_max: if fps < 15.0 { SLOT_MAX } else { GAP_MAX },
            apart_ms_max: Some(if fps < 15.0 { 50.0 } else { 40.0 }),
            colour_max: Some(6),
            // The session's clock may begin a moment before its first picture is decoded.
            unreadable_max: 2,
            beeps_missing_max: 0,
        }
    }

    /// The bounds for a source that does not show the pattern.
    pub const fn unseen(size: (u32, u32), fps: f64) -> Self {
        Self {
            irregular_max: f64::INFINITY,
            gap_max: Duration::MAX,
            apart_ms_max: None,
            colour_max: None,
            unreadable_max: usize::MAX,
            ..Self::of(size, fps)
        }
    }
}

/// A source.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// What it is, for the table.
    pub name: &'static str,
    /// Its clip.
    pub clip: Clip,
    /// Its way to weir.
    pub delivery: Delivery,
    /// What a viewer must get of it.
    pub expect: Expect,
}

impl Source {
    /// The same source, of which only the first `seconds` are judged, unless it needs a time of its
    /// own.
    pub fn for_seconds(mut self, seconds: u64) -> Self {
        if let Expect::Plays(bounds) = &mut self.expect
            && bounds.seconds == SECONDS
        {
            bounds.seconds = seconds;
        }
        self
    }

    /// The same source, of whose first `seconds` only sound and picture are judged: a few pictures
    /// from before the start may be left out.
    pub fn only_in_sync(mut self, seconds: u64) -> Self {
        if let Expect::Plays(bounds) = &mut self.expect {
            bounds.seconds = seconds;
            bounds.irregular_max = f64::INFINITY;
        }
        self
    }

    /// Plays the source through a daemon; describes what came out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn play(&self) -> Result<String, String> {
        self.play_through(|_, _| ())
    }

    /// Plays the source through a daemon while something happens, as soon as it can be watched;
    /// describes what came out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn play_through(&self, happens: impl FnOnce(&Daemon, &Viewer)) -> Result<String, String> {
        // Encoding comes first, so that it does not take the processors from the daemon.
        self.clip.file();
        let (address, _serving) = delivery::prepare(self.delivery, self.clip);
        let key = match address.as_str() {
            "push:" => format!("publish_key = \"{KEY}\"\n"),
            _ => String::new(),
        };
        let stream = format!("[[stream]]\nname = \"{STREAM}\"\nsource = \"{address}\"\n{key}");
        let daemon = Daemon::start(&format!("{LADDER}{stream}"));
        let _publishing = delivery::publish(self.delivery, self.clip, &daemon, STREAM);
        match self.expect {
            Expect::Plays(bounds) => self.watch(&daemon, bounds, happens),
            Expect::Refused(word) => Ok(refusal(&daemon, word)),
        }
    }

    fn watch(
        &self,
        daemon: &Daemon,
        bounds: Bounds,
        happens: impl FnOnce(&Daemon, &Viewer),
    ) -> Result<String, String> {
        let viewer = Viewer::open(daemon, STREAM);
        happens(daemon, &viewer);
        let all = viewer.all_with(bounds.seconds, LIMIT);
        let media: Vec<Vec<u8>> = all
            .iter()
            .map(|(uri, playlist)| viewer.download(uri, &playlist.segments))
            .collect();
        let sound = (!self.clip.audio.is_empty()).then(|| media[media.len() - 1].as_slice());
        let verdict = judge::judge(&media[0], sound, self.clip.fps(), bounds.fps);
        let variant = &viewer.master.variants[0];
        let fps = variant.frame_rate.unwrap_or_default();
        let mut wrong = bounds.wrong(&verdict);
        if variant.resolution != bounds.size || (fps - bounds.fps).abs() > 0.002 {
            wrong.push(format!("{:?} at {fps}", variant.resolution));
        }
        match wrong.is_empty() {
            true => Ok(describe(&verdict)),
            false => Err(format!("{}; {}", wrong.join(", "), describe(&verdict))),
        }
    }
}

impl Bounds {
    fn wrong(&self, verdict: &Verdict) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        check(
            verdict.unreadable <= self.unreadable_max,
            "unreadable pictures",
        );
        check(verdict.irregular() <= self.irregular_max, "cadence");
        check(verdict.gap <= self.gap_max, "gap");
        if let Some(most) = self.apart_ms_max {
            let beeps = verdict.sound_late_ms.len() as u64;
            check(
                beeps + 2 + self.beeps_missing_max >= self.seconds,
                "beeps missing",
            );
            check(verdict.apart_ms() <= most, "sound apart from picture");
        }
        if let Some(most) = self.colour_max {
            check(verdict.colour_error.is_some_and(|e| e <= most), "colour");
        }
        wrong
    }
}

fn describe(verdict: &Verdict) -> String {
    let mut words = vec![format!(
        "{} pictures, {} repeats, {} skips, gap {} ms",
        verdict.pictures,
        verdict.repeats,
        verdict.skips,
        verdict.gap.as_millis()
    )];
    if verdict.unreadable > 0 {
        words.push(format!("{} unreadable", verdict.unreadable));
    }
    if !verdict.sound_late_ms.is_empty() {
        words.push(format!("A/V {:.0} ms", verdict.apart_ms()));
    }
    if let Some(error) = verdict.colour_error {
        words.push(format!("colour {error}"));
    }
    words.join(", ")
}

fn refusal(daemon: &Daemon, word: &str) -> String {
    wait_for("a refusal", LIMIT, || {
        let error = daemon.status(STREAM)["last_error"].as_str()?.to_owned();
        error.contains(word).then(|| format!("refused: {error}"))
    })
}
