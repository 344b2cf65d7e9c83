//! Where a worker has stopped, so that another one can go on there.

use std::time::Duration;

use super::planned::{Planned, Progress};
use crate::model::ladder::cuts::{CutLog, Tail};
use crate::model::ladder::lengths::aac_time;
use crate::wire::protocol::{Place, Rest};

/// What the renditions of a session lack.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Output time of the first frame that some rendition lacks.
    pub from: Duration,
    /// The cuts that it depends on.
    pub cuts: Tail,
    /// The first part that each video rendition lacks.
    pub video: Vec<Place>,
    /// The same of the sound.
    pub audio: Vec<Place>,
    /// The first MPEG-TS segment that each rung lacks.
    pub ts: Vec<u64>,
    /// What the last part of each video rendition has left over of the publisher's frames.
    pub rests: Vec<Option<Rest>>,
}

impl Planned {
    /// Output time and segment of the first frame that some rendition lacks.
    pub(super) fn lacks(&self) -> Option<(Duration, u64)> {
        let log = self.log.as_ref()?;
        let fps = log.lengths().fps;
        let awake = |renditions: &[Progress]| -> Vec<(u64, u32)> {
            let renditions = renditions.iter().enumerate();
            let awake = renditions.filter(|(rung, progress)| self.expects(*rung, progress));
            awake
                .map(|(rung, progress)| progress.waking(log, rung))
                .collect()
        };
        let pictures = [awake(&self.video), awake(&self.ts)].into_iter().flatten();
        let pictures = pictures.filter_map(|(msn, part)| {
            let frame = log.part_start(msn, part)?;
            Some((fps.time_of(frame), msn))
        });
        let sounds = self.audio.iter().filter_map(|progress| {
            let (msn, part) = progress.next;
            Some((aac_time(log.audio_part_start(msn, part)?), msn))
        });
        let all: Vec<(Duration, u64)> = pictures.chain(sounds).collect();
        let from = all.iter().map(|(from, _)| *from).min()?;
        let msn = all.iter().map(|(_, msn)| *msn).min()?;
        Some((from, msn))
    }

    /// Where its worker is; `None` before it has made something of every rendition.
    pub(super) fn stopped(&self) -> Option<Stopped> {
        let log = self.log.as_ref()?;
        let renditions = || self.video.iter().chain(&self.audio);
        if renditions().any(|progress| !progress.initialized) {
            return None;
        }
        let (from, msn) = self.lacks()?;
        let place = |(msn, part), made| Place { msn, part, made };
        let rungs = |renditions: &[Progress]| -> Vec<Place> {
            let renditions = renditions.iter().enumerate();
            let places = renditions
                .map(|(rung, progress)| place(progress.waking(log, rung), progress.made()));
            places.collect()
        };
        let audio = self.audio.iter();
        let audio = audio.map(|progress| place(progress.next, progress.made()));
        Some(Stopped {
            from,
            // The encoder of sound begins a little earlier, in the segment before.
            cuts: log.tail(msn.saturating_sub(1)),
            video: rungs(&self.video),
            audio: audio.collect(),
            ts: rungs(&self.ts).iter().map(|place| place.msn).collect(),
            rests: self.video.iter().map(|rung| rung.rest.clone()).collect(),
        })
    }
}

impl Progress {
    /// The next part of `rung`, without the segments that it sleeps through.
    fn waking(&self, log: &CutLog, rung: usize) -> (u64, u32) {
        let mut progress = self.clone();
        progress.wake(log, rung);
        progress.next
    }
}
