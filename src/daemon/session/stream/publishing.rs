//! The publishers of a stream: who comes, and who is sent away.

use tokio::time::Instant;

use super::Stream;
use crate::daemon::ingest::Revocation;
use crate::daemon::session::contribution::Publisher;
use crate::daemon::session::machine::Event;
use crate::daemon::supervisor::link::Link;

impl Stream {
    pub(super) fn publish(&mut self, publisher: Publisher) {
        if self.setup.stop.is_cancelled() {
            return publisher.revoked.revoke(Revocation::Ended);
        }
        let (peer, protocol) = (publisher.peer, publisher.protocol);
        let inbox = self.link.as_ref().map(Link::inbox);
        let took_over = self.contribution.arrive(publisher, inbox);
        if took_over {
            self.setup.metrics.takeovers.inc();
        }
        tracing::info!(stream = self.name(), %peer, protocol, took_over, "publisher has come");
        self.tell(Event::PublisherArrived);
    }

    /// Sends a publisher away whose pictures nobody can decode. Its worker is healthy and stays.
    pub(super) fn miss_key_frame(&mut self) {
        let overdue = self
            .contribution
            .key_by()
            .is_some_and(|by| by <= Instant::now());
        if !overdue {
            return;
        }
        let waited = self.setup.limits.key_frame_max;
        let cause = format!(
            "the publisher sent no key frame within {waited:?}; set its encoder's key \
             frame interval to 2 s"
        );
        tracing::warn!(stream = self.name(), cause, "publisher sent away");
        self.setup.cell.error(&cause);
        let inbox = self.link.as_ref().map(Link::inbox);
        self.contribution.leave(Revocation::NoKeyFrame, inbox);
        self.tell(Event::PublisherLeft);
    }

    pub(super) fn send_away(&mut self) {
        let inbox = self.link.as_ref().map(Link::inbox);
        self.contribution.leave(Revocation::Ended, inbox);
    }
}
