//! Quantities with their unit in the type: [`Bitrate`], [`ByteSize`], [`FrameRate`], and the
//! text forms the configuration uses for them (`"5M"`, `"512MiB"`, `"200ms"`).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A bitrate in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bitrate(u64);

impl Bitrate {
    /// A bitrate of `bps` bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// Bits per second.
    pub const fn bps(self) -> u64 {
        self.0
    }

    /// Thousands of bits per second, rounded down, as most encoder properties want it.
    pub const fn kbps(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bps if bps >= 1_000_000 && bps % 1_000_000 == 0 => write!(f, "{}M", bps / 1_000_000),
            bps if bps >= 1000 && bps % 1000 == 0 => write!(f, "{}k", bps / 1000),
            bps => write!(f, "{bps}"),
        }
    }
}

/// An amount of memory or disk in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

impl ByteSize {
    /// `mib` binary megabytes.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib * 1024 * 1024)
    }

    /// `bytes` bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// A frame rate as an exact fraction; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FrameRate {
    num: u32,
    den: u32,
}

impl FrameRate {
    /// `num / den` frames a second; `None` when either is zero.
    pub const fn new(num: u32, den: u32) -> Option<Self> {
        if num == 0 || den == 0 {
            return None;
        }
        Some(Self { num, den })
    }

    /// A whole number of frames a second (zero becomes one).
    pub const fn whole(fps: u32) -> Self {
        Self {
            num: if fps == 0 { 1 } else { fps },
            den: 1,
        }
    }

    /// Numerator.
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Denominator.
    pub const fn den(self) -> u32 {
        self.den
    }

    /// Frames a second, for display and comparison only.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// The time at which frame `n` starts, counted from frame 0, exact to the nanosecond
    /// (rounded down), so that no error builds up over days.
    pub fn time_of(self, n: u64) -> Duration {
        let nanos = u128::from(n) * u128::from(self.den) * 1_000_000_000 / u128::from(self.num);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The number of the frame whose start is nearest to `time`.
    pub fn frame_at(self, time: Duration) -> u64 {
        let scaled = time.as_nanos() * u128::from(self.num) * 2;
        let unit = u128::from(self.den) * 1_000_000_000;
        u64::try_from((scaled / unit).div_ceil(2)).unwrap_or(u64::MAX)
    }

    /// How long one frame is shown.
    pub fn frame_duration(self) -> Duration {
        self.time_of(1)
    }

    /// Every `divisor`-th frame of this rate (a divisor of zero counts as one).
    pub fn divided(self, divisor: u32) -> Self {
        Self {
            num: self.num,
            den: self.den.saturating_mul(divisor.max(1)),
        }
        .reduced()
    }

    fn reduced(self) -> Self {
        let (mut a, mut b) = (self.num, self.den);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self {
            num: self.num / a.max(1),
            den: self.den / a.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_frame_is_found_by_its_time(num in 1..120_000_u32, den in 1..1002_u32, n in 0..1_000_000_000_u64) {
            let fps = FrameRate::new(num, den).unwrap();
            prop_assume!(fps.frame_duration() > Duration::from_micros(1));
            prop_assert_eq!(fps.frame_at(fps.time_of(n)), n);
            let nearly_half = fps.frame_duration() * 49 / 100;
            prop_assert_eq!(fps.frame_at(fps.time_of(n) + nearly_half), n);
        }
    }
}
