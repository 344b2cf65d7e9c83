//! The attempts at a pull: when its source is tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::model::source::Source;
use crate::wire::protocol::Trouble;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::input::{Decoders, Intake, Puller, Rules};
use crate::worker::media::template::{self, Library};

/// First and longest wait between two attempts at a pull.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// After a pull that lasted this long, the next wait is the shortest again.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// A pull that delivers nothing for this long is started again.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The attempts at a pull.
pub struct Attempts {
    rules: Arc<Rules>,
    decoders: Arc<Decoders>,
    current: Option<(Puller, u64, Instant)>,
    next: Instant,
    backoff: Backoff,
}

impl Attempts {
    /// The attempts at `source`; `None` if that is no pull.
    pub fn of(source: &Source, library: &Arc<Library>, events: &Events) -> Option<Self> {
        let Source::Pull(pull) = source else {
            return None;
        };
        Some(Self {
            rules: Rules::new(pull.clone()),
            decoders: Decoders::new(library.clone(), events),
            current: None,
            next: Instant::now(),
            backoff: Backoff::new(RETRY_MIN, RETRY_MAX),
        })
    }

    /// Whether it is time for another one.
    pub fn due(&self) -> bool {
        self.current.is_none() && self.next <= Instant::now()
    }

    /// Begins one.
    ///
    /// # Errors
    /// When GStreamer lacks an element.
    pub fn attempt(
        &mut self,
        intake: &Arc<Intake>,
        events: &Events,
    ) -> Result<(), template::Error> {
        let puller = Puller::start(&self.rules, intake, &self.decoders, events.clone())?;
        let input = puller.input();
        self.current = Some((puller, input, Instant::now()));
        Ok(())
    }

    /// The input number of an attempt that has to end, and why: its source broke a rule, or has
    /// delivered nothing for [`SILENCE_MAX`].
    pub fn over(&self, intake: &Intake) -> Option<(u64, String)> {
        let (puller, input, began) = self.current.as_ref()?;
        if let Some(cause) = puller.forbidden() {
            return Some((*input, cause.to_string()));
        }
        let quiet = intake
            .last_arrival()
            .map_or(began.elapsed(), |last| last.elapsed());
        (quiet.min(began.elapsed()) > SILENCE_MAX).then(|| {
            let reason = puller.cause().map_or_else(
                || "it sent no picture or sound for 10 s; check whether it still works".to_owned(),
                |cause| cause.to_string(),
            );
            (*input, reason)
        })
    }

    /// The report of a decoder that works no more although it has reported no error.
    pub fn stuck(&self) -> Option<Event> {
        let (puller, input, _) = self.current.as_ref()?;
        let (decoder, reason) = puller.complaint(Instant::now())?;
        Some(Event::DecoderFailed {
            input: *input,
            decoder,
            reason: reason.to_owned(),
            at_once: false,
        })
    }

    /// A decoder in hardware has failed; with `at_once`, the attempt goes on with another one. Returns
    /// what a person should know, and whether another decoder can take over.
    pub fn decoder_failed(&self, name: &str, reason: &str, at_once: bool) -> (Trouble, bool) {
        self.decoders.failed_pulled(name, reason, at_once)
    }

    /// Ends the attempt; the next one is due now.
    pub fn again(&mut self) {
        self.current = None;
        self.next = Instant::now();
    }

    /// Ends the attempt and schedules the next one by exponential back-off with jitter. A pull is
    /// never given up.
    pub fn retry(&mut self) -> Duration {
        if let Some((_, _, began)) = self.current.take()
            && began.elapsed() > HEALTHY_AFTER
        {
            self.backoff.reset();
        }
        // Without randomness all pulls wait equally long, which does no harm.
        let random = getrandom::u32().unwrap_or(u32::MAX / 2);
        let jitter = 0.75 + 0.5 * f64::from(random) / f64::from(u32::MAX);
        let wait = self.backoff.wait().mul_f64(jitter);
        self.next = Instant::now() + wait;
        wait
    }
}
