//! The task of one connection: finds out the client, secures the connection, asks the gate, and lets
//! media through.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use super::command::PublishTarget;
use super::connection::NO_ROOM;
use super::counters::Counters;
use super::end::{End, REJECTED_NEXT};
use super::limits::Limits;
use super::link::{Link, Socket};
use super::pool::{Pool, Stranger};
use super::refusals::RefusalLog;
use crate::daemon::ingest::{Gate, Lease, MediaEvent, NO_ROOM_NEXT, PublishRequest, Refusal};
use crate::daemon::net::{Incoming, Open, Proxies};
use crate::daemon::tls::Acceptor;

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
    incoming: Incoming,
    mut stranger: Stranger,
    shared: Arc<Shared<G>>,
    shutdown: CancellationToken,
) {
    let _open = Open::count(&shared.counters.connections);
    let Incoming {
        mut stream,
        peer,
        tls,
    } = incoming;
    let evicted = stranger.evicted().clone();
    let client = tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(End::ShuttingDown),
        () = evicted.cancelled() => Err(End::Evicted),
        client = client(&mut stream, peer, &shared) => client,
    };
    let client = match client {
        Ok(client) => client,
        Err(end) => return log_stranger(&end, peer, &shared),
    };
    if client != peer {
        let evicted_other = stranger.speaks_for(client.ip());
        shared.counters.evicted.inc_by(evicted_other.into());
    }
    let visit = Visit {
        peer: client,
        protocol: if tls.is_some() { "rtmps" } else { "rtmp" },
        shared: &shared,
        shutdown: &shutdown,
    };
    match tls {
        None => visit.serve(stream, stranger).await,
        Some(tls) => visit.secure(stream, &tls, stranger).await,
    }
}

/// A connection whose client is known.
struct Visit<'a, G> {
    peer: SocketAddr,
    protocol: &'static str,
    shared: &'a Shared<G>,
    shutdown: &'a CancellationToken,
}

impl<G: Gate> Visit<'_, G> {
    /// Speaks RTMP over TLS on `socket` until it ends.
    async fn secure(self, socket: TcpStream, tls: &Acceptor, mut stranger: Stranger) {
        let (peer, shared) = (self.peer, self.shared);
        let evicted = stranger.evicted().clone();
        let secured = timeout(shared.limits.handshake_time_max, tls.accept(socket));
        let secured = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(End::ShuttingDown),
            () = evicted.cancelled() => Err(End::Evicted),
            secured = secured => match secured {
                Ok(Ok(Some(socket))) => Ok(socket),
                // Authorities are answered on the HTTP port alone.
                Ok(Ok(None)) => Err(End::NotSecured(ErrorKind::ConnectionAborted.into())),
                Ok(Err(error)) => Err(End::NotSecured(error)),
                Err(_) => Err(End::HandshakeOverdue),
            },
        };
        match secured {
            Ok(socket) => {
                stranger.progressed();
                self.serve(socket, stranger).await;
            }
            Err(end) => log_stranger(&end, peer, shared),
        }
    }

    /// Speaks RTMP on `socket` until it ends.
    async fn serve(self, socket: impl Socket, mut stranger: Stranger) {
        let Self {
            peer,
            protocol,
            shared,
            shutdown,
        } = self;
        let evicted = stranger.evicted().clone();
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
                    shared,
                    shutdown,
                    stream: target.stream.clone(),
                    peer,
                    protocol,
                };
                publication.run(&mut link, target, &mut stranger).await
            }
            Err(end) => {
                log_stranger(&end, peer, shared);
                end
            }
        };
        link.farewell(&end, shutdown, &evicted).await;
    }
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
        End::NotSecured(_) | End::HandshakeOverdue => {
            shared.counters.refused.inc();
            if shared.refusals.admits(Instant::now()) {
                warn!(%peer, cause = %end, next = "if this is a publisher, let it use rtmps:// at \
                     this port, or rtmp:// at the port of [server] rtmp", "connection refused");
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
    protocol: &'static str,
}

impl<G: Gate> Publication<'_, G> {
    /// Asks the gate; forwards the publisher's media until the connection or the lease ends.
    async fn run(
        &self,
        link: &mut Link<impl Socket>,
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
            protocol: self.protocol,
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
    fn refuse(&self, link: &mut Link<impl Socket>, end: End) -> End {
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
