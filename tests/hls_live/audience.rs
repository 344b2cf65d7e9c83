//! Viewers, who fetch every playlist again and again and judge what they get.

use std::time::Duration;

use futures_util::FutureExt;
use weir::daemon::origin::{Origin, Packaging, Reload};

use super::STREAM;
use super::iframes;
use super::llhls::{Checker, Fetch, Kind, Rendition, Violation, cross, master, pace};
use super::promises::Promises;

/// Who watches one rendition.
pub struct Seat {
    /// URI of its playlist.
    pub uri: String,
    pub kind: Kind,
    pub checker: Checker,
    promises: Promises,
    /// When the files were fetched that the playlist names.
    promised: Option<Duration>,
}

impl Seat {
    fn new(uri: String, kind: Kind) -> Self {
        Self {
            uri,
            kind,
            checker: Checker::new(),
            promises: Promises::default(),
            promised: None,
        }
    }

    /// Name of the rendition in addresses.
    pub fn rendition(&self) -> String {
        self.uri.split('/').nth(1).unwrap().to_owned()
    }
}

/// Viewers of all renditions; judges everything they get.
pub struct Audience {
    origin: Origin,
    pub session: String,
    /// One for every rendition.
    pub seats: Vec<Seat>,
    fetches: u32,
}

impl Audience {
    /// Starts to watch; the session must be playable.
    pub async fn new(origin: &Origin) -> Self {
        let mut seats = Vec::new();
        let mut session = String::new();
        for packaging in [Packaging::Cmaf, Packaging::Ts] {
            let document = origin.master(STREAM, packaging, Duration::ZERO).await;
            let text = String::from_utf8(document.unwrap().text.body.to_vec()).unwrap();
            let (listed, violations) = master(&text);
            assert_eq!(violations, [], "{text}");
            let video = match packaging {
                Packaging::Cmaf => Kind::Video,
                Packaging::Ts => Kind::Ts,
            };
            let videos = listed.variants.into_iter().map(|uri| (uri, video));
            let audio = listed.audio.into_iter().map(|uri| (uri, Kind::Audio));
            for (uri, kind) in videos.chain(audio) {
                session = uri.split('/').next().unwrap().to_owned();
                seats.push(Seat::new(uri, kind));
            }
        }
        Self {
            origin: origin.clone(),
            session,
            seats,
            fetches: 0,
        }
    }

    /// Fetches and judges every playlist. Every other fetch asks for a delta update. Once at each time,
    /// what a playlist names is fetched, too.
    pub async fn look(&mut self, now: Duration) {
        self.fetches += 1;
        for seat in &mut self.seats {
            let reload = Reload {
                skip: self.fetches.is_multiple_of(2),
                ..Reload::default()
            };
            let viewer = (&self.origin, self.session.as_str());
            let text = fetch(viewer, seat, reload).await;
            // The checker needs times that rise, also for fetches at the same moment of the stream.
            let at = Fetch::at(now + Duration::from_nanos(self.fetches.into()));
            let violations = seat.checker.observe(&text, at);
            assert_eq!(violations, [], "{}\n{text}", seat.uri);
            if seat.promised.replace(now) == Some(now) {
                continue;
            }
            let whole = fetch(viewer, seat, Reload::default()).await;
            let rendition = seat.rendition();
            if seat.kind == Kind::Video {
                let reload = Reload::default();
                let (origin, session) = viewer;
                let document = origin.iframes(STREAM, session, &rendition, reload).await;
                let text = String::from_utf8(document.unwrap().text.body.to_vec()).unwrap();
                iframes::judge(&text, &whole);
            }
            for file in seat.promises.take(&whole, now) {
                let object = self.origin.object(STREAM, &self.session, &rendition, &file);
                let object = object.now_or_never();
                let there = object.is_some_and(|object| object.is_ok());
                assert!(there, "{rendition}/{file} is not there at {now:?}\n{whole}");
            }
        }
    }

    fn judge(&self, judge: impl Fn(&[Rendition<'_>]) -> Vec<Violation>) {
        let seats = self.seats.iter();
        let renditions: Vec<Rendition<'_>> = seats
            .map(|seat| Rendition {
                uri: &seat.uri,
                kind: seat.kind,
                checker: &seat.checker,
            })
            .collect();
        assert_eq!(judge(&renditions), []);
    }

    pub fn compare(&self) {
        self.judge(cross);
    }

    /// Judges a stream whose worker was never lost.
    pub fn judge_pace(&self) {
        self.judge(|renditions| pace(renditions, Duration::ZERO));
    }
}

async fn fetch((origin, session): (&Origin, &str), seat: &Seat, reload: Reload) -> String {
    let packaging = match seat.kind {
        Kind::Ts => Packaging::Ts,
        Kind::Video | Kind::Audio => Packaging::Cmaf,
    };
    let rendition = seat.rendition();
    let document = origin
        .playlist(STREAM, session, &rendition, packaging, reload)
        .await;
    String::from_utf8(document.unwrap().text.body.to_vec()).unwrap()
}
