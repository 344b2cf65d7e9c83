//! Breaks every rule once, to show that the checker can fail.

mod across;
mod master;
mod page;

use std::time::Duration;

use super::*;

const HEADER: &str = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5,HOLD-BACK=3.0,CAN-SKIP-UNTIL=6.0
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-INDEPENDENT-SEGMENTS
";
const FIRST: &str = "#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI=\"init-1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:01.000Z
#EXT-X-PART:DURATION=0.5,URI=\"1.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI=\"1.1.m4s\"
#EXTINF:1.0,
1.m4s
";
const SECOND: &str = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.000Z
#EXT-X-PART:DURATION=0.5,URI=\"2.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI=\"2.1.m4s\"
#EXTINF:1.0,
2.m4s
";
const THIRD: &str = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:03.000Z
#EXT-X-PART:DURATION=0.5,URI=\"3.0.m4s\",INDEPENDENT=YES
";
const END: &str = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"3.1.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../b/index.m3u8\",LAST-MSN=3,LAST-PART=0
";

fn good() -> String {
    [HEADER, FIRST, SECOND, THIRD, END].concat()
}

/// The playlist of `good`, one part later.
fn later() -> String {
    good()
        .replace("LAST-PART=0", "LAST-PART=1")
        .replace("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"3.1.m4s\"\n", "")
        .replace(
            "#EXT-X-RENDITION",
            "#EXT-X-PART:DURATION=0.5,URI=\"3.1.m4s\"\n#EXTINF:1.0,\n3.m4s\n\
             #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"4.0.m4s\"\n#EXT-X-RENDITION",
        )
}

fn at(second: u64) -> Fetch {
    Fetch::at(Duration::from_secs(second))
}

fn sections(violations: &[Violation]) -> Vec<&'static str> {
    violations.iter().map(|v| v.section).collect()
}

fn check(text: &str) -> Vec<Violation> {
    Checker::new().observe(text, at(0))
}

/// Replaces text that must be there, so that no case goes stale.
fn edit(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the text");
    text.replacen(from, to, 1)
}

#[test]
fn a_good_playlist_breaks_no_rule() {
    let mut checker = Checker::new();
    assert_eq!(checker.observe(&good(), at(0)), []);
    assert_eq!(checker.observe(&later(), at(1)), []);
}

/// A blocking reload must get the part it asks for: `good` ends with part 3.0, and `later` with
/// part 3.1, the last of segment 3.
#[test]
fn a_blocking_reload_has_what_it_asked_for() {
    let ask = |text: &str, msn, part| {
        let fetch = Fetch {
            msn: Some(msn),
            part,
            ..at(0)
        };
        sections(&Checker::new().observe(text, fetch))
    };
    let kept = [] as [&str; 0];
    let (good, later) = (good(), later());
    for (text, msn, part) in [
        (&good, 1, None),
        (&good, 2, None),
        (&good, 2, Some(1)),
        (&good, 3, Some(0)),
        // Means part 0 of segment 3.
        (&good, 2, Some(2)),
        (&later, 3, None),
        (&later, 3, Some(1)),
    ] {
        assert_eq!(ask(text, msn, part), kept, "{msn} {part:?}");
    }
    for (text, msn, part) in [
        (&good, 3, None),
        (&good, 4, None),
        (&good, 3, Some(1)),
        (&later, 3, Some(2)),
        (&later, 4, Some(0)),
    ] {
        assert_eq!(ask(text, msn, part), ["6.2.5.2"], "{msn} {part:?}");
    }
    // Without listed parts, part numbers have no meaning.
    assert_eq!(ask(&long(1, 9, ""), 9, Some(7)), kept);
    assert_eq!(ask(&long(1, 9, ""), 10, None), ["6.2.5.2"]);
    // "A Server MUST ignore _HLS_msn and _HLS_part" once it has ended.
    let ended = long(1, 9, "") + "#EXT-X-ENDLIST\n";
    assert_eq!(ask(&ended, 99, Some(0)), kept);
}

#[test]
fn each_rule_between_reloads_can_be_broken() {
    for (section, from, to) in [
        ("6.2.1", "TARGETDURATION:1", "TARGETDURATION:2"),
        ("house", "PART-TARGET=0.5", "PART-TARGET=0.500001"),
        ("house", "HOLD-BACK=3.0", "HOLD-BACK=4.0"),
        ("6.2.2", "MEDIA-SEQUENCE:1", "MEDIA-SEQUENCE:0"),
        (
            "6.2.1",
            "#EXT-X-DISCONTINUITY-SEQUENCE:0",
            "#EXT-X-DISCONTINUITY-SEQUENCE:1",
        ),
        ("6.2.1", "\n1.m4s", "\nx1.m4s"),
        ("6.2.1", "2.1.m4s", "x2.1.m4s"),
        ("6.2.1", "3.0.m4s", "x3.0.m4s"),
        ("6.2.1", "00:00:03.000Z", "00:00:03.001Z"),
        ("6.2.1", "init-1.mp4", "init-2.mp4"),
        ("4.4.5.3", "URI=\"3.1.m4s\"", "URI=\"x3.1.m4s\""),
    ] {
        let mut checker = Checker::new();
        assert_eq!(checker.observe(&good(), at(0)), []);
        let next = edit(&later(), from, to);
        let broken = sections(&checker.observe(&next, at(1)));
        assert!(broken.contains(&section), "{from:?} → {to:?}: {broken:?}");
    }
}

/// Rules that `second` breaks when it is fetched `seconds` after `first`.
fn then(first: &str, second: &str, seconds: u64) -> Vec<&'static str> {
    let mut checker = Checker::new();
    let _ = checker.observe(first, at(0));
    sections(&checker.observe(second, at(seconds)))
}

#[test]
fn the_end_may_not_fall_and_the_playlist_not_stall_or_shrink() {
    assert!(then(&later(), &good(), 1).contains(&"6.2.1"));
    assert_eq!(then(&good(), &good(), 3), [] as [&str; 0]);
    assert_eq!(then(&good(), &good(), 4), ["6.2.1"]);
    let shrunk = edit(
        &later(),
        FIRST,
        "#EXT-X-MEDIA-SEQUENCE:2\n#EXT-X-MAP:URI=\"init-1.mp4\"\n",
    );
    assert_eq!(then(&good(), &shrunk, 1), ["6.2.2", "6.2.2"]);
    let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"4.0.m4s\"\n";
    let ended = edit(&later(), hint, "") + "#EXT-X-ENDLIST\n";
    assert_eq!(then(&later(), &ended, 1), [] as [&str; 0]);
    assert_eq!(then(&ended, &later(), 1), ["6.2.1"]);
}

/// A playlist of segments `from..=last`, each 1 s long and without parts.
fn long(from: u64, last: u64, skip: &str) -> String {
    let mut text = HEADER.replace("#EXT-X-PART-INF:PART-TARGET=0.5\n", "");
    text += "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n";
    text += skip;
    for msn in from..=last {
        if msn == 1 {
            text += "#EXT-X-MAP:URI=\"init-1.mp4\"\n";
        }
        text += &format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{msn:02}.000Z\n");
        text += &format!("#EXTINF:1.0,\n{msn}.m4s\n");
    }
    text
}

#[test]
fn delta_updates_are_merged_and_judged() {
    let skip = |n: u64| format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={n}\n");
    let full = long(1, 9, "");
    assert_eq!(then(&full, &long(5, 10, &skip(4)), 1), [] as [&str; 0]);
    // Segments within the skip boundary were skipped.
    assert_eq!(then(&full, &long(6, 10, &skip(5)), 1), ["6.2.5.1"]);
    // The skipped segments were never fetched.
    assert!(sections(&check(&long(5, 10, &skip(4)))).contains(&"6.3.7"));
    let old = long(5, 10, &skip(4)).replace("VERSION:9", "VERSION:8");
    assert_eq!(then(&full, &old, 1), ["8"]);
    let twice = long(5, 10, &(skip(2) + &skip(2)));
    assert_eq!(then(&full, &twice, 1), ["4.4.5.2"]);
    let unsaid = long(5, 10, "#EXT-X-SKIP:X=1\n");
    assert!(then(&full, &unsaid, 1).contains(&"4.1"));
    let ended = long(5, 10, &skip(4)) + "#EXT-X-ENDLIST\n";
    assert_eq!(then(&full, &ended, 1), ["6.2.5.1"]);
    let unasked = |text: &str| text.replace(",CAN-SKIP-UNTIL=6.0", "");
    let delta = unasked(&long(5, 10, &skip(4)));
    assert_eq!(then(&unasked(&full), &delta, 1), ["6.2.5.1"]);
}

#[test]
fn each_rule_between_renditions_can_be_broken() {
    let judge = |kind, other: &str| {
        let mut checkers = [Checker::new(), Checker::new()];
        let _ = checkers[0].observe(&later(), at(0));
        let _ = checkers[1].observe(other, at(0));
        let rendition = |uri, kind, checker| Rendition { uri, kind, checker };
        sections(&cross(&[
            rendition("s/a/index.m3u8", Kind::Video, &checkers[0]),
            rendition("s/b/index.m3u8", kind, &checkers[1]),
        ]))
    };
    let good = later().replace("../b/", "../a/");
    assert_eq!(judge(Kind::Video, &good), [] as [&str; 0]);
    for (kind, section, from, to) in [
        (Kind::Video, "6.2.4", "TARGETDURATION:1", "TARGETDURATION:2"),
        (Kind::Video, "6.2.4", "HOLD-BACK=3.0", "HOLD-BACK=4.0"),
        (Kind::Audio, "house", "PART-TARGET=0.5", "PART-TARGET=0.6"),
        (
            Kind::Video,
            "6.2.4",
            "DISCONTINUITY-SEQUENCE:0",
            "DISCONTINUITY-SEQUENCE:1",
        ),
        (Kind::Video, "6.2.4", "00:00:02.000Z", "00:00:02.002Z"),
        (Kind::Audio, "6.2.4", "00:00:02.000Z", "00:00:02.024Z"),
        (Kind::Video, "6.2.4", "#EXTINF:1.0", "#EXTINF:1.002"),
        (Kind::Audio, "6.2.4", "#EXTINF:1.0", "#EXTINF:1.024"),
        (Kind::Ts, "6.2.4", "#EXTINF:1.0", "#EXTINF:1.002"),
        (Kind::Video, "6.2.4", "MEDIA-SEQUENCE:1", "MEDIA-SEQUENCE:7"),
        (Kind::Video, "B.1", "../a/", "../c/"),
        (Kind::Video, "4.4.5.4", "LAST-MSN=3", "LAST-MSN=4"),
        (Kind::Video, "4.4.5.4", "LAST-MSN=3", "LAST-MSN=2"),
        (Kind::Video, "4.4.5.4", "LAST-PART=1", "LAST-PART=2"),
        (Kind::Video, "4.4.5.4", "LAST-PART=1", "LAST-PART=0"),
        (Kind::Ts, "B.1", "../a/", "../a/"),
    ] {
        let broken = judge(kind, &edit(&good, from, to));
        assert!(broken.contains(&section), "{from:?} → {to:?}: {broken:?}");
    }
    let frame_later = edit(&good, "00:00:02.000Z", "00:00:02.021Z");
    assert_eq!(judge(Kind::Audio, &frame_later), [] as [&str; 0]);
    let (never, seen) = (Checker::new(), Checker::new());
    let unseen = cross(&[
        Rendition {
            uri: "a",
            kind: Kind::Video,
            checker: &never,
        },
        Rendition {
            uri: "b",
            kind: Kind::Video,
            checker: &seen,
        },
    ]);
    assert!(sections(&unseen).contains(&"house"));
}

#[test]
fn a_violation_names_its_section() {
    let violation = Violation {
        section: "6.2.1",
        what: "segment 7 has changed".into(),
    };
    assert_eq!(violation.to_string(), "6.2.1: segment 7 has changed");
}
