//! The answer to one request: its method, its handler, and the headers of every response.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response as HttpResponse, StatusCode};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::daemon::session::Catalog;
use crate::daemon::telemetry::labels::Route;

use super::app::App;
use super::ask::{Ask, ask};
use super::errors::{METHODS, Problem};
use super::routes::{Target, target};
use super::{api, live, pages};

/// Headers that a page on another site may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Age, Cache-Control, Content-Encoding, Content-Length, Content-Range, Date, \
     ETag, Retry-After",
);
/// Headers that a page on another site may send.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Accept, Cache-Control, Content-Type, If-None-Match, If-Range, Origin, Pragma, Range, \
     X-Requested-With",
);
/// Lets a page on another site measure how long a transfer took, from which players estimate
/// bandwidth (W3C Resource Timing).
const TIMING: HeaderName = HeaderName::from_static("timing-allow-origin");
/// Lets a page that isolates itself (`Cross-Origin-Embedder-Policy`) use the media.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers every request; never rejects. The response carries its [`Route`] as an extension.
pub(super) fn all<C: Catalog>(app: Arc<App<C>>) -> BoxedFilter<(Response,)> {
    target()
        .and(ask())
        .then(move |target, ask| {
            let app = app.clone();
            async move { answer(&app, &ask, target).await }
        })
        .boxed()
}

async fn answer<C: Catalog>(app: &App<C>, ask: &Ask, target: Target) -> Response {
    let route = target.route();
    let mut response = match *ask.method() {
        Method::GET | Method::HEAD => handle(app, ask, target)
            .await
            .unwrap_or_else(|problem| problem.json()),
        Method::OPTIONS => options(),
        _ => Problem::method().json(),
    };
    add_headers(&mut response, route);
    response.extensions_mut().insert(route);
    response
}

async fn handle<C: Catalog>(app: &App<C>, ask: &Ask, target: Target) -> Result<Response, Problem> {
    let assets = app.assets;
    match target {
        Target::Index => Ok(pages::page(assets, ask, "index.html")),
        Target::Player(name, file) => Ok(match app.catalog.status(name.as_str()) {
            Some(_) => pages::page(assets, ask, file),
            None => pages::not_found(assets, ask),
        }),
        Target::Master(name, packaging) => live::master(app, ask, &name, packaging).await,
        Target::Thumbnail(name) => live::thumbnail(app, ask, &name),
        Target::Playlist(path, packaging) => live::playlist(app, ask, &path, packaging).await,
        Target::Media(path, file) => live::media(app, ask, &path, &file).await,
        Target::Streams => api::streams(app),
        Target::Stream(name) => api::stream(app, &name),
        Target::Metrics => api::metrics(app).await,
        Target::Health => Ok(api::healthy()),
        Target::Readiness => api::ready(app),
        Target::Other(route) => match (pages::asset(assets, ask), route) {
            (Some(asset), _) => Ok(asset),
            // People get a page, programs get JSON.
            (None, Route::Page) => Ok(pages::not_found(assets, ask)),
            (None, _) => Err(Problem::no_route()),
        },
    }
}

fn options() -> Response {
    let mut response = HttpResponse::new(bytes::Bytes::new().into());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

/// Adds the headers of every response, and those that let other sites use media and API.
fn add_headers(response: &mut Response, route: Route) {
    let preflight = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !is_shared(route) {
        return;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(TIMING, HeaderValue::from_static("*"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    } else {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Other sites may use media and API, but not pages.
fn is_shared(route: Route) -> bool {
    match route {
        Route::Master | Route::Playlist | Route::Media | Route::Thumbnail | Route::Api => true,
        Route::Page | Route::Asset | Route::Metrics | Route::Health => false,
    }
}
