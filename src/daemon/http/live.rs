//! `/live/…`: playlists, manifests, media, thumbnails, storyboards.

use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, IF_RANGE, RANGE,
};
use http::{Response as HttpResponse, StatusCode};
use tokio::time::Instant;

use crate::daemon::origin::{Age, Document, Missing, Object, Packaging, Reload};
use crate::daemon::session::{Catalog, Demand};

use super::app::App;
use super::ask::Ask;
use super::caching::{self, Entity, IMMUTABLE};
use super::content::{Content, PLAYLIST, Response};
use super::errors::Problem;
use super::names::{Name, RenditionPath, Token};
use super::ranges::{self, Wanted};
use super::{reload, steering};

/// How long a request for a master waits for a stream that is starting.
const MASTER_WAIT_MAX: Duration = Duration::from_secs(10);
/// A thumbnail is replaced every few seconds.
const THUMBNAIL_AGE_MAX: Duration = Duration::from_secs(2);
/// MIME type of manifests (ISO/IEC 23009-1 annex C).
const DASH: HeaderValue = HeaderValue::from_static("application/dash+xml");
/// MIME type of storyboards (WebVTT section 9).
const WEBVTT: HeaderValue = HeaderValue::from_static("text/vtt; charset=utf-8");
/// Names of sound begin so, and those of rungs do not.
const AUDIO: &str = "audio-";

/// `/live/NAME/master.m3u8`, `/live/NAME/ts.m3u8`
pub(super) async fn master<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    name: &Name,
    packaging: Packaging,
) -> Result<Response, Problem> {
    demand(app, ask, name, packaging)?;
    let name = name.as_str();
    let edges = steering::edges_for(app, ask, name);
    let pathways = steering::pathways(&edges, name);
    let origin = &app.origin;
    let document = origin.steered_master(name, packaging, &pathways, MASTER_WAIT_MAX);
    let document = document.await?;
    match ask.pass().filter(|_| !edges.is_empty()) {
        Some(pass) => Ok(steering::with_pass(ask, &document, &pathways, name, pass)),
        None => Ok(text_response(ask, document, PLAYLIST)),
    }
}

/// `/live/NAME/manifest.mpd`
pub(super) async fn manifest<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    name: &Name,
) -> Result<Response, Problem> {
    demand(app, ask, name, Packaging::Cmaf)?;
    let wait = MASTER_WAIT_MAX;
    let document = app.origin.manifest(name.as_str(), wait).await?;
    Ok(text_response(ask, document, DASH))
}

/// Somebody asks for a stream, which starts it where it runs while it is watched.
fn demand<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    name: &Name,
    packaging: Packaging,
) -> Result<(), Problem> {
    match app.catalog.demand(name.as_str(), packaging, &ask.viewer()) {
        Demand::Unknown => Err(Problem::no_stream()),
        Demand::Nothing => Err(Problem::nothing_to_show()),
        Demand::Starting | Demand::Playable => Ok(()),
    }
}

/// `/live/NAME/SESSION/RENDITION/index.m3u8`, `/live/NAME/SESSION/RENDITION/ts.m3u8`
pub(super) async fn playlist<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    path: &RenditionPath,
    packaging: Packaging,
) -> Result<Response, Problem> {
    let reload = reload::parse(ask.query())?;
    let (stream, session, rendition) = path.parts();
    let rung = (!rendition.starts_with(AUDIO)).then_some(rendition);
    watch(app, ask, path, rung)?;
    let (origin, asked) = (&app.origin, Instant::now());
    let answer = origin
        .playlist(stream, session, rendition, packaging, reload)
        .await;
    waited(app, ask, reload, asked, answer)
}

/// `/live/NAME/SESSION/RENDITION/iframes.m3u8`. Who asks for it counts as a viewer, but of no rung.
pub(super) async fn iframes<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    path: &RenditionPath,
) -> Result<Response, Problem> {
    let reload = reload::parse(ask.query())?;
    let (stream, session, rendition) = path.parts();
    watch(app, ask, path, None)?;
    let (origin, asked) = (&app.origin, Instant::now());
    let answer = origin.iframes(stream, session, rendition, reload).await;
    waited(app, ask, reload, asked, answer)
}

/// Counts a viewer, of `rung` if there is one.
///
/// An address that names no session is nobody's who watches: it counts no viewer and keeps nothing awake.
/// The playlists of an ended session stay for the window, whatever the stream is doing now.
fn watch<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    path: &RenditionPath,
    rung: Option<&str>,
) -> Result<(), Problem> {
    let (stream, session, _) = path.parts();
    if !app.origin.has_session(stream, session) {
        return Err(Missing::NotFound.into());
    }
    match app.catalog.watching(stream, &ask.viewer(), rung) {
        true => Ok(()),
        false => Err(Problem::no_stream()),
    }
}

/// The answer to whoever `asked` then for a playlist; measures how long a blocking reload took.
fn waited<C>(
    app: &App<C>,
    ask: &Ask,
    reload: Reload,
    asked: Instant,
    answer: Result<Document, Missing>,
) -> Result<Response, Problem> {
    // A request that was refused has not waited.
    let blocking = reload.msn.is_some();
    if blocking && matches!(answer, Ok(_) | Err(Missing::NotReady)) {
        let waited = asked.elapsed().as_secs_f64();
        app.metrics.http.blocking_reload.observe(waited);
    }
    Ok(text_response(ask, answer?, PLAYLIST))
}

/// `/live/NAME/SESSION/RENDITION/FILE`
pub(super) async fn media<C>(
    app: &App<C>,
    ask: &Ask,
    path: &RenditionPath,
    file: &Token,
) -> Result<Response, Problem> {
    let (stream, session, rendition) = path.parts();
    let file = file.as_str();
    let place = (stream, session, rendition);
    let found = app.origin.object_for(place, file, asked_bytes(ask)).await;
    // Else whoever asked a cache for each part a little too early would keep it from all others.
    let object = found.map_err(|missing| Problem::from(missing).not_kept())?;
    // The bytes at an address never change, so the address is their tag; a token has no quotes.
    let etag = format!("\"{session}/{rendition}/{file}\"");
    Ok(object_response(ask, object, &etag))
}

/// `/live/NAME/thumb.jpg`
pub(super) fn thumbnail<C>(app: &App<C>, ask: &Ask, name: &Name) -> Result<Response, Problem> {
    let (body, taken) = app
        .origin
        .thumbnail(name.as_str())
        .ok_or(Problem::nothing_to_show())?;
    let since_epoch = taken.duration_since(UNIX_EPOCH).unwrap_or_default();
    let etag = format!("\"{:x}-{:x}\"", since_epoch.as_nanos(), body.len());
    let entity = Entity {
        content_type: HeaderValue::from_static("image/jpeg"),
        cache_control: caching::for_a_time(Age::everywhere(THUMBNAIL_AGE_MAX)),
        etag: &etag,
        body,
        gzip: None,
        varies: false,
    };
    Ok(entity.respond(ask))
}

/// `/live/NAME/storyboard.vtt`. Whoever asks for it, or for its pictures, watches nothing by that.
pub(super) fn storyboard<C>(app: &App<C>, ask: &Ask, name: &Name) -> Result<Response, Problem> {
    let document = app.origin.storyboard(name.as_str());
    let document = document.map_err(|_| Problem::nothing_to_show())?;
    Ok(text_response(ask, document, WEBVTT))
}

/// `/live/NAME/SESSION/thumb-NUMBER.jpg`
pub(super) fn picture<C>(
    app: &App<C>,
    ask: &Ask,
    name: &Name,
    session: &Token,
    file: &Token,
) -> Result<Response, Problem> {
    let (session, file) = (session.as_str(), file.as_str());
    let object = app.origin.picture(name.as_str(), session, file)?;
    let etag = format!("\"{session}/{file}\"");
    Ok(object_response(ask, object, &etag))
}

fn text_response(ask: &Ask, document: Document, content_type: HeaderValue) -> Response {
    let Document { text, max_age } = document;
    let entity = Entity {
        content_type,
        cache_control: caching::for_a_time(max_age),
        etag: &text.etag,
        body: text.body.clone(),
        gzip: caching::accepts_gzip(ask).then(|| text.gzip()).flatten(),
        varies: true,
    };
    entity.respond(ask)
}

fn object_response(ask: &Ask, object: Object, etag: &str) -> Response {
    let mut headers = HeaderMap::with_capacity(caching::HEADERS);
    headers.insert(CACHE_CONTROL, IMMUTABLE);
    caching::insert_text(&mut headers, ETAG, etag);
    if caching::knows(ask, etag) {
        return assemble(StatusCode::NOT_MODIFIED, headers, Vec::new());
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let total = object.bytes;
    match wanted(ask, etag, total) {
        Wanted::Whole => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(object.content_type));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(total));
            assemble(StatusCode::OK, headers, object.chunks)
        }
        Wanted::Part(range) => {
            let (first, last) = (range.start, range.end.saturating_sub(1));
            let place = format!("bytes {first}-{last}/{total}");
            caching::insert_text(&mut headers, CONTENT_RANGE, &place);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(object.content_type));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
            let chunks = ranges::slice(object.chunks, &range);
            assemble(StatusCode::PARTIAL_CONTENT, headers, chunks)
        }
        Wanted::Unsatisfiable => unsatisfiable(total),
    }
}

/// The bytes that a request names, before it is known how many there are; `None` for all of them.
fn asked_bytes(ask: &Ask) -> Option<Range<u64>> {
    match ranges::wanted(ask.header(RANGE), u64::MAX) {
        Wanted::Part(bytes) => Some(bytes),
        Wanted::Whole | Wanted::Unsatisfiable => None,
    }
}

/// "A server MUST ignore a Range header field received with a request method that is
/// unrecognized or for which range handling is not defined": it is defined for GET alone (RFC
/// 9110 section 14.2). With an `If-Range` other than the tag, the whole object is sent: "A server
/// MUST ignore the Range header field received with a conditional request that is not satisfied"
/// (section 13.1.5).
fn wanted(ask: &Ask, etag: &str, total: u64) -> Wanted {
    let same = !ask.has(IF_RANGE) || ask.header(IF_RANGE) == Some(etag);
    if ask.is_head() || !same {
        return Wanted::Whole;
    }
    ranges::wanted(ask.header(RANGE), total)
}

fn unsatisfiable(total: u64) -> Response {
    let mut response = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "the range is outside the file",
        "Content-Range says how long it is",
    )
    .json();
    let place = format!("bytes */{total}");
    caching::insert_text(response.headers_mut(), CONTENT_RANGE, &place);
    response
}

fn assemble(status: StatusCode, headers: HeaderMap, chunks: Vec<Bytes>) -> Response {
    let mut response = HttpResponse::new(Content::of(chunks));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
