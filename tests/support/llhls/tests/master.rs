//! Rules of the multivariant playlist.

use super::*;

const VERSION: &str = "#EXT-X-VERSION:9\n";
const INDEPENDENT: &str = "#EXT-X-INDEPENDENT-SEGMENTS\n";

#[test]
fn each_rule_of_a_multivariant_playlist_can_be_broken() {
    let good = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Main\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"s/a/index.m3u8\"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90,CODECS=\"avc1.64001f\",RESOLUTION=320x180,URI=\"s/720p/iframes.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=300,AVERAGE-BANDWIDTH=200,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"a\"
s/720p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=200,AVERAGE-BANDWIDTH=100,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"a\"
s/360p/index.m3u8
";
    let (read, broken) = master(good);
    assert_eq!(broken, []);
    assert_eq!(read.variants, ["s/720p/index.m3u8", "s/360p/index.m3u8"]);
    assert_eq!(read.audio, ["s/a/index.m3u8"]);
    assert_eq!(read.iframes, ["s/720p/iframes.m3u8"]);
    let media = good.lines().nth(3).unwrap();
    let twice = format!("{media}\n{media}");
    let twice_independent = INDEPENDENT.repeat(2);
    let second = media.replace("\"Main\"", "\"Second\"");
    let two_defaults = format!("{media}\n{second}");
    let of_b = media.replace("GROUP-ID=\"a\"", "GROUP-ID=\"b\"");
    let second = second.replace("DEFAULT=YES", "DEFAULT=NO");
    let more_members = format!("{media}\n{second}\n{of_b}");
    let other_members = format!("{media}\n{}", of_b.replace("DEFAULT=YES", "DEFAULT=NO"));
    let same_members = of_b.replace("\"2\"", "\"6\"").replace("s/a/", "s/b/");
    let fine = edit(good, media, &format!("{media}\n{same_members}"));
    assert_eq!(master(&fine).1, []);
    for (section, from, to) in [
        ("4.4.1.1", "#EXTM3U\n", "\n"),
        ("4.4.6.1", ",NAME=\"Main\"", ""),
        ("4.4.6.1", ",AUTOSELECT=YES", ""),
        ("4.4.6.1", ",CHANNELS=\"2\"", ""),
        ("4.4.6.1.1", media, twice.as_str()),
        ("4.4.6.2", "s/360p/index.m3u8\n", ""),
        ("4.4.6.2", "BANDWIDTH=300,AVERAGE-", "AVERAGE-"),
        ("4.4.6.2", "AVERAGE-BANDWIDTH=200", "AVERAGE-BANDWIDTH=301"),
        ("4.4.6.2", "RESOLUTION=1280x720,", ""),
        ("4.4.6.2", "29.970", "29.97"),
        (
            "4.2",
            "CODECS=\"avc1.64001f,mp4a.40.2\"",
            "CODECS=avc1.64001f",
        ),
        ("4.2", "NAME=\"Main\"", "NAME=\"Main\",NAME=\"Main\""),
        ("4.2", "NAME=\"Main\"", "NAME=\"\""),
        ("4.1", "s/360p/index.m3u8", "s/360p/index.m3u8 "),
        (
            "4.4.6.6",
            INDEPENDENT,
            "#EXT-X-CONTENT-STEERING:PATHWAY-ID=\".\"\n",
        ),
        (
            "4.4.6.6",
            INDEPENDENT,
            "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\",PATHWAY-ID=\"x\"\n",
        ),
        (
            "4.4.6.6",
            INDEPENDENT,
            "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"\n",
        ),
        (
            "4.4.6.6",
            "RESOLUTION=640x360",
            "RESOLUTION=640x360,PATHWAY-ID=\"b\"",
        ),
        ("4.4.1.2", VERSION, "#EXT-X-VERSION:9\n#EXT-X-VERSION:9\n"),
        ("4.4.2", INDEPENDENT, twice_independent.as_str()),
        ("4.4.3", INDEPENDENT, "#EXT-X-TARGETDURATION:1\n"),
        ("4.4.3", INDEPENDENT, "#EXT-X-MAP:URI=\"a\"\n"),
        ("4.4.6.1.1", media, two_defaults.as_str()),
        ("4.4.6.1.1", media, more_members.as_str()),
        ("4.4.6.1.1", media, other_members.as_str()),
        ("4.4.6.3", "BANDWIDTH=90,", ""),
        ("4.4.6.3", ",URI=\"s/720p/iframes.m3u8\"", ""),
        ("4.4.6.3", "RESOLUTION=320x180,", ""),
        ("4.4.6.3", "=90,", "=90,AUDIO=\"a\","),
        ("4.4.6.3", "\"avc1.64001f\"", "\"avc1.64001f,mp4a.40.2\""),
        ("6.2.4", ",mp4a.40.2", ""),
        ("4.4.6.2", "AUDIO=\"a\"", "AUDIO=\"b\""),
        (
            "house",
            "BANDWIDTH=200,AVERAGE-BANDWIDTH=100",
            "BANDWIDTH=301,AVERAGE-BANDWIDTH=1",
        ),
    ] {
        let (_, broken) = master(&edit(good, from, to));
        let broken = sections(&broken);
        assert!(broken.contains(&section), "{from:?} → {to:?}: {broken:?}");
    }
}
