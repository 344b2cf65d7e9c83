//! The end of the origin that HTTP reads from.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::address::File;
use super::answer::{Document, Missing, Object};
use super::session::{Found, Session};
use super::streams::Origin;
use crate::model::hls::{Packaging, Pathway, Reload};

/// What the windows hold, for metrics.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// Bytes in all windows.
    pub bytes: u64,
    /// Bytes by stream.
    pub streams: Vec<(String, u64)>,
}

/// What lists the renditions of the newest session.
#[derive(Debug, Clone, Copy)]
enum Index<'a> {
    /// The multivariant playlist, with all media on each of the pathways.
    Master(Packaging, &'a [Pathway]),
    Manifest,
}

impl Index<'_> {
    fn packaging(self) -> Packaging {
        match self {
            Self::Master(packaging, _) => packaging,
            Self::Manifest => Packaging::Cmaf,
        }
    }

    fn of(self, session: &Session) -> Option<Document> {
        match self {
            Self::Master(packaging, pathways) => session.master(packaging, pathways),
            Self::Manifest => session.manifest(),
        }
    }
}

/// What a request for a list of renditions finds.
enum Offer {
    Ready(Document),
    /// A session is being made.
    Wait(watch::Receiver<()>),
    Nothing,
}

impl Origin {
    /// The multivariant playlist of the stream's newest session. Waits up to `wait` while the
    /// stream is expected but not yet playable.
    ///
    /// # Errors
    /// [`Missing::NotFound`] without a session, [`Missing::NotReady`] after `wait`.
    pub async fn master(
        &self,
        stream: &str,
        packaging: Packaging,
        wait: Duration,
    ) -> Result<Document, Missing> {
        self.steered_master(stream, packaging, &[], wait).await
    }

    /// The same, with all media on each of these pathways.
    ///
    /// # Errors
    /// Likewise.
    pub async fn steered_master(
        &self,
        stream: &str,
        packaging: Packaging,
        pathways: &[Pathway],
        wait: Duration,
    ) -> Result<Document, Missing> {
        let index = Index::Master(packaging, pathways);
        self.index(stream, index, wait).await
    }

    /// The DASH manifest of the stream's newest session, with the waits and errors of
    /// [`master`](Self::master).
    ///
    /// # Errors
    /// As [`master`](Self::master).
    pub async fn manifest(&self, stream: &str, wait: Duration) -> Result<Document, Missing> {
        self.index(stream, Index::Manifest, wait).await
    }

    async fn index(
        &self,
        stream: &str,
        index: Index<'_>,
        wait: Duration,
    ) -> Result<Document, Missing> {
        let deadline = Instant::now() + wait;
        loop {
            let mut changed = match self.offer(stream, index) {
                Offer::Ready(document) => return Ok(document),
                Offer::Wait(changed) => changed,
                Offer::Nothing => return Err(Missing::NotFound),
            };
            // The channel closes when the stream is forgotten; the next look finds that out.
            if timeout_at(deadline, changed.changed()).await.is_err() {
                return Err(Missing::NotReady);
            }
        }
    }

    /// What there is now: the newest session if it is live. An ended one is offered only when no
    /// other is on its way.
    fn offer(&self, stream: &str, index: Index<'_>) -> Offer {
        let (changed, expected, sessions) = {
            let streams = self.streams();
            let Some(stream) = streams.get(stream) else {
                return Offer::Nothing;
            };
            // Subscribing before looking means that no change is missed.
            let changed = stream.changed.subscribe();
            (changed, stream.expected, stream.sessions.clone())
        };
        let now = Instant::now();
        let live = sessions.last().filter(|s| s.promises(index.packaging()));
        if let Some(document) = live.and_then(|session| index.of(session)) {
            return Offer::Ready(document);
        }
        if expected || live.is_some() {
            return Offer::Wait(changed);
        }
        let kept = sessions.iter().rev().filter(|s| !s.expired(now));
        match kept.filter_map(|session| index.of(session)).next() {
            Some(document) => Offer::Ready(document),
            None => Offer::Nothing,
        }
    }

    /// Whether the stream has, or had until lately, a session of this name.
    pub fn has_session(&self, stream: &str, session: &str) -> bool {
        self.session(stream, session).is_ok()
    }

    /// A media playlist, `/live/STREAM/SESSION/RENDITION/FILE`. A blocking reload waits for up to
    /// three target durations.
    ///
    /// # Errors
    /// As [`Missing`] says.
    pub async fn playlist(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        packaging: Packaging,
        reload: Reload,
    ) -> Result<Document, Missing> {
        let session = self.session(stream, session)?;
        let look = |index| session.playlist(index, reload);
        let asks = reload.msn.is_some();
        wait_for(&session, rendition, packaging, |_| asks, look).await
    }

    /// An initialization section, a part or a segment by its file name. For the part that the
    /// playlist's `EXT-X-PRELOAD-HINT` announces it waits for up to three target durations.
    ///
    /// # Errors
    /// As [`Missing`] says.
    pub async fn object(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        file: &str,
    ) -> Result<Object, Missing> {
        let path = (stream, session, rendition);
        self.object_for(path, file, None).await
    }

    /// The same object for somebody who asks for these `bytes` of it alone: if they are the first picture
    /// of a segment, a rung that sleeps is not woken for them.
    ///
    /// # Errors
    /// As [`Missing`] says.
    pub async fn object_for(
        &self,
        (stream, session, rendition): (&str, &str, &str),
        file: &str,
        bytes: Option<Range<u64>>,
    ) -> Result<Object, Missing> {
        let session = self.session(stream, session)?;
        let file = File::parse(file).ok_or(Missing::NotFound)?;
        let packaging = match file {
            File::Ts(_) => Packaging::Ts,
            File::Init(_) | File::Segment(_) | File::Part(..) => Packaging::Cmaf,
        };
        let look = |index| session.object(index, file);
        let asks = |index| session.watches(index, file, bytes.as_ref());
        wait_for(&session, rendition, packaging, asks, look).await
    }

    /// The newest session whose time is not over.
    pub(super) fn newest(&self, stream: &str) -> Option<Arc<Session>> {
        let now = Instant::now();
        let streams = self.streams();
        let mut sessions = streams.get(stream)?.sessions.iter().rev();
        sessions.find(|session| !session.expired(now)).cloned()
    }

    pub(super) fn session(&self, stream: &str, session: &str) -> Result<Arc<Session>, Missing> {
        let streams = self.streams();
        let sessions = streams.get(stream).map(|stream| &stream.sessions);
        let mut sessions = sessions.into_iter().flatten();
        let found = sessions.find(|s| s.name() == session);
        found.map(Arc::clone).ok_or(Missing::NotFound)
    }

    /// The latest thumbnail, as JPEG, and when it came.
    pub fn thumbnail(&self, stream: &str) -> Option<(Bytes, SystemTime)> {
        self.streams().get(stream)?.thumbnail.clone()
    }

    /// What the windows hold, for metrics.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for (name, stream) in &*self.streams() {
            let bytes: u64 = stream.sessions.iter().map(|s| s.bytes()).sum();
            usage.bytes += bytes;
            usage.streams.push((name.clone(), bytes));
        }
        usage.streams.sort_unstable();
        usage
    }
}

/// Looks again at each change of the rendition until there is an answer or the time is up. Somebody
/// who `asks` for media, or for a playlist that will have it, watches the rendition.
pub(super) async fn wait_for<T>(
    session: &Session,
    rendition: &str,
    packaging: Packaging,
    asks: impl Fn(usize) -> bool,
    look: impl Fn(usize) -> Found<T>,
) -> Result<T, Missing> {
    // Watching before looking means that no change is missed.
    let (index, edge) = session
        .watch(rendition, packaging)
        .ok_or(Missing::NotFound)?;
    if asks(index) {
        session.ask(index);
    }
    match look(index) {
        Some(result) => result,
        // In a box, because most requests need not wait.
        None => Box::pin(changed(edge, session.wait_max(), || look(index))).await,
    }
}

/// Looks again at each change, until there is an answer or the time is up.
async fn changed<T>(
    mut edge: watch::Receiver<()>,
    wait_max: Duration,
    look: impl Fn() -> Found<T>,
) -> Result<T, Missing> {
    let deadline = Instant::now() + wait_max;
    // The channel cannot close here: the session holds its sending end.
    while timeout_at(deadline, edge.changed()).await.is_ok() {
        if let Some(result) = look() {
            return result;
        }
    }
    Err(Missing::NotReady)
}
