//! One session: its presentation, the texts rendered of it, and those who wait for more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::address::File;
use super::answer::{Age, Document, Missing, Object, Text};
use super::demand::RungDemand;
use super::limits::Limits;
use super::manifest::Manifest;
use super::spec::SessionSpec;
use crate::model::hls::{Lookup, Packaging, Pathway, Presentation, Readiness, Reload, Timing};
use crate::model::ladder::cuts::Cut;

/// How long a shared cache keeps the answer that ends a segment: the shortest time that it understands.
const CROWD: Duration = Duration::from_secs(1);

/// What a reader finds; with `None` it waits for the next change.
pub(super) type Found<T> = Option<Result<T, Missing>>;

#[derive(Debug)]
pub(super) struct Session {
    name: String,
    window: Duration,
    three_targets: Duration,
    state: Mutex<State>,
    /// Tells readers that the playlist has changed: one channel per rendition.
    edges: Vec<watch::Sender<()>>,
    /// The rung of each rendition; audio has none.
    rungs: Vec<Option<usize>>,
    demand: Arc<RungDemand>,
    bytes: AtomicU64,
    /// Bytes of all sessions of the origin.
    bytes_of_all: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) media: Presentation,
    /// The playlists as text, by rendition.
    rendered: Vec<Rendered>,
    /// The same of the I-frame playlists.
    pub(super) iframes: Vec<Rendered>,
    /// Those of CMAF and MPEG-TS, without pathways and with them.
    masters: [[Rendered; 2]; 2],
    manifest: Manifest,
    pub(super) storyboard: Rendered,
    ended: Option<Instant>,
}

/// A playlist's texts of one version, kept because thousands of viewers ask for the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Rendered {
    version: u64,
    full: Option<Arc<Text>>,
    delta: Option<Arc<Text>>,
}

impl Rendered {
    pub(super) fn slot(&mut self, version: u64, skip: bool) -> &mut Option<Arc<Text>> {
        if self.version != version {
            *self = Self {
                version,
                ..Self::default()
            };
        }
        if skip {
            &mut self.delta
        } else {
            &mut self.full
        }
    }
}

impl Session {
    pub(super) fn new(
        name: String,
        spec: SessionSpec,
        limits: &Limits,
        bytes_of_all: Arc<AtomicU64>,
    ) -> Self {
        let demand = Arc::new(RungDemand::new(spec.plan.video.len()));
        let timing = Timing::new(&spec.plan, spec.segment, spec.part_target, limits.hold_back);
        let media = Presentation::new(spec.plan, timing, spec.ts);
        let renditions = media.rendition_count();
        let rungs = (0..renditions).map(|n| media.rung(n)).collect();
        Self {
            name,
            window: limits.window,
            three_targets: timing.three_targets(),
            state: Mutex::new(State {
                media,
                rendered: vec![Rendered::default(); renditions],
                iframes: vec![Rendered::default(); renditions],
                masters: Default::default(),
                manifest: Manifest::default(),
                storyboard: Rendered::default(),
                ended: None,
            }),
            edges: std::iter::repeat_with(|| watch::Sender::new(()))
                .take(renditions)
                .collect(),
            rungs,
            demand,
            bytes: AtomicU64::new(0),
            bytes_of_all,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How long a request may block: "A Server that cannot provide the requested Playlist after
    /// blocking for more than three Target Durations SHOULD return Service Unavailable, such as
    /// HTTP 503" (RFC 8216bis section 6.2.5.2).
    pub(super) fn wait_max(&self) -> Duration {
        self.three_targets
    }

    /// Bytes held, without a lock.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Somebody asks for a rendition's media.
    pub(super) fn ask(&self, rendition: usize) {
        if let Some(Some(rung)) = self.rungs.get(rendition) {
            self.demand.ask(*rung);
        }
    }

    /// The requests for its rungs.
    pub(super) fn demand(&self) -> &Arc<RungDemand> {
        &self.demand
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the presentation without waking anybody: see [`Session::wake`].
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Presentation) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.media);
        self.count(state.media.bytes());
        result
    }

    /// Counts the bytes held now, here and in the sum of all sessions.
    fn count(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        // Wraps where it has become less, which is the same as to subtract.
        let more = bytes.wrapping_sub(before);
        self.bytes_of_all.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes a cut, which changes no playlist by itself.
    pub(super) fn cut(&self, cut: &Cut) {
        self.lock().media.cut(cut);
    }

    /// Wakes those who wait for a change of the rendition.
    pub(super) fn wake(&self, rendition: usize) {
        if let Some(edge) = self.edges.get(rendition) {
            edge.send_replace(());
        }
    }

    /// Wakes all who wait.
    pub(super) fn wake_all(&self) {
        for edge in &self.edges {
            edge.send_replace(());
        }
    }

    /// When the playlists ended.
    pub(super) fn ended(&self) -> Option<Instant> {
        self.lock().ended
    }

    /// Ends the playlists; false when they had ended before.
    pub(super) fn end(&self) -> bool {
        let first = {
            let mut state = self.lock();
            state.media.end();
            let first = state.ended.is_none();
            state.ended.get_or_insert_with(Instant::now);
            first
        };
        self.wake_all();
        first
    }

    /// The session can be played in this packaging.
    pub(super) fn playable(&self, packaging: Packaging) -> bool {
        self.lock().media.playable(packaging)
    }

    /// How often a segment exceeded the `BANDWIDTH` of a multivariant playlist already rendered.
    pub(super) fn bandwidth_raised(&self) -> u64 {
        self.lock().media.bandwidth_raised()
    }

    /// The session is playable in this packaging, or may still become so.
    pub(super) fn promises(&self, packaging: Packaging) -> bool {
        let state = self.lock();
        state.ended.is_none() && state.media.has(packaging)
    }

    /// The time of its playlists is over. They stay for `window` after the session's end.
    pub(super) fn expired(&self, now: Instant) -> bool {
        let ended = self.lock().ended;
        ended.is_some_and(|ended| now.duration_since(ended) >= self.window)
    }

    /// The time of its segments is over, too: the server "MUST ensure that all Media Segments in
    /// the Playlist file remain available to clients for at least the duration of the Playlist
    /// file at the time of removal" (RFC 8216bis section 6.2.1).
    pub(super) fn over(&self, now: Instant) -> bool {
        let state = self.lock();
        let stays = self.window.saturating_add(state.media.longest());
        let ended = state.ended;
        ended.is_some_and(|ended| now.duration_since(ended) >= stays)
    }

    /// A rendition's number, by its name, and the channel that announces its changes.
    pub(super) fn watch(
        &self,
        rendition: &str,
        packaging: Packaging,
    ) -> Option<(usize, watch::Receiver<()>)> {
        let index = self.lock().media.find(rendition, packaging)?;
        let edge = self.edges.get(index)?.subscribe();
        Some((index, edge))
    }

    pub(super) fn master(&self, packaging: Packaging, pathways: &[Pathway]) -> Option<Document> {
        let mut guard = self.lock();
        let State { media, masters, .. } = &mut *guard;
        let [cmaf, ts] = masters;
        let [plain, steered] = match packaging {
            Packaging::Cmaf => cmaf,
            Packaging::Ts => ts,
        };
        let (slot, kind) = match pathways {
            [] => (plain, 'm'),
            _ => (steered, 'p'),
        };
        // A codec, a bit rate or the pathways may have changed; comparing the texts is the simplest way to
        // know.
        let text = media.master(packaging, &self.name, pathways)?;
        let known = slot
            .full
            .take()
            .filter(|known| known.body == text.as_bytes());
        let text = known.unwrap_or_else(|| {
            slot.version = slot.version.saturating_add(1);
            Text::new(text, format!("\"{}-{kind}{}\"", self.name, slot.version))
        });
        slot.full = Some(text.clone());
        let max_age = Age::everywhere(media.timing().target() / 2);
        Some(Document { text, max_age })
    }

    /// The DASH manifest.
    pub(super) fn manifest(&self) -> Option<Document> {
        let mut guard = self.lock();
        let State {
            media, manifest, ..
        } = &mut *guard;
        let text = manifest.text(media, &self.name)?;
        let max_age = Age::everywhere(media.timing().target() / 2);
        Some(Document { text, max_age })
    }

    pub(super) fn playlist(&self, rendition: usize, reload: Reload) -> Found<Document> {
        if self.expired(Instant::now()) {
            return Some(Err(Missing::Gone));
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        match state.media.readiness(rendition, reload) {
            Readiness::Wait => return None,
            Readiness::Refused(why) => return Some(Err(Missing::BadRequest(why))),
            Readiness::Ready => {}
        }
        let (version, skip) = (state.media.version(rendition), reload.skip);
        let slot = state.rendered.get_mut(rendition)?.slot(version, skip);
        let text = match slot {
            Some(text) => text.clone(),
            None => {
                let Some(text) = state.media.playlist(rendition, skip) else {
                    return Some(Err(Missing::NotFound));
                };
                let delta = if skip { "d" } else { "" };
                let etag = format!("\"{}-{rendition}-{version}{delta}\"", self.name);
                slot.insert(Text::new(text, etag)).clone()
            }
        };
        let max_age = playlist_max_age(&state.media, rendition, reload);
        Some(Ok(Document { text, max_age }))
    }

    pub(super) fn object(&self, rendition: usize, file: File) -> Found<Object> {
        let state = self.lock();
        let (window, audio) = state.media.window(rendition)?;
        let content_type = match (file, audio) {
            (File::Ts(_), _) => "video/mp2t",
            (_, true) => "audio/mp4",
            (_, false) => "video/mp4",
        };
        let chunks = match file {
            File::Init(number) => match window.find_init(number) {
                Lookup::Found(init) => Lookup::Found(vec![init.data.clone()]),
                Lookup::Gone => Lookup::Gone,
                Lookup::Absent => Lookup::Absent,
            },
            // An open segment is "a resource that it cannot find and that is not specified by an
            // EXT-X-PRELOAD-HINT tag": "The server SHOULD respond with 'Not Found'" (section
            // 6.2.6). So is a gap.
            File::Segment(msn) | File::Ts(msn) => match window.find(msn) {
                Lookup::Found(s) if s.closed() && !s.gap() => Lookup::Found(s.chunks()),
                Lookup::Gone => Lookup::Gone,
                Lookup::Found(_) | Lookup::Absent => Lookup::Absent,
            },
            File::Part(msn, part) => match window.find(msn) {
                Lookup::Found(segment) => match segment.part(part) {
                    Some(data) => Lookup::Found(vec![data]),
                    None => Lookup::Absent,
                },
                Lookup::Gone => Lookup::Gone,
                Lookup::Absent => Lookup::Absent,
            },
        };
        match chunks {
            Lookup::Found(chunks) => Some(Ok(Object {
                bytes: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
                chunks,
                content_type,
            })),
            Lookup::Gone => Some(Err(Missing::Gone)),
            Lookup::Absent => match (file, state.media.hint(rendition)) {
                // "The server will hold onto the request ('block') until it can respond" (section
                // 4.4.5.3). It stops waiting when the hint moves on without the part.
                (File::Part(msn, part), Some(hint)) if hint == (msn, part) => None,
                _ => Some(Err(Missing::NotFound)),
            },
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.count(0);
    }
}

/// How long a cache may keep a playlist (appendix B). The answer to a blocking reload that ends with
/// what was asked for is what everybody gets who asks for it: six target durations. A player that
/// asks for something older wants what has come since, so a cache must check such an answer before
/// each use. Any other playlist is stale within half a target duration.
///
/// The answer that ends a segment is in between: one player repeats its request (see
/// [`Presentation::ends_segment_as_asked`]), yet everybody else who waited gets the same. So a viewer's
/// own cache must not keep it, and one that is shared keeps it just long enough for a crowd.
fn playlist_max_age(media: &Presentation, rendition: usize, reload: Reload) -> Age {
    match reload.msn {
        Some(_) if media.ends_as_asked(rendition, reload) => {
            Age::everywhere(media.timing().skip_boundary())
        }
        Some(_) if media.ends_segment_as_asked(rendition, reload) => Age {
            own: Duration::ZERO,
            shared: CROWD,
        },
        Some(_) => Age::everywhere(Duration::ZERO),
        None => Age::everywhere(media.timing().target() / 2),
    }
}
