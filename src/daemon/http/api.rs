//! The JSON API, metrics and health.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response as HttpResponse, StatusCode};
use serde::Serialize;

use crate::daemon::session::Catalog;
use crate::daemon::telemetry::metrics;
use crate::daemon::telemetry::scrape::Scrape;
use crate::model::status::{PublicStatus, StreamStatus};

use super::app::App;
use super::ask::Ask;
use super::audience::Audience;
use super::caching::{self, FOR_CROWDS};
use super::content::Response;
use super::errors::Problem;
use super::names::Name;
use super::private;

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// `/api/v1/streams`: in full on the admin port, else what viewers may know.
///
/// Nobody is told of a stream that is not for them.
pub(super) fn streams<C: Catalog>(app: &App<C>, ask: &Ask) -> Result<Response, Problem> {
    let streams = app.catalog.list();
    match app.audience {
        Audience::Operators(_) => json(&streams),
        Audience::Viewers(_) => {
            let may_know = |status: &StreamStatus| private::may_know(app, ask, &status.name);
            // With a stream that is not for everybody, each reader has a list of his own.
            let is_same = streams
                .iter()
                .all(|status| app.guard.rule(&status.name).is_none());
            let shown = streams.into_iter().filter(may_know);
            let mut response =
                json(&shown.map(PublicStatus::from).collect::<Vec<_>>()).map(for_crowds)?;
            if !is_same {
                caching::keep_private(response.headers_mut());
            }
            Ok(response)
        }
    }
}

/// `/api/v1/streams/NAME`, likewise.
///
/// A player that plays asks for it with its id, and so counts also where a cache in front of weir answers
/// for the playlists.
pub(super) fn stream<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    name: &Name,
) -> Result<Response, Problem> {
    let viewer = ask.viewer();
    if viewer.id.is_some() && app.audience.is_guarded() {
        app.catalog.watching(name.as_str(), &viewer, ask.rung());
    }
    let status = app.catalog.status(name.as_str());
    let status = status.ok_or(Problem::no_stream())?;
    match app.audience {
        Audience::Operators(_) => json(&status),
        Audience::Viewers(_) => json(&PublicStatus::from(status)).map(for_crowds),
    }
}

/// `/metrics`, rendered on a blocking thread because reading `/proc` blocks.
pub(super) async fn metrics<C: Catalog>(app: &App<C>) -> Result<Response, Problem> {
    let scrape = Scrape {
        streams: app.catalog.list(),
        usage: app.origin.usage(),
        certificate_expires: app
            .certificates
            .as_ref()
            .map(|certificates| certificates.in_force().about().expires),
    };
    let metrics = app.metrics.clone();
    match tokio::task::spawn_blocking(move || metrics.render(&scrape)).await {
        Ok(text) => Ok(ok(metrics::CONTENT_TYPE, text)),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            Err(Problem::internal("the metrics could not be rendered"))
        }
    }
}

/// What a certificate authority finds at `/.well-known/acme-challenge/TOKEN` (RFC 8555 section 8.3).
pub(super) fn challenge<C>(app: &App<C>, token: &str) -> Result<Response, Problem> {
    let certificates = app.certificates.as_ref();
    let answer = certificates.and_then(|certificates| certificates.challenges().answer(token));
    let answer = answer.ok_or(Problem::no_route())?;
    Ok(ok("application/octet-stream", answer))
}

/// `/healthz`: the daemon answers.
pub(super) fn healthy() -> Response {
    ok(PLAIN_TEXT, "ok\n".to_owned())
}

/// `/readyz`: streams can be made.
pub(super) fn ready<C: Catalog>(app: &App<C>) -> Result<Response, Problem> {
    if app.catalog.ready() {
        return Ok(ok(PLAIN_TEXT, "ready\n".to_owned()));
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no encoder has passed its test yet",
        "`weir doctor` says which encoders work and why the others do not",
    ))
}

/// A value as JSON, for nobody to keep.
pub(super) fn json(value: &impl Serialize) -> Result<Response, Problem> {
    match serde_json::to_string(value) {
        Ok(text) => Ok(ok("application/json", text)),
        Err(error) => {
            tracing::error!(%error, "a status could not be written as JSON");
            Err(Problem::internal("the status could not be written"))
        }
    }
}

/// Every page that plays asks every two seconds.
fn for_crowds(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, FOR_CROWDS);
    response
}

fn ok(content_type: &'static str, text: String) -> Response {
    let mut response = HttpResponse::new(Bytes::from(text).into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
