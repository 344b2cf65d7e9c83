//! Exact playlist texts for each situation and packaging, and invariants over random sessions.

mod iframes;
mod kept;
mod properties;
mod ranges;
mod sleep;

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use ranges::marked;
use sleep::{refilled, slept};

use super::*;
use crate::base::units::{Bitrate, FrameRate};
use crate::model::ladder::cuts::Cut;
use crate::model::ladder::{AudioRendition, Canvas, Plan, RungSet, VideoRendition};

const PART: Duration = Duration::from_millis(500);
const START_NS: u64 = 1_700_000_000_000_000_000;
const PARTS_PER_SEGMENT: u32 = 2;
const VIDEO: TrackId = TrackId::Video(0);
const LOW: TrackId = TrackId::Video(1);
const AUDIO: TrackId = TrackId::Audio(0);

/// Two rungs, of which the lower has every other picture.
pub(in crate::model) fn plan() -> Plan {
    let rung = |name: &str, height: u32, kbps: u64, divisor| VideoRendition {
        name: name.into(),
        width: height * 16 / 9,
        height,
        divisor,
        bitrate: Bitrate::from_bps(kbps * 1000),
        audio: 0,
    };
    Plan {
        canvas: Canvas {
            width: 1280,
            height: 720,
            fps: FrameRate::new(60_000, 1001).unwrap(),
        },
        video: vec![rung("720p", 720, 2800, 1), rung("360p", 360, 800, 2)],
        audio: vec![AudioRendition {
            name: "audio-128k".into(),
            bitrate: Bitrate::from_bps(128_000),
        }],
    }
}

/// A session with a simulated worker: segments of two parts, each of half a second and 1000 bytes.
struct Show {
    media: Presentation,
    date_ns: u64,
    /// The worker that is lost makes another initialization section than the next one.
    worker: u32,
    awake: RungSet,
}

impl Show {
    fn new(part_target: Duration) -> Self {
        Self::with_hold_back(part_target, None)
    }

    fn with_hold_back(part_target: Duration, hold_back: Option<Duration>) -> Self {
        let plan = plan();
        let segment = PART * PARTS_PER_SEGMENT;
        let timing = Timing::new(&plan, segment, part_target, hold_back);
        let mut show = Self {
            media: Presentation::new(plan, timing, true),
            date_ns: START_NS,
            worker: 0,
            awake: RungSet::first(2),
        };
        show.inits();
        show
    }

    fn inits(&mut self) {
        for (track, codec) in [
            (VIDEO, "avc1.64001f"),
            (LOW, "avc1.64001e"),
            (AUDIO, "mp4a.40.2"),
        ] {
            let data = Bytes::from(format!("{track:?} of worker {}", self.worker));
            self.media.init(track, codec, data).unwrap();
        }
        self.worker += 1;
    }

    /// From segment `msn` on, these rungs are awake.
    fn cut(&mut self, msn: u64, awake: &[usize]) {
        self.awake = awake.iter().copied().fold(RungSet::EMPTY, RungSet::with);
        self.media.cut(&Cut {
            msn,
            frame: 0,
            awake: self.awake,
        });
    }

    fn is_awake(&self, track: TrackId) -> bool {
        match track {
            TrackId::Video(n) => self.awake.contains(n.into()),
            TrackId::Audio(_) => true,
        }
    }

    /// Returns the renditions that changed.
    fn part(&mut self, track: TrackId, msn: u64, index: u32) -> Vec<usize> {
        let part = Part {
            track,
            msn,
            index,
            duration: PART,
            independent: index == 0,
            last: index + 1 == PARTS_PER_SEGMENT,
            date_ns: self.date_ns + u64::from(index) * PART.as_nanos() as u64,
            data: Self::data(track, index),
        };
        self.media.part(&part).unwrap()
    }

    /// A picture begins each segment: 428 bytes from byte 16 on.
    fn data(track: TrackId, index: u32) -> Bytes {
        match (track, index) {
            (TrackId::Video(_), 0) => super::iframe::fragment(1000, &[300, 500]).into(),
            _ => vec![0; 1000].into(),
        }
    }

    fn parts(&mut self, msn: u64, index: u32) {
        for track in [VIDEO, LOW, AUDIO] {
            if self.is_awake(track) {
                self.part(track, msn, index);
            }
        }
    }

    fn segment(&mut self, msn: u64) {
        for index in 0..PARTS_PER_SEGMENT {
            self.parts(msn, index);
        }
        self.ts_segments(msn);
    }

    /// The MPEG-TS of a segment whose parts are there.
    fn ts_segments(&mut self, msn: u64) {
        for video in (0..2).filter(|n| self.awake.contains(usize::from(*n))) {
            let segment = TsSegment {
                video,
                msn,
                duration: PART * PARTS_PER_SEGMENT,
                date_ns: self.date_ns,
                data: Bytes::from(vec![0; 2000]),
            };
            self.media.ts_segment(segment).unwrap();
        }
        self.date_ns += (PART * PARTS_PER_SEGMENT).as_nanos() as u64;
    }

    fn text(&self, packaging: Packaging, skip: bool) -> String {
        let n = self.media.find("720p", packaging).unwrap();
        self.media.playlist(n, skip).unwrap()
    }
}

fn fresh() -> Show {
    let mut show = Show::new(PART);
    show.segment(1);
    show
}

fn running() -> Show {
    let mut show = fresh();
    for msn in 2..=4 {
        show.segment(msn);
    }
    show.parts(5, 0);
    show
}

fn evicted() -> Show {
    let mut show = Show::new(PART);
    for msn in 1..=8 {
        show.segment(msn);
        show.media.slide(Duration::from_secs(4));
    }
    show
}

/// The worker dies after the top rung's first part of segment 3, before any other rendition's.
fn interrupted() -> Show {
    let mut show = fresh();
    show.segment(2);
    show.part(VIDEO, 3, 0);
    assert_eq!(show.media.interrupt(), 4);
    show.date_ns += 5_000_000_000;
    show.inits();
    show
}

fn discontinuity() -> Show {
    let mut show = interrupted();
    show.parts(4, 0);
    show
}

fn ended() -> Show {
    let mut show = running();
    show.media.end();
    show
}

fn delta() -> Show {
    let mut show = Show::new(PART);
    for msn in 1..=9 {
        show.segment(msn);
    }
    show
}

fn no_low_latency() -> Show {
    let mut show = Show::new(Duration::ZERO);
    for msn in 1..=2 {
        show.segment(msn);
    }
    show.parts(3, 0);
    show
}

fn held_back() -> Show {
    let mut show = Show::with_hold_back(PART, Some(Duration::from_secs(5)));
    show.segment(1);
    show
}

/// A test of `$show`'s playlist texts in both packagings.
macro_rules! texts {
    ($($show:ident, skip = $skip:literal;)*) => {$(
        mod $show {
            use super::*;

            #[test]
            fn has_these_texts() {
                let show = super::$show();
                assert_eq!(
                    show.text(Packaging::Cmaf, $skip),
                    include_str!(concat!("golden/", stringify!($show), ".cmaf.m3u8"))
                );
                assert_eq!(
                    show.text(Packaging::Ts, $skip),
                    include_str!(concat!("golden/", stringify!($show), ".ts.m3u8"))
                );
            }
        }
    )*};
}

texts! {
    fresh, skip = false;
    running, skip = false;
    evicted, skip = false;
    interrupted, skip = false;
    discontinuity, skip = false;
    ended, skip = true;
    delta, skip = true;
    no_low_latency, skip = false;
    held_back, skip = false;
    slept, skip = false;
    refilled, skip = false;
    marked, skip = false;
}

/// The playlist of the rung that had no part of segment 3 when the worker died.
#[test]
fn gap_has_this_text() {
    let show = discontinuity();
    let n = show.media.find("360p", Packaging::Cmaf).unwrap();
    let text = show.media.playlist(n, false).unwrap();
    assert_eq!(text, include_str!("golden/gap.cmaf.m3u8"));
}

#[test]
fn masters_have_these_texts() {
    let mut show = fresh();
    for (packaging, golden) in [
        (Packaging::Cmaf, include_str!("golden/master.cmaf.m3u8")),
        (Packaging::Ts, include_str!("golden/master.ts.m3u8")),
    ] {
        assert_eq!(show.media.master(packaging, "s1", &[]).unwrap(), golden);
    }
}

/// Every variant and every rendition is on every pathway.
#[test]
fn masters_with_pathways_have_these_texts() {
    let mut show = fresh();
    let pathways = ["a", "b"].map(|id| Pathway {
        id: id.to_owned(),
        folder: format!("https://{id}.example.org/live/s/"),
    });
    for (packaging, golden) in [
        (Packaging::Cmaf, include_str!("golden/steered.cmaf.m3u8")),
        (Packaging::Ts, include_str!("golden/steered.ts.m3u8")),
    ] {
        let text = show.media.master(packaging, "s1", &pathways).unwrap();
        assert_eq!(text, golden);
    }
}

#[test]
fn a_master_waits_for_every_rendition() {
    let mut show = Show::new(PART);
    show.part(VIDEO, 1, 0);
    show.part(VIDEO, 1, 1);
    assert_eq!(show.media.master(Packaging::Cmaf, "s", &[]), None);
    assert!(!show.media.playable(Packaging::Cmaf));
    for track in [TrackId::Video(1), AUDIO] {
        show.part(track, 1, 0);
        show.part(track, 1, 1);
    }
    assert!(show.media.playable(Packaging::Cmaf));
    assert!(!show.media.playable(Packaging::Ts));
}

#[test]
fn bandwidth_follows_segments_that_outgrow_it() {
    let mut show = fresh();
    let before = show.media.master(Packaging::Cmaf, "s", &[]).unwrap();
    assert_eq!(show.media.bandwidth_raised(), 0);
    let part = |index, bytes, last| Part {
        track: VIDEO,
        msn: 2,
        index,
        duration: PART,
        independent: index == 0,
        last,
        date_ns: START_NS,
        data: Bytes::from(vec![0; bytes]),
    };
    show.media.part(&part(0, 1_000_000, false)).unwrap();
    show.media.part(&part(1, 500_000, true)).unwrap();
    // 1.5 MB of video and 2000 bytes of audio in one second.
    let after = show.media.master(Packaging::Cmaf, "s", &[]).unwrap();
    assert_eq!(
        after,
        before.replace("BANDWIDTH=5760256", "BANDWIDTH=12016000")
    );
    assert_eq!(show.media.bandwidth_raised(), 1);
}

#[test]
fn media_out_of_order_is_refused() {
    let mut show = fresh();
    let part = |track, msn, index| Part {
        track,
        msn,
        index,
        duration: PART,
        independent: true,
        last: false,
        date_ns: START_NS,
        data: Bytes::new(),
    };
    for (track, msn, index, expected) in [
        (VIDEO, 1, 0, Err(Refused::OutOfOrder)),
        (VIDEO, 3, 0, Err(Refused::OutOfOrder)),
        (VIDEO, 2, 1, Err(Refused::OutOfOrder)),
        (VIDEO, u64::MAX, 0, Err(Refused::OutOfOrder)),
        (TrackId::Video(9), 2, 0, Err(Refused::UnknownTrack)),
        (VIDEO, 2, 0, Ok(vec![0])),
        (AUDIO, 2, 0, Ok(vec![2])),
    ] {
        assert_eq!(show.media.part(&part(track, msn, index)), expected);
    }
    show.media.end();
    assert_eq!(show.media.part(&part(VIDEO, 2, 1)), Err(Refused::Ended));
    let timing = *show.media.timing();
    let mut bare = Presentation::new(plan(), timing, false);
    let without_init = bare.part(&part(VIDEO, 1, 0));
    assert_eq!(without_init, Err(Refused::OutOfOrder));
}

#[test]
fn all_renditions_of_a_packaging_end_with_the_same_segment() {
    let mut show = running();
    show.part(VIDEO, 5, 1);
    show.part(VIDEO, 6, 0);
    show.media.end();
    for n in 0..show.media.rendition_count() {
        let (window, _) = show.media.window(n).unwrap();
        let last = if n < 3 { 6 } else { 4 };
        assert_eq!(window.last_closed(), Some(last), "rendition {n}");
        let (Lookup::Found(four), Lookup::Found(segment)) = (window.find(4), window.find(last))
        else {
            panic!("rendition {n} lacks a segment");
        };
        assert!(!four.gap());
        assert_eq!(segment.gap(), matches!(n, 1 | 2), "rendition {n}");
    }
}

/// Before a segment refers to an init section it may be replaced under the same number, but caches
/// keep what they fetched for ever.
#[test]
fn an_init_section_is_found_once_a_segment_names_it() {
    let mut show = Show::new(PART);
    let find = |show: &Show, number| {
        let (window, _) = show.media.window(0).unwrap();
        matches!(window.find_init(number), Lookup::Found(_))
    };
    assert!(!find(&show, 1));
    show.parts(1, 0);
    assert!(find(&show, 1));
    show.media.interrupt();
    show.inits();
    assert!(find(&show, 1) && !find(&show, 2));
    show.parts(2, 0);
    assert!(find(&show, 1) && find(&show, 2));
}

#[test]
fn a_blocking_reload_is_judged_by_the_rules() {
    let show = discontinuity(); // parts 1.0–2.1, 3.0 alone (gap at 360p), 4.0 in an open segment
    let top = show.media.find("720p", Packaging::Cmaf).unwrap();
    let low = show.media.find("360p", Packaging::Cmaf).unwrap();
    let ts = show.media.find("720p", Packaging::Ts).unwrap();
    let refused = |readiness| matches!(readiness, Readiness::Refused(_));
    for (rendition, msn, part, expected) in [
        (top, None, None, Some(Readiness::Ready)),
        (top, None, Some(0), None),
        (top, Some(3), None, Some(Readiness::Ready)),
        (top, Some(4), None, Some(Readiness::Wait)),
        (top, Some(4), Some(0), Some(Readiness::Ready)),
        (top, Some(4), Some(1), Some(Readiness::Wait)),
        (top, Some(4), Some(7), Some(Readiness::Wait)), // advance part limit: six parts
        (top, Some(4), Some(8), None),
        (top, Some(4), Some(u32::MAX), None),
        (top, Some(5), Some(0), Some(Readiness::Wait)),
        (top, Some(6), None, None),
        (top, Some(u64::MAX), Some(0), None),
        (top, Some(1), Some(u32::MAX), Some(Readiness::Ready)), // as part 0 of segment 2
        (top, Some(3), Some(1), Some(Readiness::Ready)),        // as part 0 of segment 4
        (top, Some(0), Some(0), Some(Readiness::Ready)),        // long gone
        (low, Some(3), Some(0), Some(Readiness::Ready)),        // a gap: as part 0 of segment 4
        (ts, Some(3), Some(9), Some(Readiness::Ready)),         // no parts to wait for
        (ts, Some(4), None, Some(Readiness::Wait)),
    ] {
        let reload = Reload {
            msn,
            part,
            skip: false,
        };
        let readiness = show.media.readiness(rendition, reload);
        let ok = expected.map_or(refused(readiness), |expected| readiness == expected);
        assert!(ok, "{msn:?}.{part:?} at {rendition}: {readiness:?}");
    }
    let ended = ended();
    let absurd = Reload {
        msn: Some(99),
        part: Some(99),
        skip: true,
    };
    assert_eq!(ended.media.readiness(top, absurd), Readiness::Ready);
}

#[test]
fn a_rendition_that_stops_holds_up_no_memory() {
    let mut show = fresh();
    for msn in 2..=60 {
        show.parts(msn, 0);
        show.parts(msn, 1);
        show.media.slide(Duration::from_secs(4));
    }
    // MPEG-TS stopped after segment 1. Each of the three CMAF windows keeps four listed segments,
    // and older ones for the duration of the playlist plus one segment.
    let n = show.media.find("720p", Packaging::Cmaf).unwrap();
    let (window, _) = show.media.window(n).unwrap();
    assert_eq!(window.first_listed(), Some(57));
    assert!(matches!(window.find(50), Lookup::Gone));
    assert!(matches!(window.find(55), Lookup::Found(_)));
    assert_eq!(show.media.interrupt(), 61);
    let ts = show.media.find("720p", Packaging::Ts).unwrap();
    let (window, _) = show.media.window(ts).unwrap();
    assert_eq!(window.first_listed(), Some(57));
    assert!(window.find(60).gap());
}

impl Lookup<&Segment> {
    fn gap(&self) -> bool {
        matches!(self, Lookup::Found(segment) if segment.gap())
    }
}
