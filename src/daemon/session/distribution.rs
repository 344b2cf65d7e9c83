//! The worker's side of a stream: checks what the worker made, gives it to the origin, and what
//! the origin takes to the subscribers.
//!
//! A worker handles hostile input, so nothing that it says is trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::claims::{Claims, Moment};
use super::fault::Fault;
use super::machine::{Late, Limits};
use super::notes::TEXT_CHARS_MAX;
use super::slots::{Slots, Wishes};
use super::subscribers::{Made, Recipient, Subscriber};
use crate::base::text::printable;
use crate::daemon::origin::{Origin, RungDemand, SessionSpec, SessionWriter};
use crate::model::encoder::{Filling, TemplateName};
use crate::model::hls::{Continuity, Part, TrackId, TsSegment};
use crate::model::ladder::cuts::Cut;
use crate::model::ladder::{Plan, RungSet};
use crate::model::passthrough::Obstacle;
use crate::model::status::{InputStatus, PassthroughStatus, RungStatus};
use crate::wire::protocol::{
    Clock, InputStats, Rest, Resume, Start, Stats, THUMBNAIL_BYTES_MAX, Trouble,
};

/// The rung that a source may be passed through in.
const TOP: usize = 0;
/// Codecs that the workers of one session may name for one rendition: `CODECS` covers all of them.
/// Each encoder family may have a profile of its own, and there are fewer families.
const CODECS_MAX: usize = 8;

/// How much may be lacking at most where another worker goes on without a trace. It makes all of
/// that faster than real time, and viewers wait meanwhile.
const RESUME_MAX: Duration = Duration::from_secs(12);
/// Workers in a row that may go on without a trace and make nothing. Then the fault may be in what is
/// replayed, or in where it goes on.
const BARREN_MAX: u32 = 1;

/// The session in the making, if any.
pub struct Distribution {
    origin: Origin,
    subscribers: Arc<[Box<dyn Subscriber>]>,
    open: Option<Open>,
    next_msn: u64,
    /// What the present worker was told and has claimed.
    claims: Option<Claims>,
    /// What the worker before was told and has claimed, where another one may go on without a trace.
    lost: Option<Claims>,
    /// Workers in a row that have made nothing.
    barren: u32,
}

#[derive(Debug)]
struct Open {
    writer: SessionWriter,
    recipients: Vec<Box<dyn Recipient>>,
    plan: Plan,
    part_target: Duration,
    slots: Slots,
    input: Option<InputStats>,
    /// What is against passing the source through, once the worker has said so.
    passthrough: Option<Option<Obstacle>>,
    /// Codecs that were named, by rendition.
    codecs: BTreeSet<(TrackId, String)>,
    /// The present worker has made something.
    dirty: bool,
    /// The session's clock, once its first worker has started it.
    clock: Option<Clock>,
    /// The initialization sections that hold now.
    inits: BTreeMap<TrackId, Bytes>,
    /// The counters of each rung's MPEG-TS.
    continuity: BTreeMap<u8, Continuity>,
    thumbnail: Option<Bytes>,
    demand: Arc<RungDemand>,
    /// The rungs that are watched, where that matters.
    watched: Option<RungSet>,
    /// When a rung that is watched is not any more, if it is not asked for before.
    lapses: Option<Instant>,
    /// The rungs that the present worker is to make.
    wanted: RungSet,
    /// Steps by which the present worker makes less, because the machine is too slow.
    shed: u8,
}

impl Open {
    /// How another worker goes on where that of `claims` has stopped; `None` when it has stopped too
    /// long before `now`.
    fn resume(&self, claims: &Claims, now: Duration) -> Option<Resume> {
        let clock = self.clock?;
        let stopped = claims.stopped()?;
        let elapsed = now.checked_sub(clock.zero)?;
        if elapsed.saturating_sub(stopped.from) > RESUME_MAX {
            return None;
        }
        Some(Resume {
            cuts: stopped.cuts,
            clock,
            mapping: None,
            video: stopped.video,
            audio: stopped.audio,
            ts: stopped.ts,
            rests: stopped.rests,
            inits: self
                .inits
                .iter()
                .map(|(track, data)| (*track, data.clone()))
                .collect(),
            picture: self.thumbnail.clone(),
            wanted: self.wanted,
        })
    }

    /// Tells the subscribers what the origin has taken.
    fn publish(&mut self, made: &Made) {
        for recipient in &mut self.recipients {
            recipient.take(made);
        }
    }
}

impl Distribution {
    /// No session yet.
    pub fn new(origin: Origin, subscribers: Arc<[Box<dyn Subscriber>]>) -> Self {
        Self {
            origin,
            subscribers,
            open: None,
            next_msn: 0,
            claims: None,
            lost: None,
            barren: 0,
        }
    }

    /// A worker is told to `start`; makes it continue the session that is open, if there is one: without
    /// a trace if it can, else after a discontinuity. `now` is the time on the clock that all processes
    /// share.
    pub fn begin(&mut self, start: &mut Start, now: Duration) {
        if let Some((claims, open)) = self.lost.take().zip(self.open.as_ref())
            && let Some(resume) = open.resume(&claims, now)
        {
            start.plan = Some(open.plan.clone());
            start.shed = open.shed;
            start.resume = Some(resume);
            self.claims = Some(claims.succeeded_by(start.clone()));
            return;
        }
        self.interrupt();
        if let Some(open) = &mut self.open {
            start.plan = Some(open.plan.clone());
            start.shed = open.shed;
            start.first_msn = self.next_msn.max(start.first_msn);
            open.wanted = RungSet::first(open.plan.video.len());
        }
        self.claims = Some(Claims::new(start.clone()));
    }

    /// The worker was asked to finish.
    pub fn finish(&mut self) {
        if let Some(claims) = &mut self.claims {
            claims.finish();
        }
    }

    /// The worker has a plan: opens a session, or checks that the plan is that of the open one.
    pub fn planned(
        &mut self,
        (plan, encoders, part_target): (Plan, Vec<TemplateName>, Duration),
        heard: Moment,
    ) -> Result<(), Fault> {
        let claims = self.claims.as_mut().ok_or(Fault::NoPlan)?;
        claims.planned(&plan, &encoders, part_target, heard)?;
        if let Some(open) = &mut self.open {
            // A session's renditions and part target never change.
            if open.plan != plan || open.part_target != part_target {
                return Err(Fault::OtherPlan);
            }
            open.slots.renew(encoders);
            return Ok(());
        }
        let (stream, cutting) = (claims.stream(), claims.cutting());
        let spec = SessionSpec {
            plan: plan.clone(),
            segment: cutting.segment,
            part_target,
            ts: cutting.ts,
        };
        let subscribers = self.subscribers.iter();
        let writer = self.origin.open(stream, spec.clone());
        self.open = Some(Open {
            demand: writer.demand(),
            writer,
            recipients: subscribers.map(|s| s.opened(stream, &spec)).collect(),
            watched: None,
            lapses: None,
            wanted: RungSet::first(plan.video.len()),
            shed: 0,
            plan,
            part_target,
            slots: Slots::new(encoders),
            input: None,
            passthrough: None,
            codecs: BTreeSet::new(),
            dirty: false,
            clock: None,
            inits: BTreeMap::new(),
            continuity: BTreeMap::new(),
            thumbnail: None,
        });
        Ok(())
    }

    /// The worker has decided where the next segment begins; true when other rungs are awake in it.
    pub fn cut(&mut self, cut: Cut, heard: Moment) -> Result<bool, Fault> {
        let (claims, open) = self.working()?;
        claims.cut(cut, heard)?;
        open.writer.cut(&cut);
        Ok(open.slots.wake(cut.awake))
    }

    /// The plan of the open session.
    pub fn plan(&self) -> Option<&Plan> {
        self.open.as_ref().map(|open| &open.plan)
    }

    /// The requests for the rungs of the open session.
    pub fn demand(&self) -> Option<&Arc<RungDemand>> {
        self.open.as_ref().map(|open| &open.demand)
    }

    /// When [`want`](Self::want) must be called, unless there is news of the demand before.
    pub fn lapses(&self) -> Option<Instant> {
        self.open.as_ref()?.lapses
    }

    /// Looks which rungs are watched; returns those that the worker is to make, if they are others
    /// than before. The lowest one is always among them, so that a player starts at once, or the top one
    /// where it is the source as it is, which costs nearly nothing. Until the session can be played, all
    /// are.
    pub fn want(&mut self) -> Option<RungSet> {
        let open = self.open.as_mut()?;
        if !open.writer.playable() {
            return None;
        }
        let (watched, lapses) = open.demand.watched();
        (open.watched, open.lapses) = (Some(watched), lapses);
        let lowest = open.plan.video.len().saturating_sub(1);
        let fits = matches!(open.passthrough, Some(None));
        let wanted = match (fits, fits && open.slots.passes(TOP)) {
            (_, true) => watched.with(TOP),
            (true, false) => watched.with(TOP).with(lowest),
            (false, false) => watched.with(lowest),
        };
        let before = std::mem::replace(&mut open.wanted, wanted);
        Some(wanted).filter(|wanted| *wanted != before)
    }

    /// A rung is made by something else now, perhaps because of some trouble; returns the rung's name,
    /// and the trouble in bounded and printable words.
    pub fn filled(
        &mut self,
        video: u8,
        filling: Filling,
        trouble: Option<&Trouble>,
    ) -> Result<(String, Option<Trouble>), Fault> {
        let (claims, open) = self.working()?;
        claims.filled(&filling)?;
        let video = usize::from(video);
        let rung = open.plan.video.get(video).ok_or(Fault::NoSuchTrack)?;
        let trouble = trouble.map(|trouble| Trouble {
            cause: printable(&trouble.cause, TEXT_CHARS_MAX),
            next: printable(&trouble.next, TEXT_CHARS_MAX),
        });
        open.slots.fill(video, filling, trouble.as_ref());
        Ok((rung.name.clone(), trouble))
    }

    /// The worker made an initialization section.
    pub fn init(&mut self, track: TrackId, codec: &str, data: Bytes) -> Result<(), Fault> {
        let (claims, open) = self.working()?;
        claims.init(track, codec, data.len())?;
        open.codecs.insert((track, codec.to_owned()));
        if open.codecs.iter().filter(|(of, _)| *of == track).count() > CODECS_MAX {
            return Err(Fault::TooManyCodecs);
        }
        open.dirty = true;
        open.inits.insert(track, data.clone());
        open.writer.init(track, codec, data.clone());
        let codec = codec.to_owned();
        open.publish(&Made::Init { track, codec, data });
        Ok(())
    }

    /// The worker made a part.
    pub fn part(&mut self, part: Part, heard: Moment) -> Result<(), Fault> {
        let (claims, open) = self.working()?;
        claims.part(&part, heard)?;
        open.dirty = true;
        if !open.writer.part(part.clone()) {
            return Err(Fault::LeftOut);
        }
        open.publish(&Made::Part(part));
        Ok(())
    }

    /// The worker told what the next part of a rung leaves over.
    pub fn rest(&mut self, video: u8, rest: Rest) -> Result<(), Fault> {
        let (claims, _) = self.working()?;
        claims.rest(video, rest)
    }

    /// The worker made an MPEG-TS segment. Its counters go on where those of the one before have ended,
    /// whoever made that.
    pub fn ts_segment(&mut self, mut segment: TsSegment, heard: Moment) -> Result<(), Fault> {
        let (claims, open) = self.working()?;
        claims.ts_segment(&segment, heard)?;
        let continuity = open.continuity.entry(segment.video).or_default();
        segment.data = continuity.follow(segment.data);
        open.dirty = true;
        if !open.writer.ts_segment(segment.clone()) {
            return Err(Fault::LeftOut);
        }
        open.publish(&Made::TsSegment(segment));
        Ok(())
    }

    /// The worker made a thumbnail of the frame with this date. One that is too large is left out.
    pub fn thumbnail(&mut self, date_ns: u64, jpeg: Bytes) -> Result<(), Fault> {
        let open = self.open.as_mut().ok_or(Fault::NoPlan)?;
        if jpeg.len() <= THUMBNAIL_BYTES_MAX {
            open.thumbnail = Some(jpeg.clone());
            open.writer.thumbnail(date_ns, jpeg.clone());
            open.publish(&Made::Thumbnail(jpeg));
        }
        Ok(())
    }

    /// When the worker's output is late; `None` before its plan.
    pub fn late(&self, limits: &Limits) -> Option<Late> {
        self.claims.as_ref()?.late(limits)
    }

    /// The worker's claims and the session, once the worker has planned.
    fn working(&mut self) -> Result<(&mut Claims, &mut Open), Fault> {
        let pair = self.claims.as_mut().zip(self.open.as_mut());
        pair.ok_or(Fault::NoPlan)
    }

    /// The worker tells how its input and its encoders do.
    pub fn stats(&mut self, stats: Stats) {
        if let Some(open) = &mut self.open {
            open.slots.measured(&stats.video);
            open.input = stats.input;
        }
    }

    /// The worker says what is against passing the source through; returns whether that is news to the
    /// person who runs weir.
    pub fn passthrough(&mut self, obstacle: Option<Obstacle>) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        let before = open.passthrough.replace(obstacle);
        match (before, obstacle) {
            (Some(Some(before)), Some(now)) => !before.is_like(&now) && now.advice().is_some(),
            (Some(None), now) => now.is_some(),
            (_, Some(now)) => now.advice().is_some(),
            (_, None) => true,
        }
    }

    /// The worker is not believed any more: nobody goes on where it says that it has stopped.
    pub fn distrust(&mut self) {
        self.claims = None;
    }

    /// The session's clock runs.
    pub fn began(&mut self, clock: Clock) -> Result<(), Fault> {
        let (_, open) = self.working()?;
        open.clock = Some(clock);
        Ok(())
    }

    /// Output time of the first frame that some rendition lacks; `None` without a session.
    pub fn lacks_from(&self) -> Option<Duration> {
        let claims = self.claims.as_ref().or(self.lost.as_ref());
        claims?.lacks_from()
    }

    /// The worker makes less by so many steps, because the machine is too slow.
    pub fn shed(&mut self, steps: u8) {
        if let Some(open) = &mut self.open {
            open.shed = steps;
        }
    }

    /// The worker is lost, and another one follows after `again_in`. Where that one may go on without a
    /// trace, viewers wait for it; else all renditions are brought to the segment at which it goes on.
    pub fn lose(&mut self, again_in: Duration) {
        let Some(claims) = self.claims.take() else {
            return self.interrupt();
        };
        self.barren = match claims.is_productive() {
            true => 0,
            false => self.barren.saturating_add(1),
        };
        let open = self.open.as_ref();
        let may_go_on = open.is_some_and(|open| open.clock.is_some())
            && claims.stopped().is_some()
            && again_in <= RESUME_MAX
            && self.barren <= BARREN_MAX;
        match may_go_on {
            true => self.lost = Some(claims),
            false => self.interrupt(),
        }
    }

    /// Brings all renditions to the segment at which the next worker goes on.
    pub fn interrupt(&mut self) {
        self.claims = None;
        self.lost = None;
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
        self.barren = 0;
        self.claims = None;
        self.lost = None;
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

    /// Whether the source is good for the top rung, for the API.
    pub fn passthrough_status(&self) -> Option<PassthroughStatus> {
        let obstacle = self.open.as_ref()?.passthrough?;
        Some(PassthroughStatus {
            fits: obstacle.is_none(),
            reason: obstacle.map(|obstacle| obstacle.to_string()),
            advice: obstacle.and_then(|obstacle| obstacle.advice()),
        })
    }

    /// What is made, for the API.
    pub fn rungs(&self) -> Vec<RungStatus> {
        let Some(open) = &self.open else {
            return Vec::new();
        };
        let (watched, wanted) = (open.watched, open.wanted);
        open.slots.statuses(&open.plan, Wishes { watched, wanted })
    }
}

#[cfg(test)]
mod tests;
