//! The standard frame rates; a measured rate is rounded to one of them.

use crate::base::units::FrameRate;

/// Standard rates as `(num, den)` that also exist in their 1000/1001 form.
const STANDARD: [(u32, u32); 12] = [
    (10, 1),
    (12, 1),
    (25, 2),
    (15, 1),
    (20, 1),
    (24, 1),
    (25, 1),
    (30, 1),
    (48, 1),
    (50, 1),
    (60, 1),
    (120, 1),
];
/// Standard rates of screens and cameras, which have no 1000/1001 form.
const WHOLE: [u32; 3] = [72, 90, 100];

/// The rate for sources below the second constant, which no measuring error of 10000/1001 reaches.
const SLOWEST: FrameRate = FrameRate::whole(10);
const SLOWEST_FROM: f64 = 9.9;

/// All standard rates: 10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60 and 120 with their 1000/1001
/// forms, 72, 90 and 100. A canvas has one of them, or a whole fraction of one.
pub fn standard_rates() -> Vec<FrameRate> {
    let ntsc = |&(num, den): &(u32, u32)| [(num, den), (num * 1000 / den, 1001)];
    let whole = WHOLE.iter().map(|&num| (num, 1));
    STANDARD
        .iter()
        .flat_map(ntsc)
        .chain(whole)
        .filter_map(|(num, den)| FrameRate::new(num, den))
        .collect()
}

/// The standard rate nearest to a measured one; in a tie, not the 1000/1001 form. A slower source
/// gets the slowest whole rate: each of 1, 2 and 5 pictures per second divides it.
pub fn nearest_rate(measured: FrameRate) -> FrameRate {
    if measured.as_f64() < SLOWEST_FROM {
        return SLOWEST;
    }
    let distance = |rate: &FrameRate| (rate.as_f64() - measured.as_f64()).abs();
    standard_rates()
        .into_iter()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(FrameRate::whole(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rates() {
        for (measured_milli, num, den) in [
            (29_971, 30_000, 1001),
            (29_999, 30, 1),
            (23_980, 24_000, 1001),
            (12_480, 12_500, 1001),
            (12_510, 25, 2),
            (14_800, 15_000, 1001),
            (1_000, 10, 1),
            (5_000, 10, 1),
            (9_990, 10_000, 1001),
            (240_000, 120, 1),
            (12_000, 12, 1),
            (11_988, 12_000, 1001),
            (48_000, 48, 1),
            (47_952, 48_000, 1001),
            (72_010, 72, 1),
            (90_000, 90, 1),
            (89_910, 90, 1),
            (100_000, 100, 1),
            (120_000, 120, 1),
            (119_880, 120_000, 1001),
            (27_400, 25, 1),
            (59_940, 60_000, 1001),
        ] {
            let measured = FrameRate::new(measured_milli, 1000).unwrap();
            assert_eq!(nearest_rate(measured), FrameRate::new(num, den).unwrap());
        }
        for rate in standard_rates() {
            assert_eq!(nearest_rate(rate), rate);
        }
    }
}
