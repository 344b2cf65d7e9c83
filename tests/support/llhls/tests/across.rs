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
