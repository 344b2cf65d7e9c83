//! Sessions with a simulated worker, whose files say when they are shown.

use super::*;
use crate::model::hls::tests::plan;
use crate::model::hls::{Part, Timing};
use crate::model::ladder::RungSet;
use crate::model::ladder::cuts::Cut;
use crate::model::ladder::lengths::AAC_FRAME_SAMPLES;
use crate::model::mp4::samples;

pub const TOP: TrackId = TrackId::Video(0);
pub const LOW: TrackId = TrackId::Video(1);
pub const AUDIO: TrackId = TrackId::Audio(0);
pub const SECOND_NS: u64 = 1_000_000_000;
/// The date of frame 0; segment 1 begins two seconds later.
pub const START_NS: u64 = 1_700_000_000 * SECOND_NS;

const SEGMENT_S: u64 = 2;
const SEGMENT: Duration = Duration::from_secs(SEGMENT_S);
const VIDEO_SCALE: u32 = 30_000;
const AUDIO_SCALE: u32 = 48_000;

/// A session of segments of one part each, of two seconds.
pub struct Show {
    pub media: Presentation,
    manifest: Manifest,
    /// Files are no MPEG-4.
    pub unreadable: bool,
    /// The date of what has time 0 in files, and the segment that begins there.
    epoch_ns: u64,
    zero: u64,
    awake: RungSet,
    /// Initialization sections so far.
    made: u32,
    /// Composition offset of the first frame of each video segment.
    offset: i32,
}

impl Show {
    pub fn new() -> Self {
        let plan = plan();
        let timing = Timing::new(&plan, SEGMENT, SEGMENT / 4, None);
        let mut show = Self {
            media: Presentation::new(plan, timing, false),
            manifest: Manifest::default(),
            unreadable: false,
            epoch_ns: START_NS,
            zero: 0,
            awake: RungSet::first(2),
            made: 0,
            offset: 0,
        };
        show.cut(1, &[0, 1]);
        show.inits();
        show
    }

    pub fn text(&mut self) -> Option<String> {
        let published = Duration::from_millis(1_700_000_100_250);
        self.manifest.text(&self.media, "s", published)
    }

    fn inits(&mut self) {
        for track in [TOP, LOW, AUDIO] {
            self.refill(track);
        }
    }

    /// Another encoder makes what follows of a rendition.
    pub fn refill(&mut self, track: TrackId) {
        self.made += 1;
        let (codec, scale) = match track {
            TrackId::Video(0) => ("avc1.640020", VIDEO_SCALE),
            TrackId::Video(_) => ("avc1.64001e", VIDEO_SCALE),
            TrackId::Audio(_) => ("mp4a.40.2", AUDIO_SCALE),
        };
        let section = samples::init(scale, &format!("{track:?} {}", self.made));
        self.media.init(track, codec, section.into()).unwrap();
    }

    /// From segment `msn` on, these rungs are awake.
    pub fn cut(&mut self, msn: u64, awake: &[usize]) {
        self.awake = awake.iter().copied().fold(RungSet::EMPTY, RungSet::with);
        self.media.cut(&Cut {
            msn,
            frame: 0,
            awake: self.awake,
        });
    }

    /// The next segment.
    pub fn next(&self) -> u64 {
        let windows = (0..3).map(|n| self.media.window(n).unwrap().0);
        let next = windows.filter_map(|window| window.next_part());
        next.map(|next| next.0).max().unwrap_or(1)
    }

    /// Makes a segment of one rendition. Sound begins with the first AAC frame that the pictures have.
    pub fn part(&mut self, track: TrackId, msn: u64) {
        let s = (msn - self.zero) * SEGMENT_S;
        let aac = |s: u64| (s * u64::from(AUDIO_SCALE)).div_ceil(AAC_FRAME_SAMPLES);
        let ticks = |s| aac(s) * AAC_FRAME_SAMPLES;
        let after = |ticks: u64| ticks * SECOND_NS / u64::from(AUDIO_SCALE);
        let (begin, date_ns, end_ns) = match track {
            TrackId::Video(_) => (
                s * u64::from(VIDEO_SCALE),
                s * SECOND_NS,
                (s + SEGMENT_S) * SECOND_NS,
            ),
            TrackId::Audio(_) => (ticks(s), after(ticks(s)), after(ticks(s + SEGMENT_S))),
        };
        let offset = match track {
            TrackId::Video(_) => self.offset,
            TrackId::Audio(_) => 0,
        };
        // What is shown first is decoded earlier.
        let decoded = begin.saturating_add_signed(-i64::from(offset));
        let data = match self.unreadable {
            true => Bytes::from_static(b"media"),
            false => samples::part(decoded, &[(1000, offset), (1000, offset + 1000)]).into(),
        };
        let part = Part {
            track,
            msn,
            index: 0,
            duration: Duration::from_nanos(end_ns - date_ns),
            independent: true,
            last: true,
            date_ns: self.epoch_ns + date_ns,
            data,
        };
        self.media.part(&part).unwrap();
    }

    fn is_awake(&self, track: TrackId) -> bool {
        match track {
            TrackId::Video(n) => self.awake.contains(n.into()),
            TrackId::Audio(_) => true,
        }
    }

    pub fn segment(&mut self, msn: u64) {
        for track in [TOP, LOW, AUDIO] {
            if self.is_awake(track) {
                self.part(track, msn);
            }
        }
    }

    pub fn next_segment(&mut self) {
        self.segment(self.next());
    }

    /// Another worker goes on, whose clock begins `later_ns` after the end of what there is.
    pub fn restart(&mut self, later_ns: i64) {
        let next = self.next();
        let ended_ns = self.epoch_ns + (next - self.zero) * SEGMENT_S * SECOND_NS;
        self.epoch_ns = ended_ns.saturating_add_signed(later_ns);
        self.zero = next;
        self.cut(next, &[0, 1]);
        self.inits();
    }

    /// The worker dies after rendition `n`, if there is such a one, has made a segment more.
    pub fn interrupt(&mut self, n: u8, later_ms: u32) {
        let tracks = [TOP, LOW, AUDIO];
        if let Some(track) = tracks.get(usize::from(n)).filter(|t| self.is_awake(**t)) {
            self.part(*track, self.next());
        }
        self.media.interrupt();
        self.restart(i64::from(later_ms) * 1_000_000);
    }
}

fn segments(count: u64) -> Show {
    let mut show = Show::new();
    for msn in 1..=count {
        show.segment(msn);
    }
    show
}

/// Some segments, and one that not every rendition has.
pub fn running() -> Show {
    let mut show = segments(4);
    show.part(TOP, 5);
    show.part(LOW, 5);
    show
}

/// The top rung sleeps in the segments 3 and 4, comes back with another encoder, and sleeps again.
pub fn slept() -> Show {
    let mut show = segments(2);
    show.cut(3, &[1]);
    show.segment(3);
    show.segment(4);
    show.cut(5, &[0, 1]);
    show.refill(TOP);
    show.segment(5);
    show.cut(6, &[1]);
    show.segment(6);
    show
}

/// The worker dies after the top rung has made a segment that nobody else has.
pub fn discontinuity() -> Show {
    let mut show = segments(2);
    show.interrupt(0, 1500);
    show.next_segment();
    show
}

pub fn ended() -> Show {
    let mut show = running();
    show.media.end();
    show
}

/// Frames are decoded in another order than they are shown.
pub fn reordered() -> Show {
    let mut show = Show::new();
    show.offset = 2000;
    show.segment(1);
    show.segment(2);
    show
}
