//! Times for pictures that have none: a camera makes them evenly, the network delivers them
//! unevenly.
//!
//! The clock fits a line through the moments of arrival (least squares over all pictures so far, in
//! the form of an α-β filter; from [`MEMORY_PICTURES`] pictures on, older ones count less and less).
//! A picture's time is its place on that line. Pictures that the network holds up are left out of the
//! fit. Where the line does not fit any more, because the camera has changed its rate or has paused,
//! the clock starts again.

use super::{MS_NS, SECOND_NS};

/// Pictures that the line is fitted through. More make it steadier, fewer let it follow faster.
const MEMORY_PICTURES: u32 = 256;
/// A clock that has seen fewer pictures leaves none out.
const YOUNG_PICTURES: u32 = 8;
/// A picture that is later than its place on the line by more than this was held up.
const HELD_UP_NS: f64 = 250.0 * MS_NS as f64;
/// Mean error of the last pictures above which the line does not fit.
const MISFIT_NS: f64 = 80.0 * MS_NS as f64;
/// How long the line must not fit before the clock starts again. What a stall of the network has
/// held up comes within a shorter time.
const MISFIT_MAX_NS: i64 = 500 * MS_NS;
/// Weight of the newest picture in the mean error, and in the mean size of the errors.
const MEAN_WEIGHT: f64 = 1.0 / 8.0;
const SIZE_WEIGHT: f64 = 1.0 / 16.0;
/// Shortest and longest time from one picture to the next.
const PERIOD_NS: (f64, f64) = (MS_NS as f64, 10.0 * SECOND_NS as f64);
/// Pictures keep their order, at least this far apart.
const STEP_NS_MIN: i64 = MS_NS;
/// The rate is told after this time when it is certain, and after [`RATE_AFTER_NS_MAX`] in any case.
const RATE_AFTER_NS_MIN: i64 = 900 * MS_NS;
const RATE_AFTER_NS_MAX: i64 = 3 * SECOND_NS;
/// Relative standard error below which the rate is certain: a sixth of half the step from 24 to 25
/// pictures per second. Of 20 000 cameras with 100 ms of jitter one is taken for the other then; with
/// 0.005, 50 are.
const RATE_ERROR_MAX: f64 = 0.0035;

/// The clock of one camera.
#[derive(Debug, Default)]
pub struct ArrivalClock {
    line: Option<Line>,
    /// Time of the last picture.
    last_ns: i64,
}

#[derive(Debug)]
struct Line {
    /// Pictures in the fit, [`MEMORY_PICTURES`] at most.
    pictures: u32,
    /// Place of the last picture, relative to `from_ns`, so that small times are added to small ones.
    place_ns: f64,
    from_ns: i64,
    period_ns: f64,
    mean_error_ns: f64,
    error_size_ns: f64,
    /// Since when the line has not fitted.
    misfit_since_ns: Option<i64>,
}

impl ArrivalClock {
    /// The time of the picture that arrives at `arrival_ns`, in nanoseconds of the same clock. Times
    /// grow from picture to picture.
    pub fn time_ns(&mut self, arrival_ns: u64) -> u64 {
        let arrival_ns = i64::try_from(arrival_ns).unwrap_or(i64::MAX);
        let place_ns = match &mut self.line {
            Some(line) => line.add(arrival_ns),
            None => None,
        };
        let place_ns = place_ns.unwrap_or_else(|| {
            self.line = Some(Line::new(arrival_ns));
            arrival_ns
        });
        self.last_ns = place_ns.max(self.last_ns.saturating_add(STEP_NS_MIN));
        u64::try_from(self.last_ns).unwrap_or(0)
    }

    /// Pictures per thousand seconds; `None` while that is not known.
    pub fn millihertz(&self) -> Option<u32> {
        let line = self.line.as_ref()?;
        let span_ns = line.place_ns as i64;
        let certain = line.period_error() <= RATE_ERROR_MAX && span_ns >= RATE_AFTER_NS_MIN;
        let known = line.pictures >= YOUNG_PICTURES && certain || span_ns >= RATE_AFTER_NS_MAX;
        known.then_some((1000.0 * SECOND_NS as f64 / line.period_ns) as u32)
    }
}

impl Line {
    fn new(arrival_ns: i64) -> Self {
        Self {
            pictures: 1,
            place_ns: 0.0,
            from_ns: arrival_ns,
            period_ns: 0.0,
            mean_error_ns: 0.0,
            error_size_ns: 0.0,
            misfit_since_ns: None,
        }
    }

    /// Adds a picture and returns its place; `None` when a new line has to begin with it.
    fn add(&mut self, arrival_ns: i64) -> Option<i64> {
        let expected_ns = self.place_ns + self.period_ns;
        let error_ns = arrival_ns.saturating_sub(self.from_ns) as f64 - expected_ns;
        let young = self.pictures < YOUNG_PICTURES;
        let held_up = !young && error_ns > HELD_UP_NS;
        if !held_up {
            self.mean_error_ns += MEAN_WEIGHT * (error_ns - self.mean_error_ns);
        }
        if self.is_over(
            !young && (held_up || self.mean_error_ns.abs() > MISFIT_NS),
            arrival_ns,
        ) {
            return None;
        }
        self.place_ns = expected_ns;
        if !held_up {
            self.fit(error_ns);
        }
        Some(self.from_ns.saturating_add(self.place_ns as i64))
    }

    fn is_over(&mut self, misfit: bool, arrival_ns: i64) -> bool {
        if !misfit {
            self.misfit_since_ns = None;
            return false;
        }
        let since_ns = *self.misfit_since_ns.get_or_insert(arrival_ns);
        arrival_ns.saturating_sub(since_ns) > MISFIT_MAX_NS
    }

    fn fit(&mut self, error_ns: f64) {
        self.pictures = (self.pictures + 1).min(MEMORY_PICTURES);
        let n = f64::from(self.pictures);
        // The gains with which an α-β filter is a least-squares fit of all samples so far (Kalata).
        let (alpha, beta) = (
            2.0 * (2.0 * n - 1.0) / (n * (n + 1.0)),
            6.0 / (n * (n + 1.0)),
        );
        self.place_ns += alpha * error_ns;
        self.period_ns = (self.period_ns + beta * error_ns).clamp(PERIOD_NS.0, PERIOD_NS.1);
        let weight = SIZE_WEIGHT.max(1.0 / n);
        self.error_size_ns += weight * (error_ns.abs() - self.error_size_ns);
    }

    /// Standard error of the period, relative to it: that of a fitted line's slope.
    fn period_error(&self) -> f64 {
        let n = f64::from(self.pictures);
        self.error_size_ns * (12.0 / (n * n * n)).sqrt() / self.period_ns.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::units::FrameRate;
    use crate::model::ladder::nearest_rate;

    const MS: f64 = MS_NS as f64;

    /// A seeded random number from 0 to 1 (SplitMix64).
    fn noise(seed: u64, n: u64) -> f64 {
        let z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % 1_000_000) as f64 / 1e6
    }

    /// Feeds pictures that the camera makes at `made` (ms), each `path` (ms) long on its way; TCP
    /// keeps their order. Returns for each picture how much its time is after its making, in ms.
    fn lags(clock: &mut ArrivalClock, made: &[f64], path: impl Fn(u64) -> f64) -> Vec<f64> {
        let mut arrived = 0.0_f64;
        let lag = |(n, made): (u64, &f64)| {
            arrived = arrived.max(made + path(n));
            clock.time_ns((arrived * MS) as u64) as f64 / MS - made
        };
        (0..).zip(made).map(lag).collect()
    }

    fn even(fps: f64, from_ms: f64, seconds: f64) -> Vec<f64> {
        let pictures = (seconds * fps) as u64;
        (0..pictures)
            .map(|n| from_ms + n as f64 * 1000.0 / fps)
            .collect()
    }

    /// Difference between the largest and the smallest lag.
    fn spread(lags: &[f64]) -> f64 {
        let least = lags.iter().copied().fold(f64::INFINITY, f64::min);
        lags.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least
    }

    #[test]
    fn even_arrivals_keep_their_times() {
        let lags = lags(&mut ArrivalClock::default(), &even(25.0, 0.0, 60.0), |_| {
            20.0
        });
        assert!(spread(&lags) < 1.5, "{}", spread(&lags));
    }

    #[test]
    fn a_camera_that_drifts_or_warms_up_is_followed() {
        // From 25.0 to 24.5 pictures per second within ten minutes.
        let mut made = vec![0.0];
        while made.len() < 14_800 {
            let n = made.len() as f64;
            made.push(made[made.len() - 1] + 40.0 + 0.8 * n / 14_800.0);
        }
        let lags = lags(&mut ArrivalClock::default(), &made, |n| 100.0 * noise(1, n));
        assert!(spread(&lags[250..]) < 40.0, "{}", spread(&lags[250..]));
    }

    #[test]
    fn a_new_rate_is_found_within_two_seconds() {
        for (before, after) in [(30.0, 15.0), (15.0, 30.0), (25.0, 8.0), (30.0, 24.0)] {
            let first = even(before, 0.0, 20.0);
            let made = [first.clone(), even(after, 20_000.0, 20.0)].concat();
            let mut clock = ArrivalClock::default();
            let lags = lags(&mut clock, &made, |n| 40.0 * noise(2, n));
            let settled = first.len() + (after * 2.0) as usize;
            let spread = spread(&lags[settled..]);
            assert!(spread < 45.0, "{before} to {after}: {spread} ms");
            let rate = f64::from(clock.millihertz().unwrap()) / 1000.0;
            assert!((rate / after - 1.0).abs() < 0.01, "{rate} for {after}");
        }
    }

    #[test]
    fn a_pause_of_the_camera_starts_the_clock_again() {
        let first = even(25.0, 0.0, 20.0);
        let made = [first.clone(), even(25.0, 27_000.0, 20.0)].concat();
        let lags = lags(&mut ArrivalClock::default(), &made, |n| 40.0 * noise(3, n));
        // Times go on from before the pause for half a second, then they jump.
        let settled = first.len() + 20;
        assert!(
            spread(&lags[settled..]) < 45.0,
            "{}",
            spread(&lags[settled..])
        );
        let jump = lags[settled] - lags[first.len() - 1];
        assert!(jump.abs() < 50.0, "{jump} ms");
    }

    #[test]
    fn what_a_stall_holds_up_keeps_its_times() {
        for stall_ms in [200.0, 400.0, 1500.0, 5000.0] {
            let made = even(25.0, 0.0, 40.0);
            let path = |n: u64| {
                let since = n as f64 * 40.0 - 20_000.0;
                let held = if (0.0..stall_ms).contains(&since) {
                    stall_ms - since
                } else {
                    0.0
                };
                held + 20.0 * noise(4, n)
            };
            let lags = lags(&mut ArrivalClock::default(), &made, path);
            let spread = spread(&lags[250..]);
            assert!(spread < 40.0, "{stall_ms}: {spread} ms");
        }
    }

    #[test]
    fn a_burst_at_the_start_is_forgotten() {
        let made = even(15.0, 0.0, 20.0);
        // What the camera had stored comes at once.
        let path = |n: u64| if n < 4 { 300.0 - n as f64 * 66.7 } else { 66.7 };
        let lags = lags(&mut ArrivalClock::default(), &made, path);
        assert!(spread(&lags[30..]) < 35.0, "{}", spread(&lags[30..]));
        assert!(spread(&lags[150..]) < 8.0, "{}", spread(&lags[150..]));
    }

    #[test]
    fn hostile_times_do_no_harm() {
        let mut clock = ArrivalClock::default();
        let mut last = None;
        for arrival in [
            5,
            5,
            5,
            0,
            u64::MAX,
            0,
            u64::MAX,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            u64::MAX,
        ] {
            let time = clock.time_ns(arrival);
            assert!(last.is_none_or(|last| time >= last));
            last = Some(time);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        /// Jitter of 100 ms becomes less than half a slot of 30 ms.
        #[test]
        fn jitter_is_smoothed(seed in any::<u64>(), fps in 5.0..60.0_f64, jitter in 0.0..100.0_f64) {
            let made = even(fps, 500.0, 40.0);
            let mut clock = ArrivalClock::default();
            let lags = lags(&mut clock, &made, |n| jitter * noise(seed, n));
            let after = |seconds: f64| &lags[(fps * seconds) as usize..];
            prop_assert!(spread(after(2.0)) < 5.0 + 0.6 * jitter, "{}", spread(after(2.0)));
            prop_assert!(spread(after(10.0)) < 2.0 + 0.3 * jitter, "{}", spread(after(10.0)));
            let rate = f64::from(clock.millihertz().unwrap()) / 1000.0;
            prop_assert!((rate / fps - 1.0).abs() < 0.01, "{} for {}", rate, fps);
        }
    }

    /// The rate that is told first is near enough to tell 24 from 25 pictures per second. The seeds are
    /// always the same, because it is so nearly always, not always.
    #[test]
    fn the_first_rate_is_right() {
        for (seed, fps) in
            (0..200).flat_map(|seed| [10.0, 15.0, 24.0, 25.0, 30.0].map(|fps| (seed, fps)))
        {
            let mut clock = ArrivalClock::default();
            let made = even(fps, 0.0, 5.0);
            let first = made.iter().zip(0..).find_map(|(made, n)| {
                clock.time_ns(((made + 100.0 * noise(seed, n)) * MS) as u64);
                clock.millihertz()
            });
            let rate = nearest_rate(FrameRate::new(first.unwrap(), 1000).unwrap());
            assert!(
                (rate.as_f64() / fps - 1.0).abs() < 0.002,
                "{rate:?} for {fps}, {seed}"
            );
        }
    }
}
