use super::*;
use crate::base::units::{Bitrate, FrameRate};

const RUNG: Rung = Rung {
    width: 1280,
    height: 720,
    fps: FrameRate::whole(30),
    bitrate: Bitrate::from_bps(1_000_000),
    segment_frames: 60,
    part_frames: 6,
};

/// A source: the canvas frames, counted from the key frame, in which the frames of a GOP are shown.
struct Source {
    watch: Watch,
    gop: Vec<u64>,
    sent: u64,
    frame_bytes: usize,
}

/// `I P B B P B B …`, closed: the last picture of a GOP is a P.
fn with_b_frames() -> Vec<u64> {
    let mut gop = vec![0];
    for p in (3..60).step_by(3) {
        gop.extend([p, p - 2, p - 1]);
    }
    gop.extend([58, 59]);
    gop
}

impl Source {
    fn new(gop: Vec<u64>) -> Self {
        let mut watch = Watch::new(RUNG);
        watch.opened(None);
        Self {
            watch,
            gop,
            sent: 0,
            frame_bytes: 1000,
        }
    }

    fn time_ns(frame: u64) -> i64 {
        // RTMP rounds to milliseconds.
        i64::try_from(RUNG.fps.time_of(frame).as_millis()).unwrap() * 1_000_000
    }

    /// Sends a frame, and lets the canvas show the picture of six frames before in frame 100 and so on.
    fn send(&mut self) -> Option<KeyFrame> {
        let (length, n) = (self.gop.len() as u64, self.sent);
        let shown = n / length * length + self.gop[(n % length) as usize];
        let data = Bytes::from(vec![n as u8; self.frame_bytes]);
        let key = self
            .watch
            .frame(Self::time_ns(shown), n % length == 0, data);
        if let Some(picture) = n.checked_sub(6) {
            self.watch.shown(Self::time_ns(picture), 100 + picture);
        }
        self.sent += 1;
        key
    }

    /// Sends frames until the source is good; returns the first key frame after that.
    fn until_good(&mut self) -> Option<KeyFrame> {
        (0..600).find_map(|_| self.send())
    }
}

#[test]
fn a_good_source_is_passed_through_after_ten_seconds() {
    for (gop, ahead) in [((0..60).collect(), 0), (with_b_frames(), 1)] {
        let mut source = Source::new(gop);
        let key = source.until_good().unwrap();
        assert_eq!((key.frame % 60, key.distance), (100 % 60, 60));
        assert!(source.sent > 300, "{}", source.sent);
        assert_eq!(source.watch.begin(key.frame + 1), None);
        assert_eq!(source.watch.begin(key.frame), Some(ahead));
        for place in key.frame..key.frame + 130 {
            let unit = loop {
                match source.watch.take(place) {
                    Next::Unit(unit) => break unit,
                    Next::NotYet => source.send(),
                    Next::Over => panic!("{:?}", source.watch.obstacle()),
                };
            };
            let offset = source.gop[((place - key.frame) % 60) as usize];
            assert_eq!(unit.place, place);
            assert_eq!(unit.shown, place - (place - key.frame) % 60 + offset);
            assert_eq!(unit.key, (place - key.frame).is_multiple_of(60));
        }
    }
}

/// A frame is given away only when all that are shown before it are there: who stops after it stops
/// between two pictures.
#[test]
fn frames_come_in_whole_groups() {
    let mut source = Source::new(with_b_frames());
    let key = source.until_good().unwrap();
    source.watch.begin(key.frame).unwrap();
    assert!(matches!(source.watch.take(key.frame), Next::Unit(_)));
    for _ in 0..2 {
        source.send();
        assert_eq!(source.watch.take(key.frame + 1), Next::NotYet);
    }
    source.send();
    assert!(matches!(source.watch.take(key.frame + 1), Next::Unit(_)));
}

/// Of a group that was begun the rest comes, though the publisher has gone; of one that was not, nothing.
#[test]
fn a_group_that_was_begun_is_finished() {
    for taken in 1..8 {
        let mut source = Source::new(with_b_frames());
        let key = source.until_good().unwrap();
        source.watch.begin(key.frame).unwrap();
        for _ in 0..10 {
            source.send();
        }
        let mut shown = Vec::new();
        for place in key.frame.. {
            if place == key.frame + taken {
                source.watch.opened(Some(Obstacle::NoSource));
            }
            match source.watch.take(place) {
                Next::Unit(unit) => shown.push(unit.shown),
                _ => break,
            }
        }
        shown.sort_unstable();
        let frames: Vec<u64> = (key.frame..key.frame + shown.len() as u64).collect();
        assert_eq!(shown, frames, "{taken}");
        assert!(shown.len() as u64 - taken < 3, "{taken}: {shown:?}");
    }
}

/// Wherever a part ends, what was taken and the rest of the group are all frames up to one of them, and
/// each once.
#[test]
fn what_was_taken_and_the_rest_of_its_group_have_no_hole() {
    let mut deep = vec![0];
    for p in (4..60).step_by(4) {
        deep.extend([p, p - 2, p - 3, p - 1]);
    }
    deep.extend(57..60);
    for (gop, rest_max) in [((0..60).collect(), 0), (with_b_frames(), 2), (deep, 3)] {
        let mut source = Source::new(gop);
        let key = source.until_good().unwrap();
        source.watch.begin(key.frame).unwrap();
        let (mut shown, mut most) = (Vec::new(), 0);
        for place in key.frame..key.frame + 100 {
            let unit = loop {
                match source.watch.take(place) {
                    Next::Unit(unit) => break unit,
                    Next::NotYet => source.send(),
                    Next::Over => panic!("{:?}", source.watch.obstacle()),
                };
            };
            shown.push(unit.shown);
            let rest: Vec<&Unit> = source.watch.rest_of_group().collect();
            most = most.max(rest.len());
            let places = rest.iter().map(|unit| unit.place);
            assert!(places.eq(place + 1..place + 1 + rest.len() as u64));
            let mut both: Vec<u64> = rest.iter().map(|unit| unit.shown).collect();
            both.extend(&shown);
            both.sort_unstable();
            let end = place + 1 + rest.len() as u64;
            assert!(both.into_iter().eq(key.frame..end), "{place}: {rest:?}");
        }
        assert_eq!(most, rest_max);
    }
}

#[test]
fn what_is_against_a_source_is_said() {
    let open: Vec<u64> = (0..60).collect();
    let long: Vec<u64> = (0..240).collect();
    let gap: Vec<u64> = (0..40).chain(41..60).collect();
    let mut deep = vec![0, 8];
    deep.extend(1..8);
    deep.extend(9..60);
    for (gop, expected) in [
        (long, Obstacle::key_frames(&RUNG)),
        (gap, Obstacle::rate(&RUNG)),
        (deep, Obstacle::Reordered),
    ] {
        let mut source = Source::new(gop);
        assert_eq!(source.until_good(), None);
        assert_eq!(source.watch.obstacle(), Some(expected));
    }
    let mut source = Source::new(open);
    source.frame_bytes = 10_000;
    assert_eq!(source.until_good(), None);
    let obstacle = source.watch.obstacle().unwrap();
    assert!(
        matches!(obstacle, Obstacle::Bitrate { is, .. } if is == 2_400_000),
        "{obstacle}"
    );
    source.watch.opened(None);
    let time_ns = Source::time_ns;
    source
        .watch
        .frame(time_ns(10), true, Bytes::from_static(b"x"));
    source
        .watch
        .frame(time_ns(8), false, Bytes::from_static(b"x"));
    assert_eq!(source.watch.obstacle(), Some(Obstacle::OpenGop));
}

/// The pictures of all frames from the next one on are shown `astray` canvas frames later.
fn shown_elsewhere(source: &mut Source, pictures: u64, astray: u64) {
    let first = source.sent - 6;
    for picture in first..first + pictures {
        let frame = 100 + picture + astray;
        source.watch.shown(Source::time_ns(picture), frame);
    }
}

#[test]
fn an_output_that_has_moved_ends_it() {
    let mut source = Source::new((0..60).collect());
    let key = source.until_good().unwrap();
    source.watch.begin(key.frame).unwrap();
    let picture = source.sent;
    let due = |astray: f64| Duration::from_secs_f64((100.0 + picture as f64 + astray) / 30.0);
    source.watch.due(Source::time_ns(picture), due(0.6));
    assert_eq!(source.watch.obstacle(), None);
    source.watch.due(Source::time_ns(picture), due(0.8));
    assert_eq!(source.watch.take(key.frame), Next::Over);
    assert_eq!(source.watch.obstacle(), Some(Obstacle::Unsteady));
}

/// A machine that is busy decodes some pictures late. Those that are passed through are none of them.
#[test]
fn pictures_that_are_late_do_not_end_it() {
    let mut source = Source::new((0..60).collect());
    let key = source.until_good().unwrap();
    source.watch.begin(key.frame).unwrap();
    shown_elsewhere(&mut source, 40, 1);
    assert!(matches!(source.watch.take(key.frame), Next::Unit(_)));
}

/// Passes a source through for so many frames each time until it fails, three times; returns how many
/// times 10 s it took until it was good.
fn returns(frames: u64) -> Vec<u64> {
    let mut source = Source::new((0..60).collect());
    let mut waits = Vec::new();
    for _ in 0..3 {
        let before = source.sent;
        let key = (0..2000).find_map(|_| source.send()).unwrap();
        waits.push((source.sent - before) / 300);
        source.watch.begin(key.frame).unwrap();
        for place in key.frame..key.frame + frames {
            source.send();
            source.watch.take(place);
        }
        source.watch.fail(Obstacle::rate(&RUNG));
        source.watch.end();
    }
    waits
}

#[test]
fn a_source_that_fails_returns_later_each_time() {
    assert_eq!(returns(0), [1, 1, 2]);
}

#[test]
fn a_source_that_was_good_for_long_returns_soon() {
    assert_eq!(returns(1900), [1, 1, 1]);
}

/// Half a second of pictures that are not shown where their times say: the one that they are counted from
/// was late.
#[test]
fn pictures_are_counted_from_one_that_was_in_time() {
    let mut source = Source::new((0..60).collect());
    source.until_good().unwrap();
    shown_elsewhere(&mut source, 15, 1);
    assert_eq!(source.watch.obstacle(), None);
    shown_elsewhere(&mut source, 16, 1);
    assert_eq!(source.watch.obstacle(), Some(Obstacle::Young));
    assert!(source.until_good().is_some());
}

/// An output that has moved before a source was passed through has it wait; the moves with which an output
/// begins are nobody's fault.
#[test]
fn an_output_that_moves_is_said_once_it_has_stood() {
    let due = |frame: f64| Duration::from_secs_f64(frame / 30.0);
    let mut source = Source::new((0..60).collect());
    source.watch.shown(Source::time_ns(0), 50);
    source.watch.due(Source::time_ns(0), due(100.0));
    assert_eq!(source.watch.obstacle(), Some(Obstacle::Young));
    source.until_good().unwrap();
    let picture = source.sent;
    source
        .watch
        .due(Source::time_ns(picture), due(150.0 + picture as f64));
    assert_eq!(source.watch.obstacle(), Some(Obstacle::Unsteady));
    assert!(source.until_good().is_some());
}
