//! The sound of the test signal: a beep at every whole second of UTC, together with the picture's
//! flash.

use std::time::Duration;

use crate::model::ladder::lengths::SAMPLE_RATE_HZ;

/// Length of the beep and of the flash.
const LENGTH: Duration = Duration::from_millis(80);

/// Pitch of the beep.
const TONE_HZ: f64 = 1000.0;
/// Loudness: a quarter of full scale, -12 dBFS.
const AMPLITUDE: f64 = 8192.0;
/// The beep begins and ends within this many samples (2 ms), so that it does not click.
const RAMP_SAMPLES: u64 = 96;

/// Whether there is a beep at `utc`, the time since the Unix epoch.
pub fn sounds_at(utc: Duration) -> bool {
    Duration::from_nanos(u64::from(utc.subsec_nanos())) < LENGTH
}

/// Fills `out`, interleaved stereo at 48 kHz, with the test sound from `utc` on, the time since the
/// Unix epoch.
pub fn fill(utc: Duration, out: &mut [i16]) {
    let first = u64::from(utc.subsec_nanos()) * SAMPLE_RATE_HZ / 1_000_000_000;
    for (n, pair) in (first..).zip(out.chunks_exact_mut(2)) {
        pair.fill(sample(n % SAMPLE_RATE_HZ));
    }
}

/// Sample number `n` after a whole second.
fn sample(n: u64) -> i16 {
    let length = SAMPLE_RATE_HZ * u64::from(LENGTH.subsec_millis()) / 1000;
    if n >= length {
        return 0;
    }
    let ramp = n.min(length - n).min(RAMP_SAMPLES) as f64 / RAMP_SAMPLES as f64;
    let angle = n as f64 * TONE_HZ * std::f64::consts::TAU / SAMPLE_RATE_HZ as f64;
    (angle.sin() * AMPLITUDE * ramp) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_beep_per_second_wherever_blocks_are_cut() {
        let start = Duration::from_millis(1_700_000_000_900);
        let mut heard = Vec::new();
        for block in 0..90_u64 {
            let mut out = [0; 2048];
            fill(
                start + Duration::from_nanos(block * 1024 * 1_000_000_000 / 48_000),
                &mut out,
            );
            heard.extend(out.chunks_exact(2).map(|pair| {
                assert_eq!(pair[0], pair[1]);
                pair[0]
            }));
        }
        let loud: Vec<usize> = (0..heard.len()).filter(|n| heard[*n].abs() > 100).collect();
        // The first beep is 100 ms after the start, the second one second later.
        assert!((4_795..4_830).contains(&loud[0]), "{}", loud[0]);
        let second = loud.iter().find(|n| **n > 10_000).unwrap();
        assert!((52_795..52_830).contains(second), "{second}");
        assert!(
            loud.iter()
                .all(|n| (4_790..8_645).contains(n) || (52_790..56_645).contains(n))
        );
        let peak = heard.iter().map(|v| v.abs()).max().unwrap();
        assert!((8000..=8192).contains(&peak));
    }

    #[test]
    fn the_flash_is_with_the_beep() {
        let at = |ms| sounds_at(Duration::from_millis(ms));
        assert!(at(1_700_000_000_000) && at(1_700_000_000_079));
        assert!(!at(1_700_000_000_080) && !at(1_700_000_000_999));
    }
}
