//! Quantities with their unit in the type: [`Bitrate`], [`ByteSize`], [`FrameRate`], and the
//! text forms the configuration uses for them (`"5M"`, `"512MiB"`, `"200ms"`).

use std::fmt;
use std::str::FromStr;
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

    /// The rate in bits per second.
    pub const fn bps(self) -> u64 {
        self.0
    }

    /// The rate in kilobits per second, rounded down: the unit of most encoder properties.
    pub const fn kbps(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (divisor, unit) = largest_exact(self.0, &BITRATE_UNITS).unwrap_or((1, ""));
        write!(f, "{}{unit}", self.0 / divisor)
    }
}

impl FromStr for Bitrate {
    type Err = UnitError;

    /// Reads `"5M"`, `"2.5M"`, `"800k"` or a bare number of bits per second.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, &BITRATE_UNITS).map(Self)
    }
}

/// An amount of memory or disk in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size of `mib` mebibytes.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib * 1024 * 1024)
    }

    /// A size of `bytes` bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (divisor, unit) = largest_exact(self.0, &BYTE_UNITS).unwrap_or((1, "B"));
        write!(f, "{}{unit}", self.0 / divisor)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    /// Reads `"512MiB"`, `"1.5GiB"`, `"4096B"`.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, &BYTE_UNITS).map(Self)
    }
}

/// A frame rate as an exact fraction; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct FrameRate {
    num: u32,
    den: u32,
}

impl TryFrom<(u32, u32)> for FrameRate {
    type Error = &'static str;

    fn try_from((num, den): (u32, u32)) -> Result<Self, Self::Error> {
        Self::new(num, den).ok_or("a frame rate is never zero")
    }
}

impl From<FrameRate> for (u32, u32) {
    fn from(fps: FrameRate) -> Self {
        (fps.num, fps.den)
    }
}

impl FrameRate {
    /// `num / den` frames per second; `None` when either is zero.
    pub const fn new(num: u32, den: u32) -> Option<Self> {
        if num == 0 || den == 0 {
            return None;
        }
        Some(Self { num, den })
    }

    /// A whole number of frames per second (zero becomes one).
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

    /// Frames per second, for display and comparison only.
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

    /// The exact rate behind a decimal number: 29.97 means 30000/1001 and 12.5 means 25/2; any
    /// other number is rounded to the nearest thousandth. `None` unless `fps` is
    /// between 0.001 and 1000.
    pub fn from_decimal(fps: f64) -> Option<Self> {
        if !(0.001..=1000.0).contains(&fps) {
            return None;
        }
        // Both fit 32 bits: `fps` is at most 1000.
        let (milli, whole) = ((fps * 1000.0).round() as u32, fps.round() as u32);
        // NTSC rates (23.976, 29.97, 59.94) are usually written with two or three decimals.
        let ntsc = f64::from(whole) * 1000.0 / 1001.0;
        if !milli.is_multiple_of(1000) && (ntsc - fps).abs() < 0.005 {
            return Self::new(whole * 1000, 1001).map(Self::reduced);
        }
        Self::new(milli, 1000).map(Self::reduced)
    }

    fn reduced(self) -> Self {
        let divisor = gcd(self.num, self.den);
        Self {
            num: self.num / divisor,
            den: self.den / divisor,
        }
    }
}

/// Greatest common divisor; 1 when both numbers are zero, so that callers can divide by it.
pub fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

impl fmt::Display for FrameRate {
    /// At most three decimals: `30`, `29.97`, `12.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.as_f64());
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Why a text cannot be read as a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The text does not begin with a decimal number.
    #[error("not a number with a unit")]
    NotANumber,
    /// The unit is unknown, or missing if `found` is empty.
    #[error("unknown unit {found:?}; units are {}", known.join(", "))]
    Unit {
        /// The number as written.
        number: String,
        /// The text in place of the unit.
        found: String,
        /// The units that are known here.
        known: Vec<&'static str>,
    },
    /// The value does not fit 64 bits.
    #[error("too large")]
    TooLarge,
}

/// Name of a unit, and its size in base units.
type Unit = (&'static str, u64);

const BITRATE_UNITS: [Unit; 4] = [("", 1), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000)];
const BYTE_UNITS: [Unit; 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
/// Sizes in nanoseconds.
const DURATION_UNITS: [Unit; 4] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `"200ms"`, `"2s"`, `"1.5s"`, `"10m"`, `"1h"`, and `"0"`, which needs no unit.
///
/// # Errors
/// [`UnitError`] for any other text.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    scaled(text, &DURATION_UNITS).map(Duration::from_nanos)
}

/// Writes a duration in the largest unit that needs no fraction, or else in milliseconds with a
/// fraction. [`parse_duration`] reads it back.
pub fn duration_text(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0".to_owned();
    }
    match largest_exact(nanos, &DURATION_UNITS) {
        Some((divisor, unit)) => format!("{}{unit}", nanos / divisor),
        None => {
            let fraction = format!("{:06}", nanos % 1_000_000);
            format!("{}.{}ms", nanos / 1_000_000, fraction.trim_end_matches('0'))
        }
    }
}

/// The largest unit that `value` is a whole multiple of: its size and its name.
fn largest_exact(value: u64, units: &[Unit]) -> Option<(u64, &'static str)> {
    units
        .iter()
        .rev()
        .find(|(_, size)| value >= *size && value.is_multiple_of(*size))
        .map(|(name, size)| (*size, *name))
}

/// Reads a decimal number with one of `units` and returns it in base units, rounded down. Exact:
/// no floating point is involved.
fn scaled(text: &str, units: &[Unit]) -> Result<u64, UnitError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // More than 18 digits of fraction would be finer than any unit, and could overflow.
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return Err(UnitError::NotANumber);
    }
    let Some((_, size)) = units.iter().find(|(name, _)| *name == unit.trim_start()) else {
        return Err(UnitError::Unit {
            number: number.to_owned(),
            found: unit.trim().to_owned(),
            known: units
                .iter()
                .map(|(name, _)| *name)
                .filter(|n| !n.is_empty())
                .collect(),
        });
    };
    let size = u128::from(*size);
    let parse = |part: &str| part.parse::<u128>().map_err(|_| UnitError::TooLarge);
    let power = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX));
    let whole = parse(whole)?.checked_mul(size).ok_or(UnitError::TooLarge)?;
    let total = whole
        .checked_add(parse(fraction)? * size / power)
        .ok_or(UnitError::TooLarge)?;
    u64::try_from(total).map_err(|_| UnitError::TooLarge)
}

#[cfg(test)]
mod tests;
