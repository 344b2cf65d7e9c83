//! The answer to one request: its method, its handler, and the headers of every response.

use std::sync::Arc;

use http::header::{ALLOW, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Response as HttpResponse, StatusCode};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::daemon::session::Catalog;
use crate::daemon::telemetry::labels::Route;

use super::app::App;
use super::ask::{Ask, ask};
use super::audience::{Audience, Host, host};
use super::errors::{METHODS, Problem};
use super::routes::{Target, admin_target, target};
use super::{api, live, pages};

/// Answers every request; never rejects. The response carries its [`Route`] as an extension.
pub(super) fn all<C: Catalog>(app: Arc<App<C>>) -> BoxedFilter<(Response,)> {
    let target = match app.audience {
        Audience::Viewers(_) => target(),
        Audience::Operators(_) => admin_target(),
    };
    target
        .and(ask())
        .and(host())
        .then(move |target, ask, host| {
            let app = app.clone();
            async move { answer(&app, &ask, &host, target).await }
        })
        .boxed()
}

async fn answer<C: Catalog>(app: &App<C>, ask: &Ask, host: &Host, target: Target) -> Response {
    let route = target.route();
    let mut response = match *ask.method() {
        _ if !app.audience.goes_by(host) => Problem::misdirected().json(),
        Method::GET | Method::HEAD => match redirected(app, ask, host, route) {
            Some(redirected) => redirected,
            None => handle(app, ask, target)
                .await
                .unwrap_or_else(|problem| problem.json()),
        },
        Method::OPTIONS => options(),
        _ => Problem::method().json(),
    };
    let preflight = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    app.audience
        .add_headers(ask, is_shared(route), preflight, headers);
    if let Some(redirect) = &app.redirect {
        redirect.add_headers(ask, headers);
    }
    response.extensions_mut().insert(route);
    response
}

/// Pages alone are sent elsewhere: players, probes and programs may not follow, and what they get is
/// no secret.
fn redirected<C>(app: &App<C>, ask: &Ask, host: &Host, route: Route) -> Option<Response> {
    let redirect = app.redirect.as_ref().filter(|_| route == Route::Page)?;
    redirect.response(ask, host)
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
        Target::OnAdminPort(_) => Err(Problem::on_admin_port()),
        Target::Nothing(_) => Err(Problem::no_route()),
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

/// Other sites may use media and API, but not pages.
fn is_shared(route: Route) -> bool {
    match route {
        Route::Master | Route::Playlist | Route::Media | Route::Thumbnail | Route::Api => true,
        Route::Page | Route::Asset | Route::Metrics | Route::Health => false,
    }
}
