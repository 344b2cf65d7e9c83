//! Rules that need several renditions.

use super::*;

/// Violations in the reports of `a` about `b`. `a` is fetched three times; `b` is at 3.0 before the
/// first two fetches and at 3.1 before the last.
fn reports_of_a(said: [&str; 3]) -> Vec<&'static str> {
    let says = |text: String, said: &str| {
        let (msn, part) = said.split_once('.').unwrap();
        let place = text.find("LAST-MSN=").unwrap();
        format!("{}LAST-MSN={msn},LAST-PART={part}\n", &text[..place])
    };
    let mut a = Checker::new();
    let mut b = Checker::new();
    let pages = [good(), good(), later()];
    for (n, (page, said)) in pages.into_iter().zip(said).enumerate() {
        let fetch = |from_ms: u64| {
            let asked = Duration::from_millis(40 * n as u64 + from_ms);
            Fetch {
                asked,
                answered: asked + Duration::from_millis(10),
                ..Fetch::default()
            }
        };
        let _ = b.observe(&page.replace("../b/", "../a/"), fetch(0));
        let _ = a.observe(&says(page, said), fetch(20));
    }
    let rendition = |uri, checker| Rendition {
        uri,
        kind: Kind::Video,
        checker,
    };
    let found = cross(&[
        rendition("s/a/index.m3u8", &a),
        rendition("s/b/index.m3u8", &b),
    ]);
    let about_b = found.iter().filter(|v| v.what.starts_with("s/a/"));
    about_b.map(|v| v.section).collect()
}

#[test]
fn rendition_reports_are_neither_stale_nor_ahead() {
    for (said, broken) in [
        (["3.0", "3.0", "3.1"], 0),
        // `b` advances during the fetch: both places are correct.
        (["3.0", "3.1", "3.1"], 0),
        (["2.1", "3.0", "3.1"], 1),
        (["3.1", "3.0", "3.1"], 1),
        (["3.0", "2.9", "3.1"], 1),
        (["3.0", "3.2", "3.1"], 1),
        (["3.0", "4.0", "3.1"], 1),
        (["3.0", "3.0", "3.0"], 1),
        // `b` has not been fetched since.
        (["3.0", "3.0", "9.9"], 0),
    ] {
        assert_eq!(reports_of_a(said), vec!["4.4.5.4"; broken], "{said:?}");
    }
}

/// Sections of the rules of pace that a rendition breaks whose playlists are these, fetched at these times in ms.
fn paced(pages: &[(u64, String)], slack_ms: u64) -> Vec<&'static str> {
    let mut checker = Checker::new();
    for (at_ms, page) in pages {
        let _ = checker.observe(page, Fetch::at(Duration::from_millis(*at_ms)));
    }
    let seat = Rendition {
        uri: "s/a/index.m3u8",
        kind: Kind::Video,
        checker: &checker,
    };
    let found = pace(&[seat], Duration::from_millis(slack_ms));
    found.iter().map(|v| v.section).collect()
}

#[test]
fn a_part_comes_within_a_part_target() {
    for (at_ms, slack_ms, broken) in [(500, 0, 0), (501, 0, 1), (700, 200, 0), (701, 200, 1)] {
        // That nothing has come breaks the rule as much as that it came late.
        for next in [good(), later()] {
            let pages = [(0, good()), (at_ms, next)];
            assert_eq!(paced(&pages, slack_ms), vec!["6.2.1"; broken], "{at_ms}");
        }
    }
    let pages = [(0, good()), (400, later()), (900, later())];
    assert_eq!(paced(&pages, 0), [] as [&str; 0]);
    let ended = later().replace("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"4.0.m4s\"\n", "");
    let pages = [(0, good()), (9000, ended + "#EXT-X-ENDLIST\n")];
    assert_eq!(paced(&pages, 0), [] as [&str; 0]);
}

#[test]
fn renditions_stay_in_step() {
    // `later` ends with part 3.1, and each part lasts half a second.
    for (said, broken) in [
        ("LAST-MSN=3,LAST-PART=1", &[][..]),
        ("LAST-MSN=3,LAST-PART=0", &[]),
        ("LAST-MSN=2,LAST-PART=1", &["B.1"]),
        ("LAST-MSN=2,LAST-PART=0", &["B.1"]),
        ("LAST-MSN=1,LAST-PART=1", &["6.2.4", "B.1"]),
        ("LAST-MSN=9,LAST-PART=0", &[]),
    ] {
        let page = later().replace("LAST-MSN=3,LAST-PART=1", said);
        assert!(page.contains(said));
        assert_eq!(paced(&[(0, page)], 0), broken, "{said}");
    }
    let whole = long(1, 9, "") + "#EXT-X-RENDITION-REPORT:URI=\"../b/ts.m3u8\",LAST-MSN=";
    assert_eq!(paced(&[(0, whole.clone() + "8\n")], 0), [] as [&str; 0]);
    assert_eq!(paced(&[(0, whole + "7\n")], 0), ["6.2.4"]);
}

#[test]
fn all_transport_streams_have_the_same_controls() {
    let page = later().replace("../b/", "../a/");
    let judge = |other: &str| {
        let pages = [&page, &page, other];
        let mut checkers = [Checker::new(), Checker::new(), Checker::new()];
        for (checker, page) in checkers.iter_mut().zip(pages) {
            let _ = checker.observe(page, at(0));
        }
        let [video, one, two] = &checkers;
        let seat = |uri, kind, checker| Rendition { uri, kind, checker };
        let found = cross(&[
            seat("s/a/index.m3u8", Kind::Video, video),
            seat("s/a/ts.m3u8", Kind::Ts, one),
            seat("s/b/ts.m3u8", Kind::Ts, two),
        ]);
        let mut controls = found.iter().filter(|v| v.what.contains("server controls"));
        controls.next().map(|v| v.section)
    };
    assert_eq!(judge(&page), None);
    assert_eq!(
        judge(&edit(&page, "HOLD-BACK=3.0", "HOLD-BACK=4.0")),
        Some("6.2.4")
    );
}
