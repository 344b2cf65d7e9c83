//! What holds in every order of events.

use super::*;

proptest::proptest! {
    /// Every session and every worker that begins also ends, and a stop always completes.
    #[test]
    fn actions_are_always_paired(
        schedule in proptest::sample::select(vec![Schedule::WhilePublished, Schedule::WhileWatched, Schedule::FetchedWhileWatched, Schedule::Always]),
        steps in proptest::collection::vec((0_usize..18, 0_u64..20_000), 0..60),
    ) {
        let mut rig = Rig::new(schedule);
        let mut balance = Balance::default();
        balance.take(rig.machine.on_time(rig.now));
        for (event, wait_ms) in steps {
            let event = event_of(event);
            // These come only while the task has a worker or waits for one.
            let possible = match event {
                Event::Hired => balance.hiring,
                Event::Planned | Event::Produced | Event::Finished => balance.up,
                Event::Abandon(_) => balance.up,
                Event::InputLive | Event::InputLost => balance.up,
                Event::Playable => balance.up && balance.open,
                _ => true,
            };
            if possible {
                match event {
                    Event::Hired => (balance.hiring, balance.up) = (false, true),
                    Event::Planned => balance.open = true,
                    _ => {}
                }
                balance.take(rig.machine.on(event, rig.now));
            }
            balance.take(rig.pass(Duration::from_millis(wait_ms)));
        }
        balance.take(rig.machine.on(Event::Stop, rig.now));
        balance.take(rig.pass(secs(10)));
        proptest::prop_assert!(rig.machine.stopped(), "{:?}", rig.machine);
        proptest::prop_assert_eq!(balance, Balance::default());
    }
}

/// What the task holds after the actions so far.
#[derive(Debug, Default, PartialEq)]
struct Balance {
    hiring: bool,
    up: bool,
    open: bool,
}

impl Balance {
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Hire => {
                    assert!(!self.hiring && !self.up, "two workers");
                    self.hiring = true;
                }
                Action::Replace { .. } | Action::Dismiss => {
                    (self.hiring, self.up) = (false, false);
                }
                Action::Retire => self.up = false,
                Action::Finish => assert!(self.up && self.open, "nothing to finish"),
                Action::EndSession => {
                    assert!(self.open, "no session to end");
                    self.open = false;
                }
                Action::Expect | Action::GiveUp => assert!(!self.open, "a session is open"),
                Action::Abandon(_) | Action::TellWatched | Action::TellUnwatched => {}
            }
        }
    }
}

fn event_of(number: usize) -> Event {
    match number {
        0 => Event::PublisherLeft,
        1 => Event::Demand,
        2 | 3 => Event::Hired,
        4 => Event::Lost("lost".into()),
        5..=7 => Event::Planned,
        8 => Event::Produced,
        9 => Event::Playable,
        10 => Event::Due(Late {
            at: Instant::now() + secs(9),
            what: "sound",
        }),
        11 => Event::InputLive,
        12 => Event::InputLost,
        13 | 14 => Event::Finished,
        15 => Event::Abandon("abandoned".into()),
        16 => Event::Decodable,
        _ => Event::PublisherArrived,
    }
}
