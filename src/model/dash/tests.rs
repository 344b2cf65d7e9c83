//! Exact manifests for each situation, and what holds of those of random sessions.

mod read;
mod sessions;

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use read::{Listed, MpdPeriod, periods};
use sessions::{AUDIO, LOW, SECOND_NS, START_NS, Show, TOP};

use super::*;
use crate::model::hls::TrackId;

/// A test of the manifest of `$show`.
macro_rules! manifests {
    ($($show:ident;)*) => {$(
        #[test]
        fn $show() {
            let mut show = sessions::$show();
            let golden = include_str!(concat!("golden/", stringify!($show), ".mpd"));
            let text = show.text().unwrap();
            assert_eq!(text, golden, "\n{text}");
        }
    )*};
}

manifests! {
    running;
    slept;
    discontinuity;
    ended;
    reordered;
}

#[test]
fn there_is_none_before_every_rendition_has_a_segment() {
    let mut show = Show::new();
    assert_eq!(show.text(), None);
    for track in [TOP, LOW] {
        show.part(track, 1);
        assert_eq!(show.text(), None);
    }
    show.part(AUDIO, 1);
    assert!(show.text().is_some());
}

#[test]
fn files_that_say_no_time_are_not_listed() {
    let mut show = Show::new();
    show.unreadable = true;
    show.segment(1);
    assert_eq!(show.text(), None);
}

/// "The value of @start shall not change": a Period stays what it is while its segments leave.
#[test]
fn a_period_keeps_its_begin_while_its_segments_leave() {
    let mut show = Show::new();
    let mut before = None;
    for msn in 1..=12 {
        show.segment(msn);
        show.media.slide(Duration::from_secs(9));
        let periods = periods(&show.text().unwrap());
        let [period] = &periods[..] else {
            panic!("{periods:?}")
        };
        let same = |period: &MpdPeriod| {
            let offsets: Vec<u64> = period.listed.iter().map(|l| l.offset).collect();
            (period.id.clone(), period.start_ns, offsets)
        };
        let before = before.get_or_insert_with(|| same(period));
        assert_eq!(*before, same(period), "segment {msn}");
    }
}

/// Nobody may know a Period that has begun and gone unseen.
#[test]
fn what_nobody_has_seen_is_told_as_it_is_now() {
    let mut show = sessions::slept();
    show.text().unwrap();
    for msn in 7..=30 {
        show.segment(msn);
        show.media.slide(Duration::from_secs(9));
    }
    let periods = periods(&show.text().unwrap());
    let first = show.media.edition().unwrap().first;
    assert_eq!(periods.len(), 1);
    assert_eq!(periods[0].id, format!("s-{first}"));
    assert_eq!(periods[0].start_ns, START_NS + first * 2 * SECOND_NS);
}

/// A worker that comes back too early on the clock does not make Periods overlap.
#[test]
fn periods_do_not_overlap() {
    let mut show = Show::new();
    show.segment(1);
    show.segment(2);
    let next = show.media.interrupt();
    show.restart(-SECOND_NS.cast_signed() / 2);
    show.segment(next);
    let periods = periods(&show.text().unwrap());
    let [first, second] = &periods[..] else {
        panic!("{periods:?}")
    };
    assert_eq!(second.start_ns, first.end_ns("720p"));
}

#[derive(Debug, Clone)]
enum Step {
    /// All renditions that are awake make a segment.
    Segment,
    /// These rungs are awake from the next segment on.
    Cut(u32),
    /// A rung has another encoder from the next segment on.
    Refill(u8),
    /// The worker dies after this rendition has made a segment more, and another one goes on later.
    Interrupt(u8, u32),
    Slide(u8),
    Shorten,
    /// Somebody reads the manifest.
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Segment),
        2 => (1_u32..4).prop_map(Step::Cut),
        1 => (0_u8..2).prop_map(Step::Refill),
        1 => (0_u8..4, 0_u32..3000).prop_map(|(n, ms)| Step::Interrupt(n, ms)),
        2 => (0_u8..20).prop_map(Step::Slide),
        1 => Just(Step::Shorten),
        6 => Just(Step::Read),
    ]
}

/// Checks one Period against what the windows hold.
fn check_period(show: &Show, period: &MpdPeriod) {
    let mut inits = std::collections::BTreeMap::new();
    for listed in &period.listed {
        let track = show.media.tracks().find(|t| t.name == listed.name).unwrap();
        let last = listed.first + listed.times.len() as u64 - 1;
        let mut total_ns = 0;
        for (msn, (begin, duration)) in (listed.first..=last).zip(&listed.times) {
            let segment = periods::shown(&track, msn).expect("a segment with media");
            let init = *inits.entry(&listed.name).or_insert(segment.init());
            assert_eq!(init, segment.init(), "one section in a Period");
            let discontinuous = segment.is_discontinuity() && msn > listed.first;
            assert!(!discontinuous, "a discontinuity inside a Period");
            assert!(*duration > 0);
            // The file has the time that the manifest says.
            let ticks = crate::model::mp4::first_shown(&segment.part(0).unwrap()).unwrap();
            assert!(ticks.abs_diff(*begin) <= 1, "{ticks} is not {begin}");
            total_ns += segment.duration().as_nanos();
        }
        let of_window = total_ns * u128::from(listed.timescale) / u128::from(SECOND_NS);
        let sum: u64 = listed.times.iter().map(|(_, duration)| duration).sum();
        let off = u128::from(sum).abs_diff(of_window);
        assert!(off <= 2, "{sum} ticks, {of_window} in the window");
    }
}

/// What a client must find in two manifests, one after the other (section 5.4.1).
fn compare(before: &[MpdPeriod], now: &[MpdPeriod]) {
    for new in now {
        let Some(old) = before.iter().find(|old| old.id == new.id) else {
            continue;
        };
        assert_eq!(old.start_ns, new.start_ns, "a Period began elsewhere");
        for listed in &new.listed {
            let same = |old: &&Listed| old.name == listed.name;
            let Some(known) = old.listed.iter().find(same) else {
                continue;
            };
            let form = |l: &Listed| (l.offset, l.timescale, l.init.clone());
            assert_eq!(form(known), form(listed));
            for (msn, time) in (known.first..).zip(&known.times) {
                let place = msn.checked_sub(listed.first);
                let again = place.and_then(|n| listed.times.get(n as usize));
                let begins = again.map(|again| again.0);
                assert!(
                    begins.is_none_or(|begin| begin == time.0),
                    "segment {msn} moved"
                );
            }
        }
    }
    // Only the last Period gets segments, and new ones come behind it.
    let known = now
        .iter()
        .position(|new| before.iter().any(|old| old.id == new.id));
    let last = before.last().map(|last| &last.id);
    for old in now.iter().filter(|new| Some(&new.id) != last) {
        let Some(same) = before.iter().find(|known| known.id == old.id) else {
            continue;
        };
        for listed in &old.listed {
            let end = |l: &Listed| l.first + l.times.len() as u64;
            let same = same.listed.iter().find(|l| l.name == listed.name);
            assert!(same.is_some_and(|same| end(same) == end(listed)));
        }
    }
    assert!(
        known.is_none_or(|known| known == 0),
        "a Period before known ones"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_can_follow_every_manifest(steps in prop::collection::vec(step(), 1..120)) {
        let mut show = Show::new();
        let mut before = Vec::new();
        for step in steps {
            match step {
                Step::Segment => show.next_segment(),
                Step::Cut(bits) => {
                    let rungs: Vec<usize> = (0..2).filter(|rung| bits & (1 << rung) != 0).collect();
                    show.cut(show.next(), &rungs);
                }
                Step::Refill(n) => show.refill(TrackId::Video(n)),
                Step::Interrupt(n, ms) => show.interrupt(n, ms),
                Step::Slide(s) => show.media.slide(Duration::from_secs(u64::from(s))),
                Step::Shorten => drop(show.media.shorten()),
                Step::Read => {
                    let now = show.text().map_or(Vec::new(), |text| periods(&text));
                    prop_assert_eq!(now.is_empty(), show.media.edition().is_none());
                    for period in &now {
                        check_period(&show, period);
                    }
                    let ordered = now.is_sorted_by(|a, b| a.start_ns < b.start_ns);
                    prop_assert!(ordered, "Periods overlap");
                    compare(&before, &now);
                    before = now;
                }
            }
        }
    }
}
