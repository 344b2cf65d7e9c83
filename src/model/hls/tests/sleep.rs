//! Rungs that sleep and show another one.

use super::*;

const BOTH: &[usize] = &[0, 1];
const LOWEST: &[usize] = &[1];

/// The top rung sleeps in the segments 3 and 4, comes back with another encoder, and sleeps again.
pub(super) fn slept() -> Show {
    let mut show = fresh();
    show.segment(2);
    show.cut(3, LOWEST);
    show.segment(3);
    show.segment(4);
    show.cut(5, BOTH);
    let data = Bytes::from_static(b"of another encoder");
    show.media.init(VIDEO, "avc1.4d401f", data).unwrap();
    show.segment(5);
    show.cut(6, LOWEST);
    show.parts(6, 0);
    show
}

/// An encoder takes the place of another one: only its initialization section is new.
pub(super) fn refilled() -> Show {
    let mut show = fresh();
    for worker in [1, 1, 2] {
        show.worker = worker;
        show.inits();
        let msn = show.media.window(0).unwrap().0.next_part().unwrap().0;
        show.segment(msn);
    }
    show
}

fn next_part(show: &Show, rendition: usize) -> Option<(u64, u32)> {
    show.media.window(rendition).unwrap().0.next_part()
}

#[test]
fn the_bytes_of_a_stand_in_are_those_of_the_other_rung() {
    let show = slept();
    for (msn, same) in [(2, false), (3, true), (4, true), (5, false), (6, true)] {
        for (top, low) in [(0, 1), (3, 4)] {
            let chunks = |n| match show.media.window(n).unwrap().0.find(msn) {
                Lookup::Found(segment) => segment.chunks(),
                other => panic!("{other:?}"),
            };
            if (msn, top) != (6, 3) {
                let (top, low) = (chunks(top), chunks(low));
                let shared = top.iter().zip(&low).all(|(a, b)| a.as_ptr() == b.as_ptr());
                assert_eq!((top.len(), shared), (low.len(), same), "segment {msn}");
            }
        }
    }
}

#[test]
fn a_sleeping_rung_costs_no_memory_and_no_bandwidth() {
    let mut show = fresh();
    let master = show.media.master(Packaging::Cmaf, "s", &[]).unwrap();
    show.cut(2, LOWEST);
    let bytes = |show: &Show| [0, 1].map(|n| show.media.window(n).unwrap().0.bytes());
    let before = bytes(&show);
    let big = |index, last| Part {
        track: LOW,
        msn: 2,
        index,
        duration: PART,
        independent: index == 0,
        last,
        date_ns: START_NS,
        data: Bytes::from(vec![0; 500_000]),
    };
    show.media.part(&big(0, false)).unwrap();
    assert_eq!(show.media.part(&big(1, true)), Ok(vec![0, 1]));
    let after = bytes(&show);
    assert!(after[0] - before[0] < 2000, "{before:?} {after:?}");
    assert!(after[1] - before[1] > 1_000_000, "{before:?} {after:?}");
    let top = |master: &str| {
        master
            .lines()
            .find(|line| line.contains("1280x720"))
            .map(str::to_owned)
    };
    let now = show.media.master(Packaging::Cmaf, "s", &[]).unwrap();
    assert_eq!(top(&now), top(&master));
    assert_eq!(show.media.bandwidth_raised(), 1, "of the other rung");
    assert!(show.media.shorten() == 0 && show.media.bytes() >= after.iter().sum::<u64>());
}

/// A client reads the segments of a rung with one demultiplexer, whoever made them.
#[test]
fn the_counters_of_a_rung_go_on_through_its_stand_in() {
    let mut show = fresh();
    let packet = |counter: u8| {
        let mut packet = [0; 188];
        packet[..4].copy_from_slice(&[0x47, 0x40, 65, 0x10 | counter]);
        Bytes::copy_from_slice(&packet)
    };
    // Each encoder counts on while the other rung sleeps.
    let (mut top, mut low) = (4, 9);
    for (msn, awake) in [(2, BOTH), (3, LOWEST), (4, LOWEST), (5, BOTH)] {
        show.cut(msn, awake);
        for (video, counter) in [(0, &mut top), (1, &mut low)] {
            if awake.contains(&usize::from(video)) {
                let (duration, date_ns) = (PART * PARTS_PER_SEGMENT, START_NS);
                let data = packet(*counter);
                *counter += 1;
                let segment = TsSegment {
                    video,
                    msn,
                    duration,
                    date_ns,
                    data,
                };
                show.media.ts_segment(segment).unwrap();
            }
        }
    }
    let counter = |rendition, msn| match show.media.window(rendition).unwrap().0.find(msn) {
        Lookup::Found(segment) => segment.chunks()[0][3] & 0x0f,
        other => panic!("{other:?}"),
    };
    assert_eq!([2, 3, 4, 5].map(|msn| counter(3, msn)), [4, 5, 6, 7]);
    assert_eq!([2, 3, 4, 5].map(|msn| counter(4, msn)), [9, 10, 11, 12]);
}

#[test]
fn readers_of_a_sleeping_rung_wait_for_its_stand_in() {
    let mut show = slept();
    let ask = |show: &Show, msn, part| {
        let (msn, skip) = (Some(msn), false);
        show.media.readiness(0, Reload { msn, part, skip })
    };
    assert_eq!(show.media.hint(0), Some((6, 1)));
    assert_eq!(ask(&show, 6, Some(0)), Readiness::Ready);
    assert_eq!(ask(&show, 6, Some(1)), Readiness::Wait);
    assert_eq!(show.part(LOW, 6, 1), [0, 1], "both have changed");
    assert_eq!(ask(&show, 6, Some(1)), Readiness::Ready);
    assert_eq!(show.media.hint(0), Some((7, 0)));
    let delta = show.text(Packaging::Cmaf, true);
    assert!(!delta.contains("#EXT-X-GAP"), "{delta}");
}

/// The stand-in is ahead of the rung that falls asleep.
#[test]
fn a_rung_ends_its_own_segment_before_it_shows_another() {
    let mut show = fresh();
    show.part(VIDEO, 2, 0);
    show.cut(3, LOWEST);
    for (msn, index) in [(2, 0), (2, 1), (3, 0), (3, 1)] {
        assert_eq!(show.part(LOW, msn, index), [1]);
    }
    assert_eq!(next_part(&show, 0), Some((2, 1)));
    assert_eq!(show.part(VIDEO, 2, 1), [0]);
    assert_eq!(next_part(&show, 0), Some((4, 0)));
}

/// The stand-in lags behind the rung that wakes.
#[test]
fn a_rung_that_wakes_waits_for_the_end_of_its_stand_in() {
    let mut show = fresh();
    show.segment(2);
    show.cut(3, LOWEST);
    show.part(LOW, 3, 0);
    show.cut(4, BOTH);
    let data = Bytes::from_static(b"woken");
    show.media.init(VIDEO, "avc1.64001f", data).unwrap();
    let held = show.media.bytes();
    assert_eq!(show.part(VIDEO, 4, 0), [0_usize; 0]);
    assert_eq!(show.media.bytes(), held + 1000);
    assert_eq!(next_part(&show, 0), Some((3, 1)));
    assert_eq!(show.part(LOW, 3, 1), [0, 1]);
    assert_eq!(next_part(&show, 0), Some((4, 1)));
    let text = show.text(Packaging::Cmaf, false);
    let maps = text.lines().filter(|line| line.contains("EXT-X-MAP"));
    let maps: Vec<&str> = maps
        .map(|line| line.trim_start_matches("#EXT-X-MAP:URI="))
        .collect();
    assert_eq!(maps, ["\"init-1.mp4\"", "\"init-2.mp4\"", "\"init-3.mp4\""]);
}

#[test]
fn what_waits_is_bounded() {
    let mut show = fresh();
    show.cut(2, LOWEST);
    show.cut(3, BOTH);
    let part = |msn| Part {
        track: VIDEO,
        msn,
        index: 0,
        duration: PART,
        independent: true,
        last: true,
        date_ns: START_NS,
        data: Bytes::from_static(b"part"),
    };
    let taken = (3..100).take_while(|msn| show.media.part(&part(*msn)).is_ok());
    assert_eq!(taken.count(), HELD_SEGMENTS_MAX);
    show.media.interrupt();
    let left = show.media.window(0).unwrap().0.bytes();
    assert!(show.media.bytes() >= left && show.media.bytes() - left < 10_000);
}

#[test]
fn a_rung_that_sleeps_sends_nothing() {
    let mut show = fresh();
    show.cut(2, LOWEST);
    let part = Part {
        track: VIDEO,
        msn: 2,
        index: 0,
        duration: PART,
        independent: true,
        last: false,
        date_ns: START_NS,
        data: Bytes::from_static(b"part"),
    };
    assert_eq!(show.media.part(&part), Err(Refused::OutOfOrder));
}

/// Segments of the top rung after its worker was lost: whether each is a gap, and its parts.
fn interrupted(show: &mut Show) -> Vec<(u64, bool, usize)> {
    show.media.interrupt();
    let (window, _) = show.media.window(0).unwrap();
    let listed = window.listed().filter(|s| s.msn > 1);
    listed.map(|s| (s.msn, s.gap(), s.chunks().len())).collect()
}

#[test]
fn a_lost_worker_leaves_no_gap_where_the_stand_in_has_media() {
    // It is asleep.
    let mut show = fresh();
    show.cut(2, LOWEST);
    show.part(LOW, 2, 0);
    assert_eq!(interrupted(&mut show), [(2, false, 1)]);
    // It falls asleep, and the end of its own segment is lost.
    let mut show = fresh();
    show.part(VIDEO, 2, 0);
    show.cut(3, LOWEST);
    for (msn, index) in [(2, 0), (2, 1), (3, 0)] {
        show.part(LOW, msn, index);
    }
    assert_eq!(interrupted(&mut show), [(2, false, 1), (3, false, 1)]);
    // It wakes, and the end of the stand-in's segment is lost.
    let mut show = fresh();
    show.cut(2, LOWEST);
    show.part(LOW, 2, 0);
    show.cut(3, BOTH);
    show.part(VIDEO, 3, 0);
    assert_eq!(interrupted(&mut show), [(2, false, 1), (3, false, 1)]);
    // Of the low rung, segment 3 was lost.
    assert!(show.media.window(1).unwrap().0.find(3).gap());
    // The next worker begins with the top rung asleep.
    show.cut(4, LOWEST);
    show.inits();
    show.part(LOW, 4, 0);
    let text = show.text(Packaging::Cmaf, false);
    assert!(text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP"), "{text}");
    assert!(text.contains("URI=\"4.0.m4s\""), "{text}");
}

#[test]
fn a_session_ends_alike_for_those_who_sleep() {
    let mut show = slept();
    show.media.end();
    for n in 0..3 {
        let (window, _) = show.media.window(n).unwrap();
        assert_eq!(window.last_closed(), Some(6), "rendition {n}");
        assert!(!window.find(6).gap(), "rendition {n}");
    }
}

/// A rung that has slept for longer than the window goes on with the same initialization section.
#[test]
fn an_init_section_that_was_dropped_comes_back_under_another_number() {
    let mut show = fresh();
    let number = |show: &Show| {
        let text = show.text(Packaging::Cmaf, false);
        let map = text
            .lines()
            .rfind(|line| line.contains("EXT-X-MAP"))
            .unwrap();
        map.to_owned()
    };
    assert_eq!(number(&show), "#EXT-X-MAP:URI=\"init-1.mp4\"");
    show.cut(2, LOWEST);
    for msn in 2..40 {
        show.segment(msn);
        show.media.slide(Duration::from_secs(4));
    }
    let gone = show.media.window(0).unwrap().0.find_init(1);
    assert!(matches!(gone, Lookup::Gone));
    show.cut(40, BOTH);
    show.segment(40);
    assert_eq!(number(&show), "#EXT-X-MAP:URI=\"init-3.mp4\"");
}

/// What one rendition sends, in order.
#[derive(Debug, Clone)]
enum Sent {
    Init(TrackId, u64),
    Part(Part),
    Ts(TsSegment),
}

const SEGMENTS: u64 = 7;

/// A worker with three rungs whose awake ones are given by segment.
fn session(awake: &[RungSet]) -> (Presentation, Vec<Vec<Sent>>) {
    let mut plan = plan();
    let mut middle = plan.video[1].clone();
    middle.name = "480p".into();
    plan.video.insert(1, middle);
    let timing = Timing::new(&plan, PART * PARTS_PER_SEGMENT, PART, None);
    let media = Presentation::new(plan, timing, true);
    let tracks = [VIDEO, LOW, TrackId::Video(2), AUDIO];
    let queues = tracks.into_iter().flat_map(|track| {
        let (mut parts, mut segments) = (Vec::new(), Vec::new());
        for (msn, awake) in (1..).zip(awake) {
            let rung = match track {
                TrackId::Video(n) => Some(n),
                TrackId::Audio(_) => None,
            };
            if rung.is_some_and(|rung| !awake.contains(rung.into())) {
                continue;
            }
            if msn % 3 == 1 {
                parts.push(Sent::Init(track, msn));
            }
            let date_ns = START_NS + msn * 1_000_000_000;
            for index in 0..PARTS_PER_SEGMENT {
                parts.push(Sent::Part(Part {
                    track,
                    msn,
                    index,
                    duration: PART,
                    independent: index == 0,
                    last: index + 1 == PARTS_PER_SEGMENT,
                    date_ns,
                    data: Bytes::from(format!("{track:?} {msn}.{index}")),
                }));
            }
            if let Some(video) = rung {
                segments.push(Sent::Ts(TsSegment {
                    video,
                    msn,
                    duration: PART * PARTS_PER_SEGMENT,
                    date_ns,
                    data: Bytes::from(format!("{track:?} {msn}")),
                }));
            }
        }
        [parts, segments]
    });
    (media, queues.collect())
}

/// Sends everything, each time what the next of `picks` says; returns all playlists, and the media of
/// all windows.
fn shown(awake: &[RungSet], picks: &[usize]) -> Vec<(String, Vec<Bytes>)> {
    let (mut media, mut queues) = session(awake);
    let mut told = 0;
    let mut picks = picks.iter().copied().chain(std::iter::repeat(0));
    loop {
        queues.retain(|queue| !queue.is_empty());
        if queues.is_empty() {
            break;
        }
        let pick = picks.next().unwrap() % queues.len();
        let sent = queues[pick].remove(0);
        // The cut that ends a segment comes before the segment's last part.
        let needed = match &sent {
            Sent::Init(_, msn) => *msn,
            Sent::Part(part) => part.msn + u64::from(part.last),
            Sent::Ts(segment) => segment.msn + 1,
        };
        while told < needed {
            told += 1;
            if let Some(awake) = awake.get(told as usize - 1).copied() {
                let (msn, frame) = (told, 0);
                media.cut(&Cut { msn, frame, awake });
            }
        }
        match sent {
            Sent::Init(track @ TrackId::Video(_), msn) => {
                let data = Bytes::from(format!("{track:?} {}", msn / 4));
                media.init(track, "avc1.64001f", data).unwrap();
            }
            Sent::Init(track, _) => {
                let data = Bytes::from_static(b"sound");
                media.init(track, "mp4a.40.2", data).unwrap();
            }
            Sent::Part(part) => drop(media.part(&part).unwrap()),
            Sent::Ts(segment) => drop(media.ts_segment(segment).unwrap()),
        }
    }
    let all = 0..media.rendition_count();
    all.map(|n| {
        let segments = media.window(n).unwrap().0.listed();
        let bytes = segments.flat_map(Segment::chunks).collect();
        (media.playlist(n, false).unwrap(), bytes)
    })
    .collect()
}

proptest! {
    /// Rungs and packagings arrive in any order: the playlists are the same, and no rung lacks a
    /// segment or has one that is longer than the target.
    #[test]
    fn the_order_between_rungs_changes_nothing(
        sleeps in prop::collection::vec(1_u32..8, SEGMENTS as usize - 1),
        picks in prop::collection::vec(any::<usize>(), 0..120),
    ) {
        let set = |bits: u32| {
            let rungs = (0..3).filter(|rung| bits & (1 << rung) != 0);
            rungs.fold(RungSet::EMPTY, RungSet::with)
        };
        let mut awake = vec![RungSet::first(3)];
        awake.extend(sleeps.into_iter().map(set));
        // One after the other by time: each segment of all before the next one.
        let in_order = {
            let (_, queues) = session(&awake);
            let mut order = Vec::new();
            let mut left: Vec<_> = queues.into_iter().map(std::collections::VecDeque::from).collect();
            for msn in 1..=SEGMENTS {
                let of = |sent: &Sent| match sent {
                    Sent::Init(_, msn) => *msn,
                    Sent::Part(part) => part.msn,
                    Sent::Ts(segment) => segment.msn,
                };
                let mut n = 0;
                while n < left.len() {
                    match left[n].front() {
                        Some(sent) if of(sent) == msn => {
                            let filled = left.iter().take(n).filter(|q| !q.is_empty()).count();
                            order.push(filled);
                            left[n].pop_front();
                        }
                        _ => n += 1,
                    }
                }
            }
            order
        };
        let expected = shown(&awake, &in_order);
        for (text, media) in &expected {
            prop_assert!(!text.contains("GAP") && !text.contains("DISCONTINUITY\n"), "{}", text);
            prop_assert_eq!(text.matches("#EXTINF:1.0,").count() as u64, SEGMENTS, "{}", text);
            prop_assert!(media.len() as u64 >= SEGMENTS);
        }
        prop_assert_eq!(shown(&awake, &picks), expected);
    }
}
