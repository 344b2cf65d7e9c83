//! Whether an encoder still works, by what goes in and what comes out.

use std::time::{Duration, Instant};

/// How long an encoder may give nothing while it is fed.
const SILENCE_MAX: Duration = Duration::from_millis(500);
/// The same for an encoder in software: a machine with too much to do delays it, too, and another one
/// would not be faster.
const SOFTWARE_SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long it may take to its first frame: drivers load firmware.
const OPENING_MAX: Duration = Duration::from_secs(2);
/// An encoder gives a frame for each picture, but for those that it looks ahead to.
const LOOKAHEAD_FRAMES_MAX: u32 = 10;
/// How long a hardware encoder may be behind.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// What is known of an encoder.
#[derive(Debug)]
pub struct Health {
    frame: Duration,
    began: Option<Instant>,
    heard: Option<Instant>,
    behind_since: Option<Instant>,
    /// Pictures that went in since the last frame came out.
    unanswered: u32,
}

impl Health {
    /// No encoder yet; one picture lasts `frame`.
    pub fn new(frame: Duration) -> Self {
        Self {
            frame,
            began: None,
            heard: None,
            behind_since: None,
            unanswered: 0,
        }
    }

    /// Another encoder begins, with as many pictures.
    pub fn begin(&mut self, pictures: usize, now: Instant) {
        *self = Self {
            began: (pictures > 0).then_some(now),
            unanswered: u32::try_from(pictures).unwrap_or(u32::MAX),
            ..Self::new(self.frame)
        };
    }

    /// It was given a picture.
    pub fn pushed(&mut self, now: Instant) {
        self.began.get_or_insert(now);
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// It gave a frame.
    pub fn encoded(&mut self, now: Instant) {
        self.heard = Some(now);
        self.unanswered = 0;
    }

    /// What is wrong with it, if anything. `behind` tells that too many pictures wait for it.
    pub fn complaint(
        &mut self,
        now: Instant,
        hardware: bool,
        behind: bool,
    ) -> Option<&'static str> {
        let silence = match hardware {
            true => SILENCE_MAX,
            false => SOFTWARE_SILENCE_MAX,
        };
        let (since, allowed, pictures, complaint) = match (self.heard, self.began) {
            (Some(heard), _) => {
                let allowed = silence.max(self.frame * 6);
                let complaint = match hardware {
                    true => "gave no frame for 500 ms",
                    false => "gave no frame for 2 s",
                };
                (heard, allowed, 2, complaint)
            }
            (None, Some(began)) => {
                let complaint = "gave no frame within 2 s of its start";
                (began, OPENING_MAX, LOOKAHEAD_FRAMES_MAX, complaint)
            }
            (None, None) => return None,
        };
        if self.unanswered > pictures && now.saturating_duration_since(since) > allowed {
            return Some(complaint);
        }
        if !behind {
            self.behind_since = None;
            return None;
        }
        let since = *self.behind_since.get_or_insert(now);
        (now.saturating_duration_since(since) > BEHIND_MAX).then_some("is too slow")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_encoder_may_look_ahead_but_not_fall_silent() {
        let start = Instant::now();
        let mut health = Health::new(FRAME);
        assert_eq!(health.complaint(start + ms(60_000), true, false), None);
        for n in 0..30 {
            health.pushed(start + FRAME * n);
        }
        assert_eq!(health.complaint(start + ms(1900), true, false), None);
        let dead = Some("gave no frame within 2 s of its start");
        assert_eq!(health.complaint(start + ms(2100), true, false), dead);
        let silent = Some("gave no frame for 500 ms");
        health.encoded(start + ms(2100));
        // Nobody feeds it.
        assert_eq!(health.complaint(start + ms(9000), true, false), None);
        for n in 0..10 {
            health.pushed(start + ms(2100) + FRAME * n);
        }
        assert_eq!(health.complaint(start + ms(2590), true, false), None);
        assert_eq!(health.complaint(start + ms(2610), true, false), silent);
        assert_eq!(health.complaint(start + ms(2610), false, false), None);
        let silent = Some("gave no frame for 2 s");
        assert_eq!(health.complaint(start + ms(4200), false, false), silent);
    }

    #[test]
    fn a_slow_picture_rate_is_no_silence() {
        let start = Instant::now();
        let mut health = Health::new(ms(200));
        health.encoded(start);
        for n in 0..5 {
            health.pushed(start + ms(200) * n);
        }
        assert_eq!(health.complaint(start + ms(1100), true, false), None);
        assert!(health.complaint(start + ms(1300), true, false).is_some());
    }

    #[test]
    fn an_encoder_is_too_slow_when_it_stays_behind() {
        let start = Instant::now();
        let mut health = Health::new(FRAME);
        let mut at = |ms_: u64, behind| {
            health.pushed(start + ms(ms_));
            health.encoded(start + ms(ms_));
            health.complaint(start + ms(ms_), true, behind)
        };
        assert_eq!(at(0, true), None);
        assert_eq!(at(900, true), None);
        assert_eq!(at(1000, false), None);
        assert_eq!(at(1100, true), None);
        assert_eq!(at(2000, true), None);
        assert_eq!(at(2200, true), Some("is too slow"));
    }
}
