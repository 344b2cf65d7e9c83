//! When a certificate is renewed. Pure: callers pass the time.

use std::time::{Duration, SystemTime};

use crate::daemon::tls::About;

/// A certificate is renewed when one part of so many of its life is left: 30 days of 90, 2 days of 6.
const PART_LEFT: u32 = 3;
/// It is renewed up to one part of so many of its life earlier, by chance: servers that got theirs at
/// the same time do not all come back at the same time.
const PART_OF_CHANCE: u32 = 30;
/// Whatever the authority advises, a certificate is not renewed before this age (or a third of its
/// life, if that is less): advice that is always in the past must not cause one order after the other.
const AGE_MIN: Duration = Duration::from_secs(24 * 3600);

/// The time in which the authority wants a certificate to be renewed (RFC 9773 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
}

/// When a certificate is renewed at the latest, if all goes well.
pub fn renewal(about: &About) -> SystemTime {
    about.expires - about.lifetime() / PART_LEFT
}

/// When a certificate is renewed. `chance` is from 0 to 1 and stays the same for one certificate;
/// `window` is what the authority advises, if it does.
pub(super) fn due(about: &About, chance: f64, window: Option<Window>) -> SystemTime {
    let chance = chance.clamp(0.0, 1.0);
    let earlier = (about.lifetime() / PART_OF_CHANCE).mul_f64(chance);
    let due = renewal(about) - earlier;
    // RFC 9773 section 4.2: "Select a uniform random time within the suggested window."
    let advised = window.map(|Window { start, end }| {
        let length = end.duration_since(start).unwrap_or_default();
        let earliest = about.begins + AGE_MIN.min(about.lifetime() / PART_LEFT);
        (start + length.mul_f64(chance)).max(earliest)
    });
    // Advice that is later than the rule would leave less time for what goes wrong.
    advised.map_or(due, |advised| advised.min(due))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::daemon::tls::Origin;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn lasting(lifetime: Duration) -> About {
        About {
            origin: Origin::Authority,
            fingerprint: String::new(),
            names: Vec::new(),
            begins: UNIX_EPOCH,
            expires: UNIX_EPOCH + lifetime,
        }
    }

    #[test]
    fn a_third_of_the_life_is_left_whatever_its_length() {
        for (lifetime, chance, age) in [
            (90 * DAY, 0.0, 60 * DAY),
            (90 * DAY, 1.0, 57 * DAY),
            (6 * DAY, 0.0, 4 * DAY),
            (Duration::from_secs(30), 0.0, Duration::from_secs(20)),
            (Duration::ZERO, 1.0, Duration::ZERO),
        ] {
            let due = due(&lasting(lifetime), chance, None);
            assert_eq!(due, UNIX_EPOCH + age, "{lifetime:?} {chance}");
        }
    }

    #[test]
    fn an_authority_may_ask_for_an_earlier_time_but_not_for_one_order_after_the_other() {
        let from = |start: u32, end: u32| {
            let at = |days: u32| UNIX_EPOCH + days * DAY;
            Some(Window {
                start: at(start),
                end: at(end),
            })
        };
        for (lifetime, chance, window, age) in [
            (90 * DAY, 0.5, from(10, 20), 15 * DAY),
            // It was withdrawn: the window is over.
            (90 * DAY, 0.5, from(0, 0), DAY),
            (
                Duration::from_secs(30),
                0.0,
                from(0, 0),
                Duration::from_secs(10),
            ),
            // Later than the rule.
            (90 * DAY, 0.0, from(80, 85), 60 * DAY),
            // It ends before it starts.
            (90 * DAY, 0.5, from(20, 10), 20 * DAY),
        ] {
            let due = due(&lasting(lifetime), chance, window);
            assert_eq!(due, UNIX_EPOCH + age, "{lifetime:?} {chance} {window:?}");
        }
    }
}
