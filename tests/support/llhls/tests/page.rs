//! Rules that a single playlist can break.

use super::*;

const LOW: &str = "PART-HOLD-BACK=1.5,";
const HINT: &str = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"3.1.m4s\"\n";
const PART: &str = "#EXT-X-PART:DURATION=0.5,URI=\"2.1.m4s\"\n";

/// Edits of a good playlist: section of the broken rule, text to remove, text to insert.
const BROKEN: &[(&str, &str, &str)] = &[
    ("4.4.1.1", "#EXTM3U\n", "\n"),
    ("4.1", "#EXT-X-PART-INF", "#EXT-X-PART-INFO"),
    ("8", "VERSION:9", "VERSION:5"),
    ("4.4.3.1", "#EXT-X-TARGETDURATION:1\n", ""),
    ("4.4.3.1", "#EXTINF:1.0", "#EXTINF:1.6"),
    (
        "6.2.2",
        "#EXT-X-INDEPENDENT",
        "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT",
    ),
    (
        "6.2.2",
        "#EXT-X-DISCONTINUITY-SEQUENCE:0",
        "#EXT-X-DISCONTINUITY",
    ),
    ("4.4.3.8", "HOLD-BACK=3.0", "HOLD-BACK=2.9"),
    ("4.4.3.8", "SKIP-UNTIL=6.0", "SKIP-UNTIL=5.9"),
    ("4.4.3.8", LOW, ""),
    ("4.4.3.8", LOW, "PART-HOLD-BACK=1.4,"),
    ("B.1", "CAN-BLOCK-RELOAD=YES,", ""),
    ("4.4.3.7", "#EXT-X-PART-INF:PART-TARGET=0.5\n", ""),
    ("3.1.2", "#EXT-X-MAP:URI=\"init-1.mp4\"\n", ""),
    (
        "6.2.1",
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.000Z\n",
        "",
    ),
    ("6.2.1", "00:00:02.000Z", "00:00:02.040Z"),
    ("6.2.1", "00:00:02.000Z", "00:00:01.500Z"),
    (
        "4.4.4.9",
        PART,
        "#EXT-X-PART:DURATION=0.51,URI=\"2.1.m4s\"\n",
    ),
    ("3.2", PART, "#EXT-X-PART:DURATION=0.49,URI=\"2.1.m4s\"\n"),
    (
        "4.4.4.9",
        "2.1.m4s\"\n",
        "2.1.m4s\"\n#EXT-X-MAP:URI=\"init-1.mp4\"\n",
    ),
    ("4.4.2.1", "2.0.m4s\",INDEPENDENT=YES", "2.0.m4s\""),
    ("6.2.2", "#EXTINF:1.0,\n2.m4s", "#EXTINF:1.9,\n2.m4s"),
    ("4.4.5.3", "3.1.m4s", "3.0.m4s"),
    (
        "4.4.5.3",
        "#EXT-X-RENDITION",
        "#EXT-X-ENDLIST\n#EXT-X-RENDITION",
    ),
    (
        "6.2.6",
        "#EXT-X-PRELOAD",
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"x\"\n#EXT-X-PRELOAD",
    ),
    ("B.1", HINT, ""),
    ("4.4.5.4", ",LAST-PART=0", ""),
    ("4.4.5.4", "LAST-MSN=3,", ""),
    ("4.4.5.4", "LAST-MSN=3,", "LAST-MSN=+3,"),
    ("4.4.5.4", "../b/", "/s/b/"),
    ("4.4.5.4", "../b/", "http://a/s/b/"),
    ("4.4.5.3", "TYPE=PART,URI=\"3.1", "URI=\"3.1"),
    ("4.4.5.3", "TYPE=PART,URI=\"3.1.m4s\"", "TYPE=PART"),
    ("4.4.3.1", "TARGETDURATION:1", "TARGETDURATION:0"),
    ("4.4.4.1", "#EXTINF:1.0,\n2.m4s", "2.m4s"),
    ("4.1", "URI=\"init-1.mp4\"", "X=1"),
    ("4.1", "DURATION=0.5,URI=\"2.1.m4s\"", "DURATION=0.5"),
    ("4.1", "DURATION=0.5,URI=\"2.1.m4s\"", "URI=\"2.1.m4s\""),
    ("4.1", "PART-INF:PART-TARGET=0.5", "PART-INF:X=1"),
    ("4.1", "#EXTM3U", "\u{feff}#EXTM3U"),
    ("4.4.5.1", HINT, "#EXT-X-DATERANGE:ID=\"a\"\n"),
    (
        "4.4.5.1",
        HINT,
        "#EXT-X-DATERANGE:START-DATE=\"2026-01-01T00:00:01Z\"\n",
    ),
    (
        "4.4.5.1",
        HINT,
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:01Z\",END-ON-NEXT=YES\n",
    ),
    (
        "4.4.5.1",
        HINT,
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:02Z\",\
         END-DATE=\"2026-01-01T00:00:01Z\"\n",
    ),
    (
        "4.4.5.1",
        HINT,
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:01Z\"\n\
         #EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:02Z\"\n",
    ),
    (
        "4.1",
        HINT,
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:01Z\",X-A=\"a\u{7f}\"\n",
    ),
    ("4.1", "\n2.m4s", "\n2.m4s "),
    ("4.1", "\n2.m4s", "\n2\u{7f}.m4s"),
    ("4.1", "\n2.m4s", "\n2\u{85}.m4s"),
    ("4.1", "\n2.m4s", "\ne\u{301}.m4s"),
    ("4.1", "\n2.m4s", "\n#EXT-X-STREAM-INF:BANDWIDTH=1\n2.m4s"),
    ("4.1", "TARGETDURATION:1", "TARGETDURATION:+1"),
    ("4.1", "#EXTINF:1.0", "#EXTINF:1e0"),
];

#[test]
fn each_rule_of_one_page_can_be_broken() {
    for &(section, from, to) in BROKEN {
        let broken = sections(&check(&edit(&good(), from, to)));
        assert!(broken.contains(&section), "{from:?} → {to:?}: {broken:?}");
    }
    let empty = [HEADER, "#EXT-X-MEDIA-SEQUENCE:1\n", THIRD, END].concat();
    assert!(sections(&check(&empty)).contains(&"house"));
    // The edit makes a part short that is neither independent nor the last.
    let short = edit(
        &good(),
        PART,
        "#EXT-X-PART:DURATION=0.2,URI=\"2.1.m4s\"\n#EXT-X-PART:DURATION=0.3,URI=\"2.2.m4s\"\n",
    );
    assert_eq!(sections(&check(&short)), ["4.4.4.9"]);
}

#[test]
fn a_tag_that_may_come_once_comes_once_and_in_its_place() {
    for (section, tag) in [
        ("4.4.1.2", "#EXT-X-VERSION:9\n"),
        ("4.4.2", "#EXT-X-INDEPENDENT-SEGMENTS\n"),
        ("4.4.3", "#EXT-X-TARGETDURATION:1\n"),
        ("4.4.3", "#EXT-X-PART-INF:PART-TARGET=0.5\n"),
        ("4.4.3", "#EXT-X-MEDIA-SEQUENCE:1\n"),
        ("4.4.3", "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"),
    ] {
        let twice = edit(&good(), tag, &format!("{tag}{tag}"));
        assert_eq!(sections(&check(&twice)), [section], "{tag}");
    }
    let ended = good().replace(HINT, "") + "#EXT-X-ENDLIST\n";
    assert_eq!(check(&ended), []);
    assert_eq!(sections(&check(&(ended + "#EXT-X-ENDLIST\n"))), ["4.4.3"]);
    for (section, tag) in [
        ("4.4.3.2", "#EXT-X-MEDIA-SEQUENCE:1\n"),
        ("4.4.3.3", "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"),
    ] {
        for place in ["#EXT-X-PROGRAM", "#EXT-X-PRELOAD-HINT"] {
            let late = edit(&good(), tag, "");
            let late = edit(&late, place, &format!("{tag}{place}"));
            let broken = sections(&check(&late));
            assert!(broken.contains(&section), "{tag} {place}: {broken:?}");
        }
    }
}

#[test]
fn attribute_lists_are_read_strictly() {
    let hint = "TYPE=PART,URI=\"3.1.m4s\"";
    for broken in [
        "TYPE=PART,URI=\"3.1.m4s\",URI=\"3.1.m4s\"",
        "TYPE=PART,URI=\"3.1.m4s\",TYPE=PART",
        "TYPE=PART,URI=3.1.m4s",
        "TYPE=\"PART\",URI=\"3.1.m4s\"",
        "TYPE=PART,URI=\"3.1.m4s",
        "TYPE=PART,URI=\"3.1.m4s\" ",
        "TYPE=PART,URI=\"3.1.m4s\"X=1",
        "TYPE=PART, URI=\"3.1.m4s\"",
        "TYPE=PART,URI=\"3.1.m4s\",",
        ",TYPE=PART,URI=\"3.1.m4s\"",
        "TYPE=PART,URI=\"3.1.m4s\",x=1",
        "TYPE=PART,URI=\"3.1.m4s\",X_Y=1",
        "TYPE=PART,URI=\"3.1.m4s\",=1",
        "TYPE=PART,URI=\"3.1.m4s\",X=",
        "TYPE=PART,URI=\"\"",
        "TYPE=PART,URI=\"3.1.m4s\",X=A B",
        "TYPE=PART,URI=\"3.1.m4s\",X=A\"B",
        "TYPE=PART,URI=\"3.1.m4s\",X",
    ] {
        let found = sections(&check(&edit(&good(), hint, broken)));
        assert!(found.contains(&"4.2"), "{broken}: {found:?}");
    }
    // Clients ignore unknown attribute names; quoted values may contain commas.
    for fine in [
        "TYPE=PART,URI=\"3.1.m4s\",X-2=1",
        "TYPE=PART,URI=\"3,1=.m4s\"",
    ] {
        assert_eq!(check(&edit(&good(), hint, fine)), [], "{fine}");
    }
}
