//! An output half that goes on where another worker has stopped.

use bytes::Bytes;

use super::*;
use crate::model::ladder::cuts::Tail;
use crate::wire::protocol::{Clock, Place, Rest, Resume};

/// A worker has stopped after two parts of segment 6, which begins with frame 30, and its last part has left
/// `rest` over in the first rung.
fn stopped(rest: Rest) -> Resume {
    let place = Place {
        msn: 6,
        part: 2,
        made: 7,
    };
    let cut = |msn, frame| Cut {
        msn,
        frame,
        awake: RungSet::first(2),
    };
    Resume {
        cuts: Tail {
            cuts: vec![cut(5, 0), cut(6, 30)],
            parts: 0,
        },
        clock: Clock {
            zero: Duration::ZERO,
            date_ns: 0,
        },
        mapping: None,
        video: vec![place; 2],
        audio: vec![place],
        ts: vec![6, 6],
        rests: vec![Some(rest), None],
        inits: Vec::new(),
        picture: None,
        wanted: RungSet::first(2),
    }
}

/// The part before has left frames of the publisher over: they stand before the encoder's, in a fragment of
/// their own, and no frame is there twice.
#[test]
fn what_was_left_over_stands_before_the_first_part() {
    for frames in [1, 3, 5] {
        let sample = fragment::Sample {
            dts: 0,
            pts: 0,
            duration: 1,
            size: 1,
            key: false,
        };
        let mut data = fragment::head(&vec![sample; frames]);
        data.extend_from_slice(&vec![0xAA; frames]);
        let rest = Rest {
            frames: u32::try_from(frames).unwrap(),
            data: data.clone().freeze(),
        };
        let resume = stopped(rest);
        let mut fed = resumed(&resume);
        for rung in [0, 1] {
            assert_eq!(fed.output.slots()[rung].encoders_needed(), 2);
            fill(&fed.output, rung);
            fill(&fed.output, rung);
        }
        fed.until(Duration::from_secs(5));
        let (_, messages) = fed.finish();
        let tracks = parts(&messages);
        let own = &tracks[&TrackId::Video(0)];
        let first = &own[0];
        assert_eq!((first.msn, first.index), (6, 2));
        assert_eq!(first.duration, Duration::from_millis(200));
        assert!(first.independent);
        // Parts of all segments before: five of the first one, two of this one.
        assert_eq!(fragment_number(&first.data), 8);
        let (left, made) = first.data.split_at(data.len());
        assert_eq!(left[left.len() - frames..], vec![0xAA; frames]);
        assert_eq!((samples(left), samples(made)), (frames, 6 - frames));
        assert_eq!(fragment_number(made), 8);
        let all: usize = own[1..].iter().map(|part| samples(&part.data)).sum();
        assert_eq!(all, 150 - 48);
        assert_eq!(ts_frames(&messages, 0), [(6, 60), (7, 60)]);
        assert!(
            !messages
                .iter()
                .any(|m| matches!(m, FromWorker::Rest { .. }))
        );
    }
}

/// A worker has died when segment 7, which begins with frame 90, had its first part, and MPEG-TS of segment 6
/// was not complete. In the first rung, that part has left so many `frames` over.
fn died_early_in_a_segment(frames: u32) -> Resume {
    let place = |msn, part| Place { msn, part, made: 7 };
    let cut = |msn, frame| Cut {
        msn,
        frame,
        awake: RungSet::first(2),
    };
    let rest = Rest {
        frames,
        data: Bytes::from_static(b"a fragment"),
    };
    Resume {
        cuts: Tail {
            cuts: vec![cut(5, 0), cut(6, 30), cut(7, 90)],
            parts: 0,
        },
        video: vec![place(7, 1); 2],
        audio: vec![place(7, 0)],
        ts: vec![6, 6],
        rests: vec![Some(rest.clone()).filter(|_| frames > 0), None],
        ..stopped(rest)
    }
}

fn resumed(resume: &Resume) -> Fed {
    let joint = |plan: &Plan, lengths| Joint::resume(plan, lengths, resume).unwrap();
    Fed::at(&plan(FrameRate::whole(30)), None, joint)
}

/// Numbers of the MPEG-TS segments of a rung, and the frames that each has.
fn ts_frames(messages: &[FromWorker], video: u8) -> Vec<(u64, usize)> {
    let of = |message: &FromWorker| match message {
        FromWorker::TsSegment(s) if s.video == video => {
            Some((s.msn, video_frames(&s.data).count()))
        }
        _ => None,
    };
    messages.iter().filter_map(of).collect()
}

fn places(messages: &[FromWorker], track: TrackId) -> Vec<(u64, u32)> {
    let all = parts(messages).remove(&track).unwrap_or_default();
    all.iter().map(|part| (part.msn, part.index)).collect()
}

/// The encoder of the parts is there before they begin, or comes while the one that leads up to them still has
/// frames to give.
#[test]
fn mpeg_ts_that_is_a_segment_behind_is_made_again() {
    for (late, frames) in [(false, 0), (false, 3), (true, 0), (true, 1), (true, 5)] {
        let mut fed = resumed(&died_early_in_a_segment(frames));
        fill(&fed.output, 0);
        fill(&fed.output, 1);
        if late {
            fed.until(Duration::from_millis(3300));
        }
        fill(&fed.output, 0);
        fill(&fed.output, 1);
        fed.until(Duration::from_secs(7));
        let (_, messages) = fed.finish();
        let expected: Vec<(u64, u32)> = (7..9)
            .flat_map(|msn| (0..10).map(move |part| (msn, part)))
            .collect();
        for rung in [0, 1] {
            assert_eq!(places(&messages, TrackId::Video(rung)), expected[1..]);
            let frames = 60 / (usize::from(rung) + 1);
            let ts = ts_frames(&messages, rung);
            assert_eq!(ts, [(6, frames), (7, frames), (8, frames)], "rung {rung}");
        }
        let sound = places(&messages, TrackId::Audio(0));
        assert_eq!(sound.first(), Some(&(7, 0)));
    }
}

/// The first rung lacks a segment in which the other one was awake, which has slept since and lacks nothing.
#[test]
fn a_rung_that_lacks_nothing_makes_nothing_again() {
    let mut resume = died_early_in_a_segment(0);
    for (cut, rungs) in resume.cuts.cuts.iter_mut().zip([2, 2, 1]) {
        cut.awake = RungSet::first(rungs);
    }
    resume.video[1] = Place {
        msn: 8,
        part: 0,
        made: 12,
    };
    resume.ts = vec![6, 8];
    let mut fed = resumed(&resume);
    assert_eq!(fed.output.slots()[1].encoders_needed(), 0);
    fill(&fed.output, 0);
    fill(&fed.output, 0);
    fed.until(Duration::from_secs(4));
    // It wakes with segment 8.
    fill(&fed.output, 1);
    fed.cuts.wake(1);
    fed.until(Duration::from_secs(7));
    let (_, messages) = fed.finish();
    let own: Vec<(u64, u32)> = (0..10).map(|part| (8, part)).collect();
    assert_eq!(places(&messages, TrackId::Video(1)), own);
    assert_eq!(ts_frames(&messages, 1), [(8, 30)]);
    assert_eq!(ts_frames(&messages, 0), [(6, 60), (7, 60), (8, 60)]);
}

/// The first frame of a segment is lost with the encoder that leads up to the parts. The segments keep their
/// numbers all the same.
#[test]
fn mpeg_ts_keeps_its_numbers_where_frames_are_lost() {
    let mut fed = resumed(&died_early_in_a_segment(0));
    fill(&fed.output, 0);
    fill(&fed.output, 1);
    fed.until(Duration::from_millis(2900));
    fed.output.slots()[0].break_encoder();
    let failed = fed.failed.recv_timeout(WAIT).unwrap();
    assert!(matches!(failed, Event::EncoderFailed { video: 0, .. }));
    fill(&fed.output, 1);
    fed.until(Duration::from_millis(3300));
    fill(&fed.output, 0);
    fed.until(Duration::from_secs(7));
    let (_, messages) = fed.finish();
    let ts = ts_frames(&messages, 0);
    assert_eq!(ts[1..], [(7, 54), (8, 60)]);
    assert!(ts[0].0 == 6 && ts[0].1 < 60, "{ts:?}");
    assert_eq!(places(&messages, TrackId::Video(0)).first(), Some(&(7, 1)));
}
