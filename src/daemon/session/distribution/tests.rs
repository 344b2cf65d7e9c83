//! What reaches the origin and the subscribers, and what does not.

use std::time::Instant;

use super::*;
use crate::daemon::session::fake::{
    Recorder, codec, cutting, log, origin, part, part_target, plan, rung, unix_ns,
};
use crate::model::encoder::OnFailure;
use crate::model::source::Source;
use crate::wire::protocol::{Clock, RungStats};

fn heard() -> Moment {
    Moment {
        at: Instant::now(),
        unix_ns: unix_ns(),
    }
}

fn start() -> Start {
    Start {
        stream: "s".into(),
        source: Source::Push,
        rungs: vec![rung("720p"), rung("360p")],
        cutting: cutting(),
        encoders: vec!["x264".into()],
        on_failure: OnFailure::Fallback,
        passthrough: crate::model::passthrough::Policy::Auto,
        plan: None,
        first_msn: 1,
        resume: None,
        shed: 0,
    }
}

/// A worker has been told to start.
fn begun(subscribers: Arc<[Box<dyn Subscriber>]>) -> Distribution {
    let mut distribution = Distribution::new(origin(), subscribers);
    distribution.begin(&mut start(), Duration::ZERO);
    distribution
}

fn planned(distribution: &mut Distribution, plan: Plan) -> Result<(), Fault> {
    let made = (vec!["x264".into(); plan.video.len()], part_target(&plan));
    distribution.planned((plan, made.0, made.1), heard())
}

fn init(distribution: &mut Distribution, track: TrackId, codec: &str) -> Result<(), Fault> {
    distribution.init(track, codec, Bytes::from_static(b"init"))
}

/// The first two cuts, initialization section and first part of the video.
fn makes(distribution: &mut Distribution, msn: u64) {
    let video = TrackId::Video(0);
    let mut log = log(&plan(), msn);
    distribution.cut(log.last(), heard()).unwrap();
    for cut in log.decide(log.lengths().segment_frames) {
        distribution.cut(cut, heard()).unwrap();
    }
    init(distribution, video, codec(video)).unwrap();
    distribution.part(part(video, msn), heard()).unwrap();
}

#[test]
fn a_part_that_does_not_follow_is_a_fault_of_the_worker() {
    let recorder = Recorder::default();
    let mut distribution = begun(Arc::new([Box::new(recorder.clone())]));
    planned(&mut distribution, plan()).unwrap();
    makes(&mut distribution, 1);
    let later = distribution.part(part(TrackId::Video(0), 3), heard());
    assert_eq!(later, Err(Fault::LeftOut));
    drop(distribution);
    assert_eq!(recorder.log(), ["open s", "part 1.0", "end"]);
}

#[test]
fn media_needs_a_worker_and_a_plan() {
    let video = TrackId::Video(0);
    let mut distribution = Distribution::new(origin(), Arc::new([]));
    let early = planned(&mut distribution, plan());
    assert_eq!(early, Err(Fault::NoPlan), "no worker was told anything");
    distribution.begin(&mut start(), Duration::ZERO);
    let early = distribution.part(part(video, 1), heard());
    assert_eq!(early, Err(Fault::NoPlan));
}

#[test]
fn a_session_keeps_its_plan() {
    let mut distribution = begun(Arc::new([]));
    planned(&mut distribution, plan()).unwrap();
    makes(&mut distribution, 1);
    for _ in 0..2 {
        distribution.interrupt();
        let mut next = start();
        distribution.begin(&mut next, Duration::ZERO);
        assert_eq!((next.plan, next.first_msn), (Some(plan()), 2));
        let mut other = plan();
        other.canvas.width += 2;
        assert_eq!(planned(&mut distribution, other), Err(Fault::OtherPlan));
    }
    planned(&mut distribution, plan()).unwrap();
    assert_eq!(
        planned(&mut distribution, plan()),
        Err(Fault::PlannedTwice),
        "a worker plans once"
    );
}

#[test]
fn the_codecs_of_a_rendition_are_counted_over_all_workers() {
    let mut distribution = begun(Arc::new([]));
    let video = TrackId::Video(0);
    let mut accepted = 0;
    let fault = loop {
        planned(&mut distribution, plan()).unwrap();
        let named = init(
            &mut distribution,
            video,
            &format!("avc1.6400{accepted:02x}"),
        );
        if let Err(fault) = named {
            break fault;
        }
        accepted += 1;
        distribution.interrupt();
        distribution.begin(&mut start(), Duration::ZERO);
    };
    assert_eq!((fault, accepted), (Fault::TooManyCodecs, CODECS_MAX));
}

#[test]
fn what_the_api_shows_is_a_number() {
    let mut distribution = begun(Arc::new([]));
    planned(&mut distribution, plan()).unwrap();
    let lie = |speed| RungStats { speed, dropped: 0 };
    distribution.stats(Stats {
        video: vec![lie(f32::NAN), lie(f32::INFINITY), lie(-1.0)],
        input: None,
    });
    let speeds: Vec<f32> = distribution.rungs().iter().map(|r| r.speed).collect();
    assert_eq!(speeds, [0.0, 0.0]);
}

/// Every rendition has segment 1, made by a worker whose clock is at zero after 100 s.
fn worker_with_a_segment(recorder: &Recorder) -> Distribution {
    let mut distribution = begun(Arc::new([Box::new(recorder.clone())]));
    planned(&mut distribution, plan()).unwrap();
    let mut log = log(&plan(), 1);
    distribution.cut(log.last(), heard()).unwrap();
    for cut in log.decide(log.lengths().segment_frames) {
        distribution.cut(cut, heard()).unwrap();
    }
    let clock = Clock {
        zero: Duration::from_secs(100),
        date_ns: unix_ns(),
    };
    distribution.began(clock).unwrap();
    for track in tracks() {
        init(&mut distribution, track, codec(track)).unwrap();
        distribution.part(part(track, 1), heard()).unwrap();
    }
    distribution
}

fn tracks() -> Vec<TrackId> {
    let video = (0..).take(plan().video.len()).map(TrackId::Video);
    let audio = (0..).take(plan().audio.len()).map(TrackId::Audio);
    video.chain(audio).collect()
}

/// Another worker is told to start, so many seconds after the clock was at zero.
fn succeeded(distribution: &mut Distribution, seconds: u64) -> Start {
    distribution.lose(Duration::ZERO);
    let mut next = start();
    distribution.begin(&mut next, Duration::from_secs(100 + seconds));
    next
}

#[test]
fn another_worker_goes_on_with_what_is_lacking() {
    let recorder = Recorder::default();
    let mut distribution = worker_with_a_segment(&recorder);
    let resume = succeeded(&mut distribution, 2).resume.unwrap();
    let places = resume.video.iter().chain(&resume.audio);
    let places: Vec<_> = places.map(|it| (it.msn, it.part, it.made)).collect();
    assert_eq!(places, vec![(2, 0, 1); tracks().len()]);
    let told: Vec<u64> = resume.cuts.cuts.iter().map(|cut| cut.msn).collect();
    assert_eq!(told, [1, 2], "sound begins a little earlier");
    assert_eq!(resume.inits.len(), tracks().len());
    planned(&mut distribution, plan()).unwrap();
    // It goes on in the same log.
    let mut log = log(&plan(), 1);
    let end = 2 * log.lengths().segment_frames;
    let cut = log.decide(end).pop().unwrap();
    distribution.cut(cut, heard()).unwrap();
    distribution
        .part(part(TrackId::Video(0), 2), heard())
        .unwrap();
    assert_eq!(recorder.log(), ["open s", "part 1.0", "part 2.0"]);
}

#[test]
fn nobody_goes_on_where_too_much_is_lacking() {
    let recorder = Recorder::default();
    let mut distribution = worker_with_a_segment(&recorder);
    let next = succeeded(&mut distribution, 2 + RESUME_MAX.as_secs());
    assert_eq!((next.resume, next.first_msn), (None, 2));
    assert_eq!(recorder.log(), ["open s", "part 1.0", "interrupted 2"]);
}

#[test]
fn nobody_goes_on_for_a_worker_that_is_not_believed() {
    let mut distribution = worker_with_a_segment(&Recorder::default());
    distribution.distrust();
    assert_eq!(succeeded(&mut distribution, 2).resume, None);
}

/// What is replayed may be what kills the workers.
#[test]
fn after_workers_that_make_nothing_nobody_goes_on() {
    let mut distribution = worker_with_a_segment(&Recorder::default());
    let goes_on: Vec<bool> = (0..=BARREN_MAX + 1)
        .map(|_| succeeded(&mut distribution, 2).resume.is_some())
        .collect();
    assert_eq!(goes_on, [true, true, false]);
}
