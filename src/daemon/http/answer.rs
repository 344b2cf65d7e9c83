//! The answer to one request: its method, its handler, and the headers of every response.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Response as HttpResponse, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use tokio::time::timeout;

use crate::daemon::session::Catalog;
use crate::daemon::telemetry::labels::Route;

use super::app::App;
use super::ask::Ask;
use super::audience::{Audience, Host};
use super::content::{Content, Response};
use super::errors::{METHODS, Problem};
use super::private::{self, Door};
use super::routes::{self, Finder, Found, Target};
use super::{api, caching, date_ranges, live, pages, steering};

/// Longest form, in bytes.
const FORM_BYTES_MAX: usize = 4096;
/// Longest body of a request to the admin port.
const BODY_BYTES_MAX: usize = date_ranges::BODY_BYTES_MAX;
/// How long a body may take.
const BODY_WAIT_MAX: Duration = Duration::from_secs(5);

/// An answer, and the kind of address that it is of.
pub(super) type Answer = (Route, Response);

/// Answers requests.
pub(super) trait Answerer: Clone + Send + Sync + 'static {
    /// The answer to `ask`. What is needed of the `body` is read by it.
    fn answer<B>(&self, ask: Ask, body: B) -> BoxFuture<'static, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>;
}

/// Answers every request.
#[derive(Debug)]
pub(super) struct Answers<C, F> {
    app: Arc<App<C>>,
    finder: F,
}

/// Answers whoever the application is for.
pub(super) fn all<C: Catalog>(app: App<C>) -> Answers<C, impl Finder> {
    let targets = match app.audience {
        Audience::Viewers(_) => routes::target(),
        Audience::Operators(_) => routes::admin_target(),
    };
    Answers {
        app: Arc::new(app),
        finder: routes::finder(targets),
    }
}

impl<C, F: Clone> Clone for Answers<C, F> {
    fn clone(&self) -> Self {
        Self {
            app: self.app.clone(),
            finder: self.finder.clone(),
        }
    }
}

impl<C: Catalog, F: Finder> Answerer for Answers<C, F> {
    fn answer<B>(&self, ask: Ask, body: B) -> BoxFuture<'static, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let app = self.app.clone();
        if let Audience::Viewers(_) = app.audience
            && let Some(token) = routes::challenge(ask.path())
        {
            // Before any redirect: whoever asks this may come without TLS.
            let answer = challenge(&app, &ask, token);
            return Box::pin(std::future::ready(answer));
        }
        if let Audience::Viewers(_) = app.audience
            && let Some(target) = routes::live(ask.path())
        {
            let door = Door::of(&app, &ask, &target);
            return Box::pin(async move { answer(&app, &ask, &target, door.as_ref()).await });
        }
        let finding = self.finder.clone().call(ask.head());
        Box::pin(async move {
            let bytes_max = match app.audience {
                Audience::Viewers(_) => FORM_BYTES_MAX,
                Audience::Operators(_) => BODY_BYTES_MAX,
            };
            let ask = match *ask.method() {
                Method::POST => ask.with_body(whole(body, bytes_max).await),
                _ => ask,
            };
            let Ok(mut found) = finding.await;
            match found.extensions_mut().remove::<Found>() {
                Some(found) => answer_found(&app, &ask, found).await,
                // The finder takes every address.
                None => finish(&app, &ask, Route::Page, Problem::no_route().json()),
            }
        })
    }
}

fn challenge<C>(app: &App<C>, ask: &Ask, token: &str) -> Answer {
    let response = match *ask.method() {
        Method::GET | Method::HEAD => api::challenge(app, token),
        _ => Err(Problem::method()),
    };
    let response = response.unwrap_or_else(|problem| problem.json());
    finish(app, ask, Route::Challenge, response)
}

async fn answer_found<C: Catalog>(app: &App<C>, ask: &Ask, found: Found) -> Answer {
    let Found { target, host } = found;
    let route = target.route();
    if !app.audience.goes_by(&host) {
        return finish(app, ask, route, Problem::misdirected().json());
    }
    match redirected(app, ask, &host, route) {
        Some(redirected) => finish(app, ask, route, redirected),
        None => {
            let door = Door::of(app, ask, &target);
            answer(app, ask, &target, door.as_ref()).await
        }
    }
}

/// Answers what a form sends or a request asks for, behind the `door` if the stream has one.
async fn answer<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    target: &Target,
    door: Option<&Door>,
) -> Answer {
    let response = match (ask.method(), door) {
        (&Method::OPTIONS, _) => options(),
        (&Method::GET | &Method::HEAD | &Method::POST, Some(door)) => {
            Box::pin(private_answer(app, ask, target, door)).await
        }
        (&Method::GET | &Method::HEAD, None) if ask.pass().is_some() => match target.stream() {
            Some(_) => private::without_pass(ask),
            None => Problem::no_route().json(),
        },
        (method, None) if reads(method) || target.writes().is_some_and(|(w, _)| w == *method) => {
            handled(app, ask, target).await
        }
        _ => Problem::method().json(),
    };
    let (route, mut response) = finish(app, ask, target.route(), response);
    if response.headers().contains_key(ALLOW)
        && let Some((_, allow)) = target.writes()
    {
        response.headers_mut().insert(ALLOW, allow);
    }
    (route, response)
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The answer behind a door.
async fn private_answer<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    target: &Target,
    door: &Door,
) -> Response {
    match private::enter(app, ask, target, door).await {
        Some(response) => response,
        None => {
            let mut response = handled(app, ask, target).await;
            caching::keep_private(response.headers_mut());
            response
        }
    }
}

/// A body; nothing if it is too long, too slow or breaks off.
async fn whole<B>(body: B, bytes_max: usize) -> Bytes
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = pin!(Limited::new(body, bytes_max));
    match timeout(BODY_WAIT_MAX, body.collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    }
}

/// Adds what every response has.
fn finish<C>(app: &App<C>, ask: &Ask, route: Route, mut response: Response) -> Answer {
    let preflight = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if route == Route::Page {
        pages::allow_edges(headers, &app.steering.edges());
    }
    app.audience
        .add_headers(ask, is_shared(route), preflight, headers);
    if let Some(redirect) = &app.redirect {
        redirect.add_headers(ask, headers);
    }
    (route, response)
}

/// Pages alone are sent elsewhere: players, probes and programs may not follow, and what they get is
/// no secret.
fn redirected<C>(app: &App<C>, ask: &Ask, host: &Host, route: Route) -> Option<Response> {
    let redirect = app.redirect.as_ref()?;
    redirect
        .response(ask, host)
        .filter(|_| reads(ask.method()) && route == Route::Page)
}

async fn handled<C: Catalog>(app: &App<C>, ask: &Ask, target: &Target) -> Response {
    let handled = handle(app, ask, target).await;
    handled.unwrap_or_else(|problem| problem.json())
}

/// What crowds wait for, playlists and parts, is waited for here. The rest has boxes of its own, so that
/// nobody who waits holds the memory of what is asked for seldom.
async fn handle<C: Catalog>(app: &App<C>, ask: &Ask, target: &Target) -> Result<Response, Problem> {
    let (assets, policies) = (app.assets, &app.policies);
    match target {
        Target::Index => Ok(pages::page(assets, policies, ask, "index.html")),
        Target::Player(name, file) => Ok(match app.catalog.status(name.as_str()) {
            Some(_) => pages::page(assets, policies, ask, file),
            None => pages::not_found(assets, policies, ask),
        }),
        Target::Master(name, packaging) => Box::pin(live::master(app, ask, name, *packaging)).await,
        Target::Manifest(name) => Box::pin(live::manifest(app, ask, name)).await,
        Target::Steering(_, seat) => steering::manifest(app, ask, *seat),
        Target::Thumbnail(name) => live::thumbnail(app, ask, name),
        Target::Storyboard(name) => live::storyboard(app, ask, name),
        Target::Picture(name, session, file) => live::picture(app, ask, name, session, file),
        Target::Playlist(path, packaging) => live::playlist(app, ask, path, *packaging).await,
        Target::IFrames(path) => Box::pin(live::iframes(app, ask, path)).await,
        Target::Media(path, file) => live::media(app, ask, path, file).await,
        Target::Streams => api::streams(app, ask),
        Target::Stream(name) => api::stream(app, ask, name),
        Target::DateRanges(name) => date_ranges::all(app, ask, name),
        Target::DateRange(name, id) => date_ranges::one(app, ask, name, id),
        Target::Metrics => Box::pin(api::metrics(app)).await,
        Target::Health => Ok(api::healthy()),
        Target::Readiness => api::ready(app),
        Target::OnAdminPort(_) => Err(Problem::on_admin_port()),
        Target::Nothing(_) => Err(Problem::no_route()),
        Target::Other(route) => match (pages::asset(assets, ask), route) {
            (Some(asset), _) => Ok(asset),
            // People get a page, programs get JSON.
            (None, Route::Page) => Ok(pages::not_found(assets, policies, ask)),
            (None, _) => Err(Problem::no_route()),
        },
    }
}

fn options() -> Response {
    let mut response = HttpResponse::new(Content::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

/// Other sites may use media and API, but not pages.
fn is_shared(route: Route) -> bool {
    match route {
        Route::Master | Route::Manifest | Route::Playlist | Route::Media => true,
        Route::Steering | Route::Thumbnail | Route::Api => true,
        Route::Page | Route::Asset | Route::Metrics | Route::Health | Route::Challenge => false,
    }
}
