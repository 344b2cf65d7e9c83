//! What each address names. Every route is spelled here and nowhere else.

use std::convert::Infallible;

use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::{Filter, Rejection};

use crate::daemon::origin::Packaging;
use crate::daemon::telemetry::labels::Route;

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
    /// The latest thumbnail of a stream.
    Thumbnail(Name),
    /// A media playlist.
    Playlist(RenditionPath, Packaging),
    /// An init section, part or segment, by its file.
    Media(RenditionPath, Token),
    /// The status of every stream.
    Streams,
    /// The status of one stream.
    Stream(Name),
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
    /// The kind of the address, for metrics.
    pub(super) fn route(&self) -> Route {
        match self {
            Self::Index | Self::Player(..) => Route::Page,
            Self::Master(..) => Route::Master,
            Self::Thumbnail(_) => Route::Thumbnail,
            Self::Playlist(..) => Route::Playlist,
            Self::Media(..) => Route::Media,
            Self::Streams | Self::Stream(_) => Route::Api,
            Self::Metrics => Route::Metrics,
            Self::Health | Self::Readiness => Route::Health,
            Self::OnAdminPort(route) | Self::Other(route) | Self::Nothing(route) => *route,
        }
    }
}

/// Tries filters in order until one accepts the request.
macro_rules! first_of {
    ($first:expr, $($next:expr),+ $(,)?) => { $first$(.or($next).unify())+ };
}

/// Finds out what an address names on the public port; never rejects.
pub(super) fn target() -> BoxedFilter<(Target,)> {
    first_of!(live(), api(), on_admin_port(), pages(), other()).boxed()
}

/// Finds out what an address names on the admin port; never rejects.
pub(super) fn admin_target() -> BoxedFilter<(Target,)> {
    let nothing = other().map(|target: Target| Target::Nothing(target.route()));
    first_of!(api(), admin(), nothing).boxed()
}

fn live() -> impl Filter<Extract = (Target,), Error = Rejection> + Clone {
    use Packaging::{Cmaf, Ts};
    let master = |packaging| move |name| Target::Master(name, packaging);
    let playlist = |packaging| {
        move |stream, session, rendition| {
            Target::Playlist(RenditionPath::new(stream, session, rendition), packaging)
        }
    };
    let media = |stream, session, rendition, file| {
        Target::Media(RenditionPath::new(stream, session, rendition), file)
    };
    let routes = first_of!(
        warp::path!("live" / Name / "master.m3u8").map(master(Cmaf)),
        warp::path!("live" / Name / "ts.m3u8").map(master(Ts)),
        warp::path!("live" / Name / "thumb.jpg").map(Target::Thumbnail),
        warp::path!("live" / Name / Token / Token / "index.m3u8").map(playlist(Cmaf)),
        warp::path!("live" / Name / Token / Token / "ts.m3u8").map(playlist(Ts)),
        warp::path!("live" / Name / Token / Token / Token).map(media),
    );
    one_spelling().and(routes)
}

/// Rejects an address that ends in a slash, which `warp::path` accepts: a second address of the
/// same media would fill caches with copies.
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
            ("/live/demo/s1/720p/index.m3u8", Route::Playlist),
            ("/live/demo/s1/720p/ts.m3u8", Route::Playlist),
            ("/live/demo/s1/720p/7.m4s", Route::Media),
            ("/live/demo/s1/720p/init-0.mp4", Route::Media),
            ("/live/demo/thumb.jpg", Route::Thumbnail),
            ("/api/v1/streams", Route::Api),
            ("/api/v1/streams/demo", Route::Api),
            ("/metrics", Route::Metrics),
            ("/healthz", Route::Health),
            ("/readyz", Route::Health),
            ("*", Route::Page),
        ] {
            assert_eq!(target_of(path, target).await.route(), route, "{path}");
        }
    }

    #[tokio::test]
    async fn addresses_that_no_route_takes_have_a_kind_too() {
        for (path, route) in [
            ("/nothing", Route::Page),
            ("/watch/UPPER", Route::Page),
            ("/api/v2", Route::Api),
            ("/metrics/x", Route::Metrics),
            ("/live/demo/master.m3u8/", Route::Media),
        ] {
            assert_eq!(
                target_of(path, target).await,
                Target::Other(route),
                "{path}"
            );
        }
    }
    #[tokio::test]
    async fn the_admin_port_has_the_api_health_and_metrics_alone() {
        assert_eq!(target_of("/metrics", admin_target).await, Target::Metrics);
        assert_eq!(target_of("/readyz", admin_target).await, Target::Readiness);
        assert_eq!(target_of("/healthz", admin_target).await, Target::Health);
        let streams = target_of("/api/v1/streams", admin_target).await;
        assert_eq!(streams, Target::Streams);
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
        for (path, route) in [("/metrics", Route::Metrics), ("/readyz", Route::Health)] {
            let target = target_of(path, target).await;
            assert_eq!(target, Target::OnAdminPort(route), "{path}");
        }
    }
}
