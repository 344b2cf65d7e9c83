//! Delivery directives in a playlist's query (RFC 8216bis section 6.2.5).

use std::str::FromStr;

use crate::daemon::origin::Reload;

use super::errors::Problem;

/// Reads the directives. Whether a playlist can answer them is judged by the playlist. Other
/// parameters are ignored, because applications and later versions of the protocol may add some.
pub(super) fn parse(query: &str) -> Result<Reload, Problem> {
    let mut reload = Reload::default();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "_HLS_msn" => once(&mut reload.msn, &value, "_HLS_msn is not one number")?,
            "_HLS_part" => once(&mut reload.part, &value, "_HLS_part is not one number")?,
            // An unknown value gets the whole playlist, which is always a correct answer.
            "_HLS_skip" => reload.skip |= matches!(&*value, "YES" | "v2"),
            _ => {}
        }
    }
    Ok(reload)
}

/// Reads a decimal-integer (RFC 8216bis section 4.2), which has neither sign nor space, into
/// `slot`. A directive that comes twice is an error.
fn once<T: FromStr>(slot: &mut Option<T>, value: &str, error: &'static str) -> Result<(), Problem> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match value.parse() {
        Ok(number) if digits && slot.is_none() => {
            *slot = Some(number);
            Ok(())
        }
        _ => Err(Problem::directives(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reload(msn: Option<u64>, part: Option<u32>, skip: bool) -> Reload {
        Reload { msn, part, skip }
    }

    #[test]
    fn directives() {
        for (query, expected) in [
            ("", reload(None, None, false)),
            ("a=b&c", reload(None, None, false)),
            ("_HLS_msn=0", reload(Some(0), None, false)),
            ("_HLS_msn=7&_HLS_part=2", reload(Some(7), Some(2), false)),
            ("_HLS_part=2&_HLS_msn=7", reload(Some(7), Some(2), false)),
            // `hls::Reload` refuses it later, with the playlist at hand.
            ("_HLS_part=2", reload(None, Some(2), false)),
            ("_HLS_skip=YES", reload(None, None, true)),
            ("_HLS_skip=v2", reload(None, None, true)),
            ("_HLS_skip=NO", reload(None, None, false)),
            ("_HLS_push=1&_HLS_msn=7", reload(Some(7), None, false)),
        ] {
            assert_eq!(parse(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn mistakes() {
        for query in [
            "_HLS_msn=",
            "_HLS_msn=-1",
            "_HLS_msn=+1",
            "_HLS_msn=1.5",
            "_HLS_msn=%201",
            "_HLS_msn=0x1",
            "_HLS_msn=18446744073709551616",
            "_HLS_msn=1&_HLS_msn=1",
            "_HLS_msn=1&_HLS_part=4294967296",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_answered(query in ".{0,200}") {
            let _ = parse(&query);
        }
    }
}
