//! Ten minutes in which everything happens to a ladder. The key frames of all rungs stay on the same
//! frames of the source.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::followed::{self, Follower};
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::faulty::{self, Fault, NVIDIA, Rule};
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, push_stream, turn, wait_for, wait_until};

const TIME: Duration = Duration::from_secs(600);
const LIMIT: Duration = Duration::from_secs(90);
const FPS: f64 = 30.0;
const ROUNDING: Duration = Duration::from_millis(1);
/// Good for the top rung.
const GOOD: Clip = Clip::new(640, 360, 30).lasting(90);
/// Of another rate.
const OTHER: Clip = Clip::new(640, 360, 25);
const TOP: usize = 0;
const MIDDLE: usize = 1;
const LOWEST: usize = 2;
const MIDDLE_KBPS: u32 = 400;
/// So long the encoder of the middle rung works: it fails while that is watched.
const WORKS_FRAMES: u64 = 240;
const LADDER: &str = "[encoder]\norder = [\"nvidia\", \"x264\"]\nrungs_on_demand = true\n\
    [hls]\nwindow = \"20m\"\n\
    [[rung]]\nname = \"360p\"\nheight = 360\nbitrate = \"6M\"\naudio = \"96k\"\n\
    [[rung]]\nname = \"180p\"\nheight = 180\nbitrate = \"400k\"\naudio = \"96k\"\n\
    [[rung]]\nname = \"90p\"\nheight = 90\nbitrate = \"150k\"\naudio = \"96k\"\n";

struct Stage {
    daemon: Daemon,
    cmaf: Viewer,
    ts: Viewer,
}

impl Stage {
    fn publish(daemon: &Daemon, clip: Clip) -> Publisher {
        Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY))
    }

    fn filling(&self, rung: usize) -> String {
        let status = self.daemon.status("s");
        let filling = status["rungs"][rung]["filling"].as_str();
        filling.unwrap_or_default().to_owned()
    }

    fn wait_filling(&self, rung: usize, expected: &str) {
        wait_until(&format!("{expected} in rung {rung}"), LIMIT, || {
            self.filling(rung).starts_with(expected)
        });
    }

    /// Watches the middle rung until it has another encoder.
    fn watch_until_it_falls_back(&self) {
        let uri = &self.cmaf.master.variants[MIDDLE].uri;
        wait_for("another encoder", LIMIT, || {
            let (mut url, msn) = (
                self.cmaf.playlist_url(uri),
                self.cmaf.playlist(uri).last_msn(),
            );
            url.set_query(Some(&format!("_HLS_msn={}", msn + 1)));
            assert_eq!(self.cmaf.fetch(&url).status, 200, "{url}");
            (self.filling(MIDDLE) == "encoder x264").then_some(())
        });
    }

    fn wait_segments(&self, count: u64) {
        let uri = &self.cmaf.master.variants[TOP].uri;
        let msn = self.cmaf.playlist(uri).last_msn() + count;
        self.cmaf.playlist_with(uri, msn, LIMIT);
    }

    /// Passed through, watched, encoded, asleep, with publishers and workers that come and go.
    fn round(&self, publisher: Publisher) -> Publisher {
        self.wait_filling(TOP, "passthrough");
        self.watch_until_it_falls_back();
        self.wait_filling(MIDDLE, "asleep");
        drop(publisher);
        self.wait_filling(TOP, "asleep");
        let publisher = Self::publish(&self.daemon, OTHER);
        self.wait_segments(6);
        assert_ne!(self.filling(LOWEST), "asleep");
        self.watch_until_it_falls_back();
        drop(publisher);
        let publisher = Self::publish(&self.daemon, GOOD);
        self.wait_filling(TOP, "passthrough");
        self.daemon.worker("s").signal(Signal::KILL);
        self.wait_segments(6);
        publisher
    }
}

/// When each segment of a rung begins.
fn begins(viewer: &Viewer, rung: usize, last_msn: u64) -> Vec<(u64, Duration)> {
    let uri = &viewer.master.variants[rung].uri;
    let segments = followed::segments(viewer, uri, last_msn, FPS).into_iter();
    segments
        .map(|(segment, frames)| (segment.msn, frames[0].pts))
        .collect()
}

#[test]
#[ignore = "takes ten minutes; scripts/compatibility runs it"]
fn key_frames_agree_through_all_that_happens() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let rule = Rule::at(NVIDIA, MIDDLE_KBPS, Fault::FailAfter(WORKS_FRAMES));
    let environment = faulty::environment(dir.path(), &[rule]);
    let daemon = Daemon::start_in(dir, environment, &format!("{LADDER}{}", push_stream("s")));
    let publisher = Stage::publish(&daemon, GOOD);
    let (cmaf, ts) = (Viewer::open(&daemon, "s"), Viewer::open_ts(&daemon, "s"));
    let stage = Stage { daemon, cmaf, ts };
    let begun = Instant::now();
    let last_msn = followed::while_this(&stage.cmaf, &stage.ts, Follower::Onlooker, || {
        let mut publisher = stage.round(publisher);
        while begun.elapsed() < TIME {
            publisher = stage.round(publisher);
        }
    });
    let mut all = Vec::new();
    for viewer in [&stage.cmaf, &stage.ts] {
        all.extend((TOP..=LOWEST).map(|rung| begins(viewer, rung, last_msn)));
    }
    println!("{} segments in {:?}", all[0].len(), begun.elapsed());
    for one in &all {
        assert_eq!(one.len(), all[0].len());
        // MPEG-TS counts from another time.
        let apart = all[0][0].1.abs_diff(one[0].1);
        for ((msn, at), (same, first)) in one.iter().zip(&all[0]) {
            assert_eq!(msn, same);
            let found = at.abs_diff(*first);
            assert!(
                found.abs_diff(apart) <= 2 * ROUNDING,
                "{msn}: {at:?} {first:?}"
            );
        }
    }
}
