//! A source that is elsewhere, fetched while somebody watches.

use super::*;

const END: [Action; 3] = [Action::Retire, Action::Dismiss, Action::EndSession];

fn idle() -> Rig {
    let mut rig = Rig::new(Schedule::FetchedWhileWatched);
    assert_eq!(rig.machine.on_time(rig.now), []);
    assert_eq!(rig.machine.deadline(), None, "nothing happens by itself");
    rig.state(State::Idle);
    rig
}

/// A stream that a viewer has started, whose camera delivers.
fn live() -> Rig {
    let mut rig = idle();
    rig.on(Event::Demand, &WAKES).state(State::Starting);
    rig.on(Event::Hired, &[]).on(Event::InputLive, &[]);
    rig.on(Event::Planned, &[]).on(Event::Produced, &[]);
    rig.on(Event::Playable, &[]).moves().state(State::Live);
    rig
}

#[test]
fn it_costs_nothing_before_the_first_viewer_and_after_the_last() {
    let mut rig = live();
    rig.runs(1, 10).on(Event::Demand, &[]).runs(11, 24);
    assert_eq!(rig.pass(secs(1)), SLEEPS);
    rig.on(Event::Finished, &END).state(State::Idle);
    assert_eq!(rig.machine.deadline(), None);
    rig.on(Event::Demand, &WAKES).state(State::Starting);
}

#[test]
fn a_camera_may_take_any_time_while_somebody_asks() {
    let mut rig = idle();
    rig.on(Event::Demand, &WAKES).on(Event::Hired, &[]);
    for _ in 0..10 {
        assert_eq!(rig.pass(LINGER - secs(1)), []);
        rig.on(Event::Demand, &[]).state(State::Starting);
    }
}

#[test]
fn a_short_linger_does_not_end_a_session_that_is_being_made() {
    let mut rig = idle();
    rig.machine.set_session(settings::Session {
        linger: secs(2),
        ..SESSION
    });
    rig.on(Event::Demand, &WAKES).on(Event::Hired, &[]);
    // The request is held for ten seconds.
    assert_eq!(rig.pass(secs(9)), []);
    rig.on(Event::InputLive, &[]).on(Event::Planned, &[]);
    rig.on(Event::Produced, &[])
        .on(Event::Playable, &[])
        .moves();
    rig.runs(1, 1);
    assert_eq!(rig.pass(secs(1)), SLEEPS);
}

#[test]
fn nobody_waits_for_a_camera_that_cannot_be_reached() {
    let mut rig = idle();
    rig.on(Event::Demand, &WAKES).on(Event::Hired, &[]);
    rig.on(Event::InputLost, &[Action::GiveUp]);
    rig.state(State::Failed);
    // As long as somebody asks, the worker goes on trying.
    rig.pass(secs(10));
    rig.on(Event::Demand, &[]).on(Event::InputLost, &[]);
    rig.on(Event::InputLive, &[Action::Expect]);
    rig.state(State::Starting);
}

#[test]
fn a_camera_that_cannot_be_reached_is_left_alone_when_nobody_asks() {
    let mut rig = idle();
    rig.on(Event::Demand, &WAKES).on(Event::Hired, &[]);
    rig.on(Event::InputLost, &[Action::GiveUp]);
    let end = [Action::TellUnwatched, Action::Dismiss];
    assert_eq!(rig.pass(LINGER), end);
    rig.state(State::Idle);
    assert_eq!(rig.machine.deadline(), None);
    rig.on(Event::Demand, &WAKES).state(State::Starting);
}

#[test]
fn the_grace_of_a_watched_camera_runs_out() {
    let mut rig = live();
    rig.on(Event::InputLost, &[]).state(State::Waiting);
    for second in 0..GRACE.as_secs() - 1 {
        rig.on(Event::Demand, &[]).runs(second, second);
    }
    assert_eq!(rig.pass(secs(1)), [Action::Finish]);
    // Somebody watches, so the next worker waits for the camera.
    let mut again = END.to_vec();
    again.extend([Action::TellWatched, Action::Hire]);
    rig.on(Event::Finished, &again).state(State::Failed);
    rig.on(Event::Hired, &[]);
    rig.on(Event::InputLive, &[Action::Expect]);
    rig.state(State::Starting);
}

#[test]
fn a_lost_worker_is_replaced_only_while_somebody_watches() {
    let mut rig = live();
    rig.dies(0).dies(1);
    assert_eq!(rig.pass(secs(1)), [Action::Hire]);
    let end = [Action::TellUnwatched, Action::Dismiss, Action::EndSession];
    assert_eq!(rig.pass(LINGER), end);
    rig.state(State::Idle);
}

#[test]
fn a_stream_that_was_given_up_rests_and_starts_with_a_viewer() {
    let mut rig = live();
    let end = [
        Action::Dismiss,
        Action::EndSession,
        Action::Abandon("e".into()),
    ];
    rig.on(Event::Abandon("e".into()), &end);
    rig.on(Event::Demand, &[]).state(State::Failed);
    rig.pass(DELAY_MAX);
    rig.on(Event::Demand, &WAKES);
}

#[test]
fn another_linger_holds_from_the_next_request_on() {
    let mut rig = live();
    rig.machine.set_session(settings::Session {
        linger: secs(2),
        ..SESSION
    });
    rig.on(Event::Demand, &[]).runs(1, 1);
    assert_eq!(rig.pass(secs(1)), SLEEPS);
}
