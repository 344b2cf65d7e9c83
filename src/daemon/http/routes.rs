//! The filter tree: which address goes to which handler.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response as HttpResponse, StatusCode};
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::daemon::origin::{Origin, Packaging};
use crate::daemon::session::Catalog;
use crate::daemon::telemetry::metrics::{Metrics, Route};

use super::ask::{Ask, ask};
use super::assets::Assets;
use super::caching::GzipCache;
use super::errors::{METHODS, Problem};
use super::names::{Name, Token};
use super::{api, live, pages};

/// What handlers share.
#[derive(Debug)]
pub(super) struct App<C> {
    pub(super) catalog: C,
    pub(super) origin: Origin,
    pub(super) metrics: Metrics,
    pub(super) assets: &'static Assets,
    pub(super) gzip: GzipCache,
}

type Shared<C> = Arc<App<C>>;
type Routes = BoxedFilter<(Response,)>;

/// Headers a page on another site may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Age, Cache-Control, Content-Encoding, Content-Length, Content-Range, Date, \
     ETag, Retry-After",
);
/// Headers a page on another site may send.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Accept, Cache-Control, Content-Type, If-None-Match, If-Range, Origin, Pragma, Range, \
     X-Requested-With",
);
/// Lets a page on another site measure how long a transfer took, which players estimate
/// bandwidth from (W3C Resource Timing).
const TIMING: HeaderName = HeaderName::from_static("timing-allow-origin");
/// Lets a page that isolates itself (`Cross-Origin-Embedder-Policy`) use the media.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Everything. Never rejects: what no route takes is a 404.
pub(super) fn all<C: Catalog>(app: Shared<C>) -> Routes {
    let routes = live_routes(&app)
        .or(api_routes(&app))
        .unify()
        .or(page_routes(&app))
        .unify()
        .or(asset_routes(&app))
        .unify()
        .or(no_route(&app))
        .unify();
    other_methods()
        .or(routes)
        .unify()
        .and(warp::path::full())
        .map(|response, path: FullPath| dressed(response, path.as_str()))
        .boxed()
}

fn with<C: Catalog>(
    app: &Shared<C>,
) -> impl Filter<Extract = (Shared<C>,), Error = Infallible> + Clone + use<C> {
    let app = app.clone();
    warp::any().map(move || app.clone())
}

fn live_routes<C: Catalog>(app: &Shared<C>) -> Routes {
    let cmaf = warp::path!("live" / Name / "master.m3u8").map(|name| (name, Packaging::Cmaf));
    let ts = warp::path!("live" / Name / "ts.m3u8").map(|name| (name, Packaging::Ts));
    let master = cmaf
        .or(ts)
        .unify()
        .untuple_one()
        .and(ask())
        .and(with(app))
        .then(|name, packaging, ask: Ask, app: Shared<C>| async move {
            or_json(live::master(&app, &ask, &name, packaging).await)
        });
    let thumbnail = warp::path!("live" / Name / "thumb.jpg")
        .and(ask())
        .and(with(app))
        .map(|name, ask: Ask, app: Shared<C>| or_json(live::thumbnail(&app, &ask, &name)));
    let file = warp::path!("live" / Name / Token / Token / Token)
        .and(ask())
        .and(with(app))
        .then(
            |name: Name,
             session: Token,
             rendition: Token,
             file: Token,
             ask: Ask,
             app: Shared<C>| async move {
                let place = (&name, &session, &rendition);
                or_json(live::file(&app, &ask, place, &file).await)
            },
        );
    one_spelling()
        .and(master.or(thumbnail).unify().or(file).unify())
        .boxed()
}

/// Rejects an address with a slash at its end, which `warp::path` would let pass: a second address
/// of the same media would fill caches with copies.
fn one_spelling() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::path::full()
        .and_then(|path: FullPath| async move {
            if path.as_str().ends_with('/') {
                Err(warp::reject::not_found())
            } else {
                Ok(())
            }
        })
        .untuple_one()
}

fn api_routes<C: Catalog>(app: &Shared<C>) -> Routes {
    let streams = warp::path!("api" / "v1" / "streams")
        .and(with(app))
        .map(|app: Shared<C>| api::streams(&app));
    let stream = warp::path!("api" / "v1" / "streams" / Name)
        .and(with(app))
        .map(|name, app: Shared<C>| api::stream(&app, &name));
    let metrics = warp::path!("metrics")
        .and(with(app))
        .then(|app: Shared<C>| async move { api::metrics(&app).await });
    let healthy = warp::path!("healthz").map(api::healthy);
    let ready = warp::path!("readyz")
        .and(with(app))
        .map(|app: Shared<C>| api::ready(&app));
    streams
        .or(stream)
        .unify()
        .or(metrics)
        .unify()
        .or(healthy)
        .unify()
        .or(ready)
        .unify()
        .boxed()
}

fn page_routes<C: Catalog>(app: &Shared<C>) -> Routes {
    let index = warp::path::end()
        .and(ask())
        .and(with(app))
        .map(|ask, app: Shared<C>| pages::page(app.assets, &ask, "index.html"));
    let watch = warp::path!("watch" / Name).map(|name| (name, "watch.html"));
    let embed = warp::path!("embed" / Name).map(|name| (name, "embed.html"));
    let player = watch
        .or(embed)
        .unify()
        .untuple_one()
        .and(ask())
        .and(with(app))
        .map(|name: Name, file, ask: Ask, app: Shared<C>| {
            match app.catalog.status(name.as_str()) {
                Some(_) => pages::page(app.assets, &ask, file),
                None => pages::not_found(app.assets, &ask),
            }
        });
    index.or(player).unify().boxed()
}

fn asset_routes<C: Catalog>(app: &Shared<C>) -> Routes {
    ask()
        .and(with(app))
        .and_then(|ask: Ask, app: Shared<C>| async move {
            pages::asset(app.assets, &ask).ok_or_else(warp::reject::not_found)
        })
        .boxed()
}

/// OPTIONS, and everything that is neither GET nor HEAD.
fn other_methods() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::method().and_then(|method: Method| async move {
        match method {
            Method::GET | Method::HEAD => Err(warp::reject::not_found()),
            Method::OPTIONS => {
                let mut response = HttpResponse::new(bytes::Bytes::new().into());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().insert(ALLOW, METHODS);
                Ok(response)
            }
            _ => Ok(Problem::method().json()),
        }
    })
}

fn or_json(answer: Result<Response, Problem>) -> Response {
    answer.unwrap_or_else(|problem| problem.json())
}

/// What no route takes: a page for people, JSON where programs ask.
fn no_route<C: Catalog>(app: &Shared<C>) -> Routes {
    ask()
        .and(with(app))
        .map(|ask: Ask, app: Shared<C>| match route_of(ask.path()) {
            Route::Page => pages::not_found(app.assets, &ask),
            _ => Problem::no_route().json(),
        })
        .boxed()
}

/// Headers that belong to every response, and those that let other sites use media and API.
fn dressed(mut response: Response, path: &str) -> Response {
    let preflight = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_shared(path) {
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
    response
}

fn is_shared(path: &str) -> bool {
    matches!(first_segment(path), "live" | "api")
}

fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
}

/// The kind of an address, for counting.
pub(super) fn route_of(path: &str) -> Route {
    let last = path.rsplit('/').next().unwrap_or_default();
    let depth = path.bytes().filter(|b| *b == b'/').count();
    match first_segment(path) {
        "live" if last == "thumb.jpg" => Route::Thumbnail,
        "live" if !last.ends_with(".m3u8") => Route::Media,
        "live" if depth > 3 => Route::Playlist,
        "live" => Route::Master,
        "api" => Route::Api,
        "metrics" => Route::Metrics,
        "healthz" | "readyz" => Route::Health,
        "assets" | "favicon.ico" => Route::Asset,
        _ => Route::Page,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_addresses() {
        for (path, route) in [
            ("/", Route::Page),
            ("/watch/demo", Route::Page),
            ("/embed/demo", Route::Page),
            ("/assets/a.js", Route::Asset),
            ("/favicon.ico", Route::Asset),
            ("/live/demo/master.m3u8", Route::Master),
            ("/live/demo/ts.m3u8", Route::Master),
            ("/live/demo/s1/720p/index.m3u8", Route::Playlist),
            ("/live/demo/s1/720p/ts.m3u8", Route::Playlist),
            ("/live/demo/s1/720p/7.m4s", Route::Media),
            ("/live/demo/s1/720p/init-0.mp4", Route::Media),
            ("/live/demo/thumb.jpg", Route::Thumbnail),
            ("/api/v1/streams", Route::Api),
            ("/metrics", Route::Metrics),
            ("/healthz", Route::Health),
            ("/readyz", Route::Health),
            ("*", Route::Page),
        ] {
            assert_eq!(route_of(path), route, "{path}");
        }
    }
}
