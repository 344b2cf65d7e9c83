//! A viewer, which follows the playlists of a stream and downloads its media.

use std::thread;
use std::time::Duration;

use url::Url;

use super::daemon::Daemon;
use super::http::{Answer, Client};
use super::playlist::{MediaPlaylist, Multivariant, Segment};
use super::wait_for;

/// Longest time from the start of publishing to the first playlist: the daemon itself waits 10 s.
const FIRST_PLAYLIST: Duration = Duration::from_secs(30);

/// A viewer of one stream.
#[derive(Debug, Clone)]
pub struct Viewer {
    client: Client,
    master_url: Url,
    /// Multivariant playlist from the time when the viewer opened the stream.
    pub master: Multivariant,
}

impl Viewer {
    /// Opens the CMAF set of `stream`; waits until it can be played.
    pub fn open(daemon: &Daemon, stream: &str) -> Self {
        Self::open_at(daemon, &format!("/live/{stream}/master.m3u8"))
    }

    /// Opens the MPEG-TS set of `stream`; waits until it can be played.
    pub fn open_ts(daemon: &Daemon, stream: &str) -> Self {
        Self::open_at(daemon, &format!("/live/{stream}/ts.m3u8"))
    }

    fn open_at(daemon: &Daemon, path: &str) -> Self {
        let client = Client::new();
        let answer = wait_for(path, FIRST_PLAYLIST, || {
            let answer = client.get(&daemon.url(path)).expect("an answer");
            match answer.status {
                200 => Some(answer),
                // Not published yet, or not playable yet: players meet these answers too.
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

    /// Absolute address of `uri` in the playlist at `base`.
    fn resolve(base: &Url, uri: &str) -> Url {
        base.join(uri)
            .unwrap_or_else(|error| panic!("{uri}: {error}"))
    }

    /// Absolute address of a media playlist that the multivariant playlist lists.
    pub fn playlist_url(&self, uri: &str) -> Url {
        Self::resolve(&self.master_url, uri)
    }

    /// Sends `GET`; returns any answer.
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

    /// Fetches the media playlist `uri`.
    pub fn playlist(&self, uri: &str) -> MediaPlaylist {
        MediaPlaylist::parse(&self.fetch_ok(&self.playlist_url(uri)).text())
    }

    /// Waits until the media playlist `uri` lists segment `msn`, and returns it.
    pub fn playlist_with(&self, uri: &str, msn: u64, limit: Duration) -> MediaPlaylist {
        wait_for(&format!("segment {msn} of {uri}"), limit, || {
            let playlist = self.playlist(uri);
            (playlist.last_msn() >= msn).then_some(playlist)
        })
    }

    /// Waits until the media playlist `uri` has ended, and returns it.
    pub fn ended_playlist(&self, uri: &str, limit: Duration) -> MediaPlaylist {
        wait_for(&format!("the end of {uri}"), limit, || {
            let playlist = self.playlist(uri);
            playlist.ended.then_some(playlist)
        })
    }

    /// Downloads the given segments of the media playlist `uri`, and the init section before them
    /// if there is one.
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

    /// Fetches all media playlists at the same time; waits until each lists segment `msn`.
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
