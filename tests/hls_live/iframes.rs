//! I-frame playlists (section 4.4.3.6), read as a player gets them and held against the media playlist of
//! the same rung.

use crate::iframe::{self, HEAD_BYTES};

const PICTURE_BYTES: usize = 300;
/// What comes after the picture in the same part.
const REST_BYTES: usize = 200;

/// The first part of a segment.
pub fn fragment() -> Vec<u8> {
    iframe::fragment(&[0; PICTURE_BYTES], &[0; REST_BYTES])
}

/// What a playlist says of a segment.
#[derive(Debug, Default, Clone, PartialEq)]
struct Entry {
    address: String,
    duration: String,
    date: String,
    map: String,
    discontinuity: bool,
    gap: bool,
}

/// Segments of a playlist, and the byte range of each; parts are left out.
fn entries(text: &str) -> (Vec<Entry>, Vec<Option<String>>) {
    let (mut next, mut range, mut map) = (Entry::default(), None, String::new());
    let (mut entries, mut ranges) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXTINF" => next.duration = value.to_owned(),
            "#EXT-X-PROGRAM-DATE-TIME" => next.date = value.to_owned(),
            "#EXT-X-MAP" => map = value.to_owned(),
            "#EXT-X-DISCONTINUITY" => next.discontinuity = true,
            "#EXT-X-GAP" => next.gap = true,
            "#EXT-X-BYTERANGE" => range = Some(value.to_owned()),
            _ if line.starts_with('#') => {}
            _ => {
                next.address = line.to_owned();
                next.map.clone_from(&map);
                entries.push(std::mem::take(&mut next));
                ranges.push(range.take());
            }
        }
    }
    (entries, ranges)
}

/// The value of a tag that is there once.
fn value<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let mut lines = text
        .lines()
        .filter(|line| line.split(':').next() == Some(tag));
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "{tag} is there twice");
    Some(line)
}

/// Judges an I-frame playlist, and that it says of each segment what the media playlist does.
pub fn judge(iframes: &str, media: &str) {
    assert!(
        value(iframes, "#EXT-X-I-FRAMES-ONLY").is_some(),
        "{iframes}"
    );
    for tag in [
        "#EXT-X-VERSION",
        "#EXT-X-TARGETDURATION",
        // "... all Media Playlists in that Multivariant Playlist MUST contain that tag, with the same
        // attributes and values" (section 6.2.4).
        "#EXT-X-SERVER-CONTROL",
        "#EXT-X-MEDIA-SEQUENCE",
        "#EXT-X-DISCONTINUITY-SEQUENCE",
        "#EXT-X-ENDLIST",
    ] {
        assert_eq!(value(iframes, tag), value(media, tag), "{iframes}\n{media}");
    }
    for tag in [
        "#EXT-X-PART",
        "#EXT-X-PRELOAD-HINT",
        "#EXT-X-RENDITION-REPORT",
    ] {
        assert!(!iframes.contains(tag), "{iframes}");
    }
    let ((listed, ranges), (expected, _)) = (entries(iframes), entries(media));
    assert_eq!(listed, expected, "{iframes}\n{media}");
    let picture = format!("{}@0", HEAD_BYTES + PICTURE_BYTES);
    for (entry, range) in listed.iter().zip(ranges) {
        let expected = (!entry.gap).then_some(&picture);
        assert_eq!(range.as_ref(), expected, "{entry:?}\n{iframes}");
    }
}
