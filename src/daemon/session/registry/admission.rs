//! Which publishers are let in.

use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::{Entry, Registry};
use crate::daemon::ingest::{NO_ROOM_NEXT, PublishRequest, Refusal};
use crate::daemon::session::spec::Supplier;
use crate::daemon::session::stream::Command;

impl Registry {
    /// The stream's task that lets this publisher in, if the key is right.
    pub(super) fn admit(&self, request: &PublishRequest) -> Result<mpsc::Sender<Command>, Refusal> {
        if self.0.closing.load(Ordering::SeqCst) {
            return Err(Refusal::ShuttingDown);
        }
        let streams = self.read();
        let entry = streams.entries.get(&request.stream);
        let entry = entry.filter(|entry| entry.spec.supplier() == Supplier::Publisher);
        let entry = entry.ok_or(Refusal::UnknownStream)?;
        match &entry.key {
            // An empty key would let everybody in.
            Some(key) if key.matches(request.key.expose()) && !key.expose().is_empty() => {
                self.find_room(entry)?;
                Ok(entry.commands.clone())
            }
            _ => Err(Refusal::WrongKey),
        }
    }

    /// Refuses the publisher of a stream that does not run while those that run have not enough for
    /// themselves.
    fn find_room(&self, entry: &Entry) -> Result<(), Refusal> {
        let name = &entry.spec.name;
        if entry.cell.runs() {
            return Ok(());
        }
        self.0.capacity.admits(name).map_err(|no_room| {
            let cause = no_room.to_string();
            entry.cell.error(&format!("{cause}; {NO_ROOM_NEXT}"));
            self.0.metrics.of(name).refused_for_room.inc();
            Refusal::NoRoom(cause)
        })
    }
}
