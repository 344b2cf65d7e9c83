//! The machine on virtual time; no test waits.

mod fetched;
mod properties;
mod workers;

use super::*;

const GRACE: Duration = Duration::from_secs(30);
const LINGER: Duration = Duration::from_secs(15);
const SESSION: settings::Session = settings::Session {
    grace: GRACE,
    linger: LINGER,
};
/// What happens to a stream that nobody watches any more.
const SLEEPS: [Action; 2] = [Action::TellUnwatched, Action::Finish];
/// What a viewer's request does to a stream that waits for one.
const WAKES: [Action; 3] = [Action::TellWatched, Action::Expect, Action::Hire];

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine and a clock that moves when told to.
struct Rig {
    machine: Machine,
    now: Instant,
}

impl Rig {
    fn new(schedule: Schedule) -> Self {
        let machine = Machine::new(schedule, Limits::default().with_session(SESSION));
        let now = Instant::now();
        Self { machine, now }
    }

    #[track_caller]
    fn on(&mut self, event: Event, expected: &[Action]) -> &mut Self {
        let actions = self.machine.on(event.clone(), self.now);
        assert_eq!(actions, expected, "after {event:?}");
        self
    }

    /// Lets time pass from deadline to deadline; returns the actions on the way.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let end = self.now + time;
        let mut actions = Vec::new();
        for _ in 0..100 {
            match self.machine.deadline() {
                Some(deadline) if deadline <= end => {
                    self.now = self.now.max(deadline);
                    actions.extend(self.machine.on_time(self.now));
                }
                _ => {
                    self.now = end;
                    return actions;
                }
            }
        }
        panic!("a deadline does not move: {:?}", self.machine);
    }

    #[track_caller]
    fn state(&mut self, expected: State) -> &mut Self {
        assert_eq!(self.machine.state(), expected, "{:?}", self.machine);
        self
    }

    /// A worker that plans, makes a segment and moves.
    #[track_caller]
    fn goes_live(&mut self) -> &mut Self {
        self.on(Event::Hired, &[]).on(Event::Planned, &[]);
        self.on(Event::Produced, &[]).on(Event::Playable, &[]);
        self.moves()
    }

    /// The output goes on, and would be late in 3 s.
    #[track_caller]
    fn moves(&mut self) -> &mut Self {
        let (at, what) = (self.now + secs(3), "sound");
        self.on(Event::Due(Late { at, what }), &[])
    }

    /// Lets time pass while the output moves on.
    #[track_caller]
    fn runs(&mut self, from: u64, to: u64) -> &mut Self {
        for second in from..=to {
            assert_eq!(self.pass(secs(1)), [], "second {second}");
            self.moves();
        }
        self
    }

    fn live_push() -> Self {
        let mut rig = Self::new(Schedule::WhilePublished);
        let begin = [Action::Expect, Action::Hire];
        rig.on(Event::PublisherArrived, &begin)
            .state(State::Starting);
        rig.goes_live().state(State::Live);
        rig
    }

    #[track_caller]
    fn dies(&mut self, again_in: u64) -> &mut Self {
        let (cause, again_in) = ("x".to_owned(), secs(again_in));
        let mut expected = vec![Action::Replace {
            cause: cause.clone(),
            again_in,
        }];
        if again_in.is_zero() {
            expected.push(Action::Hire);
        }
        self.on(Event::Lost(cause), &expected)
    }
}

fn replaced_at_once(cause: &str) -> [Action; 2] {
    let (cause, again_in) = (cause.to_owned(), Duration::ZERO);
    [Action::Replace { cause, again_in }, Action::Hire]
}

#[test]
fn a_publisher_may_return_within_its_grace() {
    let mut rig = Rig::live_push();
    rig.on(Event::PublisherLeft, &[]).state(State::Waiting);
    rig.runs(2, 29)
        .on(Event::PublisherArrived, &[])
        .state(State::Live);
    rig.runs(30, 100).state(State::Live);
}

#[test]
fn a_session_ends_when_grace_runs_out() {
    let mut rig = Rig::live_push();
    rig.on(Event::PublisherLeft, &[]).runs(2, 30);
    assert_eq!(rig.pass(secs(1)), [Action::Finish]);
    let end = [Action::Retire, Action::Dismiss, Action::EndSession];
    rig.on(Event::Finished, &end).state(State::Idle);
    assert_eq!(rig.machine.deadline(), None);
}

#[test]
fn a_shorter_grace_holds_for_the_publisher_that_is_already_gone() {
    let mut rig = Rig::live_push();
    rig.on(Event::PublisherLeft, &[]);
    rig.machine.set_session(settings::Session {
        grace: secs(1),
        ..SESSION
    });
    assert_eq!(rig.pass(secs(1)), [Action::Finish]);
}

#[test]
fn a_worker_that_does_not_finish_is_dismissed() {
    let mut rig = Rig::live_push();
    rig.on(Event::PublisherLeft, &[]).runs(2, 30);
    let end = [Action::Finish, Action::Dismiss, Action::EndSession];
    assert_eq!(rig.pass(secs(1) + secs(3)), end);
    rig.state(State::Idle);
}

#[test]
fn a_publisher_that_comes_while_the_session_ends_gets_a_new_one() {
    let mut rig = Rig::live_push();
    rig.on(Event::PublisherLeft, &[]).runs(2, 30);
    assert_eq!(rig.pass(secs(1)), [Action::Finish]);
    rig.on(Event::PublisherArrived, &[]);
    use Action::{Dismiss, EndSession, Expect, Hire, Retire};
    rig.on(
        Event::Finished,
        &[Retire, Dismiss, EndSession, Expect, Hire],
    );
    rig.state(State::Starting);
}

#[test]
fn a_publisher_that_leaves_before_anything_is_playable_has_its_grace_too() {
    let mut rig = Rig::new(Schedule::WhilePublished);
    rig.on(Event::PublisherArrived, &[Action::Expect, Action::Hire]);
    rig.on(Event::Hired, &[]).on(Event::PublisherLeft, &[]);
    assert_eq!(rig.pass(GRACE - secs(1)), []);
    rig.state(State::Starting);
    assert_eq!(rig.pass(secs(1)), [Action::Dismiss, Action::GiveUp]);
    rig.state(State::Idle);
}

#[test]
fn a_take_over_disturbs_nothing() {
    let mut rig = Rig::live_push();
    rig.on(Event::PublisherArrived, &[]).state(State::Live);
}

#[test]
fn an_abandoned_push_waits_for_a_new_publisher() {
    let mut rig = Rig::live_push();
    use Action::{Abandon, Dismiss, EndSession};
    let end = [Dismiss, EndSession, Abandon("e".into())];
    rig.on(Event::Abandon("e".into()), &end)
        .state(State::Failed);
    assert_eq!(rig.machine.deadline(), None);
    let begin = [Action::Expect, Action::Hire];
    rig.on(Event::PublisherArrived, &begin)
        .state(State::Starting);
}

#[test]
fn an_abandoned_pull_is_tried_again_after_a_while() {
    let mut rig = Rig::new(Schedule::Always);
    assert_eq!(rig.machine.on_time(rig.now), [Action::Expect, Action::Hire]);
    rig.goes_live();
    let actions = rig.machine.on(Event::Abandon("e".into()), rig.now);
    assert_eq!(actions.len(), 3);
    rig.state(State::Failed);
    assert_eq!(rig.pass(DELAY_MAX), [Action::Hire]);
}

#[test]
fn on_demand_runs_while_somebody_watches() {
    let mut rig = Rig::new(Schedule::WhileWatched);
    assert_eq!(rig.machine.on_time(rig.now), []);
    rig.state(State::Idle);
    rig.on(Event::Demand, &WAKES).goes_live();
    for round in 1..5 {
        rig.runs(10 * round, 10 * round + 9).on(Event::Demand, &[]);
    }
    rig.state(State::Live).runs(51, 64);
    assert_eq!(rig.pass(secs(1)), SLEEPS);
    let end = [Action::Retire, Action::Dismiss, Action::EndSession];
    rig.on(Event::Finished, &end).state(State::Idle);
}

#[test]
fn a_viewer_that_comes_while_the_session_ends_gets_a_new_one() {
    let mut rig = Rig::new(Schedule::WhileWatched);
    rig.on(Event::Demand, &WAKES).goes_live();
    rig.runs(2, 15);
    assert_eq!(rig.pass(secs(1)), SLEEPS);
    rig.on(Event::Demand, &[]);
    let actions = rig.machine.on(Event::Finished, rig.now);
    assert_eq!(actions.last(), Some(&Action::Hire));
}

#[test]
fn an_abandoned_stream_rests_however_many_viewers_ask() {
    let mut rig = Rig::new(Schedule::WhileWatched);
    rig.on(Event::Demand, &WAKES);
    let cause = "no encoder".to_owned();
    let end = [
        Action::Dismiss,
        Action::GiveUp,
        Action::Abandon(cause.clone()),
    ];
    rig.on(Event::Hired, &[]).on(Event::Abandon(cause), &end);
    for _ in 0..29 {
        assert_eq!(rig.pass(secs(1)), []);
        rig.on(Event::Demand, &[]).state(State::Failed);
    }
    assert_eq!(rig.pass(secs(1)), []);
    rig.on(Event::Demand, &WAKES);
}

#[test]
fn a_pull_keeps_its_worker_while_its_camera_is_away() {
    let mut rig = Rig::new(Schedule::Always);
    assert_eq!(rig.machine.on_time(rig.now), [Action::Expect, Action::Hire]);
    rig.on(Event::Hired, &[]).state(State::Starting);
    rig.on(Event::InputLost, &[Action::GiveUp])
        .state(State::Failed);
    assert_eq!(rig.pass(secs(3600)), [], "no stall before a plan");
    rig.on(Event::InputLost, &[])
        .on(Event::InputLive, &[Action::Expect]);
    rig.state(State::Starting)
        .on(Event::Planned, &[])
        .on(Event::Playable, &[]);
    rig.state(State::Live);
}

#[test]
fn a_pulls_session_outlives_its_camera_by_the_grace_however_often_it_is_tried() {
    let mut rig = Rig::new(Schedule::Always);
    assert_eq!(rig.machine.on_time(rig.now), [Action::Expect, Action::Hire]);
    rig.goes_live()
        .on(Event::InputLost, &[])
        .state(State::Waiting);
    rig.runs(2, 20).on(Event::InputLive, &[]).state(State::Live);
    rig.on(Event::InputLost, &[])
        .runs(21, 40)
        .on(Event::InputLost, &[]);
    rig.runs(41, 49);
    assert_eq!(rig.pass(secs(1)), [Action::Finish]);
    let anew = [
        Action::Retire,
        Action::Dismiss,
        Action::EndSession,
        Action::Hire,
    ];
    rig.on(Event::Finished, &anew).state(State::Failed);
    rig.on(Event::Hired, &[])
        .on(Event::InputLive, &[Action::Expect]);
    rig.state(State::Starting);
}

#[test]
fn stopping_flushes_and_ends() {
    let mut rig = Rig::live_push();
    rig.on(Event::Stop, &[Action::Finish]);
    assert!(!rig.machine.stopped());
    let end = [Action::Retire, Action::Dismiss, Action::EndSession];
    rig.on(Event::Finished, &end);
    assert!(rig.machine.stopped());
}

#[test]
fn stopping_does_not_wait_for_what_is_not_there() {
    for (schedule, events, expected) in [
        (Schedule::WhilePublished, vec![], vec![]),
        (
            Schedule::WhilePublished,
            vec![Event::PublisherArrived],
            vec![Action::Dismiss, Action::GiveUp],
        ),
        (
            Schedule::WhileWatched,
            vec![Event::Demand, Event::Hired],
            vec![Action::Dismiss, Action::GiveUp],
        ),
    ] {
        let mut rig = Rig::new(schedule);
        for event in events {
            rig.machine.on(event, rig.now);
        }
        rig.on(Event::Stop, &expected);
        assert!(rig.machine.stopped(), "{:?}", rig.machine);
    }
}

#[test]
fn nothing_begins_once_stopped() {
    let mut rig = Rig::new(Schedule::WhileWatched);
    rig.on(Event::Stop, &[])
        .on(Event::Demand, &[])
        .on(Event::PublisherArrived, &[]);
    assert!(rig.machine.stopped());
}
