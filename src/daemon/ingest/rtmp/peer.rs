//! The task of one connection: moves bytes between the socket and the [`Connection`], asks the
//! gate, and sends media into the lease.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use super::command::PublishTarget;
use super::connection::{Connection, Event, NO_ROOM};
use super::counters::Counters;
use super::end::{End, REJECTED_NEXT};
use super::limits::Limits;
use super::pool::{Pool, Stranger};
use super::refusals::RefusalLog;
use crate::daemon::ingest::{Gate, Lease, MediaEvent, NO_ROOM_NEXT, PublishRequest, Refusal};
use crate::daemon::net::{Open, Proxies};

/// Bytes per read, into the stack, so that an idle connection holds no buffer.
const READ_BYTES: usize = 16 << 10;

/// State shared by all connections of a server.
#[derive(Debug)]
pub(super) struct Shared<G> {
    pub(super) gate: G,
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    pub(super) refusals: RefusalLog,
    pub(super) strangers: Arc<Pool>,
    pub(super) proxies: Proxies,
}

/// Serves one connection until it ends or `shutdown` is cancelled.
pub(super) async fn serve<G: Gate>(
    mut socket: TcpStream,
    mut peer: SocketAddr,
    mut stranger: Stranger,
    shared: Arc<Shared<G>>,
    shutdown: CancellationToken,
) {
    let _open = Open::count(&shared.counters.connections);
    let evicted = stranger.evicted().clone();
    let client = tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(End::ShuttingDown),
        () = evicted.cancelled() => Err(End::Evicted),
        client = client(&mut socket, peer, &shared) => client,
    };
    match client {
        Ok(client) if client == peer => {}
        Ok(client) => {
            peer = client;
            let evicted_other = stranger.speaks_for(peer.ip());
            shared.counters.evicted.inc_by(evicted_other.into());
        }
        Err(end) => return log_stranger(&end, peer, &shared),
    }
    let mut link = Link::new(socket, &shared.limits);
    let asked = tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(End::ShuttingDown),
        () = evicted.cancelled() => Err(End::Evicted),
        asked = link.until_publish(&mut stranger) => asked,
    };
    // A refused publisher keeps its place among the strangers; an accepted one gives it up.
    let mut stranger = Some(stranger);
    let end = match asked {
        Ok(target) => {
            let publication = Publication {
                shared: &shared,
                shutdown: &shutdown,
                stream: target.stream.clone(),
                peer,
            };
            publication.run(&mut link, target, &mut stranger).await
        }
        Err(end) => {
            log_stranger(&end, peer, &shared);
            end
        }
    };
    link.farewell(&end, &shutdown, &evicted).await;
}

/// The publisher behind a connection: whom its proxy names, or `peer`.
async fn client<G>(
    socket: &mut TcpStream,
    peer: SocketAddr,
    shared: &Shared<G>,
) -> Result<SocketAddr, End> {
    let client = shared.proxies.client(socket, peer);
    let client = timeout(shared.limits.handshake_time_max, client).await;
    Ok(client.map_err(|_| End::ClientOverdue)??)
}

/// Logs and counts why a peer that never published was closed.
fn log_stranger<G>(end: &End, peer: SocketAddr, shared: &Shared<G>) {
    match end {
        End::Rejected(rejection) => {
            shared.counters.refused.inc();
            if shared.refusals.admits(Instant::now()) {
                warn!(%peer, cause = %rejection, "connection refused");
            }
        }
        End::NoClient(_) => {
            shared.counters.refused.inc();
            if shared.refusals.admits(Instant::now()) {
                warn!(%peer, cause = %end, next = "let this proxy send PROXY headers, or set \
                     proxy_protocol = false in [server]", "connection refused");
            }
        }
        _ => debug!(%peer, cause = %end, "connection closed"),
    }
}

/// A publisher that named its stream.
struct Publication<'a, G> {
    shared: &'a Shared<G>,
    shutdown: &'a CancellationToken,
    stream: String,
    peer: SocketAddr,
}

impl<G: Gate> Publication<'_, G> {
    /// Asks the gate; forwards the publisher's media until the connection or the lease ends.
    async fn run(
        &self,
        link: &mut Link,
        target: PublishTarget,
        stranger: &mut Option<Stranger>,
    ) -> End {
        let lease = match self.ask(target).await {
            Ok(lease) => lease,
            Err(end) => return self.refuse(link, end),
        };
        *stranger = None;
        let (stream, peer) = (&self.stream, self.peer);
        info!(stream, %peer, "publisher connected");
        let span = info_span!("publisher", stream, %peer);
        let end = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => End::ShuttingDown,
            reason = lease.revoked.revoked() => End::Revoked(reason),
            end = link.forward(&lease).instrument(span) => end,
        };
        if let Some(complaint) = end.complaint() {
            // Without room or time for it, the log alone says it.
            let told = lease.media.send(MediaEvent::Refused(complaint));
            let _ = timeout(self.shared.limits.write_time_max, told).await;
        }
        drop(lease);
        self.log_end(&end);
        end
    }

    async fn ask(&self, target: PublishTarget) -> Result<Lease, End> {
        let Shared { gate, limits, .. } = self.shared;
        let request = PublishRequest {
            stream: target.stream,
            key: target.key,
            peer: self.peer,
            protocol: "rtmp",
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(End::ShuttingDown),
            decision = timeout(limits.gate_time_max, gate.publish(request)) => match decision {
                Ok(decision) => decision.map_err(End::Refused),
                Err(_) => Err(End::GateOverdue),
            },
        }
    }

    /// Tells the publisher that it is refused, and logs why.
    fn refuse(&self, link: &mut Link, end: End) -> End {
        self.shared.counters.refused.inc();
        if self.shared.refusals.admits(Instant::now()) {
            self.log_refusal(&end);
        }
        let told = match &end {
            End::Refused(Refusal::UnknownStream | Refusal::WrongKey) => {
                "Unknown stream or wrong key."
            }
            End::Refused(Refusal::NoRoom(_)) => NO_ROOM,
            _ => "Not available now; try again later.",
        };
        match link.connection.refuse(told) {
            Ok(()) => end,
            Err(error) => End::Protocol(error),
        }
    }

    fn log_refusal(&self, end: &End) {
        let (stream, peer) = (&self.stream, self.peer);
        match end {
            End::Refused(Refusal::WrongKey) => {
                warn!(stream, %peer, cause = %end, next = "`weir keys` shows the right one",
                    "publisher refused");
            }
            // The name is not logged: with no such stream, it may be a misplaced key.
            End::Refused(Refusal::UnknownStream) => {
                warn!(%peer, cause = %end, next = "compare the name before `?key=` with the \
                     streams in config.toml", "publisher refused");
            }
            End::Refused(Refusal::NoRoom(_)) => {
                warn!(stream, %peer, cause = %end, next = NO_ROOM_NEXT, "publisher refused");
            }
            _ => warn!(%peer, cause = %end, "publisher refused"),
        }
    }

    fn log_end(&self, end: &End) {
        let (stream, peer) = (&self.stream, self.peer);
        match end {
            End::Revoked(_) => info!(stream, %peer, cause = %end, "publisher closed"),
            End::Rejected(rejection) => {
                self.shared.counters.refused.inc();
                warn!(stream, %peer, cause = %rejection, next = REJECTED_NEXT, "publisher refused");
            }
            End::Protocol(_) | End::Overdue(_) | End::Unread => {
                warn!(stream, %peer, cause = %end, "publisher closed");
            }
            _ => info!(stream, %peer, cause = %end, "publisher left"),
        }
    }
}

/// A socket and the protocol state of its connection.
struct Link {
    socket: TcpStream,
    connection: Connection,
    limits: Limits,
}

impl Link {
    fn new(socket: TcpStream, limits: &Limits) -> Self {
        let mut seed = [0; 32];
        // On failure the seed stays zero, which is harmless: the random bytes protect nothing.
        let _ = getrandom::fill(&mut seed);
        Self {
            socket,
            connection: Connection::new(limits.clone(), seed, Instant::now()),
            limits: limits.clone(),
        }
    }

    /// Runs the protocol until the peer asks to publish.
    async fn until_publish(&mut self, stranger: &mut Stranger) -> Result<PublishTarget, End> {
        let mut progress = 0;
        loop {
            match self.connection.poll()? {
                Some(Event::Publish(target)) => return Ok(target),
                Some(Event::Rejected(rejection)) => return Err(End::Rejected(rejection)),
                Some(Event::Media(_) | Event::Unpublished) => {}
                None => {
                    if self.connection.progress() > progress {
                        progress = self.connection.progress();
                        stranger.progressed();
                    }
                    self.flush().await?;
                    self.fill().await?;
                }
            }
        }
    }

    /// Accepts the publisher and forwards its media until the connection ends.
    async fn forward(&mut self, lease: &Lease) -> End {
        let result = async {
            self.connection.accept()?;
            loop {
                match self.connection.poll()? {
                    // The session takes events at once, so this waits for an instant only.
                    Some(Event::Media(event)) => {
                        let sent = lease.media.send(event).await;
                        sent.map_err(|_| End::Revoked(lease.revoked.reason()))?;
                    }
                    Some(Event::Unpublished) => return Err(End::Unpublished),
                    Some(Event::Rejected(rejection)) => return Err(End::Rejected(rejection)),
                    Some(Event::Publish(_)) => {}
                    None => {
                        self.flush().await?;
                        self.fill().await?;
                    }
                }
            }
        };
        let result: Result<std::convert::Infallible, End> = result.await;
        match result {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Sends all waiting output.
    async fn flush(&mut self) -> Result<(), End> {
        let output = self.connection.output();
        if output.is_empty() {
            return Ok(());
        }
        let sent = timeout(
            self.limits.write_time_max,
            self.socket.write_all_buf(output),
        );
        sent.await.map_err(|_| End::Unread)??;
        // An idle connection holds no buffer.
        *output = bytes::BytesMut::new();
        Ok(())
    }

    /// Waits for bytes and reads them once.
    async fn fill(&mut self) -> Result<(), End> {
        let (deadline, overdue) = self.connection.deadline(Instant::now());
        loop {
            // `timeout_at` polls the socket first, so a socket that is always readable never
            // times out.
            if Instant::now() >= deadline {
                return Err(overdue.into());
            }
            timeout_at(deadline.into(), self.socket.readable())
                .await
                .map_err(|_| overdue)??;
            if self.read_now()? {
                return Ok(());
            }
        }
    }

    /// Reads without waiting; false when nothing was there to read.
    fn read_now(&mut self) -> Result<bool, End> {
        let mut bytes = [0; READ_BYTES];
        let len = match self.socket.try_read(&mut bytes) {
            Ok(0) => return Err(End::Closed),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let bytes = bytes.get(..len).unwrap_or_default();
        self.connection.receive(bytes, Instant::now())?;
        Ok(true)
    }

    /// Sends the last status and reads on until the peer closes: closing a socket with unread
    /// bytes would reset the connection and lose that status.
    async fn farewell(
        &mut self,
        end: &End,
        shutdown: &CancellationToken,
        evicted: &CancellationToken,
    ) {
        let told = match end {
            End::Revoked(reason) => self.connection.revoke(*reason),
            End::ShuttingDown => self.connection.shut_down(),
            End::Rejected(_) | End::Refused(_) | End::Unpublished => Ok(()),
            End::GateOverdue => Ok(()),
            _ => return,
        };
        if told.is_err() {
            return;
        }
        // Sends without waiting: when the daemon stops, there is no time to wait.
        let _ = self.socket.try_write(self.connection.output()).map(|sent| {
            let _ = self.connection.output().split_to(sent);
        });
        let linger_time_max = self.limits.linger_time_max;
        let last_words = async {
            self.flush().await?;
            // A publisher that stopped closes the connection itself; GStreamer reports an
            // error when the server closes it first.
            if !matches!(end, End::Unpublished) {
                self.socket.shutdown().await?;
            }
            loop {
                self.fill().await?;
            }
        };
        let last_words: Result<Result<std::convert::Infallible, End>, _> = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = evicted.cancelled() => return,
            result = timeout(linger_time_max, last_words) => result,
        };
        debug!(in_time = last_words.is_ok(), "connection closed");
    }
}
