//! The containers and codecs that a pull may bring. GStreamer's `decodebin` would open any of its
//! some hundred formats, and whatever those name.

/// The format of an HLS playlist.
pub const PLAYLIST: &str = "application/x-hls";
/// The demuxer that fetches what a playlist names through our HTTP client; `hlsdemux2` has a client
/// of its own.
pub const PLAYLIST_DEMUXER: &str = "hlsdemux";

/// The formats that are taken, by the names of GStreamer's caps, and their names for a person.
const TAKEN: [(&str, &str); 30] = [
    ("video/mpegts", "MPEG-TS"),
    ("video/quicktime", "MP4"),
    ("audio/x-m4a", "MP4"),
    ("application/x-3gp", "3GP"),
    ("video/x-matroska", "Matroska"),
    ("audio/x-matroska", "Matroska"),
    ("video/webm", "WebM"),
    ("audio/webm", "WebM"),
    ("video/x-flv", "FLV"),
    ("application/ogg", "Ogg"),
    ("audio/ogg", "Ogg"),
    ("video/ogg", "Ogg"),
    // Packed audio in HLS begins with an ID3 tag (RFC 8216 section 3.4).
    ("application/x-id3", "ID3"),
    ("image/jpeg", "JPEG"),
    ("video/x-h264", "H.264"),
    ("video/x-h265", "H.265"),
    ("video/x-vp8", "VP8"),
    ("video/x-vp9", "VP9"),
    ("video/x-av1", "AV1"),
    ("video/mpeg", "MPEG video"),
    ("audio/mpeg", "AAC or MP3"),
    ("audio/x-opus", "Opus"),
    ("audio/x-vorbis", "Vorbis"),
    ("audio/x-flac", "FLAC"),
    ("audio/x-ac3", "AC-3"),
    ("audio/x-eac3", "E-AC-3"),
    ("audio/x-alaw", "G.711"),
    ("audio/x-mulaw", "G.711"),
    ("video/x-raw", "raw pictures"),
    ("audio/x-raw", "raw sound"),
];

/// The manifests that GStreamer knows, and their names for a person.
const MANIFESTS: [(&str, &str); 6] = [
    (PLAYLIST, "an HLS playlist"),
    ("application/dash+xml", "a DASH manifest"),
    ("application/vnd.ms-sstr+xml", "a Smooth Streaming manifest"),
    ("application/sdp", "an SDP description"),
    ("application/smil", "a SMIL file"),
    ("text/uri-list", "a list of addresses"),
];

/// What a format is to a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    Taken,
    /// It names further addresses; the text is its name for a person.
    Manifest(&'static str),
    /// A page for people.
    Page,
    /// A track that nobody misses: subtitles, teletext, data.
    Beside,
    /// It is not taken.
    Refused,
}

/// The verdict on the format `name`, the name of GStreamer's caps. `system` is their field
/// `systemstream`: only that field tells an MPEG program stream from MPEG video.
pub fn verdict(name: &str, system: bool) -> Verdict {
    let manifest = MANIFESTS.iter().find(|(manifest, _)| *manifest == name);
    if let Some((_, title)) = manifest {
        return Verdict::Manifest(title);
    }
    if name == "text/html" {
        return Verdict::Page;
    }
    let program_stream = system && name == "video/mpeg";
    if TAKEN.iter().any(|(taken, _)| *taken == name) && !program_stream {
        return Verdict::Taken;
    }
    let beside = [
        "text/",
        "subpicture/",
        "subtitle/",
        "closedcaption/",
        "meta/",
        "private/",
    ];
    let subtitles = [
        "application/x-teletext",
        "application/x-ssa",
        "application/x-ass",
    ];
    if beside.iter().any(|class| name.starts_with(class)) || subtitles.contains(&name) {
        return Verdict::Beside;
    }
    Verdict::Refused
}

/// The name of a format for a person.
pub fn title(name: &str) -> &str {
    let known = TAKEN.iter().find(|(taken, _)| *taken == name);
    known.map_or(name, |(_, title)| title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_formats_are_taken() {
        for (name, system, expected) in [
            ("video/mpegts", true, Verdict::Taken),
            ("video/mpeg", false, Verdict::Taken),
            ("video/mpeg", true, Verdict::Refused),
            (
                "application/x-hls",
                false,
                Verdict::Manifest("an HLS playlist"),
            ),
            (
                "application/dash+xml",
                false,
                Verdict::Manifest("a DASH manifest"),
            ),
            ("text/html", false, Verdict::Page),
            ("text/x-raw", false, Verdict::Beside),
            ("subpicture/x-dvb", false, Verdict::Beside),
            ("image/svg+xml", false, Verdict::Refused),
            ("image/png", false, Verdict::Refused),
            ("video/x-ms-asf", false, Verdict::Refused),
            ("application/x-rtp", false, Verdict::Refused),
            ("audio/midi", false, Verdict::Refused),
        ] {
            assert_eq!(verdict(name, system), expected, "{name}");
        }
    }

    #[test]
    fn a_format_has_a_name_for_a_person() {
        assert_eq!(title("video/x-h265"), "H.265");
        assert_eq!(title("video/x-vp6-flash"), "video/x-vp6-flash");
    }
}
