//! The standard frame rates; a measured rate is rounded to one of them.

use crate::base::units::FrameRate;

/// Standard rates as `(num, den)`, without their 1000/1001 forms.
const STANDARD: [(u32, u32); 9] = [
    (10, 1),
    (25, 2),
    (15, 1),
    (20, 1),
    (24, 1),
    (25, 1),
    (30, 1),
    (50, 1),
    (60, 1),
];

/// All standard rates: 10, 12.5, 15, 20, 24, 25, 30, 50, 60 and their 1000/1001 forms. A canvas has
/// one of them, or a whole fraction of one.
pub fn standard_rates() -> Vec<FrameRate> {
    STANDARD
        .iter()
        .flat_map(|&(num, den)| [(num, den), (num * 1000 / den, 1001)])
        .filter_map(|(num, den)| FrameRate::new(num, den))
        .collect()
}

/// The standard rate nearest to a measured one; in a tie, not the 1000/1001 form.
pub fn nearest_rate(measured: FrameRate) -> FrameRate {
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
            (1_000, 10_000, 1001),
            (240_000, 60, 1),
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
