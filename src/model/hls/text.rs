//! The text form of durations and dates in a playlist.

use std::fmt;
use std::time::Duration;

use chrono::SecondsFormat;

use crate::base::time::rfc3339;

/// Microseconds, shown as a decimal-floating-point number of seconds (section 4.2) without needless
/// zeros: `2.0`, `0.213333`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seconds(u128);

impl Seconds {
    /// `duration` to the nearest microsecond.
    pub(super) fn nearest(duration: Duration) -> Self {
        Self((duration.as_nanos() + 500) / 1000)
    }

    /// `duration` rounded up to the microsecond, for limits: a duration within the limit is never
    /// printed above it.
    pub(super) fn at_least(duration: Duration) -> Self {
        Self(duration.as_nanos().div_ceil(1000))
    }

    /// A multiple.
    pub(super) fn times(self, times: u32) -> Self {
        Self(self.0.saturating_mul(u128::from(times)))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:06}", self.0 % 1_000_000);
        let fraction = match fraction.trim_end_matches('0') {
            "" => "0",
            digits => digits,
        };
        write!(f, "{}.{fraction}", self.0 / 1_000_000)
    }
}

/// The text of `EXT-X-PROGRAM-DATE-TIME`, which is ISO 8601 and "SHOULD indicate a time zone and
/// fractional parts of seconds, to millisecond accuracy" (section 4.4.4.6): UTC, to the nearest
/// millisecond.
pub(super) fn date(unix_ns: u64) -> String {
    let unix_ms = (unix_ns / 1000).saturating_add(500) / 1000;
    rfc3339(unix_ms, SecondsFormat::Millis)
}

/// Whether a character is normalized by itself and beside any other such character: "All character
/// sequences MUST be normalized according to Unicode normalization form \"NFC\"" (section 4.1). These are
/// the letters of common languages, signs, and pictures; a letter that is written as two characters is
/// none of them.
pub(super) fn is_composed(c: char) -> bool {
    matches!(c,
        ' '..='~'
        | '\u{a0}'..='\u{2ff}'
        // Greek, Cyrillic, without U+0374, U+037E and U+0387, which stand for others.
        | '\u{370}'..='\u{373}' | '\u{375}'..='\u{377}' | '\u{37b}'..='\u{37d}'
        | '\u{384}'..='\u{386}' | '\u{388}'..='\u{482}' | '\u{48a}'..='\u{52f}'
        // Armenian, Hebrew, Arabic.
        | '\u{531}'..='\u{58a}' | '\u{5d0}'..='\u{5ea}' | '\u{620}'..='\u{64a}'
        // Punctuation and currencies.
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{20a0}'..='\u{20c0}'
        // Japanese, Chinese, Korean.
        | '\u{3001}'..='\u{3029}' | '\u{3041}'..='\u{3096}' | '\u{30a0}'..='\u{30ff}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{1f300}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_are_exact_to_the_microsecond() {
        for (nanos, nearest, at_least) in [
            (0, "0.0", "0.0"),
            (200_000_000, "0.2", "0.2"),
            (2_000_000_000, "2.0", "2.0"),
            (213_333_333, "0.213333", "0.213334"),
            (2_002_000_000, "2.002", "2.002"),
            (12_000_000_499, "12.0", "12.000001"),
        ] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(Seconds::nearest(duration).to_string(), nearest);
            assert_eq!(Seconds::at_least(duration).to_string(), at_least);
        }
    }

    proptest! {
        #[test]
        fn what_keeps_a_limit_is_never_printed_above_it(limit in 0_u64..10_000_000_000,
                                                        share in 0.0..=1.0) {
            let duration = Duration::from_nanos((limit as f64 * share) as u64);
            let seconds = |text: String| text.parse::<f64>().unwrap();
            let printed = seconds(Seconds::nearest(duration).to_string());
            let limit = seconds(Seconds::at_least(Duration::from_nanos(limit)).to_string());
            prop_assert!(printed <= limit);
        }
    }

    #[test]
    fn dates_are_utc_to_the_nearest_millisecond() {
        for (unix_ns, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_709_210_096_789_499_999, "2024-02-29T12:34:56.789Z"),
            (1_709_210_096_789_500_000, "2024-02-29T12:34:56.790Z"),
            (1_709_251_199_999_900_000, "2024-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(date(unix_ns), expected);
        }
    }
}
