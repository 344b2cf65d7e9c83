//! A viewer: follows a stream's playlists and keeps what it downloads.

use std::thread;
use std::time::Duration;

use url::Url;

use super::daemon::Daemon;
use super::http::{Answer, Client};
use super::playlist::{MediaPlaylist, Multivariant, Segment};
use super::wait_for;

/// Longest a first playlist may take, from publishing on: the daemon's own 10 s and some.
const FIRST_PLAYLIST: Duration = Duration::from_secs(30);

/// A viewer of one stream.
#[derive(Debug, Clone)]
pub struct Viewer {
    client: Client,
    master_url: Url,
    /// The multivariant playlist it started with.
    pub master: Multivariant,
}

impl Viewer {
    /// Opens the CMAF set of `stream`, waiting until it can be played.
    pub fn open(daemon: &Daemon, stream: &str) -> Self {
        Self::open_at(daemon, &format!("/live/{stream}/master.m3u8"))
    }

    /// Opens the MPEG-TS set of `stream`, waiting until it can be played.
    pub fn open_ts(daemon: &Daemon, stream: &str) -> Self {
        Self::open_at(daemon, &format!("/live/{stream}/ts.m3u8"))
    }

    fn open_at(daemon: &Daemon, path: &str) -> Self {
        let client = Client::new();
        let answer = wait_for(path, FIRST_PLAYLIST, || {
            let answer = client.get(&daemon.url(path)).expect("an answer");
            match answer.status {
                200 => Some(answer),
                // Not published yet, or not playable yet: what a player meets, too.
                404 | 503 => None,
                status => panic!("{path}: {status} {}", answer.text()),
            }
        });
        Self {
            client,
            master_url: Url::parse(&daemon.url(path)).expect("an address"),
            master: Multivariant::parse(&answer.text()),
        }
    }

    /// Absolute address of `uri`, which is written in the playlist at `base`.
    fn resolve(base: &Url, uri: &str) -> Url {
        base.join(uri)
            .unwrap_or_else(|error| panic!("{uri}: {error}"))
    }

    /// Absolute address of a media playlist of the multivariant playlist.
    pub fn playlist_url(&self, uri: &str) -> Url {
        Self::resolve(&self.master_url, uri)
    }

    /// `GET`s an address, whatever the answer.
    pub fn fetch(&self, url: &Url) -> Answer {
        self.client
            .get(url.as_str())
            .unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    fn fetch_ok(&self, url: &Url) -> Answer {
        let answer = self.fetch(url);
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        answer
    }

    /// The media playlist `uri` as it is now.
    pub fn playlist(&self, uri: &str) -> MediaPlaylist {
        MediaPlaylist::parse(&self.fetch_ok(&self.playlist_url(uri)).text())
    }

    /// The media playlist `uri` once segment `msn` is in it; a blocking request where the server
    /// offers those.
    pub fn playlist_with(&self, uri: &str, msn: u64, limit: Duration) -> MediaPlaylist {
        wait_for(&format!("segment {msn} of {uri}"), limit, || {
            let playlist = self.playlist(uri);
            (playlist.last_msn() >= msn).then_some(playlist)
        })
    }

    /// The media playlist `uri` once it has ended.
    pub fn ended_playlist(&self, uri: &str, limit: Duration) -> MediaPlaylist {
        wait_for(&format!("the end of {uri}"), limit, || {
            let playlist = self.playlist(uri);
            playlist.ended.then_some(playlist)
        })
    }

    /// Init section, if any, and media of these segments of the media playlist `uri`.
    pub fn download<'a>(
        &self,
        uri: &str,
        segments: impl IntoIterator<Item = &'a Segment>,
    ) -> Vec<u8> {
        let base = self.playlist_url(uri);
        let mut media = Vec::new();
        for segment in segments {
            if let (true, Some(map)) = (media.is_empty(), &segment.map) {
                media = self.fetch_ok(&Self::resolve(&base, map)).body;
            }
            media.extend(self.fetch_ok(&Self::resolve(&base, &segment.uri)).body);
        }
        media
    }

    /// All media playlists at the same time, each once it has segment `msn`.
    pub fn all_with(&self, msn: u64, limit: Duration) -> Vec<(String, MediaPlaylist)> {
        thread::scope(|scope| {
            let follow = |uri: &str| {
                let (viewer, uri) = (self.clone(), uri.to_owned());
                scope.spawn(move || {
                    let playlist = viewer.playlist_with(&uri, msn, limit);
                    (uri, playlist)
                })
            };
            let all: Vec<_> = self.master.uris().into_iter().map(follow).collect();
            all.into_iter()
                .map(|one| one.join().expect("its playlist"))
                .collect()
        })
    }
}
