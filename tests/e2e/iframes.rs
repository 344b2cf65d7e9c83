//! I-frame playlists of a real stream: each picture that they list decodes by itself.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::http::Client;
use crate::support::playlist::MediaPlaylist;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn};

const LIMIT: Duration = Duration::from_secs(30);
const SMALL: Clip = Clip::new(426, 240, 30);
const SEGMENTS: u64 = 4;

/// `EXT-X-BYTERANGE` of each segment, as `Range` asks for it.
fn ranges(text: &str) -> Vec<String> {
    let lines = text.lines();
    let listed = lines.filter_map(|line| line.strip_prefix("#EXT-X-BYTERANGE:"));
    let range = |value: &str| {
        let (length, first) = value.split_once('@').expect("a place");
        let [length, first]: [u64; 2] = [length, first].map(|it| it.parse().expect("a number"));
        format!("bytes={first}-{}", first + length - 1)
    };
    listed.map(range).collect()
}

/// Pictures in `media`, whose end is missing: ffmpeg says so, but decodes what is there.
fn pictures(media: &[u8]) -> usize {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(media).expect("the media is written");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "fatal", "-i"])
        .arg(file.path())
        .args(["-map", "0:v:0", "-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn each_picture_decodes_by_itself() {
    let _turn = turn();
    let daemon = Daemon::start(&small_ladder(&["s"]));
    let _publisher = Publisher::ffmpeg(SMALL, &daemon.publish_url("s", KEY));
    let viewer = Viewer::open(&daemon, "s");
    let client = Client::new();
    for variant in &viewer.master.variants {
        let media = viewer.playlist_with(&variant.uri, SEGMENTS, LIMIT);
        let uri = variant.uri.replace("index.m3u8", "iframes.m3u8");
        let url = viewer.playlist_url(&uri);
        let text = viewer.fetch(&url).text();
        assert!(text.contains("#EXT-X-I-FRAMES-ONLY\n"), "{text}");
        assert!(!text.contains("#EXT-X-GAP"), "{text}");
        let listed = MediaPlaylist::parse(&text);
        assert!(listed.last_msn() >= media.last_msn(), "{text}");
        let ranges = ranges(&text);
        assert_eq!(ranges.len(), listed.segments.len(), "{text}");
        for (segment, range) in listed.segments.iter().zip(ranges) {
            let map = segment.map.as_ref().expect("an initialization section");
            let mut piece = viewer.fetch(&url.join(map).expect("an address")).body;
            let address = url.join(&segment.uri).expect("an address");
            let answer = client.get_with(address.as_str(), "Range", &range);
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 206, "{address} {range}");
            piece.extend(answer.body);
            assert_eq!(pictures(&piece), 1, "{address} {range}");
            if let Some(same) = media.segment(segment.msn) {
                assert_eq!(same.duration_s, segment.duration_s, "{address}");
                assert_eq!(same.date, segment.date, "{address}");
            }
        }
    }
}
