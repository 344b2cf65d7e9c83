//! Small pictures all along the window, which a player shows above its seek bar, and the WebVTT that
//! lists them (W3C WebVTT: a cue for each picture, whose text is the picture's address).

use std::collections::VecDeque;
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::text::date;
use super::window::Lookup;

/// Time between two thumbnails of a worker.
pub const THUMBNAIL_INTERVAL: Duration = Duration::from_secs(2);
/// So many pictures cover a window, however long it is.
const PICTURES_PER_WINDOW: u32 = 100;
/// Pictures that are kept at most: those of a window, and what is made before its media is there.
const PICTURES_MAX: usize = 128;
/// Longest picture. Usual ones have about 10 KB; a longer one is left out.
pub const PICTURE_BYTES_MAX: usize = 64 * 1024;
/// Memory of a picture beside its bytes.
const PICTURE_BYTES: u64 = size_of::<Picture>() as u64;

#[derive(Debug)]
struct Picture {
    number: u64,
    /// Wall-clock time of its frame, nanoseconds since the Unix epoch.
    date_ns: u64,
    jpeg: Bytes,
}

/// The pictures of a session, oldest first. Their dates rise, and their numbers are never used twice.
#[derive(Debug, Default)]
pub(super) struct Storyboard {
    pictures: VecDeque<Picture>,
    /// The date that the times of the cues count from.
    zero_ns: Option<u64>,
    /// Number of the next picture, and so how many there were.
    next: u64,
    /// Time from one picture to the next.
    every: Duration,
    /// Counts the changes.
    version: u64,
    bytes: u64,
}

impl Storyboard {
    /// Takes the picture of the frame with this date if one is due in a `window` of this length; false
    /// if not. `media` is from the first listed frame to the end of the newest one, as dates: a picture
    /// before it, or later than it by more than `ahead_max`, is left out.
    pub(super) fn take(
        &mut self,
        (date_ns, jpeg): (u64, Bytes),
        media: Range<u64>,
        ahead_max: Duration,
        window: Duration,
    ) -> bool {
        let end_ns = media.end.saturating_add(nanos(ahead_max));
        let fits = (1..=PICTURE_BYTES_MAX).contains(&jpeg.len());
        if !fits || !(media.start..=end_ns).contains(&date_ns) {
            return false;
        }
        self.every = interval(window);
        // Another worker's clock may have been set back: what lies after this picture is void.
        while self.pictures.back().is_some_and(|p| p.date_ns >= date_ns) {
            self.forget(VecDeque::pop_back);
        }
        // Pictures come at frames, so two of them are not exactly the interval apart.
        let least = nanos(self.every.saturating_sub(THUMBNAIL_INTERVAL / 4));
        let is_due = |last: &Picture| date_ns - last.date_ns >= least;
        if !self.pictures.back().is_none_or(is_due) {
            return false;
        }
        self.zero_ns.get_or_insert(media.start);
        self.bytes = self.bytes.saturating_add(bytes(&jpeg));
        self.pictures.push_back(Picture {
            number: self.next,
            date_ns,
            jpeg,
        });
        self.next = self.next.saturating_add(1);
        self.version = self.version.saturating_add(1);
        while self.pictures.len() > PICTURES_MAX {
            self.forget(VecDeque::pop_front);
        }
        self.leave(media.start);
        true
    }

    /// Drops the pictures whose time has ended before `from_ns`; returns the bytes freed.
    pub(super) fn leave(&mut self, from_ns: u64) -> u64 {
        let before = self.bytes;
        // The first of the next one ends it.
        while self.pictures.get(1).is_some_and(|p| p.date_ns <= from_ns) {
            self.forget(VecDeque::pop_front);
        }
        before.saturating_sub(self.bytes)
    }

    fn forget(&mut self, pop: impl Fn(&mut VecDeque<Picture>) -> Option<Picture>) {
        if let Some(picture) = pop(&mut self.pictures) {
            self.bytes = self.bytes.saturating_sub(bytes(&picture.jpeg));
            self.version = self.version.saturating_add(1);
        }
    }

    /// Bytes held in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts the changes of the text.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The picture with this number.
    pub(super) fn find(&self, number: u64) -> Lookup<Bytes> {
        let mut pictures = self.pictures.iter();
        match pictures.find(|picture| picture.number == number) {
            Some(picture) => Lookup::Found(picture.jpeg.clone()),
            None if number < self.next => Lookup::Gone,
            None => Lookup::Absent,
        }
    }

    /// The list as WebVTT; `None` without pictures. Addresses are relative to `/live/STREAM/`;
    /// `session` is the folder of the session. Times count from the begin of the session, of which a
    /// comment says the date, as `EXT-X-PROGRAM-DATE-TIME` does of segments: a live window slides, and
    /// so does its place on the timeline of a player.
    pub(super) fn render(&self, session: &str) -> Option<String> {
        let zero_ns = self.zero_ns.filter(|_| !self.pictures.is_empty())?;
        let mut out = String::with_capacity(64 + 80 * self.pictures.len());
        // Writing to a String cannot fail.
        let _ = write!(out, "WEBVTT\n\nNOTE PROGRAM-DATE-TIME={}\n", date(zero_ns));
        let ends = self.pictures.iter().skip(1).map(|picture| picture.date_ns);
        let last = self.pictures.back();
        let last = last.map(|p| p.date_ns.saturating_add(nanos(self.every)));
        for (picture, end_ns) in self.pictures.iter().zip(ends.chain(last)) {
            let from = clock(picture.date_ns.saturating_sub(zero_ns));
            let to = clock(end_ns.saturating_sub(zero_ns));
            let number = picture.number;
            let _ = write!(
                out,
                "\n{from} --> {to}\n{session}/{}\n",
                picture_name(number)
            );
        }
        Some(out)
    }
}

/// File name of a picture in its session's folder.
pub(super) fn picture_name(number: u64) -> String {
    format!("thumb-{number}.jpg")
}

/// Time between two pictures that are kept of a window: a multiple of the time between two thumbnails.
fn interval(window: Duration) -> Duration {
    let step = THUMBNAIL_INTERVAL.saturating_mul(PICTURES_PER_WINDOW);
    let steps = window.as_nanos().div_ceil(step.as_nanos().max(1)).max(1);
    THUMBNAIL_INTERVAL.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

/// A WebVTT timestamp: "two or more" digits of hours, then minutes, seconds and milliseconds (W3C
/// WebVTT section 4.1).
fn clock(time_ns: u64) -> String {
    let ms = time_ns / 1_000_000;
    let (s, min, h) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    format!("{h:02}:{:02}:{:02}.{:03}", min % 60, s % 60, ms % 1000)
}

fn bytes(jpeg: &Bytes) -> u64 {
    PICTURE_BYTES.saturating_add(jpeg.len() as u64)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START_NS: u64 = 1_700_000_000_000_000_000;
    const MS: u64 = 1_000_000;
    const AHEAD: Duration = Duration::from_secs(6);

    /// A storyboard and the media behind it, which grows.
    struct Show {
        board: Storyboard,
        window: Duration,
        media: Range<u64>,
    }

    impl Show {
        fn new(window: Duration) -> Self {
            Self {
                board: Storyboard::default(),
                window,
                media: START_NS..START_NS,
            }
        }

        /// A picture `at_ms` after the begin of the session, when the media has come as far.
        fn picture(&mut self, at_ms: u64, jpeg: &'static [u8]) -> bool {
            let now_ns = START_NS + at_ms * MS;
            self.media.end = now_ns;
            self.media.start = START_NS.max(now_ns.saturating_sub(nanos(self.window)));
            self.take(now_ns, jpeg)
        }

        fn take(&mut self, date_ns: u64, jpeg: &'static [u8]) -> bool {
            let picture = (date_ns, Bytes::from_static(jpeg));
            self.board
                .take(picture, self.media.clone(), AHEAD, self.window)
        }

        fn text(&self) -> String {
            self.board.render("s1").unwrap()
        }

        fn numbers(&self) -> Vec<u64> {
            self.board.pictures.iter().map(|p| p.number).collect()
        }
    }

    #[test]
    fn a_list_has_this_text() {
        let mut show = Show::new(Duration::from_secs(60));
        assert_eq!(show.board.render("s1"), None);
        for (at_ms, jpeg) in [(500, &b"one"[..]), (2503, b"two"), (3_725_504, b"three")] {
            assert!(show.picture(at_ms, jpeg), "{at_ms}");
        }
        // The first one ended an hour ago.
        assert_eq!(
            show.text(),
            "WEBVTT\n\nNOTE PROGRAM-DATE-TIME=2023-11-14T22:13:20.000Z\n\
             \n00:00:02.503 --> 01:02:05.504\ns1/thumb-1.jpg\n\
             \n01:02:05.504 --> 01:02:07.504\ns1/thumb-2.jpg\n"
        );
    }

    #[test]
    fn a_hundred_pictures_cover_any_window() {
        for (window_s, every_s) in [
            (6, 2),
            (60, 2),
            (200, 2),
            (201, 4),
            (3600, 36),
            (86_400, 864),
        ] {
            let every = interval(Duration::from_secs(window_s));
            assert_eq!(every, Duration::from_secs(every_s), "{window_s} s");
        }
        let mut show = Show::new(Duration::from_secs(3600));
        for n in 0..5000 {
            // At 30000/1001 frames per second, 60 frames are a little more than two seconds.
            show.picture(500 + n * 2002, b"jpeg");
            assert!(show.board.pictures.len() <= 102);
        }
        assert!(show.board.pictures.len() >= 95);
    }

    #[test]
    fn pictures_leave_with_their_segments_and_their_addresses_are_gone() {
        let mut show = Show::new(Duration::from_secs(8));
        for n in 0..10 {
            assert!(show.picture(500 + n * 2000, b"jpeg"));
        }
        // The window begins at 10.5 s, which is when the picture of that number was taken.
        assert_eq!(show.numbers(), [5, 6, 7, 8, 9]);
        assert!(matches!(show.board.find(4), Lookup::Gone));
        assert!(matches!(show.board.find(5), Lookup::Found(jpeg) if jpeg == "jpeg"));
        assert!(matches!(show.board.find(10), Lookup::Absent));
        let version = show.board.version();
        assert!(show.board.leave(START_NS + 15_000 * MS) > 8);
        assert_eq!(show.numbers(), [7, 8, 9]);
        assert_ne!(show.board.version(), version);
        assert_eq!(show.board.leave(u64::MAX), 2 * (PICTURE_BYTES + 4));
        assert_eq!(show.numbers(), [9], "the newest stays");
    }

    #[test]
    fn what_no_media_can_show_is_left_out() {
        static LONG: [u8; PICTURE_BYTES_MAX + 1] = [0; PICTURE_BYTES_MAX + 1];
        let mut show = Show::new(Duration::from_secs(20));
        assert!(show.picture(60_000, b"jpeg"));
        let end_ns = show.media.end;
        for (date_ns, jpeg, taken) in [
            (end_ns + 2000 * MS, &LONG[..], false),
            (end_ns + 2000 * MS, b"", false),
            (end_ns + 1000 * MS, b"too soon", false),
            (end_ns + 6001 * MS, b"too far ahead", false),
            (u64::MAX, b"absurd", false),
            (end_ns - 20_001 * MS, b"too late", false),
            (0, b"absurd", false),
            (end_ns + 6000 * MS, b"jpeg", true),
        ] {
            assert_eq!(show.take(date_ns, jpeg), taken, "{date_ns}");
        }
        assert_eq!(show.numbers(), [0, 1]);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let mut show = Show::new(Duration::from_secs(60));
        for at_ms in [500, 2500, 4500] {
            assert!(show.picture(at_ms, b"before"));
        }
        assert!(show.picture(2500, b"after"));
        assert_eq!(show.numbers(), [0, 3]);
        assert!(matches!(show.board.find(1), Lookup::Gone));
    }

    proptest! {
        /// Whatever a worker says, the list is in order, bounded, and counted right.
        #[test]
        fn dates_rise_and_sums_agree(
            pictures in prop::collection::vec((0_u64..400_000, 0_u64..400_000, 0_usize..99), 1..400),
        ) {
            static JPEG: [u8; 99] = [0; 99];
            let mut show = Show::new(Duration::from_secs(100));
            for (from_ms, at_ms, len) in pictures {
                show.media.start = show.media.start.max(START_NS + from_ms * MS / 4);
                show.media.end = show.media.start + 100_000 * MS;
                let before = (show.board.version(), show.board.render("s"));
                show.take(START_NS + at_ms * MS, &JPEG[..len]);
                let board = &show.board;
                let dates: Vec<u64> = board.pictures.iter().map(|p| p.date_ns).collect();
                prop_assert!(dates.is_sorted_by(|a, b| a < b) && dates.len() <= 100);
                let sum: u64 = board.pictures.iter().map(|p| bytes(&p.jpeg)).sum();
                prop_assert_eq!(board.bytes(), sum);
                let after = (board.version(), board.render("s"));
                prop_assert!(before.0 != after.0 || before.1 == after.1, "two texts of one version");
            }
        }
    }
}
