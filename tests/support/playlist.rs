//! A reader of playlists, with just enough of RFC 8216bis to follow a stream.

use std::collections::HashMap;

/// A multivariant playlist.
#[derive(Debug, Clone, Default)]
pub struct Multivariant {
    /// Variants, in the order of the playlist.
    pub variants: Vec<Variant>,
    /// Renditions of `EXT-X-MEDIA` that have a URI.
    pub media: Vec<Media>,
}

/// `EXT-X-STREAM-INF`.
#[derive(Debug, Clone)]
pub struct Variant {
    /// URI as written.
    pub uri: String,
    /// `RESOLUTION`.
    pub resolution: (u32, u32),
    /// `BANDWIDTH` in bits per second.
    pub bandwidth: u64,
    /// `CODECS`.
    pub codecs: String,
    /// `AUDIO`.
    pub audio_group: Option<String>,
    /// `FRAME-RATE`.
    pub frame_rate: Option<f64>,
}

/// `EXT-X-MEDIA`.
#[derive(Debug, Clone)]
pub struct Media {
    /// URI as written.
    pub uri: String,
    /// `GROUP-ID`.
    pub group: String,
}

impl Multivariant {
    /// Parses a playlist; fails the test when `text` is not one.
    pub fn parse(text: &str) -> Self {
        assert!(text.starts_with("#EXTM3U"), "no playlist: {text}");
        let mut playlist = Self::default();
        let mut stream_inf = None;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
                stream_inf = Some(attributes(list));
            } else if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
                let list = attributes(list);
                let (uri, group) = (list.get("URI"), list.get("GROUP-ID"));
                playlist
                    .media
                    .extend(uri.zip(group).map(|(uri, group)| Media {
                        uri: uri.clone(),
                        group: group.clone(),
                    }));
            } else if !line.starts_with('#') {
                let list = stream_inf
                    .take()
                    .expect("EXT-X-STREAM-INF before an address");
                playlist.variants.push(variant(line, &list));
            }
        }
        playlist
    }

    /// URIs of all media playlists.
    pub fn uris(&self) -> Vec<&str> {
        let variants = self.variants.iter().map(|variant| variant.uri.as_str());
        variants
            .chain(self.media.iter().map(|media| media.uri.as_str()))
            .collect()
    }
}

fn variant(uri: &str, list: &HashMap<String, String>) -> Variant {
    let (width, height) = list["RESOLUTION"].split_once('x').expect("WIDTHxHEIGHT");
    Variant {
        uri: uri.to_owned(),
        resolution: (
            width.parse().expect("pixels"),
            height.parse().expect("pixels"),
        ),
        bandwidth: list["BANDWIDTH"].parse().expect("bits per second"),
        codecs: list.get("CODECS").cloned().unwrap_or_default(),
        audio_group: list.get("AUDIO").cloned(),
        frame_rate: list
            .get("FRAME-RATE")
            .map(|rate| rate.parse().expect("a rate")),
    }
}

/// A media playlist.
#[derive(Debug, Clone, Default)]
pub struct MediaPlaylist {
    /// Complete segments.
    pub segments: Vec<Segment>,
    /// Number of listed parts of the segment that is still open.
    pub open_parts: usize,
    /// URI of the `EXT-X-MAP` that applies at the end.
    pub map: Option<String>,
    /// `PART-TARGET` in seconds.
    pub part_target: Option<f64>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
}

/// A complete segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Media sequence number.
    pub msn: u64,
    /// URI as written.
    pub uri: String,
    /// `EXTINF` in seconds.
    pub duration_s: f64,
    /// `EXT-X-PROGRAM-DATE-TIME` as written.
    pub date: Option<String>,
    /// Whether `EXT-X-DISCONTINUITY` precedes the segment.
    pub discontinuity: bool,
    /// URI of the `EXT-X-MAP` that applies.
    pub map: Option<String>,
    /// Number of the segment's parts that are listed.
    pub parts: usize,
}

impl MediaPlaylist {
    /// Parses a playlist; fails the test when `text` is not one.
    pub fn parse(text: &str) -> Self {
        assert!(text.starts_with("#EXTM3U"), "no playlist: {text}");
        let mut playlist = Self::default();
        let mut msn = 0;
        let (mut duration_s, mut date, mut discontinuity, mut map) = (0.0, None, false, None);
        for line in text.lines() {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-MEDIA-SEQUENCE" => msn = value.parse().expect("a number"),
                "#EXTINF" => {
                    let seconds = value.split(',').next().unwrap_or_default();
                    duration_s = seconds.parse().expect("a duration");
                }
                "#EXT-X-PROGRAM-DATE-TIME" => date = Some(value.to_owned()),
                "#EXT-X-DISCONTINUITY" => discontinuity = true,
                "#EXT-X-MAP" => {
                    map = attributes(value).remove("URI");
                    playlist.map.clone_from(&map);
                }
                "#EXT-X-PART" => playlist.open_parts += 1,
                "#EXT-X-PART-INF" => {
                    let target = &attributes(value)["PART-TARGET"];
                    playlist.part_target = Some(target.parse().expect("a duration"));
                }
                "#EXT-X-ENDLIST" => playlist.ended = true,
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => {
                    playlist.segments.push(Segment {
                        msn,
                        uri: line.to_owned(),
                        duration_s,
                        date: date.take(),
                        discontinuity: std::mem::take(&mut discontinuity),
                        map: map.clone(),
                        parts: std::mem::take(&mut playlist.open_parts),
                    });
                    msn += 1;
                }
            }
        }
        playlist
    }

    /// Media sequence number of the last complete segment; 0 when there is none.
    pub fn last_msn(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.msn)
    }

    /// The complete segment with that number.
    pub fn segment(&self, msn: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.msn == msn)
    }
}

/// Parses an attribute list (RFC 8216bis section 4.2); removes the quotes from quoted values.
pub fn attributes(list: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = list;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').expect("a closing quote"),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        found.insert(name.trim_start_matches(',').to_owned(), value.to_owned());
        rest = after;
    }
    found
}
