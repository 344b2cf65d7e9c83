//! `/live/NAME/steering.json`: which edge a viewer goes to (Content Steering, RFC 8216bis section 7).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response as HttpResponse, StatusCode};
use serde::Serialize;

use super::app::App;
use super::ask::Ask;
use super::caching::{self, Entity};
use super::content::{PLAYLIST, Response};
use super::errors::Problem;
use super::prefix;
use crate::daemon::origin::{Age, Document, Pathway};
use crate::model::steering::{self, Edge};

/// How soon a player asks again.
const TTL: Duration = Duration::from_secs(25);
/// How long a cache gives the same answer to all of a seat. Together with [`TTL`] a viewer has left an edge
/// 30 s after the configuration has.
const SHARED: Duration = Duration::from_secs(5);

/// A Steering Manifest (section 7.2).
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct Manifest<'a> {
    version: u8,
    ttl: u64,
    /// Relative to the address of this manifest; without it, the player asks at the same address again.
    #[serde(skip_serializing_if = "Option::is_none")]
    reload_uri: Option<String>,
    pathway_priority: Vec<&'a str>,
}

/// The Steering Manifest. Whoever asks without a seat gets the one of his id or address, in an answer for
/// him alone, and asks there from then on, where a cache can answer for all.
///
/// What the player says of itself (`_HLS_pathway`, `_HLS_throughput`) changes nothing: a player that cannot
/// use an edge takes the next one of the list by itself.
pub(super) fn manifest<C>(app: &App<C>, ask: &Ask, seat: Option<u16>) -> Result<Response, Problem> {
    let edges = app.steering.edges();
    if edges.is_empty() {
        // After 410, players do not ask again and stay on the pathway that they have.
        let hint = "viewers load from here; [[edge]] in config.toml names edges";
        return Err(Problem::new(StatusCode::GONE, "there are no edges", hint).not_kept());
    }
    let own = seat.unwrap_or_else(|| seat_for(ask));
    let manifest = Manifest {
        version: 1,
        ttl: TTL.as_secs(),
        reload_uri: seat.is_none().then(|| format!("steering/{own}.json")),
        pathway_priority: steering::priority(&edges, own),
    };
    let Ok(text) = serde_json::to_vec(&manifest) else {
        return Err(Problem::internal(
            "the steering manifest could not be written",
        ));
    };
    let kept = match seat {
        Some(_) => caching::for_a_time(Age {
            own: Duration::ZERO,
            shared: SHARED,
        }),
        None => HeaderValue::from_static("no-store"),
    };
    let mut response = HttpResponse::new(Bytes::from(text).into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, kept);
    Ok(response)
}

/// Of an IPv6 address only the network counts: a host there has many addresses, one after the other.
fn seat_for(ask: &Ask) -> u16 {
    match (ask.viewer().id, ask.peer()) {
        (Some(id), _) => steering::seat(id.as_bytes()),
        (None, IpAddr::V4(address)) => steering::seat(&address.octets()),
        (None, IpAddr::V6(address)) => {
            let octets = address.octets();
            steering::seat(octets.get(..8).unwrap_or(&octets))
        }
    }
}

/// The edges for whoever asks for a multivariant playlist. A pass that is not in the address does not reach
/// other hosts, so who shows one so stays here: no script may see what is in a cookie.
pub(super) fn edges_for<C>(app: &App<C>, ask: &Ask, stream: &str) -> Arc<[Edge]> {
    let is_private = app.audience.is_guarded() && app.guard.rule(stream).is_some();
    match is_private && ask.pass().is_none() {
        true => Arc::default(),
        false => app.steering.edges(),
    }
}

/// A pathway through each edge.
pub(super) fn pathways(edges: &[Edge], stream: &str) -> Vec<Pathway> {
    let pathway = |edge: &Edge| Pathway {
        id: edge.name.clone(),
        folder: format!("{}/live/{stream}/", edge.address),
    };
    edges.iter().map(pathway).collect()
}

/// The multivariant playlist for whoever shows a pass in the address: it is in the addresses of all edges,
/// too.
pub(super) fn with_pass(
    ask: &Ask,
    document: &Document,
    pathways: &[Pathway],
    stream: &str,
    pass: &str,
) -> Response {
    let mut text = String::from_utf8_lossy(&document.text.body).into_owned();
    let path = format!("/live/{stream}/");
    for Pathway { folder, .. } in pathways {
        let address = folder.strip_suffix(&path).unwrap_or(folder);
        let passed = format!("{address}{}", prefix::address(pass, &path));
        text = text.replace(folder, &passed);
    }
    let entity = Entity {
        content_type: PLAYLIST,
        cache_control: caching::for_a_time(document.max_age),
        // The address has the pass as well, so the same tag stands for the same bytes there.
        etag: &document.text.etag,
        body: text.into(),
        gzip: None,
        varies: true,
    };
    entity.respond(ask)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::daemon::http::ask::Carrier;
    use crate::daemon::http::ask::tests::asked;

    fn from(address: IpAddr, headers: &[(&str, &str)]) -> Ask {
        asked("/live/demo/steering.json", headers).from(address, Carrier::Plain)
    }

    #[test]
    fn a_viewer_is_known_by_his_id_or_his_address() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let v6 = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        assert_eq!(seat_for(&from(v4, &[])), steering::seat(&[192, 0, 2, 1]));
        assert_eq!(seat_for(&from(v6(1), &[])), seat_for(&from(v6(2), &[])));
        let named = [("weir-viewer", "0123456789; rung=720p")];
        assert_eq!(seat_for(&from(v4, &named)), steering::seat(b"0123456789"));
    }
}
