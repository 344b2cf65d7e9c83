//! How much CPU a worker uses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The measurements that count; one is taken per second.
const MEASUREMENTS_MAX: usize = 11;
/// Less time than that between the first and the last measurement says too little.
const PERIOD_MIN: Duration = Duration::from_secs(5);

/// The CPU that one process has used lately. Clones share the measurements.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<VecDeque<(Instant, Duration)>>>);

impl Meter {
    /// Up to `now` the process has used this much CPU time.
    pub fn measured(&self, cpu_time: Duration, now: Instant) {
        let mut measurements = self.measurements();
        measurements.push_back((now, cpu_time));
        if measurements.len() > MEASUREMENTS_MAX {
            measurements.pop_front();
        }
    }

    /// CPU seconds per second over the last ten seconds; `None` for a process that is too young.
    pub fn cores(&self) -> Option<f64> {
        let measurements = self.measurements();
        let (begin, before) = measurements.front()?;
        let (end, after) = measurements.back()?;
        let period = end.saturating_duration_since(*begin);
        let used = after.saturating_sub(*before);
        (period >= PERIOD_MIN).then(|| used.as_secs_f64() / period.as_secs_f64())
    }

    fn measurements(&self) -> MutexGuard<'_, VecDeque<(Instant, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ten_seconds_count() {
        let (meter, start) = (Meter::default(), Instant::now());
        let second = |n| Duration::from_secs(n);
        // Two cores for 20 s, then half a one.
        for n in 0..=40 {
            let used = second(2 * n.min(20)) + second(n.saturating_sub(20)) / 2;
            meter.measured(used, start + second(n));
            let cores = match n {
                0..5 => None,
                5..=20 => Some(2.0),
                30.. => Some(0.5),
                _ => continue,
            };
            assert_eq!(meter.cores(), cores, "after {n} s");
        }
    }
}
