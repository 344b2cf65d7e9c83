//! The codec strings that may stand in `CODECS` (RFC 6381; RFC 8216bis section 4.4.6.2).

use super::media::TrackId;

/// Longest codec string. Those of HEVC are the longest: `hvc1.A1.80000000.L153.B0.00.00.00.00.00`.
const CODEC_BYTES_MAX: usize = 48;

/// Whether `text` has the shape of a codec string of a video or an audio rendition: H.264 and HEVC
/// (ISO/IEC 14496-15 annex E), or MPEG-4 audio (RFC 6381 section 3.3).
pub fn is_codec(track: TrackId, text: &str) -> bool {
    if text.len() > CODEC_BYTES_MAX {
        return false;
    }
    let Some((sample_entry, rest)) = text.split_once('.') else {
        return false;
    };
    match (track, sample_entry) {
        // Profile, constraints and level, two hexadecimal digits each.
        (TrackId::Video(_), "avc1" | "avc3") => rest.len() == 6 && is_hex(rest),
        (TrackId::Video(_), "hvc1" | "hev1") => is_hevc(rest),
        // Object type 0x40 is MPEG-4 audio; its own object types follow: `2` is AAC-LC.
        (TrackId::Audio(_), "mp4a") => rest.strip_prefix("40.").is_some_and(|aot| {
            (1..=2).contains(&aot.len()) && aot.bytes().all(|byte| byte.is_ascii_digit())
        }),
        _ => false,
    }
}

/// The fewest codec strings that cover all of `codecs`: one for the H.264 of a rendition, whatever
/// encoders have made it, and each other one as it is.
///
/// RFC 6381 section 3.3: the string of H.264 is "the hexadecimal representation of the following
/// three bytes in the (subset) sequence parameter set NAL unit": `profile_idc`, the constraint flags,
/// and `level_idc`. A decoder of the highest profile plays the lower ones: Baseline (66, as it is made
/// by encoders: without its tools for errors), Main (77), High (100). A constraint holds for all only
/// if each has it (ISO/IEC 14496-15 section 5.3.3.1.2 says so of `profile_compatibility`), and the
/// level is the highest.
pub(super) fn cover<'a>(codecs: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut covers: Vec<String> = Vec::new();
    for codec in codecs {
        let both = |cover: &String| h264(cover).zip(h264(codec)).filter(|(a, b)| a.0 == b.0);
        if let Some((cover, (a, b))) = covers
            .iter_mut()
            .find_map(|cover| both(cover).map(|pair| (cover, pair)))
        {
            let (entry, [profile, flags, level], [p, f, l]) = (b.0, a.1, b.1);
            let (profile, flags, level) = (profile.max(p), flags & f, level.max(l));
            *cover = format!("{entry}.{profile:02x}{flags:02x}{level:02x}");
        } else if !covers.iter().any(|cover| cover == codec) {
            covers.push(codec.to_owned());
        }
    }
    covers
}

/// Sample entry, and profile, constraint flags and level of a codec string of H.264.
fn h264(codec: &str) -> Option<(&'static str, [u8; 3])> {
    let (entry, rest) = codec.split_once('.')?;
    let entry = match entry {
        "avc1" => "avc1",
        "avc3" => "avc3",
        _ => return None,
    };
    let number = u32::from_str_radix(rest, 16).ok()?;
    let [0, profile, flags, level] = number.to_be_bytes() else {
        return None;
    };
    Some((entry, [profile, flags, level]))
}

/// `[A-C]PROFILE.COMPATIBILITY.[LH]LEVEL`, then up to six bytes of constraints.
fn is_hevc(text: &str) -> bool {
    let mut fields = text.split('.');
    let mut field = |len_max: usize| fields.next().filter(|f| (1..=len_max).contains(&f.len()));
    let (Some(profile), Some(compatibility), Some(level)) = (field(3), field(8), field(4)) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let constraints: Vec<&str> = fields.collect();
    digits(profile.trim_start_matches(['A', 'B', 'C']))
        && is_hex(compatibility)
        && level.strip_prefix(['L', 'H']).is_some_and(digits)
        && constraints.len() <= 6
        && constraints
            .iter()
            .all(|c| (1..=2).contains(&c.len()) && is_hex(c))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codec_strings_have_one_of_a_few_shapes() {
        let (video, audio) = (TrackId::Video(0), TrackId::Audio(0));
        let long = format!("avc1.{}", "0".repeat(60));
        for (track, text, right) in [
            (video, "avc1.64001f", true),
            (video, "avc3.42c01e", true),
            (video, "hvc1.1.6.L93.B0", true),
            (video, "hev1.A1.80000000.L153.B0.00.00.00.00.00", true),
            (audio, "mp4a.40.2", true),
            (audio, "mp4a.40.29", true),
            (audio, "avc1.64001f", false),
            (video, "mp4a.40.2", false),
            (video, "", false),
            (video, "avc1", false),
            (video, "avc1.", false),
            (video, "avc1.64001g", false),
            (video, "avc1.64001f\"\n#EXT-X-ENDLIST", false),
            (video, &long, false),
            (video, "hvc1.1.6", false),
            (video, "hvc1.1.6.L93.B0.0.0.0.0.0.0", false),
            (video, "hvc1.A.6.L93", false),
            (video, "hvc1.1.6.L", false),
            (audio, "mp4a.40.", false),
            (audio, "mp4a.40.222", false),
            (audio, "mp4a.6b", false),
        ] {
            assert_eq!(is_codec(track, text), right, "{track:?} {text:?}");
        }
    }

    #[test]
    fn one_profile_and_level_covers_the_encoders_of_a_rung() {
        for (codecs, cover) in [
            (&["avc1.64001f"][..], "avc1.64001f"),
            (&["avc1.64001f", "avc1.64001f"], "avc1.64001f"),
            // Constrained Baseline of OpenH264, Main, High of x264.
            (&["avc1.42c01f", "avc1.64001f"], "avc1.64001f"),
            (&["avc1.64001e", "avc1.42c01f"], "avc1.64001f"),
            (&["avc1.42c01f", "avc1.4d401e"], "avc1.4d401f"),
            (
                &["avc1.4d4028", "avc1.640c1f", "avc1.42e01e"],
                "avc1.640028",
            ),
            // Constrained High of two encoders stays constrained.
            (&["avc1.640c1f", "avc1.640c20"], "avc1.640c20"),
            (&["avc1.42e01f", "avc1.42c01f"], "avc1.42c01f"),
            (&["avc1.64001F", "avc1.64001e"], "avc1.64001f"),
            (&["avc1.64001f", "avc3.64001f"], "avc1.64001f,avc3.64001f"),
            (
                &["hvc1.1.6.L93.B0", "avc1.64001f"],
                "hvc1.1.6.L93.B0,avc1.64001f",
            ),
            (
                &["mp4a.40.2", "mp4a.40.2", "mp4a.40.5"],
                "mp4a.40.2,mp4a.40.5",
            ),
            (&[], ""),
        ] {
            assert_eq!(
                super::cover(codecs.iter().copied()).join(","),
                cover,
                "{codecs:?}"
            );
        }
    }
}
