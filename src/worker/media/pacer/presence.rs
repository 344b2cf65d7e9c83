//! Whether pictures arrive.

use std::time::Duration;

/// Without a picture for longer than this viewers are told.
pub const RECONNECTING_AFTER: Duration = Duration::from_millis(1500);

/// What the output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No picture has ever come: a card says so.
    Waiting,
    /// Pictures come, or the last one has not stood still for long.
    Live,
    /// The last picture, dimmed under a note.
    Reconnecting,
}

/// Remembers when the last picture came.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    last: Option<Duration>,
}

impl Presence {
    /// Of an input that has not sent a picture yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new picture was taken for the output at `now`.
    pub fn seen(&mut self, now: Duration) {
        self.last = self.last.max(Some(now));
    }

    /// The state at `now`.
    pub fn state(&self, now: Duration) -> State {
        match self.last.map(|last| now.saturating_sub(last)) {
            None => State::Waiting,
            Some(age) if age > RECONNECTING_AFTER => State::Reconnecting,
            Some(_) => State::Live,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_by_age_of_the_last_picture() {
        let ms = Duration::from_millis;
        let mut presence = Presence::new();
        assert_eq!(presence.state(ms(60_000)), State::Waiting);
        presence.seen(ms(60_000));
        for (now, state) in [
            (60_000, State::Live),
            (61_500, State::Live),
            (61_501, State::Reconnecting),
        ] {
            assert_eq!(presence.state(ms(now)), state, "{now}");
        }
        presence.seen(ms(70_000));
        assert_eq!(presence.state(ms(70_100)), State::Live);
    }
}
