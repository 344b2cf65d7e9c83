//! The JSON API, metrics and health.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response as HttpResponse, StatusCode};
use serde::Serialize;
use warp::reply::Response;

use crate::daemon::session::Catalog;
use crate::daemon::telemetry::metrics::{self, Scrape};

use super::errors::Problem;
use super::names::Name;
use super::routes::App;

/// `/api/v1/streams`
pub(super) fn streams<C: Catalog>(app: &App<C>) -> Response {
    json(&app.catalog.list())
}

/// `/api/v1/streams/NAME`
pub(super) fn stream<C: Catalog>(app: &App<C>, name: &Name) -> Response {
    match app.catalog.status(name.as_str()) {
        Some(status) => json(&status),
        None => Problem::no_stream().json(),
    }
}

/// `/metrics`. On a thread of its own kind, because reading `/proc` blocks.
pub(super) async fn metrics<C: Catalog>(app: &App<C>) -> Response {
    let scrape = Scrape {
        streams: app.catalog.list(),
        usage: app.origin.usage(),
    };
    let metrics = app.metrics.clone();
    match tokio::task::spawn_blocking(move || metrics.render(&scrape)).await {
        Ok(text) => respond(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => {
            tracing::error!(%error, "the metrics were not made");
            let (error, hint) = ("the metrics were not made", "the log says why");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error, hint).json()
        }
    }
}

/// `/healthz`: the daemon answers.
pub(super) fn healthy() -> Response {
    respond(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        "ok\n".to_owned(),
    )
}

/// `/readyz`: streams can be made.
pub(super) fn ready<C: Catalog>(app: &App<C>) -> Response {
    if app.catalog.ready() {
        return respond(
            StatusCode::OK,
            "text/plain; charset=utf-8",
            "ready\n".to_owned(),
        );
    }
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no encoder has passed its test yet",
        "`weir doctor` says which encoders work and why the others do not",
    )
    .json()
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => respond(StatusCode::OK, "application/json", text),
        Err(error) => {
            tracing::error!(%error, "a status could not be written as JSON");
            let (error, hint) = ("the status could not be written", "the log says why");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error, hint).json()
        }
    }
}

fn respond(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = HttpResponse::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
