//! Which encoder a rung should have. Pure: callers pass the time.

use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::model::encoder::TemplateName;

/// First and longest time for which an encoder that has failed is left alone.
const REST_MIN: Duration = Duration::from_secs(30);
const REST_MAX: Duration = Duration::from_secs(600);
/// Failures of a rung within [`FAILURES_PERIOD`] after which nothing helps it.
const FAILURES_MAX: usize = 8;
const FAILURES_PERIOD: Duration = Duration::from_secs(60);

/// The encoders that one rung may have, and how they did.
#[derive(Debug)]
pub struct Choice {
    candidates: Vec<Candidate>,
    current: TemplateName,
    failures: Vec<Instant>,
}

#[derive(Debug)]
struct Candidate {
    template: TemplateName,
    rest: Backoff,
    /// It has failed and is left alone until then.
    until: Option<Instant>,
}

impl Choice {
    /// A rung that may have `templates`, best first, and begins with the first one.
    pub fn new(templates: &[TemplateName]) -> Self {
        let candidate = |template: &TemplateName| Candidate {
            template: template.clone(),
            rest: Backoff::new(REST_MIN, REST_MAX),
            until: None,
        };
        Self {
            candidates: templates.iter().map(candidate).collect(),
            current: templates.first().cloned().unwrap_or_default(),
            failures: Vec::new(),
        }
    }

    /// The encoder that the rung has.
    pub fn current(&self) -> &TemplateName {
        &self.current
    }

    /// The rung has `template` now.
    pub fn taken(&mut self, template: &TemplateName) {
        self.current = template.clone();
    }

    /// `template` has failed; returns for how long it is left alone.
    pub fn failed(&mut self, template: &TemplateName, now: Instant) -> Duration {
        self.failures
            .retain(|at| now.saturating_duration_since(*at) < FAILURES_PERIOD);
        self.failures.push(now);
        let mut candidates = self.candidates.iter_mut();
        let Some(candidate) = candidates.find(|c| c.template == *template) else {
            return Duration::ZERO;
        };
        let rest = candidate.rest.wait();
        candidate.until = Some(now + rest);
        rest
    }

    /// The encoder that the rung should have now: the best one that is not left alone, else the one
    /// whose rest ends first. `None` when the rung has failed so often that nothing helps it.
    pub fn next(&self, now: Instant) -> Option<&TemplateName> {
        if self.failures.len() > FAILURES_MAX {
            return None;
        }
        let rested = |c: &&Candidate| c.until.is_none_or(|until| until <= now);
        let best = self.candidates.iter().find(rested);
        let soonest = || self.candidates.iter().min_by_key(|c| c.until);
        best.or_else(soonest).map(|c| &c.template)
    }

    /// A better encoder than the present one that has rested and may be tried again.
    pub fn better(&self, now: Instant) -> Option<&TemplateName> {
        let better = self.candidates.iter();
        let mut better = better.take_while(|c| c.template != self.current);
        better
            .find(|c| c.until.is_none_or(|until| until <= now))
            .map(|c| &c.template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_next_encoder_takes_over_and_the_better_one_is_tried_again_later() {
        let start = Instant::now();
        let (nvidia, vaapi, x264) = ("nvidia".into(), "vaapi".into(), "x264".into());
        let mut choice = Choice::new(&[nvidia, vaapi, x264]);
        let nvidia: TemplateName = "nvidia".into();
        assert_eq!(choice.current(), &"nvidia");
        assert_eq!(choice.failed(&nvidia, start), s(30));
        assert_eq!(choice.next(start), Some(&"vaapi".into()));
        choice.taken(&"vaapi".into());
        assert_eq!(choice.better(start + s(29)), None);
        assert_eq!(choice.better(start + s(30)), Some(&nvidia));
        assert_eq!(choice.failed(&nvidia, start + s(30)), s(60));
        assert_eq!(choice.better(start + s(89)), None);
        choice.failed(&"vaapi".into(), start + s(40));
        choice.failed(&"x264".into(), start + s(41));
        // All rest, so the one that has rested longest goes on.
        assert_eq!(choice.next(start + s(42)), Some(&"vaapi".into()));
    }

    #[test]
    fn a_rung_that_keeps_failing_is_given_up() {
        let start = Instant::now();
        let mut choice = Choice::new(&["x264".into()]);
        for n in 0..FAILURES_MAX as u64 {
            choice.failed(&"x264".into(), start + s(n));
            assert!(choice.next(start + s(n)).is_some());
        }
        choice.failed(&"x264".into(), start + s(10));
        assert_eq!(choice.next(start + s(10)), None);
        choice.failed(&"x264".into(), start + s(100));
        assert!(choice.next(start + s(100)).is_some());
    }
}
