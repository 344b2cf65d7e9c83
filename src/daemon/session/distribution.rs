//! The worker's side of a stream: checks what the worker made, gives it to the origin, and what
//! the origin takes to the subscribers.
//!
//! A worker handles hostile input, so nothing that it says is trusted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::subscribers::{Made, Recipient, Subscriber};
use crate::base::names::is_name;
use crate::daemon::origin::{Origin, SessionSpec, SessionWriter};
use crate::model::encoder::TemplateName;
use crate::model::hls::{Part, TrackId, TsSegment};
use crate::model::ladder::Plan;
use crate::model::status::{InputStatus, RungStatus};
use crate::wire::protocol::{Cutting, InputStats, RungStats, Start, Stats};

/// Larger thumbnails are left out.
const THUMBNAIL_BYTES_MAX: usize = 1024 * 1024;
/// Video renditions, or audio renditions, that a plan may have.
const RENDITIONS_MAX: usize = 32;
/// Longest codec string.
const CODEC_BYTES_MAX: usize = 64;
/// Longest segment or part that is believed. Configured ones are far shorter.
const SEGMENT_MAX: Duration = Duration::from_secs(600);

/// The session in the making, if any.
pub struct Distribution {
    origin: Origin,
    subscribers: Arc<[Box<dyn Subscriber>]>,
    open: Option<Open>,
    next_msn: u64,
}

#[derive(Debug)]
struct Open {
    writer: SessionWriter,
    recipients: Vec<Box<dyn Recipient>>,
    plan: Plan,
    part_target: Duration,
    encoders: Vec<TemplateName>,
    video: Vec<RungStats>,
    input: Option<InputStats>,
    /// The present worker has made something.
    dirty: bool,
}

impl Open {
    /// Tells the subscribers what the origin has taken.
    fn publish(&mut self, made: &Made) {
        for recipient in &mut self.recipients {
            recipient.take(made);
        }
    }
}

/// Why a worker is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its plan makes no sense.
    #[error("worker sent a plan that makes no sense")]
    BadPlan,
    /// It continues a session, but with another plan.
    #[error("worker changed the plan of its session")]
    OtherPlan,
    /// It sent media before a plan.
    #[error("worker sent media without a plan")]
    NoPlan,
    /// It sent a part that does not follow the one before. No later part would follow either, so
    /// another worker goes on, after a discontinuity.
    #[error("worker left a part out")]
    LeftOut,
    /// It sent media of a rendition that is not in the plan.
    #[error("worker sent a rendition that is not planned")]
    NoSuchTrack,
    /// It named a codec with characters that no codec string has.
    #[error("worker sent a codec string that makes no sense")]
    BadCodec,
    /// It sent media with a duration that makes no sense.
    #[error("worker sent media of an absurd duration")]
    Absurd,
}

impl Distribution {
    /// No session yet.
    pub fn new(origin: Origin, subscribers: Arc<[Box<dyn Subscriber>]>) -> Self {
        Self {
            origin,
            subscribers,
            open: None,
            next_msn: 0,
        }
    }

    /// Makes `start` continue the session that is open.
    pub fn resume(&self, start: &mut Start) {
        if let Some(open) = &self.open {
            start.plan = Some(open.plan.clone());
            start.first_msn = self.next_msn.max(start.first_msn);
        }
    }

    /// The worker has a plan: opens a session, or checks that the plan is that of the open one.
    pub fn planned(
        &mut self,
        (stream, cutting): (&str, Cutting),
        (plan, encoders, part_target): (Plan, Vec<TemplateName>, Duration),
    ) -> Result<(), Fault> {
        if !sound(&plan) || encoders.len() != plan.video.len() {
            return Err(Fault::BadPlan);
        }
        if let Some(open) = &mut self.open {
            // A session's renditions and part target never change.
            if open.plan != plan || open.part_target != part_target {
                return Err(Fault::OtherPlan);
            }
            open.encoders = encoders;
            return Ok(());
        }
        let spec = SessionSpec {
            plan: plan.clone(),
            segment: cutting.segment,
            part_target,
            ts: cutting.ts,
        };
        let subscribers = self.subscribers.iter();
        self.open = Some(Open {
            writer: self.origin.open(stream, spec.clone()),
            recipients: subscribers.map(|s| s.opened(stream, &spec)).collect(),
            plan,
            part_target,
            encoders,
            video: Vec::new(),
            input: None,
            dirty: false,
        });
        Ok(())
    }

    /// The worker made an initialization section.
    pub fn init(&mut self, track: TrackId, codec: &str, data: Bytes) -> Result<(), Fault> {
        let open = self.fed(track)?;
        if !is_codec(codec) {
            return Err(Fault::BadCodec);
        }
        open.writer.init(track, codec, data.clone());
        let codec = codec.to_owned();
        open.publish(&Made::Init { track, codec, data });
        Ok(())
    }

    /// The worker made a part.
    pub fn part(&mut self, part: Part) -> Result<(), Fault> {
        let open = self.fed(part.track)?;
        believable(part.duration)?;
        if !open.writer.part(part.clone()) {
            return Err(Fault::LeftOut);
        }
        open.publish(&Made::Part(part));
        Ok(())
    }

    /// The worker made an MPEG-TS segment.
    pub fn ts_segment(&mut self, segment: TsSegment) -> Result<(), Fault> {
        let open = self.fed(TrackId::Video(segment.video))?;
        believable(segment.duration)?;
        if open.writer.ts_segment(segment.clone()) {
            open.publish(&Made::TsSegment(segment));
        }
        Ok(())
    }

    /// The worker made a thumbnail. One that is too large is left out.
    pub fn thumbnail(&mut self, jpeg: Bytes) -> Result<(), Fault> {
        let open = self.open.as_mut().ok_or(Fault::NoPlan)?;
        if jpeg.len() <= THUMBNAIL_BYTES_MAX {
            open.writer.thumbnail(jpeg.clone());
            open.publish(&Made::Thumbnail(jpeg));
        }
        Ok(())
    }

    fn fed(&mut self, track: TrackId) -> Result<&mut Open, Fault> {
        let open = self.open.as_mut().ok_or(Fault::NoPlan)?;
        let (index, count) = match track {
            TrackId::Video(index) => (index, open.plan.video.len()),
            TrackId::Audio(index) => (index, open.plan.audio.len()),
        };
        if usize::from(index) >= count {
            return Err(Fault::NoSuchTrack);
        }
        open.dirty = true;
        Ok(open)
    }

    /// The worker tells how its input and its encoders do.
    pub fn stats(&mut self, stats: Stats) {
        if let Some(open) = &mut self.open {
            open.video = stats.video;
            open.input = stats.input;
        }
    }

    /// The worker is lost: brings all renditions to the segment at which the next worker goes on.
    pub fn interrupt(&mut self) {
        if let Some(open) = &mut self.open
            && std::mem::take(&mut open.dirty)
        {
            let next_msn = open.writer.interrupt();
            open.publish(&Made::Interrupted { next_msn });
            self.next_msn = next_msn;
        }
    }

    /// Ends the session, if one is open; true when it could be played.
    pub fn end(&mut self) -> bool {
        self.next_msn = 0;
        self.open.take().is_some_and(|open| {
            let playable = open.writer.playable();
            open.writer.end();
            playable
        })
    }

    /// A session is open and can be played.
    pub fn playable(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.writer.playable())
    }

    /// How the input arrives, for the API.
    pub fn input(&self) -> Option<InputStatus> {
        let input = self.open.as_ref()?.input?;
        Some(InputStatus {
            delay_ms: u64::try_from(input.delay.as_millis()).unwrap_or(u64::MAX),
            repeated: input.repeated,
            skipped: input.skipped,
        })
    }

    /// What is made, for the API.
    pub fn rungs(&self) -> Vec<RungStatus> {
        let Some(open) = &self.open else {
            return Vec::new();
        };
        let mut encoders = open.encoders.iter();
        let mut stats = open.video.iter();
        let rung = |video: &crate::model::ladder::VideoRendition| RungStatus {
            name: video.name.clone(),
            width: video.width,
            height: video.height,
            fps: open.plan.canvas.fps.divided(video.divisor).as_f64(),
            bitrate: video.bitrate.bps(),
            encoder: encoders.next().cloned().unwrap_or_default(),
            speed: stats.clone().next().map_or(0.0, |stats| stats.speed),
            dropped: stats.next().map_or(0, |stats| stats.dropped),
        };
        open.plan.video.iter().map(rung).collect()
    }
}

/// The plan keeps the bounds that all who use it rely on. Decoding checks only types.
fn sound(plan: &Plan) -> bool {
    let video_names = plan.video.iter().map(|video| video.name.as_str());
    let names: Vec<&str> = video_names
        .chain(plan.audio.iter().map(|audio| audio.name.as_str()))
        .collect();
    let counts = [plan.video.len(), plan.audio.len()];
    let unique: HashSet<&&str> = names.iter().collect();
    counts
        .iter()
        .all(|count| (1..=RENDITIONS_MAX).contains(count))
        && plan
            .video
            .iter()
            .all(|video| video.divisor > 0 && video.audio < plan.audio.len())
        && names.iter().all(|name| is_name(name))
        && unique.len() == names.len()
}

/// Whether `text` may stand in quotes in a playlist, as a codec string (RFC 6381) does.
fn is_codec(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    (1..=CODEC_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Durations are added up and compared, so none may be beyond reason.
fn believable(duration: Duration) -> Result<(), Fault> {
    if duration > SEGMENT_MAX {
        return Err(Fault::Absurd);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::session::fake::{Recorder, cutting, origin, part, plan};

    type Planned = (Plan, Vec<TemplateName>, Duration);

    const TARGET: Duration = Duration::from_millis(200);

    fn made(plan: Plan) -> Planned {
        let encoders = vec!["x264".into(); plan.video.len()];
        (plan, encoders, TARGET)
    }

    fn distribution() -> Distribution {
        Distribution::new(origin(), Arc::new([]))
    }

    fn planned(distribution: &mut Distribution, planned: Planned) -> Result<(), Fault> {
        distribution.planned(("s", cutting()), planned)
    }

    /// Initialization section and first part of the video.
    fn begin(distribution: &mut Distribution) {
        let (video, data) = (TrackId::Video(0), Bytes::from_static(b"init"));
        distribution.init(video, "codec", data).unwrap();
        distribution.part(part(video, 1)).unwrap();
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        let spoil: [fn(&mut Planned); 9] = [
            |made| made.0.video.clear(),
            |made| made.0.audio.clear(),
            |made| made.0.video.iter_mut().for_each(|v| v.divisor = 0),
            |made| made.0.video.iter_mut().for_each(|v| v.audio = 1),
            |made| made.0.video.iter_mut().for_each(|v| v.name = "../x".into()),
            |made| made.0.audio.iter_mut().for_each(|a| a.name = String::new()),
            |made| made.1.clear(),
            |made| made.0.audio.push(made.0.audio[0].clone()),
            |made| made.0.audio[0].name.clone_from(&made.0.video[0].name),
        ];
        for (case, spoil) in spoil.iter().enumerate() {
            let mut made = made(plan());
            spoil(&mut made);
            let result = planned(&mut distribution(), made);
            assert_eq!(result, Err(Fault::BadPlan), "case {case}");
        }
    }

    #[test]
    fn a_part_that_does_not_follow_is_a_fault_of_the_worker() {
        let recorder = Recorder::default();
        let mut distribution = Distribution::new(origin(), Arc::new([Box::new(recorder.clone())]));
        planned(&mut distribution, made(plan())).unwrap();
        begin(&mut distribution);
        let later = distribution.part(part(TrackId::Video(0), 3));
        assert_eq!(later, Err(Fault::LeftOut));
        drop(distribution);
        assert_eq!(recorder.log(), ["open s", "part 1.0", "end"]);
    }

    #[test]
    fn absurd_durations_are_a_fault_of_the_worker() {
        let mut distribution = distribution();
        planned(&mut distribution, made(plan())).unwrap();
        let mut part = part(TrackId::Video(0), 1);
        part.duration = Duration::MAX;
        assert_eq!(distribution.part(part), Err(Fault::Absurd));
    }

    #[test]
    fn media_needs_a_plan_and_a_planned_rendition() {
        let mut distribution = distribution();
        assert_eq!(
            distribution.part(part(TrackId::Video(0), 1)),
            Err(Fault::NoPlan)
        );
        planned(&mut distribution, made(plan())).unwrap();
        begin(&mut distribution);
        let wrong = distribution.part(part(TrackId::Video(1), 1));
        assert_eq!(wrong, Err(Fault::NoSuchTrack));
    }

    #[test]
    fn a_session_keeps_its_plan_and_part_target() {
        let mut distribution = distribution();
        planned(&mut distribution, made(plan())).unwrap();
        planned(&mut distribution, made(plan())).unwrap();
        let mut other = made(plan());
        other.2 += TARGET;
        assert_eq!(planned(&mut distribution, other), Err(Fault::OtherPlan));
        let mut other = made(plan());
        other.0.canvas.width += 2;
        assert_eq!(planned(&mut distribution, other), Err(Fault::OtherPlan));
    }
}
