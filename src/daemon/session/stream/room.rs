//! Whether the machine has room for this stream beside the others.

use super::Stream;
use crate::daemon::ingest::{NO_ROOM_NEXT, Revocation};
use crate::daemon::session::capacity::{NoRoom, Work};
use crate::daemon::session::machine::{Event, Schedule};
use crate::daemon::supervisor::link::Link;
use crate::model::ladder::Plan;

impl Stream {
    /// What a plan asks of the machine. A stream whose rungs sleep while nobody watches asks for the
    /// lowest one, which is always made.
    pub(super) fn work_of(&self, plan: &Plan) -> Work {
        let rates = plan.pixel_rates();
        Work {
            encoder: self.encoders().into_iter().next().unwrap_or_default(),
            pixel_rate: match self.setup.spec.rungs_on_demand {
                true => rates.last().copied().unwrap_or_default(),
                false => rates.iter().sum(),
            },
        }
    }

    /// Looks whether the machine has room for a session that is about to begin. Only a publisher can be
    /// refused: nobody else would hear of it.
    pub(super) fn fits(&mut self, plan: &Plan) -> Result<(), NoRoom> {
        let work = self.work_of(plan);
        let begins = self.distribution.plan().is_none();
        if begins && self.setup.spec.schedule() == Schedule::WhilePublished {
            self.setup.tenancy.admits(&work)?;
        }
        self.setup.tenancy.begin(work);
        Ok(())
    }

    /// Sends the publisher away for whose stream there is no room.
    pub(super) fn refuse(&mut self, cause: &NoRoom) {
        self.setup.metrics.refused_for_room.inc();
        let inbox = self.link.as_ref().map(Link::inbox);
        self.contribution.leave(Revocation::NoRoom, inbox);
        self.tell(Event::Abandon(format!("{cause}; {NO_ROOM_NEXT}")));
    }

    /// Tells what the worker has done in the last second.
    pub(super) fn measure(&self) {
        let used = self.link.as_ref().and_then(|link| link.meter().cores());
        self.setup
            .tenancy
            .measured(&self.distribution.rungs(), used);
    }
}
