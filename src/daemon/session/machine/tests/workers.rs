//! Workers that are lost, slow or cannot be started.

use super::*;

#[test]
fn a_lost_worker_is_replaced_at_once_and_the_session_goes_on() {
    let mut rig = Rig::live_push();
    rig.dies(0).state(State::Live);
    rig.on(Event::Hired, &[])
        .on(Event::Planned, &[])
        .state(State::Live);
}

#[test]
fn a_worker_lost_during_grace_is_replaced_too() {
    let mut rig = Rig::live_push();
    rig.on(Event::PublisherLeft, &[])
        .dies(0)
        .state(State::Waiting);
    rig.on(Event::Hired, &[]).on(Event::Planned, &[]).moves();
    rig.runs(2, 30);
    assert_eq!(rig.pass(secs(1)), [Action::Finish]);
}

#[test]
fn output_that_stands_still_costs_the_worker() {
    let mut rig = Rig::live_push();
    assert_eq!(rig.pass(secs(2)), []);
    rig.moves();
    assert_eq!(rig.pass(secs(2)), []);
    assert_eq!(rig.pass(secs(1)), replaced_at_once("sound stands still"));
    rig.state(State::Live);
}

#[test]
fn the_first_output_may_take_as_long_as_the_encoders_need() {
    let mut rig = Rig::new(Schedule::WhilePublished);
    rig.on(Event::PublisherArrived, &[Action::Expect, Action::Hire]);
    rig.on(Event::Hired, &[]).on(Event::Planned, &[]);
    assert_eq!(rig.pass(secs(9)), []);
    assert_eq!(rig.pass(secs(1)), replaced_at_once("output stands still"));
}

#[test]
fn input_that_cannot_be_decoded_costs_the_worker() {
    let mut rig = Rig::new(Schedule::WhilePublished);
    rig.on(Event::PublisherArrived, &[Action::Expect, Action::Hire]);
    rig.on(Event::Hired, &[]).on(Event::Decodable, &[]);
    assert_eq!(rig.pass(secs(9)), []);
    let expected = replaced_at_once("nothing could be decoded within 10s");
    assert_eq!(rig.pass(secs(1)), expected);
}

#[test]
fn a_publisher_without_a_key_frame_costs_no_worker() {
    let mut rig = Rig::new(Schedule::WhilePublished);
    rig.on(Event::PublisherArrived, &[Action::Expect, Action::Hire]);
    rig.on(Event::Hired, &[]);
    assert_eq!(rig.pass(secs(3600)), []);
    rig.on(Event::Decodable, &[]).on(Event::PublisherLeft, &[]);
    assert_eq!(rig.pass(secs(29)), []);
    rig.on(Event::PublisherArrived, &[]);
    assert_eq!(rig.pass(secs(3600)), []);
}

#[test]
fn a_worker_that_comes_after_the_key_frame_has_to_plan_too() {
    let mut rig = Rig::new(Schedule::WhilePublished);
    rig.on(Event::PublisherArrived, &[Action::Expect, Action::Hire]);
    rig.on(Event::Decodable, &[]).on(Event::Hired, &[]);
    assert_eq!(rig.pass(secs(9)), []);
    let expected = replaced_at_once("nothing could be decoded within 10s");
    assert_eq!(rig.pass(secs(1)), expected);
}

#[test]
fn repeated_losses_slow_down_and_at_last_fail_but_never_stop() {
    let mut rig = Rig::new(Schedule::WhilePublished);
    rig.on(Event::PublisherArrived, &[Action::Expect, Action::Hire]);
    for (nth, wait) in [0, 1, 2, 4, 8, 16, 30, 30, 30, 30].into_iter().enumerate() {
        rig.on(Event::Hired, &[]).dies(wait);
        rig.state(if nth < 7 {
            State::Starting
        } else {
            State::Failed
        });
        if wait > 0 {
            assert_eq!(rig.pass(secs(wait)), [Action::Hire], "loss {nth}");
        }
    }
    rig.goes_live().state(State::Live);
}

#[test]
fn a_worker_that_cannot_be_had_is_asked_for_again() {
    let mut rig = Rig::new(Schedule::WhilePublished);
    rig.on(Event::PublisherArrived, &[Action::Expect, Action::Hire]);
    rig.dies(0).dies(1);
    assert_eq!(rig.pass(secs(1)), [Action::Hire]);
}

#[test]
fn grace_runs_out_between_two_workers() {
    let mut rig = Rig::live_push();
    rig.dies(0).dies(1).on(Event::PublisherLeft, &[]);
    assert_eq!(rig.pass(secs(1)), [Action::Hire]);
    let end = [Action::Dismiss, Action::EndSession];
    assert_eq!(rig.pass(GRACE), end);
    rig.state(State::Idle);
}

#[test]
fn a_stream_starts_workers_at_its_own_pace() {
    let limits = Limits {
        restart_pace_per_mille: 1250,
        ..Limits::default()
    };
    let mut machine = Machine::new(Schedule::WhilePublished, limits);
    let now = Instant::now();
    machine.on(Event::PublisherArrived, now);
    machine.on(Event::Lost("first".into()), now);
    machine.on(Event::Lost("second".into()), now);
    assert_eq!(machine.deadline(), Some(now + Duration::from_millis(1250)));
}

#[test]
fn the_paces_of_streams_differ() {
    let pace = || Limits::default().with_random_pace().restart_pace_per_mille;
    let paces: Vec<u32> = (0..200).map(|_| pace()).collect();
    assert!(paces.iter().all(|pace| (750..=1250).contains(pace)));
    let (least, most) = (paces.iter().min(), paces.iter().max());
    assert!(least < Some(&900) && most > Some(&1100), "{paces:?}");
}
