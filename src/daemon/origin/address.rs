//! The names of files in a rendition's folder.

/// What a file name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    /// `init-NUMBER.mp4`
    Init(u32),
    /// `MSN.m4s`
    Segment(u64),
    /// `MSN.PART.m4s`
    Part(u64, u32),
    /// `MSN.ts`
    Ts(u64),
}

impl File {
    /// Parses a file name. Each file has exactly one name, so that no second name can fill a cache
    /// with copies. The web side checks the rest of the path.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (stem, suffix) = name.rsplit_once('.')?;
        match suffix {
            "mp4" => decimal(stem.strip_prefix("init-")?)
                .and_then(|number| u32::try_from(number).ok())
                .map(Self::Init),
            "ts" => decimal(stem).map(Self::Ts),
            "m4s" => match stem.split_once('.') {
                None => decimal(stem).map(Self::Segment),
                Some((msn, part)) => {
                    let part = u32::try_from(decimal(part)?).ok()?;
                    Some(Self::Part(decimal(msn)?, part))
                }
            },
            _ => None,
        }
    }
}

/// The number of a picture of the storyboard, `thumb-NUMBER.jpg` in the folder of its session.
pub(super) fn picture(name: &str) -> Option<u64> {
    decimal(name.strip_prefix("thumb-")?.strip_suffix(".jpg")?)
}

/// A number without a sign or leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| canonical && digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_names_parse() {
        for (name, expected) in [
            ("init-1.mp4", Some(File::Init(1))),
            ("7.m4s", Some(File::Segment(7))),
            ("7.0.m4s", Some(File::Part(7, 0))),
            ("18446744073709551615.ts", Some(File::Ts(u64::MAX))),
            ("18446744073709551616.ts", None),
            ("init-4294967296.mp4", None),
            ("init-01.mp4", None),
            ("init.mp4", None),
            ("+7.m4s", None),
            ("07.m4s", None),
            ("7.00.m4s", None),
            ("7.1.2.m4s", None),
            (".m4s", None),
            ("7..m4s", None),
            ("m4s", None),
            ("", None),
            ("../7.m4s", None),
            ("7.mp4", None),
            ("٧.m4s", None),
        ] {
            assert_eq!(File::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn a_picture_has_one_name() {
        for (name, expected) in [
            ("thumb-0.jpg", Some(0)),
            ("thumb-17.jpg", Some(17)),
            ("thumb-017.jpg", None),
            ("thumb-.jpg", None),
            ("thumb-1.jpeg", None),
            ("thumb.jpg", None),
            ("7.m4s", None),
        ] {
            assert_eq!(picture(name), expected, "{name}");
        }
    }
}
