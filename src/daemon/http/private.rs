//! Streams that are not public: who is let in, what everybody else is told, and the form for a password.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::{Method, Response as HttpResponse, StatusCode};

use super::app::App;
use super::ask::Ask;
use super::caching;
use super::content::{Content, Response};
use super::errors::Problem;
use super::pages;
use super::pass::{self, Shown};
use super::prefix;
use super::routes::Target;
use crate::daemon::access::{Access, Refusal, Rule, Visitor};

/// No cache keeps what leads to a stream, or away from it.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// "A server generating a 401 response MUST send a WWW-Authenticate header field" (RFC 9110 section
/// 15.5.2). Browsers ask nobody for a bearer token.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"weir\"");
/// The field of the form.
const FIELD: &str = "password";

/// The door of a stream that is not public, and what a request shows there.
#[derive(Debug)]
pub(super) struct Door {
    stream: String,
    rule: Arc<Rule>,
    pass: Option<(String, Shown)>,
}

impl Door {
    /// The door in front of what an address names; `None` where there is none.
    pub(super) fn of<C>(app: &App<C>, ask: &Ask, target: &Target) -> Option<Self> {
        let stream = target.stream().filter(|_| app.audience.is_guarded())?;
        let rule = app.guard.rule(stream)?;
        Some(Self {
            pass: pass::shown(ask, stream),
            stream: stream.to_owned(),
            rule,
        })
    }

    fn visitor<'a>(&'a self, ask: &Ask) -> Visitor<'a> {
        Visitor {
            address: ask.peer(),
            pass: self.pass.as_ref().map(|(pass, _)| pass.as_str()),
        }
    }
}

/// Whether a list may show a stream to whoever asks.
pub(super) fn may_know<C>(app: &App<C>, ask: &Ask, stream: &str) -> bool {
    let Some(rule) = app.guard.rule(stream) else {
        return true;
    };
    let pass = pass::shown(ask, stream);
    let visitor = Visitor {
        address: ask.peer(),
        pass: pass.as_ref().map(|(pass, _)| pass.as_str()),
    };
    rule.knows(visitor, SystemTime::now())
}

/// Lets a request through the door, or says with which answer it ends there.
pub(super) async fn enter<C>(
    app: &App<C>,
    ask: &Ask,
    target: &Target,
    door: &Door,
) -> Option<Response> {
    let player = match target {
        Target::Player(_, file) => Some(*file),
        _ => None,
    };
    match (player, ask.method()) {
        (Some(file), &Method::POST) => return Some(login(ask, door, file).await),
        (None, &Method::POST) => return Some(Problem::method().json()),
        _ => {}
    }
    let verdict = door.rule.admit(door.visitor(ask), SystemTime::now()).await;
    let refusal = match verdict {
        Ok(()) => return moved(ask, target, door),
        Err(refusal) => refusal,
    };
    tracing::debug!(stream = door.stream, peer = %ask.peer(), cause = %refusal, "viewer refused");
    let mut response = match player {
        Some(file) if refusal != Refusal::Unavailable => {
            let has_password = door.rule.access() == Access::Password;
            pages::locked(app.assets, &app.policies, ask, file, has_password)
        }
        _ => problem(refusal).json(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    Some(response)
}

/// A pass in the query goes in front of the address, where what a playlist, manifest or page names has it too.
fn moved(ask: &Ask, target: &Target, door: &Door) -> Option<Response> {
    let (pass, Shown::Parameter) = door.pass.as_ref()? else {
        return None;
    };
    let leads_on = matches!(
        target,
        Target::Player(..)
            | Target::Master(..)
            | Target::Manifest(_)
            | Target::Steering(..)
            | Target::Storyboard(_)
    );
    let to = format!(
        "{}{}",
        prefix::address(pass, ask.path()),
        pass::query_without(ask)
    );
    leads_on.then(|| elsewhere(StatusCode::TEMPORARY_REDIRECT, &to))
}

/// Where a request with a pass goes when none is needed: every medium has one public address.
pub(super) fn without_pass(ask: &Ask) -> Response {
    let query = match ask.query() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let to = format!("{}{query}", ask.path());
    elsewhere(StatusCode::TEMPORARY_REDIRECT, &to)
}

/// Takes a password from the form on the page. The page is told by a fragment what to say.
async fn login(ask: &Ask, door: &Door, file: &str) -> Response {
    let mut fields = url::form_urlencoded::parse(ask.body());
    let attempt = fields.find(|(key, _)| key == FIELD);
    let attempt = attempt
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    let verdict = door
        .rule
        .login(attempt, ask.peer(), SystemTime::now())
        .await;
    let ticket = match verdict {
        Ok(ticket) => ticket,
        Err(refusal) => {
            if refusal == Refusal::Wrong {
                tracing::info!(stream = door.stream, peer = %ask.peer(), "wrong password of a viewer");
            }
            let fragment = fragment(refusal);
            return elsewhere(StatusCode::SEE_OTHER, &format!("{}#{fragment}", ask.path()));
        }
    };
    // In a frame on another site, browsers send no cookies.
    if file == pages::EMBED {
        return elsewhere(StatusCode::SEE_OTHER, &prefix::address(&ticket, ask.path()));
    }
    let mut response = elsewhere(StatusCode::SEE_OTHER, ask.path());
    if let Some(cookie) = pass::set_cookie(ask, &door.stream, &ticket, door.rule.remembers()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn fragment(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Missing | Refusal::Wrong | Refusal::Expired => "wrong",
        Refusal::TooMany(_) => "wait",
        Refusal::Unavailable => "later",
    }
}

fn elsewhere(status: StatusCode, to: &str) -> Response {
    let mut response = HttpResponse::new(Content::default());
    *response.status_mut() = status;
    caching::insert_text(response.headers_mut(), LOCATION, to);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

fn problem(refusal: Refusal) -> Problem {
    let (status, error, hint) = match refusal {
        Refusal::Missing => (
            StatusCode::UNAUTHORIZED,
            "this stream is not public",
            "ask for an address that lets you in; `weir sign NAME` makes one",
        ),
        Refusal::Wrong => (
            StatusCode::UNAUTHORIZED,
            "this does not open the stream",
            "see whether the address is complete, and of this stream",
        ),
        Refusal::Expired => (
            StatusCode::UNAUTHORIZED,
            "the address has expired",
            "ask for a new one; `weir sign NAME` makes it",
        ),
        Refusal::TooMany(_) => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong attempts",
            "wait a minute, then try again",
        ),
        Refusal::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "it cannot be found out now who may watch",
            "try again in a moment; the log says why",
        ),
    };
    Problem::new(status, error, hint)
}
