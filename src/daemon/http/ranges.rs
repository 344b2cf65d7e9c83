//! Byte ranges over a list of chunks, without copying (RFC 9110 section 14).

use std::ops::Range;

use bytes::Bytes;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: there is no header, it is not understood, or it names several ranges.
    Whole,
    /// These bytes; the status is 206.
    Part(Range<u64>),
    /// No byte that exists; the status is 416.
    Unsatisfiable,
}

/// Reads a `Range` header for an object of `len` bytes.
///
/// "An origin server MUST ignore a Range header field that contains a range unit it does not
/// understand" and may ignore one that is invalid or asks for many ranges (RFC 9110 section 14.2).
/// No player asks for several, and attackers use many ranges to cause much work.
pub(super) fn wanted(header: Option<&str>, len: u64) -> Wanted {
    let Some((unit, set)) = header.and_then(|header| header.split_once('=')) else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else {
        return Wanted::Whole;
    };
    match (first, last) {
        ("", suffix) => number(suffix).map_or(Wanted::Whole, |n| satisfy(suffix_of(len, n), len)),
        (first, "") => number(first).map_or(Wanted::Whole, |first| satisfy(first..len, len)),
        (first, last) => match (number(first), number(last)) {
            // "A Range field that contains ... last-pos less than first-pos is invalid."
            (Some(first), Some(last)) if first <= last => {
                satisfy(first..last.saturating_add(1).min(len), len)
            }
            _ => Wanted::Whole,
        },
    }
}

fn suffix_of(len: u64, bytes: u64) -> Range<u64> {
    len.saturating_sub(bytes)..len
}

fn satisfy(range: Range<u64>, len: u64) -> Wanted {
    if range.start < range.end && range.start < len {
        Wanted::Part(range)
    } else {
        Wanted::Unsatisfiable
    }
}

/// Reads digits; a number that does not fit becomes the largest that does.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The bytes of `range` in `chunks`, whose memory is shared, not copied.
pub(super) fn slice(chunks: Vec<Bytes>, range: &Range<u64>) -> Vec<Bytes> {
    let mut start = 0_u64;
    let mut out = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let len = chunk.len() as u64;
        let from = range.start.saturating_sub(start).min(len);
        let to = range.end.saturating_sub(start).min(len);
        if from < to {
            // Both are at most the length of the chunk, which is a usize.
            out.push(chunk.slice(from as usize..to as usize));
        }
        start = start.saturating_add(len);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_bytes() {
        use Wanted::{Part, Unsatisfiable, Whole};
        for (header, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-9", Part(0..10)),
            ("bytes=0-99999999999999999999999", Part(0..10)),
            ("bytes=5-", Part(5..10)),
            ("bytes=-5", Part(5..10)),
            ("bytes=-50", Part(0..10)),
            ("BYTES = 2-3 ", Part(2..4)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-20", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=5-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1 - 2", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(wanted(Some(header), 10), expected, "{header}");
        }
        assert_eq!(wanted(None, 10), Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Unsatisfiable);
    }

    proptest! {
        #[test]
        fn a_slice_is_the_slice_of_the_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..8),
            a in 0_u64..200,
            b in 0_u64..200,
        ) {
            let whole = chunks.concat();
            let (a, b) = (a.min(b).min(whole.len() as u64), a.max(b).min(whole.len() as u64));
            let list: Vec<Bytes> = chunks.into_iter().map(Bytes::from).collect();
            let sliced = slice(list, &(a..b)).concat();
            prop_assert_eq!(&sliced, &whole[a as usize..b as usize]);
        }

        #[test]
        fn any_header_gives_a_range_inside(header in ".{0,60}", len in any::<u64>()) {
            if let Wanted::Part(range) = wanted(Some(&header), len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
