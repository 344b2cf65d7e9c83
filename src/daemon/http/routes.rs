//! What each address names. Every route is spelled here and nowhere else.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request};
use http_body_util::Empty;
use tower_service::Service;
use warp::Reply;

use warp::filters::BoxedFilter;
use warp::{Filter, Rejection};

use crate::daemon::origin::Packaging;
use crate::daemon::telemetry::labels::Route;

use super::audience::{Host, host};
use super::edges;
use super::names::{Name, RenditionPath, Token};

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The page with every live stream.
    Index,
    /// A page that plays a stream, and the file of the page.
    Player(Name, &'static str),
    /// A multivariant playlist.
    Master(Name, Packaging),
    /// A DASH manifest.
    Manifest(Name),
    /// Which edge a viewer of a stream goes to; with a seat, which one all viewers there go to.
    Steering(Name, Option<u16>),
    /// The latest thumbnail of a stream.
    Thumbnail(Name),
    /// The storyboard of a stream.
    Storyboard(Name),
    /// A picture of a session's storyboard, by its file.
    Picture(Name, Token, Token),
    /// A media playlist.
    Playlist(RenditionPath, Packaging),
    /// An I-frame playlist.
    IFrames(RenditionPath),
    /// An init section, part or segment, by its file.
    Media(RenditionPath, Token),
    /// The status of every stream.
    Streams,
    /// The status of one stream.
    Stream(Name),
    /// The date ranges of a stream.
    DateRanges(Name),
    /// One of them, by its id.
    DateRange(Name, Token),
    /// Metrics.
    Metrics,
    /// Whether the daemon answers.
    Health,
    /// Whether streams can be made.
    Readiness,
    /// An address that is there on the admin port, but not here.
    OnAdminPort(Route),
    /// Any other address of this kind: a file that pages load, or nothing.
    Other(Route),
    /// Any other address of this kind on a port that has no pages: nothing.
    Nothing(Route),
}

impl Target {
    /// The stream that the address is of.
    pub(super) fn stream(&self) -> Option<&str> {
        match self {
            Self::Player(name, _)
            | Self::Master(name, _)
            | Self::Manifest(name)
            | Self::Steering(name, _)
            | Self::Thumbnail(name)
            | Self::Storyboard(name)
            | Self::Picture(name, _, _)
            | Self::Stream(name)
            | Self::DateRanges(name)
            | Self::DateRange(name, _) => Some(name.as_str()),
            Self::Playlist(path, _) | Self::IFrames(path) | Self::Media(path, _) => {
                Some(path.parts().0)
            }
            Self::Index
            | Self::Streams
            | Self::Metrics
            | Self::Health
            | Self::Readiness
            | Self::OnAdminPort(_)
            | Self::Other(_)
            | Self::Nothing(_) => None,
        }
    }

    /// The methods beside those that every address has.
    pub(super) fn writes(&self) -> Option<(Method, HeaderValue)> {
        let allow = HeaderValue::from_static;
        match self {
            Self::DateRanges(_) => Some((Method::POST, allow("GET, HEAD, OPTIONS, POST"))),
            Self::DateRange(..) => Some((Method::DELETE, allow("GET, HEAD, OPTIONS, DELETE"))),
            _ => None,
        }
    }

    /// The kind of the address, for metrics.
    pub(super) fn route(&self) -> Route {
        match self {
            Self::Index | Self::Player(..) => Route::Page,
            Self::Master(..) => Route::Master,
            Self::Manifest(_) => Route::Manifest,
            Self::Steering(..) => Route::Steering,
            Self::Thumbnail(_) | Self::Storyboard(_) | Self::Picture(..) => Route::Thumbnail,
            Self::Playlist(..) | Self::IFrames(_) => Route::Playlist,
            Self::Media(..) => Route::Media,
            Self::Streams | Self::Stream(_) | Self::DateRanges(_) | Self::DateRange(..) => {
                Route::Api
            }
            Self::Metrics => Route::Metrics,
            Self::Health | Self::Readiness => Route::Health,
            Self::OnAdminPort(route) | Self::Other(route) | Self::Nothing(route) => *route,
        }
    }
}

/// What a request names.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) target: Target,
    pub(super) host: Host,
}

/// Tries filters in order until one accepts the request.
macro_rules! first_of {
    ($first:expr, $($next:expr),+ $(,)?) => { $first$(.or($next).unify())+ };
}

/// Finds out what an address names on the public port, unless [`live`] or [`challenge`] knows; never
/// rejects.
pub(super) fn target() -> BoxedFilter<(Target,)> {
    first_of!(api(), on_admin_port(), pages(), other()).boxed()
}

/// Finds out what an address names on the admin port; never rejects.
pub(super) fn admin_target() -> BoxedFilter<(Target,)> {
    let nothing = other().map(|target: Target| Target::Nothing(target.route()));
    first_of!(api(), admin(), nothing).boxed()
}

/// Finds out what a request names: the response has a [`Found`] as an extension, and nothing else.
pub(super) fn finder(targets: BoxedFilter<(Target,)>) -> impl Finder {
    warp::service(targets.and(host()).map(|target, host| {
        let mut response = warp::reply().into_response();
        response.extensions_mut().insert(Found { target, host });
        response
    }))
}

/// A service that finds out what a request names.
pub(super) trait Finder:
    Service<
        Request<Empty<Bytes>>,
        Response = warp::reply::Response,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Finder for S where
    S: Service<
            Request<Empty<Bytes>>,
            Response = warp::reply::Response,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// In front of the addresses of media.
const LIVE: &str = "/live/";

/// Whether an address is one of media.
pub(super) fn is_live(path: &str) -> bool {
    path.starts_with(LIVE)
}

/// What an address under `/live/` names; `None` for any other address.
///
/// A crowd asks for little else. Filters try one route after the other, and each that does not fit costs
/// a rejection, so the path is taken apart only once here.
pub(super) fn live(path: &str) -> Option<Target> {
    let rest = path.strip_prefix(LIVE)?;
    Some(live_target(rest).unwrap_or(Target::Other(Route::Media)))
}

/// The token that a certificate authority asks for (RFC 8555 section 8.3); `None` for any other
/// address.
pub(super) fn challenge(path: &str) -> Option<&str> {
    path.strip_prefix("/.well-known/acme-challenge/")
}

/// An address that ends in a slash names nothing: a second address of the same media would fill caches
/// with copies.
fn live_target(rest: &str) -> Option<Target> {
    let mut segments = rest.split('/');
    let name = segments.next()?.parse().ok()?;
    let second = segments.next()?;
    let Some(third) = segments.next() else {
        return match second {
            "master.m3u8" => Some(Target::Master(name, Packaging::Cmaf)),
            "ts.m3u8" => Some(Target::Master(name, Packaging::Ts)),
            "manifest.mpd" => Some(Target::Manifest(name)),
            "thumb.jpg" => Some(Target::Thumbnail(name)),
            "steering.json" => Some(Target::Steering(name, None)),
            "storyboard.vtt" => Some(Target::Storyboard(name)),
            _ => None,
        };
    };
    let Some(file) = segments.next() else {
        return short_target(name, second, third);
    };
    let session = second.parse().ok()?;
    if segments.next().is_some() {
        return None;
    }
    let path = RenditionPath::new(name, session, third.parse().ok()?);
    match file {
        "index.m3u8" => Some(Target::Playlist(path, Packaging::Cmaf)),
        "ts.m3u8" => Some(Target::Playlist(path, Packaging::Ts)),
        "iframes.m3u8" => Some(Target::IFrames(path)),
        file => Some(Target::Media(path, file.parse().ok()?)),
    }
}

/// What `/live/NAME/SECOND/THIRD` names: a seat, or a picture of a session.
fn short_target(name: Name, second: &str, third: &str) -> Option<Target> {
    if second == "steering" {
        return Some(Target::Steering(name, Some(edges::seat_of(third)?)));
    }
    let picture = third.ends_with(".jpg").then_some(third)?;
    Some(Target::Picture(
        name,
        second.parse().ok()?,
        picture.parse().ok()?,
    ))
}

fn api() -> impl Filter<Extract = (Target,), Error = Rejection> + Clone {
    first_of!(
        warp::path!("api" / "v1" / "streams").map(|| Target::Streams),
        warp::path!("api" / "v1" / "streams" / Name).map(Target::Stream),
        warp::path!("healthz").map(|| Target::Health),
    )
}

fn admin() -> impl Filter<Extract = (Target,), Error = Rejection> + Clone {
    first_of!(
        warp::path!("metrics").map(|| Target::Metrics),
        warp::path!("readyz").map(|| Target::Readiness),
        warp::path!("api" / "v1" / "streams" / Name / "dateranges").map(Target::DateRanges),
        warp::path!("api" / "v1" / "streams" / Name / "dateranges" / Token).map(Target::DateRange),
    )
}

fn on_admin_port() -> impl Filter<Extract = (Target,), Error = Rejection> + Clone {
    admin().map(|target: Target| Target::OnAdminPort(target.route()))
}

fn pages() -> impl Filter<Extract = (Target,), Error = Rejection> + Clone {
    first_of!(
        warp::path::end().map(|| Target::Index),
        warp::path!("watch" / Name).map(|name| Target::Player(name, "watch.html")),
        warp::path!("embed" / Name).map(|name| Target::Player(name, "embed.html")),
    )
}

/// Addresses without a route, by their first segment.
fn other() -> impl Filter<Extract = (Target,), Error = Infallible> + Clone {
    let kind = |route| move || Target::Other(route);
    first_of!(
        warp::path("live").map(kind(Route::Media)),
        warp::path("api").map(kind(Route::Api)),
        warp::path("metrics").map(kind(Route::Metrics)),
        warp::path("healthz").map(kind(Route::Health)),
        warp::path("readyz").map(kind(Route::Health)),
        warp::path("assets").map(kind(Route::Asset)),
        warp::path("favicon.ico").map(kind(Route::Asset)),
        warp::any().map(kind(Route::Page)),
    )
}

#[cfg(test)]
mod tests {
    use tower_service::Service;

    use super::*;

    /// What an address names on the public port.
    async fn named(path: &str) -> Target {
        match live(path) {
            Some(target) => target,
            None => target_of(path, target).await,
        }
    }

    async fn target_of(path: &str, targets: fn() -> BoxedFilter<(Target,)>) -> Target {
        let (sender, receiver) = std::sync::mpsc::channel();
        let filter = targets().map(move |target| {
            sender.send(target).unwrap();
            warp::reply()
        });
        let body = http_body_util::Empty::<bytes::Bytes>::new();
        let request = http::Request::builder().uri(path).body(body).unwrap();
        warp::service(filter).call(request).await.unwrap();
        receiver.recv().unwrap()
    }

    #[tokio::test]
    async fn addresses_by_kind() {
        for (path, route) in [
            ("/", Route::Page),
            ("/watch/demo", Route::Page),
            ("/embed/demo", Route::Page),
            ("/assets/a.js", Route::Asset),
            ("/favicon.ico", Route::Asset),
            ("/live/demo/master.m3u8", Route::Master),
            ("/live/demo/ts.m3u8", Route::Master),
            ("/live/demo/manifest.mpd", Route::Manifest),
            ("/live/demo/s1/720p/index.m3u8", Route::Playlist),
            ("/live/demo/s1/720p/ts.m3u8", Route::Playlist),
            ("/live/demo/s1/720p/iframes.m3u8", Route::Playlist),
            ("/live/demo/s1/720p/7.m4s", Route::Media),
            ("/live/demo/s1/720p/init-0.mp4", Route::Media),
            ("/live/demo/thumb.jpg", Route::Thumbnail),
            ("/live/demo/steering.json", Route::Steering),
            ("/live/demo/steering/0.json", Route::Steering),
            ("/live/demo/steering/255.json", Route::Steering),
            ("/live/demo/steering/720p/7.m4s", Route::Media),
            ("/live/demo/storyboard.vtt", Route::Thumbnail),
            ("/live/demo/s1/thumb-7.jpg", Route::Thumbnail),
            ("/api/v1/streams", Route::Api),
            ("/api/v1/streams/demo", Route::Api),
            ("/metrics", Route::Metrics),
            ("/healthz", Route::Health),
            ("/readyz", Route::Health),
            ("*", Route::Page),
        ] {
            assert_eq!(named(path).await.route(), route, "{path}");
        }
    }

    #[tokio::test]
    async fn addresses_that_no_route_takes_have_a_kind_too() {
        for (path, route) in [
            ("/nothing", Route::Page),
            ("/watch/UPPER", Route::Page),
            ("/api/v2", Route::Api),
            ("/metrics/x", Route::Metrics),
            ("/live", Route::Media),
            ("/live/", Route::Media),
            ("/live/demo", Route::Media),
            ("/live/UPPER/master.m3u8", Route::Media),
            ("/live/demo/master.m3u8/", Route::Media),
            ("/live//demo/master.m3u8", Route::Media),
            ("/live/demo/other.m3u8", Route::Media),
            ("/live/demo/s1/manifest.mpd", Route::Media),
            ("/live/demo/s1/720p", Route::Media),
            ("/live/demo/steering/", Route::Media),
            ("/live/demo/steering/256.json", Route::Media),
            ("/live/demo/steering/01.json", Route::Media),
            ("/live/demo/steering/+1.json", Route::Media),
            ("/live/demo/steering/1.json/", Route::Media),
            ("/live/demo/s1/storyboard.vtt", Route::Media),
            ("/live/demo/s1/.jpg", Route::Media),
            ("/live/demo/s1/thumb-7.jpg/", Route::Media),
            ("/live/demo/s1/720p/", Route::Media),
            ("/live/demo/s1/720p/.hidden", Route::Media),
            ("/live/demo/s1/7%32p/7.m4s", Route::Media),
            ("/live/demo/s1/720p/7.m4s/x", Route::Media),
        ] {
            assert_eq!(named(path).await, Target::Other(route), "{path}");
        }
    }

    #[tokio::test]
    async fn the_admin_port_has_the_api_health_and_metrics_alone() {
        assert_eq!(target_of("/metrics", admin_target).await, Target::Metrics);
        assert_eq!(target_of("/readyz", admin_target).await, Target::Readiness);
        assert_eq!(target_of("/healthz", admin_target).await, Target::Health);
        let streams = target_of("/api/v1/streams", admin_target).await;
        assert_eq!(streams, Target::Streams);
        let ranges = "/api/v1/streams/demo/dateranges";
        let one = format!("{ranges}/range-1");
        let name = || "demo".parse().unwrap();
        let found = target_of(ranges, admin_target).await;
        assert_eq!(found, Target::DateRanges(name()));
        let found = target_of(&one, admin_target).await;
        assert_eq!(found, Target::DateRange(name(), "range-1".parse().unwrap()));
        for (path, route) in [
            ("/", Route::Page),
            ("/watch/demo", Route::Page),
            ("/assets/a.js", Route::Asset),
            ("/live/demo/master.m3u8", Route::Media),
            ("/live/demo/thumb.jpg", Route::Media),
        ] {
            let target = target_of(path, admin_target).await;
            assert_eq!(target, Target::Nothing(route), "{path}");
        }
    }

    #[tokio::test]
    async fn metrics_and_readiness_are_not_public() {
        for (path, route) in [
            ("/metrics", Route::Metrics),
            ("/readyz", Route::Health),
            ("/api/v1/streams/demo/dateranges", Route::Api),
            ("/api/v1/streams/demo/dateranges/a", Route::Api),
        ] {
            let target = target_of(path, target).await;
            assert_eq!(target, Target::OnAdminPort(route), "{path}");
        }
    }
}
