//! The end of the origin that a session writes to.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::demand::RungDemand;
use super::session::Session;
use super::spec::SessionSpec;
use super::streams::{Origin, Stream};
use crate::model::hls::{Packaging, Part, Refused, TrackId, TsSegment};
use crate::model::ladder::cuts::Cut;

impl Origin {
    /// Opens a new session under addresses that were never used before. The stream's previous
    /// session keeps its addresses for [`Limits::window`](super::Limits::window) after its end.
    pub fn open(&self, stream: &str, spec: SessionSpec) -> SessionWriter {
        self.purge();
        let limits = self.shared.limits;
        let (name, bytes_of_all) = (self.session_name(), self.shared.bytes.clone());
        let session = Arc::new(Session::new(name, spec, &limits, bytes_of_all));
        tracing::info!(stream, session = session.name(), "session opened");
        let mut streams = self.streams_mut();
        let entry = streams.entry(stream.to_owned()).or_insert_with(Stream::new);
        entry.expected = false;
        entry.sessions.push(Arc::clone(&session));
        entry.changed.send_replace(());
        drop(streams);
        SessionWriter::new(self.clone(), stream.to_owned(), session)
    }
}

/// The writing end of one session, owned by the stream's task. Dropping it ends the session.
#[derive(Debug)]
pub struct SessionWriter {
    origin: Origin,
    stream: String,
    session: Arc<Session>,
    /// Those who wait for the multivariant playlist know that the session is playable, in CMAF
    /// and in MPEG-TS.
    announced: (bool, bool),
    /// Parts and segments that were dropped since the last one that was taken.
    dropped: u64,
    bandwidth_raised: u64,
}

impl SessionWriter {
    pub(super) fn new(origin: Origin, stream: String, session: Arc<Session>) -> Self {
        Self {
            origin,
            stream,
            session,
            announced: (false, false),
            dropped: 0,
            bandwidth_raised: 0,
        }
    }

    /// The requests for its rungs.
    pub fn demand(&self) -> Arc<RungDemand> {
        self.session.demand().clone()
    }

    /// Takes a cut: the rungs that are not awake show another one from its segment on.
    pub fn cut(&self, cut: &Cut) {
        self.session.cut(cut);
    }

    /// Takes a rendition's initialization section; a later one holds from its next segment on.
    pub fn init(&mut self, track: TrackId, codec: &str, data: Bytes) {
        let taken = self.session.change(|media| media.init(track, codec, data));
        if let Err(reason) = taken {
            tracing::warn!(stream = self.stream, ?track, %reason, "init section dropped");
        }
    }

    /// Appends a part; false when it is not the next one of its rendition, in which case it is
    /// dropped and logged.
    pub fn part(&mut self, part: Part) -> bool {
        let (track, msn, index, closes) = (part.track, part.msn, part.index, part.last);
        let window = self.origin.shared.limits.window;
        let (stream, date_ms) = (self.stream.as_str(), part.date_ns / 1_000_000);
        tracing::trace!(stream, ?track, msn, part = index, date_ms, "part received");
        let taken = self.session.change(|media| {
            let taken = media.part(&part);
            if closes {
                media.slide(window);
            }
            taken
        });
        self.appended(taken, track, (msn, index), closes)
    }

    /// Appends an MPEG-TS segment; false when it is not the next one of its rendition, in which
    /// case it is dropped and logged.
    pub fn ts_segment(&mut self, segment: TsSegment) -> bool {
        let (track, msn) = (TrackId::Video(segment.video), segment.msn);
        let window = self.origin.shared.limits.window;
        let taken = self.session.change(|media| {
            let taken = media.ts_segment(segment);
            media.slide(window);
            taken
        });
        self.appended(taken, track, (msn, 0), true)
    }

    fn appended(
        &mut self,
        taken: Result<Vec<usize>, Refused>,
        track: TrackId,
        (msn, part): (u64, u32),
        closes: bool,
    ) -> bool {
        match taken {
            Ok(renditions) => {
                self.dropped = 0;
                for rendition in renditions {
                    self.session.wake(rendition);
                }
            }
            Err(reason) => {
                self.dropped = self.dropped.saturating_add(1);
                // One line per run of dropped media: nothing that follows a gap is taken either.
                if self.dropped == 1 {
                    let stream = self.stream.as_str();
                    tracing::warn!(stream, ?track, msn, part, %reason, "media dropped");
                }
                return false;
            }
        }
        if closes {
            self.announce();
            self.warn_of_bandwidth();
        }
        self.origin.relieve();
        true
    }

    fn announce(&mut self) {
        let before = self.announced;
        self.announced.0 |= self.session.playable(Packaging::Cmaf);
        self.announced.1 |= self.session.playable(Packaging::Ts);
        if self.announced != before {
            self.origin.stream_changed(&self.stream);
        }
    }

    fn warn_of_bandwidth(&mut self) {
        let raised = self.session.bandwidth_raised();
        if raised > self.bandwidth_raised {
            self.bandwidth_raised = raised;
            tracing::warn!(
                stream = self.stream,
                "a segment exceeded the BANDWIDTH of its variant; the multivariant playlist now \
                 says more"
            );
        }
    }

    /// Replaces the thumbnail, and adds it to the storyboard if that needs a picture of its time.
    /// `date_ns` is the date of its frame, in nanoseconds since the Unix epoch.
    pub fn thumbnail(&mut self, date_ns: u64, jpeg: Bytes) {
        let (now, window) = (SystemTime::now(), self.origin.shared.limits.window);
        let picture = jpeg.clone();
        if self
            .session
            .change(|media| media.picture(date_ns, picture, window))
        {
            self.origin.relieve();
        }
        if let Some(stream) = self.origin.streams_mut().get_mut(&self.stream) {
            stream.thumbnail = Some((jpeg, now));
        }
    }

    /// The worker was lost: closes every open segment with the parts it has and gives each
    /// rendition an `EXT-X-GAP` segment for every segment that it lacks.
    ///
    /// Returns the media sequence number at which all renditions go on, after a discontinuity.
    /// Each rendition's next part must be the first of that segment.
    pub fn interrupt(&mut self) -> u64 {
        let next = self.session.change(|media| media.interrupt());
        self.session.wake_all();
        self.announce();
        next
    }

    /// Every CMAF rendition has a complete segment. The MPEG-TS set may follow later: its
    /// multivariant playlist waits for it.
    pub fn playable(&self) -> bool {
        self.session.playable(Packaging::Cmaf)
    }

    /// Ends the playlists with `EXT-X-ENDLIST`.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for SessionWriter {
    /// Viewers must learn of the end, however the stream's task ends.
    fn drop(&mut self) {
        if self.session.end() {
            let session = self.session.name();
            tracing::info!(stream = self.stream, session, "session ended");
        }
        self.origin.stream_changed(&self.stream);
    }
}
