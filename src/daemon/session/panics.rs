//! What becomes of a stream's task that panics: it is told to the log and goes on after a while.

use std::any::Any;
use std::time::Duration;

use crate::base::backoff::Backoff;

/// First and longest wait before the task goes on.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);
/// After this time without a panic, the next wait is the shortest again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// The panics of one task.
#[derive(Debug)]
pub struct Panics(Backoff);

impl Default for Panics {
    fn default() -> Self {
        Self(Backoff::new(WAIT_MIN, WAIT_MAX))
    }
}

impl Panics {
    /// Logs a panic of the task of `stream`, which had worked for `lasted`; returns how long to wait
    /// before it goes on.
    pub fn told(&mut self, stream: &str, panic: &(dyn Any + Send), lasted: Duration) -> Duration {
        if lasted > FORGOTTEN_AFTER {
            self.0.reset();
        }
        let (wait, cause) = (self.0.wait(), message_of(panic));
        tracing::error!(
            stream,
            cause,
            ?wait,
            "the stream's task failed, which is a bug in weir; it starts anew"
        );
        wait
    }
}

/// What a panic says.
fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(owned).unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_in_a_row_slow_the_task_down() {
        let mut panics = Panics::default();
        let mut waits_ms = |lasted: &[Duration]| -> Vec<u128> {
            let wait = |lasted: &Duration| panics.told("s", &"x", *lasted).as_millis();
            lasted.iter().map(wait).collect()
        };
        let soon = Duration::from_secs(1);
        assert_eq!(waits_ms(&[soon; 4]), [100, 200, 400, 800]);
        assert_eq!(waits_ms(&[2 * FORGOTTEN_AFTER, soon]), [100, 200]);
    }

    #[test]
    fn a_panic_says_why() {
        let owned: Box<dyn Any + Send> = Box::new("why".to_owned());
        assert_eq!(message_of(owned.as_ref()), "why");
        assert_eq!(message_of(&"why"), "why");
        assert_eq!(message_of(&7), "a panic without a message");
    }
}
