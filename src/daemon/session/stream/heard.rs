//! What a stream's task does with the messages of its worker.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Stream, now};
use crate::base::names::NAME_CHARS_MAX;
use crate::base::text::printable;
use crate::daemon::session::claims::Moment;
use crate::daemon::session::fault::Fault;
use crate::daemon::session::machine::Event;
use crate::daemon::session::notes::{Speaker, TEXT_CHARS_MAX};
use crate::model::encoder::{Filling, OnFailure, TemplateName};
use crate::model::ladder::Plan;
use crate::model::passthrough::Obstacle;
use crate::model::status::State;
use crate::wire::protocol::{FromWorker, InputState, Log, Stats, Trouble};

/// The present time on both clocks.
fn moment() -> Moment {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    Moment {
        at: now(),
        unix_ns: u64::try_from(unix.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX),
    }
}

impl Stream {
    pub(super) fn heard(&mut self, message: FromWorker) {
        let result = match message {
            FromWorker::Planned {
                plan,
                encoders,
                part_target,
            } => self.planned((plan, encoders, part_target)),
            FromWorker::Init { track, codec, data } => self.distribution.init(track, &codec, data),
            FromWorker::Part(part) => {
                let taken = self.distribution.part(part, moment());
                taken.map(|()| self.produced())
            }
            FromWorker::Rest { video, rest } => self.distribution.rest(video, rest),
            FromWorker::TsSegment(segment) => {
                let taken = self.distribution.ts_segment(segment, moment());
                taken.map(|()| self.produced())
            }
            FromWorker::Cut(cut) => {
                let taken = self.distribution.cut(cut, moment());
                taken.map(|changed| self.news |= changed)
            }
            FromWorker::Filled {
                video,
                filling,
                trouble,
            } => self.filled(video, filling, trouble.as_ref()),
            FromWorker::Began(clock) => self.distribution.began(clock),
            FromWorker::Mapped(mapping) => return self.contribution.mapped(mapping),
            FromWorker::Thumbnail { date_ns, data } => self.distribution.thumbnail(date_ns, data),
            FromWorker::Stats(stats) => return self.stats(stats),
            FromWorker::Shed(shed) => {
                self.distribution.shed(shed.steps);
                return self.setup.tenancy.shed(shed);
            }
            FromWorker::Passthrough(obstacle) => {
                return self.passthrough(obstacle);
            }
            FromWorker::Decoding { decoder, trouble } => {
                return self.decoding(&decoder, trouble.as_ref());
            }
            FromWorker::Log(log) => return self.log(&log),
            FromWorker::Input(state) => return self.input(&state),
            FromWorker::EncoderFailed {
                rung,
                encoder,
                reason,
            } => return self.encoder_failed(&rung, &encoder, &reason),
            FromWorker::Finished => return self.tell(Event::Finished),
            FromWorker::Failed(reason) => {
                return self.tell(Event::Lost(printable(&reason, TEXT_CHARS_MAX)));
            }
            FromWorker::Hello { .. } => {
                return self.tell(Event::Lost("worker said hello twice".into()));
            }
        };
        if let Err(fault) = result {
            self.distribution.distrust();
            self.tell(Event::Lost(fault.to_string()));
        }
    }

    fn planned(&mut self, made: (Plan, Vec<TemplateName>, Duration)) -> Result<(), Fault> {
        if let Err(cause) = self.fits(&made.0) {
            self.refuse(&cause);
            return Ok(());
        }
        self.distribution.planned(made, moment())?;
        self.tell(Event::Planned);
        self.expect_output();
        self.news = true;
        Ok(())
    }

    /// A rung has another encoder, or none.
    fn filled(
        &mut self,
        video: u8,
        filling: Filling,
        trouble: Option<&Trouble>,
    ) -> Result<(), Fault> {
        let (rung, trouble) = self.distribution.filled(video, filling, trouble)?;
        if let Some((speaker, trouble)) = self.speaker().zip(trouble.as_ref()) {
            speaker.trouble(&rung, trouble, now());
        }
        if let Some(Trouble { cause, next }) = trouble {
            self.setup.cell.error(&format!("{cause}; {next}"));
        }
        self.want();
        self.news = true;
        Ok(())
    }

    fn passthrough(&mut self, obstacle: Option<Obstacle>) {
        if self.distribution.passthrough(obstacle)
            && let Some(speaker) = self.speaker()
        {
            speaker.passthrough(obstacle.as_ref(), now());
        }
        self.want();
        self.news = true;
    }

    /// A decoder gives the source's pictures, or another one has to take over from it.
    fn decoding(&mut self, decoder: &str, trouble: Option<&Trouble>) {
        let told = |trouble| Some(self.speaker()?.decoder(decoder, trouble, now()));
        match trouble {
            Some(trouble) => {
                if let Some(error) = told(trouble) {
                    self.setup.cell.error(&error);
                }
            }
            None => self.decoder = Some(printable(decoder, NAME_CHARS_MAX)),
        }
        self.news = true;
    }

    fn stats(&mut self, stats: Stats) {
        self.distribution.stats(stats);
        self.measure();
        self.news = true;
    }

    fn produced(&mut self) {
        self.tell(Event::Produced);
        self.expect_output();
        if self.machine.state() == State::Starting && self.distribution.playable() {
            self.tell(Event::Playable);
            self.want();
        }
    }

    fn expect_output(&mut self) {
        if let Some(late) = self.distribution.late(&self.setup.limits) {
            self.tell(Event::Due(late));
        }
    }

    /// The worker, for the log; `None` when there is none any more.
    fn speaker(&self) -> Option<Speaker<'_>> {
        let link = self.link.as_ref()?;
        Some(Speaker {
            stream: self.name(),
            pid: Some(link.pid()),
            voice: link.voice(),
        })
    }

    fn log(&self, log: &Log) {
        if let Some(speaker) = self.speaker() {
            speaker.log(log, now());
        }
    }

    fn input(&mut self, state: &InputState) {
        let error = self.speaker().and_then(|s| s.input(state, now()));
        if let Some(error) = error {
            self.setup.cell.error(&error);
        }
        match state {
            InputState::Connecting => {}
            InputState::Live { .. } => self.tell(Event::InputLive),
            InputState::Lost { .. } => self.tell(Event::InputLost),
        }
        self.news = true;
    }

    /// An encoder failed, and no other one may take over: the stream cannot be made.
    fn encoder_failed(&mut self, rung: &str, encoder: &TemplateName, reason: &str) {
        let whose = if rung.is_empty() {
            String::new()
        } else {
            format!(" of rung {rung}")
        };
        let next = match self.setup.spec.on_failure {
            OnFailure::Fail => "on_failure = \"fail\" ends the stream",
            OnFailure::Fallback | OnFailure::Shed => "no other encoder is left",
        };
        let cause = format!("encoder {encoder}{whose} failed: {reason}");
        let cause = printable(&cause, TEXT_CHARS_MAX);
        if self.encoders().contains(encoder) {
            self.tell(Event::Abandon(format!("{cause}; {next}")));
        } else {
            self.tell(Event::Lost(cause));
        }
    }
}
