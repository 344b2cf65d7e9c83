//! Date ranges: what they may say, where their tags stand, and when they go.

use super::*;

fn range(json: &str) -> DateRange {
    serde_json::from_str(json).unwrap()
}

impl Show {
    fn mark(&mut self, json: &str) -> Result<(DateRange, bool), RangeError> {
        self.media.set_date_range(range(json))
    }

    /// What the newest playlist of the top rung says of date ranges.
    fn tags(&self) -> Vec<String> {
        let text = self.text(Packaging::Cmaf, false);
        let tags = text
            .lines()
            .filter_map(|line| line.strip_prefix("#EXT-X-DATERANGE:"));
        tags.map(str::to_owned).collect()
    }
}

/// A break that ends, and a title.
pub(super) fn marked() -> Show {
    let mut show = fresh();
    show.segment(2);
    let out = r#"{"id": "break-1", "class": "ad", "planned_duration": 10.5, "scte35_out": "fc30"}"#;
    assert!(show.mark(out).unwrap().1);
    show.segment(3);
    show.parts(4, 0);
    let title =
        r#"{"duration": 0, "attributes": {"X-TITLE": "Grüße, Welt", "X-N": 1.5, "X-H": "0xab"}}"#;
    assert_eq!(show.mark(title).unwrap().0.id.as_deref(), Some("range-1"));
    show.parts(4, 1);
    show.ts_segments(4);
    show.parts(5, 0);
    show.text(Packaging::Cmaf, false);
    show.media.end_date_range("break-1").unwrap().unwrap();
    show
}

#[test]
fn a_delta_update_skips_no_date_range() {
    let mut show = fresh();
    show.mark(r#"{"id": "a"}"#).unwrap();
    for msn in 2..=9 {
        show.segment(msn);
    }
    let text = show.text(Packaging::Cmaf, true);
    let mut after = text
        .lines()
        .skip_while(|line| !line.starts_with("#EXT-X-SKIP"));
    after.next();
    let tag = "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2023-11-14T22:13:21.000Z\"";
    assert_eq!(after.next(), Some(tag));
}

#[test]
fn a_new_date_range_is_another_version_of_every_playlist() {
    let mut show = running();
    let versions = |show: &Show| -> Vec<u64> {
        let renditions = 0..show.media.rendition_count();
        renditions.map(|n| show.media.version(n)).collect()
    };
    let before = versions(&show);
    show.mark(r#"{"id": "a"}"#).unwrap();
    let after = versions(&show);
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| before < after)
    );
    for n in 0..show.media.rendition_count() {
        assert!(
            show.media.playlist(n, false).unwrap().contains("ID=\"a\""),
            "rendition {n}"
        );
    }
    // It wakes nobody: who waits for a part goes on waiting.
    let next = Reload {
        msn: Some(5),
        part: Some(1),
        skip: false,
    };
    assert_eq!(show.media.readiness(0, next), Readiness::Wait);
}

#[test]
fn what_no_playlist_may_say_is_refused() {
    let long = format!(r#"{{"attributes": {{"X-A": "{}"}}}}"#, "x".repeat(13_000));
    let many: Vec<String> = (0..33).map(|n| format!(r#""X-{n}": 1"#)).collect();
    let many = format!(r#"{{"attributes": {{{}}}}}"#, many.join(","));
    for (json, cause) in [
        (r#"{"id": "a b"}"#, "id has"),
        (r#"{"id": ""}"#, "id has"),
        (r#"{"id": ".a"}"#, "id has"),
        (r#"{"class": ""}"#, "class is a text"),
        (r#"{"class": "a\"b"}"#, "class is a text"),
        (r#"{"class": "a\nb"}"#, "class is a text"),
        (r#"{"class": "{$a}"}"#, "class is a text"),
        (r#"{"class": "e\u0301"}"#, "class is a text"),
        (r#"{"duration": -1}"#, "duration is"),
        (r#"{"planned_duration": 1e9}"#, "planned_duration is"),
        (
            r#"{"start": "2023-11-14T22:13:21Z", "end": "2023-11-14T22:13:20Z"}"#,
            "end is before",
        ),
        (
            r#"{"start": "2023-11-14T22:13:21Z", "end": "2023-11-14T22:13:22Z", "duration": 2}"#,
            "end is not",
        ),
        (r#"{"end_on_next": true}"#, "needs a class"),
        (
            r#"{"end_on_next": true, "class": "a", "duration": 1}"#,
            "neither",
        ),
        (r#"{"cue": ["PRE", "POST"]}"#, "cue has"),
        (r#"{"cue": ["ONCE", "ONCE"]}"#, "cue has"),
        (r#"{"scte35_cmd": "abc"}"#, "scte35_cmd is"),
        (r#"{"scte35_in": "0x"}"#, "scte35_in is"),
        (r#"{"attributes": {"TITLE": "a"}}"#, "names of"),
        (r#"{"attributes": {"X-": "a"}}"#, "names of"),
        (r#"{"attributes": {"X-a": "a"}}"#, "names of"),
        (r#"{"attributes": {"X-A": -1}}"#, "X-A is not"),
        (r#"{"attributes": {"X-A": 1e300}}"#, "X-A is not"),
        (&long, "at most"),
        (&many, "at most"),
    ] {
        let mut show = fresh();
        let error = show.mark(json).unwrap_err();
        assert!(
            matches!(&error, RangeError::Invalid(why) if why.contains(cause)),
            "{json}: {error}"
        );
        assert_eq!(show.tags(), [""; 0], "{json}");
    }
    for json in [
        r#"{"id": 1}"#,
        r#"{"ID": "a"}"#,
        r#"{"start": "yesterday"}"#,
        r#"{"start": "1969-12-31T23:59:59Z"}"#,
        r#"{"cue": ["NOW"]}"#,
        r#"{"attributes": {"X-A": true}}"#,
    ] {
        assert!(serde_json::from_str::<DateRange>(json).is_err(), "{json}");
    }
}

#[test]
fn attributes_can_be_added_but_not_changed() {
    let mut show = fresh();
    let first = r#"{"id": "a", "class": "c", "start": "2023-11-14T23:13:21.5+01:00", "attributes": {"X-A": "1"}}"#;
    show.mark(first).unwrap();
    for same in [
        first,
        r#"{"id": "a"}"#,
        r#"{"id": "a", "attributes": {"X-A": "1"}}"#,
    ] {
        assert!(!show.mark(same).unwrap().1);
    }
    assert_eq!(show.tags().len(), 1, "nothing was added");
    for other in [
        r#"{"id": "a", "class": "d"}"#,
        r#"{"id": "a", "start": "2023-11-14T22:13:21Z"}"#,
        r#"{"id": "a", "attributes": {"X-A": "2"}}"#,
        r#"{"id": "a", "attributes": {"X-A": 1}}"#,
    ] {
        let error = show.mark(other).unwrap_err();
        assert!(matches!(error, RangeError::Conflict(_)), "{other}: {error}");
    }
    let more = r#"{"id": "a", "duration": 2, "cue": ["PRE", "ONCE"], "attributes": {"X-B": "x"}}"#;
    let (whole, is_new) = show.mark(more).unwrap();
    assert!(!is_new && whole.class.is_some() && whole.duration == Some(2.0));
    assert_eq!(whole.attributes.len(), 2);
    let start = "START-DATE=\"2023-11-14T22:13:21.500Z\"";
    assert_eq!(
        show.tags(),
        [
            format!("ID=\"a\",{start},CLASS=\"c\",X-A=\"1\""),
            format!("ID=\"a\",{start},CUE=\"PRE,ONCE\",DURATION=2.0,X-B=\"x\""),
        ]
    );
    // What is known already also holds for what comes later.
    let late = r#"{"id": "a", "end": "2023-11-14T22:13:24Z"}"#;
    assert!(matches!(show.mark(late), Err(RangeError::Invalid(_))));
    show.mark(r#"{"id": "a", "end": "2023-11-14T22:13:23.5Z"}"#)
        .unwrap();
}

#[test]
fn ranges_that_end_on_the_next_do_not_overlap() {
    let at = |second: u32, rest: &str| {
        format!(r#"{{"class": "program", "start": "2023-11-14T22:14:{second:02}Z", {rest}}}"#)
    };
    let next = r#""end_on_next": true"#;
    let lasts = |seconds: u32| format!(r#""duration": {seconds}"#);
    for (before, after, fits) in [
        (vec![at(10, next)], at(20, next), true),
        (vec![at(10, next)], at(10, next), false),
        // Between a range and its following range.
        (vec![at(10, next), at(20, next)], at(15, next), false),
        (vec![at(10, next), at(20, next)], at(15, &lasts(0)), false),
        (vec![at(10, next), at(20, next)], at(30, &lasts(1)), true),
        (vec![at(10, next)], at(5, &lasts(5)), true),
        (vec![at(10, next)], at(5, &lasts(6)), false),
        (vec![at(10, &lasts(10))], at(15, next), false),
        (vec![at(10, &lasts(10))], at(15, &lasts(10)), true),
    ] {
        let mut show = fresh();
        for json in &before {
            show.mark(json).unwrap();
        }
        let result = show.mark(&after);
        assert_eq!(result.is_ok(), fits, "{after} after {before:?}: {result:?}");
    }
}

#[test]
fn a_range_ends_once_and_goes_only_before_it_starts() {
    let mut show = fresh();
    let starts_later = r#"{"id": "later", "start": "2023-11-14T22:20:00Z", "duration": 5}"#;
    // Nobody has seen these: they go, and their ids are free again.
    for json in [r#"{"id": "now"}"#, starts_later] {
        show.mark(json).unwrap();
        let id = range(json).id.unwrap();
        assert_eq!(show.media.end_date_range(&id), Ok(None));
        assert!(show.mark(json).unwrap().1);
    }
    show.mark(r#"{"id": "ends", "duration": 1}"#).unwrap();
    show.mark(r#"{"id": "next", "class": "c", "end_on_next": true}"#)
        .unwrap();
    show.segment(2);
    assert_eq!(show.tags().len(), 4);
    assert_eq!(show.media.end_date_range("later"), Ok(None));
    assert!(
        matches!(show.mark(starts_later), Err(RangeError::Conflict(_))),
        "the id was seen"
    );
    for id in ["ends", "next"] {
        let error = show.media.end_date_range(id);
        assert!(matches!(error, Err(RangeError::Conflict(_))), "{id}");
    }
    let ended = show.media.end_date_range("now").unwrap().unwrap();
    assert_eq!(String::from(ended.end.unwrap()), "2023-11-14T22:13:22.000Z");
    assert!(matches!(
        show.media.end_date_range("now"),
        Err(RangeError::Conflict(_))
    ));
    assert_eq!(
        show.media.end_date_range("nothing"),
        Err(RangeError::Unknown)
    );
    show.media.end();
    assert_eq!(show.media.end_date_range("now"), Err(RangeError::NotLive));
    let nothing = Show::new(PART).mark(r#"{"id": "a"}"#);
    assert_eq!(nothing, Err(RangeError::NotLive));
}

/// "The server MUST NOT remove an EXT-X-DATERANGE tag from a Playlist if any date in the range maps to a
/// Media Segment in the Playlist. The server MUST NOT reuse the ID attribute value" (section 6.2.1).
#[test]
fn a_range_goes_with_the_last_segment_that_it_touches() {
    let mut show = fresh();
    let three_targets = show.media.timing().three_targets();
    show.mark(r#"{"id": "instant", "duration": 0}"#).unwrap();
    show.mark(r#"{"id": "two", "duration": 2, "class": "c"}"#)
        .unwrap();
    show.mark(r#"{"id": "open"}"#).unwrap();
    show.mark(r#"{"id": "first", "class": "n", "end_on_next": true}"#)
        .unwrap();
    show.mark(
        r#"{"id": "second", "class": "n", "start": "2023-11-14T22:13:25Z", "end_on_next": true}"#,
    )
    .unwrap();
    let ends_ms = [("instant", 1000), ("two", 3000), ("first", 5000)];
    for msn in 2..30 {
        show.segment(msn);
        show.media.slide(three_targets);
        let text = show.text(Packaging::Cmaf, false);
        let window = show.media.window(0).unwrap().0;
        let first = window.first_listed().unwrap();
        let begins_ms = (first - 1) * 1000;
        for (id, end_ms) in ends_ms {
            let is_there = text.contains(&format!("ID=\"{id}\""));
            assert_eq!(
                is_there,
                end_ms >= begins_ms,
                "{id}, where {first} is the first"
            );
        }
        assert!(text.contains("ID=\"open\"") && text.contains("ID=\"second\""));
    }
    assert!(matches!(
        show.mark(r#"{"id": "two"}"#),
        Err(RangeError::Conflict(_))
    ));
    let left: Vec<_> = show
        .media
        .date_ranges()
        .into_iter()
        .map(|r| r.id.unwrap())
        .collect();
    assert_eq!(left, ["open", "second"]);
}

#[test]
fn there_are_not_too_many() {
    let mut show = fresh();
    let full = loop {
        match show.mark("{}") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(full, RangeError::Conflict(_)), "{full}");
    assert_eq!(show.media.date_ranges().len(), 128);
    let mut show = fresh();
    let large = format!(r#"{{"attributes": {{"X-A": "{}"}}}}"#, "x".repeat(10_000));
    let count = (0..100).take_while(|_| show.mark(&large).is_ok()).count();
    assert_eq!(count, 6);
}
