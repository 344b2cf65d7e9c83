//! Builds the output half when the source is known, retries pulls, and acts on failures.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::base::time;
use crate::base::units::FrameRate;
use crate::model::frame::Track;
use crate::model::ladder::cuts::Cut;
use crate::model::ladder::lengths::{Lengths, Settings};
use crate::model::ladder::{self, Canvas, Plan, RungSet, SourceFormat};
use crate::model::passthrough;
use crate::model::source::Source;
use crate::wire::protocol::{Clock, FromWorker, InputState, Start};
use crate::worker::attempts::Attempts;
use crate::worker::media::catch_up::{CATCH_UP_MAX, CatchUp};
use crate::worker::media::engine::{Beginning, Engine, Inputs};
use crate::worker::media::events::{Event, Events};
use crate::worker::media::input::{Intake, Opening};
use crate::worker::media::jpeg;
use crate::worker::media::mailbox::Receiver;
use crate::worker::media::output::{Cuts, Epoch, Grave, Joint, Output, Tools};
use crate::worker::media::passthrough::KeyFrame;
use crate::worker::media::template::Library;
use crate::worker::media::test_source::{self, TestSource};
use crate::worker::media::{Outbox, template};
use crate::worker::rungs::Rungs;
use crate::worker::walls::Readable;

/// A publisher that sends only sound gets a dark picture after this time.
const PICTURES_WAIT: Duration = Duration::from_secs(3);
/// A publisher that has announced pictures may take this long to send the first; it must be below the
/// time in which the daemon expects a worker to have something to show.
const ANNOUNCED_PICTURES_WAIT: Duration = Duration::from_secs(8);
/// A pull gets a dark picture after this time: its first picture may have to wait for a key frame.
const PULLED_PICTURES_WAIT: Duration = Duration::from_secs(8);
/// Format of the dark picture for a source without pictures.
const NO_PICTURE: SourceFormat = SourceFormat {
    width: 640,
    height: 360,
    fps: FrameRate::whole(15),
};
/// How often a pull is checked when no event arrives.
const TICK: Duration = Duration::from_secs(1);

/// Decides for one worker.
pub struct Director {
    start: Start,
    intake: Arc<Intake>,
    library: Arc<Library>,
    names: Readable,
    outbox: Outbox,
    events: Events,
    engine: Option<Engine>,
    rungs: Option<Rungs>,
    /// The rungs that are wanted, once the daemon has said so.
    wanted: Option<RungSet>,
    /// When an input without pictures gets a dark picture.
    dark_at: Option<Instant>,
    pull: Option<Attempts>,
}

impl Director {
    /// A director for the session that `start` describes.
    pub fn new(
        start: Start,
        intake: Arc<Intake>,
        library: Arc<Library>,
        names: Readable,
        outbox: Outbox,
        events: Events,
    ) -> Self {
        let pull = Attempts::of(&start.source, &library, &events);
        Self {
            start,
            intake,
            library,
            names,
            outbox,
            events,
            engine: None,
            rungs: None,
            wanted: None,
            dark_at: None,
            pull,
        }
    }

    /// Runs until the worker has finished.
    pub fn run(mut self, reports: &Receiver<Event>) {
        if let Some(plan) = self.start.plan.clone() {
            self.build(plan);
        } else if self.start.source == Source::Test {
            let plan = ladder::plan(&self.start.rungs, test_source::format(&self.start.rungs));
            self.build(plan);
        }
        loop {
            match reports.recv_timeout(TICK) {
                Ok(Event::Finish) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.act(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
        self.pull = None;
        if let Some(engine) = self.engine.take() {
            engine.finish();
        }
        self.outbox.send(FromWorker::Finished);
    }

    fn act(&mut self, event: Event) {
        match event {
            Event::Found(source) => {
                self.dark_at = None;
                if self.engine.is_none() {
                    let plan = ladder::plan(&self.start.rungs, source);
                    self.build(plan);
                }
            }
            Event::Opened {
                pictures,
                announced,
            } => {
                let wait = dark_after(pictures, announced).filter(|_| self.engine.is_none());
                self.dark_at = wait.map(|wait| Instant::now() + wait);
            }
            Event::Flowing { input } => self.flowing(input),
            Event::Lost { input, reason } => self.lost(input, &reason),
            Event::Undecodable {
                input,
                track,
                reason,
            } => self.undecodable(input, track, &reason),
            Event::Decoding {
                input,
                decoder,
                trouble,
            } if self.intake.is_current(input) => {
                self.outbox.send(FromWorker::Decoding { decoder, trouble });
            }
            Event::DecoderFailed {
                input,
                decoder,
                reason,
                at_once,
            } if self.intake.is_current(input) => {
                self.decoder_failed(input, (&decoder, &reason), at_once);
            }
            Event::Decoding { .. } | Event::DecoderFailed { .. } => {}
            Event::EncoderFailed {
                video,
                encoder,
                reason,
            } => self.with_rungs(|rungs| rungs.failed(video, &encoder, &reason)),
            Event::Ordered {
                video,
                order,
                refused,
            } => self.with_rungs(|rungs| rungs.ordered(video, order, refused)),
            Event::Passing { video } => self.with_rungs(|rungs| rungs.passing(video)),
            Event::PassingEnded { video } => {
                self.with_rungs(|rungs| rungs.passing_ended(video));
            }
            Event::Emptied => self.with_rungs(Rungs::settle),
            Event::Wanted(wanted) => {
                self.wanted = Some(wanted);
                self.with_rungs(|rungs| rungs.want(wanted));
            }
            Event::Fatal(reason) => self.fail(&reason),
            Event::Finish => {}
        }
    }

    fn with_rungs(&mut self, act: impl FnOnce(&mut Rungs)) {
        if let Some(rungs) = &mut self.rungs {
            act(rungs);
        }
    }

    fn tick(&mut self) {
        if let Some((rungs, engine)) = self.rungs.as_mut().zip(self.engine.as_ref()) {
            let look = || (engine.timing(), self.intake.feeding().take());
            rungs.tick(look, Instant::now());
        }
        if self.dark_at.is_some_and(|at| at <= Instant::now()) {
            self.dark_at = None;
            let plan = ladder::plan(&self.start.rungs, NO_PICTURE);
            self.build(plan);
        }
        let Some(pull) = &mut self.pull else { return };
        if let Some((input, reason)) = pull.over(&self.intake) {
            self.lost(input, &reason);
            return;
        }
        if let Some(stuck) = pull.stuck() {
            self.act(stuck);
        }
        let Some(pull) = &mut self.pull else { return };
        if pull.due() {
            if let Some(file) = self.names.replaced() {
                let file = file.display();
                let reason = format!("{file} was replaced, which only a new worker can read");
                self.fail(&reason);
                return;
            }
            self.outbox.send(FromWorker::Input(InputState::Connecting));
            let attempt = pull.attempt(&self.intake, &self.events);
            if let Err(error) = attempt {
                self.fail(&error.to_string());
            }
        }
    }

    /// Builds the output half. When that fails, the cause is nearly always an encoder, so the
    /// failure is reported like that of a running encoder.
    fn build(&mut self, plan: Plan) {
        match self.try_build(&plan) {
            Ok((engine, rungs)) => {
                self.engine = Some(engine);
                self.rungs = Some(rungs);
                if let Some(wanted) = self.wanted {
                    self.with_rungs(|rungs| rungs.want(wanted));
                }
            }
            Err(error) => self.encoder_refused(&error.to_string()),
        }
    }

    fn try_build(&self, plan: &Plan) -> Result<(Engine, Rungs), template::Error> {
        let cutting = self.start.cutting;
        let lengths = Lengths::new(Settings {
            fps: plan.canvas.fps,
            grid: plan.grid(),
            segment: cutting.segment,
            part: cutting.part,
        });
        let joint = self.joint(plan, lengths)?;
        let cuts = Cuts::new(joint.cuts.clone());
        let resume = self.start.resume.as_ref();
        let epoch = resume.map_or_else(Epoch::default, |resume| Epoch::at(resume.clock.date_ns));
        let tools = Tools {
            library: self.library.clone(),
            cuts: cuts.clone(),
            epoch: epoch.clone(),
            outbox: self.outbox.clone(),
            events: self.events.clone(),
            grave: Grave::new(&self.events),
            passthrough: self.intake.passthrough.clone(),
        };
        let encoder = self.start.encoders.first().cloned().unwrap_or_default();
        self.outbox.send(FromWorker::Planned {
            plan: plan.clone(),
            encoders: vec![encoder; plan.video.len()],
            part_target: lengths.part_target(),
        });
        if resume.is_none() {
            self.outbox.send(FromWorker::Cut(joint.cuts.last()));
        }
        let output = Output::start(plan, &joint, cutting.ts, &tools)?;
        let mut rungs = Rungs::new(&output, &cuts, &self.start, &self.outbox, &self.events);
        rungs.build();
        let beginning = self.beginning(plan, &joint, &epoch);
        self.pass(plan, &lengths, &cuts);
        let inputs = self.inputs(plan.canvas, &beginning, &epoch);
        let outbox = self.outbox.clone();
        let engine = Engine::start(output, inputs, plan.canvas, &cuts, beginning, outbox);
        let engine = engine.map_err(|error| template::Error::build("pacer", error))?;
        Ok((engine, rungs))
    }

    /// Where the output begins.
    fn joint(&self, plan: &Plan, lengths: Lengths) -> Result<Joint, template::Error> {
        if let Some(resume) = &self.start.resume {
            let joint = Joint::resume(plan, lengths, resume);
            let fail = || template::Error::build("ladder", "there is no place to go on at");
            return joint.ok_or_else(fail);
        }
        let first = Cut {
            msn: self.start.first_msn,
            frame: 0,
            awake: RungSet::first(plan.video.len()),
        };
        Ok(Joint::begin(plan, lengths, first))
    }

    /// Starts the session's clock, or takes over the one that runs. A session begins only when its
    /// encoders are there, for one in hardware may need seconds to open.
    fn beginning(&self, plan: &Plan, joint: &Joint, epoch: &Epoch) -> Beginning {
        let (now, monotonic) = (Instant::now(), time::monotonic());
        let resume = self.start.resume.as_ref();
        let zero = resume.map_or(monotonic, |resume| resume.clock.zero);
        let start = now
            .checked_sub(monotonic.saturating_sub(zero))
            .unwrap_or(now);
        let date_ns = epoch.begin();
        if resume.is_none() {
            self.outbox.send(FromWorker::Began(Clock { zero, date_ns }));
        }
        let replayed = resume.is_some_and(|resume| resume.mapping.is_some());
        let from = plan.canvas.fps.time_of(joint.frame);
        let jpeg = resume.and_then(|resume| resume.picture.clone());
        let picture = jpeg.map(|jpeg| jpeg::picture(jpeg, plan.canvas, &self.library));
        Beginning {
            start,
            frame: joint.frame,
            block: joint.block,
            catch_up: CatchUp::new(start, from, replayed),
            picture: picture.and_then(Result::ok),
        }
    }

    fn inputs(&self, canvas: Canvas, beginning: &Beginning, epoch: &Epoch) -> Inputs {
        if self.start.source == Source::Test {
            return Inputs::Test(Box::new(TestSource::new(canvas, epoch.begin())));
        }
        let resume = self.start.resume.as_ref();
        let elapsed = beginning.start.elapsed();
        let opening = Opening {
            start: beginning.start,
            from: canvas.fps.time_of(beginning.frame),
            mapping: resume.and_then(|resume| resume.mapping),
            late_until: resume.map_or(Duration::ZERO, |_| elapsed + CATCH_UP_MAX),
        };
        self.intake.begin(canvas, opening);
        Inputs::Intake(self.intake.clone())
    }

    /// Says what a source must be like to be the top rung as it is.
    fn pass(&self, plan: &Plan, lengths: &Lengths, cuts: &Cuts) {
        if self.start.source != Source::Push {
            return;
        }
        if let Some(top) = plan.video.first().filter(|top| top.divisor == 1) {
            let rung = passthrough::Rung {
                width: top.width,
                height: top.height,
                fps: plan.canvas.fps,
                bitrate: top.bitrate,
                segment_frames: lengths.segment_frames,
                part_frames: lengths.part_frames,
            };
            let cuts = cuts.clone();
            let follow = move |key: KeyFrame| cuts.follow_key_frame(key.frame, key.distance);
            self.intake.passthrough.begin(rung, follow);
        }
    }

    /// Announces a pull once it delivers media. The feeder announces a push.
    fn flowing(&mut self, input: u64) {
        if self.pull.is_some() && self.intake.is_current(input) {
            if self.engine.is_none() {
                self.dark_at = Some(Instant::now() + PULLED_PICTURES_WAIT);
            }
            self.outbox.send(FromWorker::Input(InputState::Live {
                description: "HTTP".to_owned(),
            }));
        }
    }

    fn lost(&mut self, input: u64, reason: &str) {
        if !self.intake.is_current(input) {
            return;
        }
        let retry_in = self.pull.as_mut().map(Attempts::retry);
        self.dark_at = None;
        self.intake.close();
        self.outbox.send(FromWorker::Input(InputState::Lost {
            reason: reason.to_owned(),
            retry_in,
        }));
    }

    /// The decoder of a pull's pictures, one in hardware, has failed. Unless `decodebin` goes on with
    /// another one at once, the source is fetched again, and then another one decodes.
    fn decoder_failed(&mut self, input: u64, (name, reason): (&str, &str), at_once: bool) {
        let Some(pull) = &mut self.pull else { return };
        let (trouble, takes_over) = pull.decoder_failed(name, reason, at_once);
        if !at_once && !takes_over {
            return self.lost(input, &trouble.cause);
        }
        self.outbox.send(FromWorker::Decoding {
            decoder: name.to_owned(),
            trouble: Some(trouble),
        });
        if !at_once {
            pull.again();
            self.dark_at = None;
            self.intake.close();
        }
    }

    /// Reports a track without a decoder; the other track goes on.
    fn undecodable(&self, input: u64, track: Track, reason: &str) {
        if self.intake.is_current(input) {
            let track = match track {
                Track::Video => "picture",
                Track::Audio => "sound",
            };
            self.outbox.send(FromWorker::Input(InputState::Lost {
                reason: format!("the {track} cannot be decoded now: {reason}"),
                retry_in: None,
            }));
        }
    }

    /// Asks the daemon for another worker.
    fn fail(&self, reason: &str) {
        self.outbox.send(FromWorker::Failed(reason.to_owned()));
    }

    fn encoder_refused(&self, reason: &str) {
        self.outbox.send(FromWorker::EncoderFailed {
            rung: String::new(),
            encoder: self.start.encoders.first().cloned().unwrap_or_default(),
            reason: reason.to_owned(),
        });
    }
}

/// How long an input that has `pictures`, or has `announced` them, may be without one before it gets
/// a dark picture; `None` without a limit.
fn dark_after(pictures: bool, announced: bool) -> Option<Duration> {
    match (pictures, announced) {
        (true, _) => None,
        (false, true) => Some(ANNOUNCED_PICTURES_WAIT),
        (false, false) => Some(PICTURES_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_pictures_are_waited_for_longer() {
        assert_eq!(dark_after(false, false), Some(Duration::from_secs(3)));
        assert_eq!(dark_after(false, true), Some(Duration::from_secs(8)));
        assert_eq!(dark_after(true, false), None);
    }
}
