//! Where an output half begins: at the start of a session, or where that of another worker has
//! stopped.

use bytes::Bytes;

use crate::model::hls::TrackId;
use crate::model::ladder::Plan;
use crate::model::ladder::cuts::{Cut, CutLog, Position};
use crate::model::ladder::lengths::Lengths;
use crate::wire::protocol::{Place, Rest, Resume};

/// AAC frames that the encoder of sound gets before the first one that is needed. Each frame overlaps
/// the one before, and the encoder's rate control looks back at a few more.
const PRIMING_AAC_FRAMES: u64 = 8;

/// Where everything begins.
#[derive(Debug)]
pub struct Joint {
    /// The cuts so far.
    pub cuts: CutLog,
    /// The first canvas frame.
    pub frame: u64,
    /// The first AAC frame.
    pub block: u64,
    /// Where each rung begins, in the order of the plan.
    pub rungs: Vec<RungJoint>,
    audio: Vec<Place>,
    rests: Vec<Option<Rest>>,
    inits: Vec<(TrackId, Bytes)>,
}

/// Where a rung begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RungJoint {
    /// Its first canvas frame; `None` when it lacks nothing, for it sleeps.
    pub from: Option<u64>,
    /// The first canvas frame that is encoded for its parts: that with which its first part begins, or
    /// later, where the part before has left frames over. Where MPEG-TS begins earlier, the frames before
    /// are encoded for that alone, by an encoder of their own.
    pub parts_from: u64,
}

/// Where a rendition's parts begin.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// Segment and number of the first part that is sent.
    pub place: (u64, u32),
    /// Parts that were made before.
    pub made: u64,
    /// Its first canvas frame.
    pub frame: u64,
    /// What the part before has left over.
    pub rest: Option<Rest>,
    /// The initialization section that holds already.
    pub init: Option<Bytes>,
}

impl Joint {
    /// The start of a session, or of a worker that goes on after a discontinuity.
    pub fn begin(plan: &Plan, lengths: Lengths, first: Cut) -> Self {
        let place = Place {
            msn: first.msn,
            part: 0,
            made: 0,
        };
        let rung = RungJoint {
            from: Some(first.frame),
            parts_from: first.frame,
        };
        Self {
            cuts: CutLog::new(lengths, first),
            frame: 0,
            block: 0,
            rungs: vec![rung; plan.video.len()],
            audio: vec![place; plan.audio.len()],
            rests: Vec::new(),
            inits: Vec::new(),
        }
    }

    /// The place where another worker has stopped; `None` when `resume` says nothing of it.
    pub fn resume(plan: &Plan, lengths: Lengths, resume: &Resume) -> Option<Self> {
        let cuts = CutLog::after(lengths, &resume.cuts)?;
        let last = cuts.last();
        let rung = |(index, place): (usize, &Place)| {
            let rest = resume.rests.get(index).and_then(Option::as_ref);
            let left_over = rest.map_or(0, |rest| u64::from(rest.frames));
            let parts_from = cuts.part_start(place.msn, place.part);
            let parts_from = parts_from.map(|frame| frame + left_over);
            let ts = resume.ts.get(index).and_then(|msn| cuts.cut(*msn));
            RungJoint {
                from: ts.map(|cut| cut.frame).into_iter().chain(parts_from).min(),
                // A rung that sleeps has sent all parts up to the cut at which it fell asleep.
                parts_from: parts_from.unwrap_or(last.frame),
            }
        };
        let rungs: Vec<RungJoint> = resume.video.iter().enumerate().map(rung).collect();
        if rungs.len() != plan.video.len() || resume.audio.len() != plan.audio.len() {
            return None;
        }
        let frame = rungs.iter().filter_map(|rung| rung.from).min()?;
        let sounds = resume.audio.iter();
        let sounds = sounds.filter_map(|place| cuts.audio_part_start(place.msn, place.part));
        let block = sounds.chain([lengths.aac_frame_from(frame)]).min()?;
        Some(Self {
            frame,
            block: block.saturating_sub(PRIMING_AAC_FRAMES),
            rungs,
            audio: resume.audio.clone(),
            rests: resume.rests.clone(),
            inits: resume.inits.clone(),
            cuts,
        })
    }

    /// Where the parts of the rendition `track` begin.
    pub fn seed(&self, track: TrackId) -> Seed {
        let init = self.inits.iter().find(|(of, _)| *of == track);
        let init = init.map(|(_, data)| data.clone());
        match track {
            TrackId::Video(index) => {
                let frame = self
                    .rungs
                    .get(usize::from(index))
                    .map_or(0, |rung| rung.parts_from);
                let Position { msn, part, .. } = self.cuts.locate(frame);
                let rest = self.rests.get(usize::from(index)).cloned().flatten();
                Seed {
                    place: (msn, part),
                    made: 0,
                    frame: self.cuts.part_start(msn, part).unwrap_or(frame),
                    rest,
                    init,
                }
            }
            TrackId::Audio(index) => {
                let place = self.audio.get(usize::from(index)).copied();
                Seed {
                    place: place.map_or((0, 0), |place| (place.msn, place.part)),
                    made: place.map_or(0, |place| place.made),
                    frame: 0,
                    rest: None,
                    init,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::units::{Bitrate, FrameRate};
    use crate::model::ladder::cuts::Tail;
    use crate::model::ladder::lengths::Settings;
    use crate::model::ladder::{AudioRendition, Canvas, RungSet, VideoRendition};
    use crate::wire::protocol::Clock;

    fn plan() -> Plan {
        let video = |name: &str| VideoRendition {
            name: name.to_owned(),
            width: 320,
            height: 180,
            divisor: 1,
            bitrate: Bitrate::from_bps(300_000),
            audio: 0,
        };
        Plan {
            canvas: Canvas {
                width: 320,
                height: 180,
                fps: FrameRate::whole(30),
            },
            video: vec![video("a"), video("b"), video("c")],
            audio: vec![AudioRendition {
                name: "sound".to_owned(),
                bitrate: Bitrate::from_bps(64_000),
            }],
        }
    }

    fn lengths() -> Lengths {
        Lengths::new(Settings {
            fps: FrameRate::whole(30),
            grid: 1,
            segment: Duration::from_secs(2),
            part: Duration::from_millis(200),
        })
    }

    fn place(msn: u64, part: u32) -> Place {
        Place { msn, part, made: 7 }
    }

    /// Segments 3 and 4 begin at frames 90 and 150; the third rung sleeps from 4 on.
    fn resume(video: [Place; 3], ts: Vec<u64>) -> Resume {
        let cut = |msn, frame, awake| Cut { msn, frame, awake };
        Resume {
            cuts: Tail {
                cuts: vec![
                    cut(2, 30, RungSet::first(3)),
                    cut(3, 90, RungSet::first(3)),
                    cut(4, 150, RungSet::first(2)),
                ],
                parts: 5,
            },
            clock: Clock {
                zero: Duration::ZERO,
                date_ns: 0,
            },
            mapping: None,
            video: video.to_vec(),
            audio: vec![place(4, 1)],
            ts,
            rests: Vec::new(),
            inits: vec![(TrackId::Video(0), Bytes::from_static(b"init"))],
            picture: None,
            wanted: RungSet::first(3),
        }
    }

    #[test]
    fn a_session_begins_with_everything() {
        let first = Cut {
            msn: 1,
            frame: 0,
            awake: RungSet::first(3),
        };
        let joint = Joint::begin(&plan(), lengths(), first);
        assert_eq!((joint.frame, joint.block), (0, 0));
        let rung = RungJoint {
            from: Some(0),
            parts_from: 0,
        };
        assert_eq!(joint.rungs, [rung; 3]);
        assert_eq!(joint.seed(TrackId::Video(2)).place, (1, 0));
        assert_eq!(joint.seed(TrackId::Audio(0)).place, (1, 0));
    }

    #[test]
    fn every_rung_goes_on_where_it_has_stopped() {
        // The second rung is a part behind; the third sleeps and has all its parts.
        let resume = resume([place(4, 3), place(4, 2), place(5, 0)], Vec::new());
        let joint = Joint::resume(&plan(), lengths(), &resume).unwrap();
        let rung = |from: Option<u64>, parts_from| RungJoint { from, parts_from };
        let expected = [rung(Some(168), 168), rung(Some(162), 162), rung(None, 150)];
        assert_eq!(joint.rungs, expected);
        assert_eq!(joint.frame, 162);
        // Nine AAC frames per part, the first one at 5 s.
        assert_eq!(joint.block, 235 + 9 - PRIMING_AAC_FRAMES);
        let seed = joint.seed(TrackId::Video(0));
        assert_eq!((seed.place, seed.frame), ((4, 3), 168));
        assert_eq!(seed.init, Some(Bytes::from_static(b"init")));
        assert_eq!(joint.seed(TrackId::Audio(0)).made, 7);
    }

    /// A part of six frames has left over so many of the publisher's frames: the encoder begins behind
    /// them, in the same part, whose first frame they are.
    #[test]
    fn what_was_left_over_is_not_encoded() {
        for (frames, ts, from) in [(1, vec![], 169), (5, vec![], 173), (3, vec![4, 4, 5], 150)] {
            let mut resume = resume([place(4, 3), place(4, 3), place(5, 0)], ts);
            let rest = Rest {
                frames,
                data: Bytes::from_static(b"rest"),
            };
            resume.rests = vec![Some(rest.clone()), None, None];
            let joint = Joint::resume(&plan(), lengths(), &resume).unwrap();
            let expected = RungJoint {
                from: Some(from),
                parts_from: 168 + u64::from(frames),
            };
            assert_eq!(joint.rungs[0], expected);
            assert_eq!(joint.rungs[1].parts_from, 168);
            let seed = joint.seed(TrackId::Video(0));
            assert_eq!((seed.place, seed.frame), ((4, 3), 168));
            assert_eq!(seed.rest, Some(rest));
            assert_eq!(joint.seed(TrackId::Video(1)).rest, None);
        }
    }

    #[test]
    fn an_open_segment_of_mpeg_ts_is_made_again() {
        let resume = resume([place(4, 3), place(4, 2), place(5, 0)], vec![4, 4, 3]);
        let joint = Joint::resume(&plan(), lengths(), &resume).unwrap();
        let rung = |from: u64, parts_from| RungJoint {
            from: Some(from),
            parts_from,
        };
        assert_eq!(joint.rungs, [rung(150, 168), rung(150, 162), rung(90, 150)]);
        assert_eq!(joint.frame, 90);
        assert_eq!(joint.block, 141 - PRIMING_AAC_FRAMES);
    }
}
