//! Names of streams, rungs and renditions. They become parts of URLs, file names and log lines, so
//! only a few characters are allowed.

/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 64;

/// Whether a text is a name: `[a-z0-9_-]{1,64}`.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(fits_name)
}

/// Whether a name may contain this byte.
pub fn fits_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_other_texts() {
        let longest = "x".repeat(64);
        for good in ["a", "cam_1-b", "0", longest.as_str()] {
            assert!(is_name(good), "{good}");
        }
        let too_long = "x".repeat(65);
        for bad in [
            "", "Demo", "a.b", "..", "a/b", "a%20b", "a b", "ä", "a\n", &too_long,
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
