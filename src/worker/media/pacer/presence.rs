//! Tells whether pictures arrive, and so what the output shows.

use std::time::Duration;

/// How long a picture may stand still before viewers are told.
const RECONNECTING_AFTER: Duration = Duration::from_millis(1500);

/// What the output shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A card that says so: no picture has come yet.
    Waiting,
    /// The last picture, which is recent.
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
    /// Notes that the output took a new picture at `now`.
    pub fn seen(&mut self, now: Duration) {
        self.last = self.last.max(Some(now));
    }

    /// What the output shows at `now`.
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
        let mut presence = Presence::default();
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
