use super::*;
use proptest::prelude::*;

#[test]
fn durations_are_read() {
    for (text, ms) in [
        ("0", 0),
        ("200ms", 200),
        ("2s", 2000),
        ("2 s", 2000),
        ("1.5s", 1500),
        ("0.25m", 15_000),
        ("10m", 600_000),
        ("1h", 3_600_000),
    ] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_millis(ms)),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in ["", "s", ".5s", "1.s", "-1s", "1.2.3s", "+2s", "two seconds"] {
        assert_eq!(parse_duration(text), Err(UnitError::NotANumber), "{text}");
    }
    for (text, found) in [
        ("2", ""),
        ("2sec", "sec"),
        ("1e3s", "e3s"),
        ("2S", "S"),
        ("2s3ms", "s3ms"),
    ] {
        assert!(
            matches!(parse_duration(text), Err(UnitError::Unit { found: f, .. }) if f == found),
            "{text}"
        );
    }
    assert_eq!(parse_duration("99999999999h"), Err(UnitError::TooLarge));
    let digits = "9".repeat(60) + "s";
    assert_eq!(parse_duration(&digits), Err(UnitError::TooLarge));
}

#[test]
fn bitrates_and_sizes_are_read_and_shown() {
    for (text, bps) in [
        ("5M", 5_000_000),
        ("2.5M", 2_500_000),
        ("800k", 800_000),
        ("9", 9),
    ] {
        assert_eq!(text.parse(), Ok(Bitrate::from_bps(bps)), "{text}");
    }
    for (text, bytes) in [("512MiB", 512 << 20), ("1.5GiB", 3 << 29), ("7B", 7)] {
        assert_eq!(text.parse(), Ok(ByteSize::from_bytes(bytes)), "{text}");
    }
    assert_eq!(ByteSize::from_mib(2048).to_string(), "2GiB");
    assert_eq!(ByteSize::from_bytes(1025).to_string(), "1025B");
    assert!("5m".parse::<Bitrate>().is_err());
    assert!("512MB".parse::<ByteSize>().is_err());
}

#[test]
fn decimal_rates_become_the_fractions_they_mean() {
    for (decimal, num, den, shown) in [
        (30.0, 30, 1, "30"),
        (29.97, 30_000, 1001, "29.97"),
        (23.976, 24_000, 1001, "23.976"),
        (59.94, 60_000, 1001, "59.94"),
        (12.5, 25, 2, "12.5"),
        (27.3, 273, 10, "27.3"),
    ] {
        let rate = FrameRate::from_decimal(decimal).unwrap();
        assert_eq!((rate.num(), rate.den()), (num, den), "{decimal}");
        assert_eq!(rate.to_string(), shown);
    }
    for out in [0.0, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
        assert_eq!(FrameRate::from_decimal(out), None, "{out}");
    }
}

#[test]
fn bitrates_show_as_they_are_configured() {
    for (bps, text) in [
        (5_000_000, "5M"),
        (2_800_000, "2800k"),
        (128_000, "128k"),
        (128_500, "128500"),
        (0, "0"),
    ] {
        assert_eq!(Bitrate::from_bps(bps).to_string(), text);
    }
    assert_eq!(Bitrate::from_bps(128_999).kbps(), 128);
}

#[test]
fn binary_megabytes() {
    assert_eq!(ByteSize::from_mib(512), ByteSize::from_bytes(536_870_912));
}

#[test]
fn rates_are_never_zero() {
    assert_eq!(FrameRate::new(0, 1), None);
    assert_eq!(FrameRate::new(1, 0), None);
    assert_eq!(FrameRate::whole(0), FrameRate::whole(1));
}

#[test]
fn ntsc_is_exact() {
    let fps = FrameRate::new(30_000, 1001).unwrap();
    assert_eq!(fps.time_of(30_000), Duration::from_secs(1001));
    assert_eq!(fps.time_of(2_580_000), Duration::from_secs(86_086));
    assert_eq!(fps.divided(2), FrameRate::new(15_000, 1001).unwrap());
    assert_eq!(fps.divided(0), fps);
}

proptest! {
    #[test]
    fn durations_round_trip(nanos: u64) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
    }

    #[test]
    fn bitrates_and_sizes_round_trip(value: u64) {
        prop_assert_eq!(Bitrate::from_bps(value).to_string().parse(), Ok(Bitrate::from_bps(value)));
        let size = ByteSize::from_bytes(value);
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }

    #[test]
    fn no_text_is_too_strange(text: String) {
        let _ = (parse_duration(&text), text.parse::<Bitrate>(), text.parse::<ByteSize>());
    }

    #[test]
    fn a_frame_is_found_by_its_time(num in 1..120_000_u32, den in 1..1002_u32, n in 0..1_000_000_000_u64) {
        let fps = FrameRate::new(num, den).unwrap();
        prop_assume!(fps.frame_duration() > Duration::from_micros(1));
        // A time has at most 2^64 ns, some 584 years.
        prop_assume!(u128::from(n + 1) * u128::from(den) < u128::from(num) * 18_000_000_000);
        prop_assert_eq!(fps.frame_at(fps.time_of(n)), n);
        let nearly_half = fps.frame_duration() * 49 / 100;
        prop_assert_eq!(fps.frame_at(fps.time_of(n) + nearly_half), n);
    }
}
