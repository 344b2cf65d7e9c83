//! Pages and the files they load.

use http::StatusCode;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
};

use super::ask::Ask;
use super::assets::{Asset, Assets};
use super::caching::{Entity, FOR_CROWDS};
use super::content::Response;
use super::errors::Problem;
use crate::base::cors::Cors;
use crate::model::steering::Edge;

/// The bare player.
pub(super) const EMBED: &str = "embed.html";
const NOT_FOUND: &str = "404.html";
/// The page that asks for the password of a stream.
const PASSWORD: &str = "password.html";
/// The page of a stream that only a link opens.
const PRIVATE: &str = "private.html";

/// What browsers may do with pages (Content Security Policy level 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policies {
    page: HeaderValue,
    embed: HeaderValue,
    form: HeaderValue,
    embedded_form: HeaderValue,
}

impl Policies {
    /// Pages of the sites in `embedders` may frame the bare player; `assets` has all pages.
    pub(super) fn new(embedders: &Cors, assets: &Assets) -> Self {
        let scripts = assets.inline_scripts().into_iter();
        let scripts: String = scripts.map(|script| format!(" {script}")).collect();
        let policy = |form, ancestors: &str| policy(&scripts, form, ancestors);
        let ancestors = match embedders {
            Cors::Any => "*".to_owned(),
            Cors::Only(sites) => {
                let sites = sites.iter().map(|site| format!(" {site}"));
                format!("'self'{}", sites.collect::<String>())
            }
        };
        Self {
            page: policy("'none'", "'self'"),
            embed: policy("'none'", &ancestors),
            form: policy("'self'", "'self'"),
            embedded_form: policy("'self'", &ancestors),
        }
    }
}

/// Scripts and styles come only from this server; `scripts` stand in its pages. hls.js needs `blob:`, because it creates its
/// media source inside the page. Forms go to `form`, and pages of `ancestors` may frame the page.
fn policy(scripts: &str, form: &str, ancestors: &str) -> HeaderValue {
    let text = format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
         form-action {form}; frame-ancestors {ancestors}"
    );
    // Sites are as browsers name them, so they have no bytes that no header may have.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Lets a page load media from the edges, too.
pub(super) fn allow_edges(headers: &mut HeaderMap, edges: &[Edge]) {
    let policy = headers.get(CONTENT_SECURITY_POLICY);
    let Some(policy) = policy.and_then(|policy| policy.to_str().ok()) else {
        return;
    };
    let sources: String = edges
        .iter()
        .map(|edge| format!(" {}", edge.address))
        .collect();
    let mut policy = policy.to_owned();
    for own in ["media-src 'self'", "connect-src 'self'"] {
        policy = policy.replace(own, &format!("{own}{sources}"));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// The page in `file`.
pub(super) fn page(assets: &Assets, policies: &Policies, ask: &Ask, file: &str) -> Response {
    let Some(asset) = assets.get(file) else {
        return not_found(assets, policies, ask);
    };
    let policy = match file {
        EMBED => &policies.embed,
        _ => &policies.page,
    };
    protected(entity(asset).respond(ask), policy.clone())
}

/// The 404 page for people.
pub(super) fn not_found(assets: &Assets, policies: &Policies, ask: &Ask) -> Response {
    let Some(asset) = assets.get(NOT_FOUND) else {
        return Problem::no_route().json();
    };
    let entity = Entity {
        cache_control: FOR_CROWDS,
        ..entity(asset)
    };
    let response = entity.respond_instead(ask, StatusCode::NOT_FOUND);
    protected(response, policies.page.clone())
}

/// The page of the player in `file` for somebody who may not watch: with a form where a password opens
/// the stream.
pub(super) fn locked(
    assets: &Assets,
    policies: &Policies,
    ask: &Ask,
    file: &str,
    has_password: bool,
) -> Response {
    let instead = if has_password { PASSWORD } else { PRIVATE };
    let Some(asset) = assets.get(instead) else {
        return Problem::no_route().json();
    };
    let policy = match file {
        EMBED => &policies.embedded_form,
        _ => &policies.form,
    };
    let response = entity(asset).respond_instead(ask, StatusCode::UNAUTHORIZED);
    protected(response, policy.clone())
}

/// A file that pages load: any embedded file that is not a page.
pub(super) fn asset(assets: &Assets, ask: &Ask) -> Option<Response> {
    let path = ask.path().strip_prefix('/')?;
    let found = match path {
        // Browsers request this address even when the page names another icon.
        "favicon.ico" => ["favicon.ico", "favicon.svg", "assets/favicon.svg"]
            .iter()
            .find_map(|path| assets.get(path)),
        path if path.ends_with(".html") => None,
        path => assets.get(path),
    };
    Some(entity(found?).respond(ask))
}

fn entity(asset: &Asset) -> Entity<'_> {
    Entity {
        content_type: asset.content_type.clone(),
        cache_control: asset.cache_control.clone(),
        etag: &asset.etag,
        body: asset.body.clone(),
        gzip: asset.gzip.clone(),
        varies: asset.gzip.is_some(),
    }
}

fn protected(mut response: Response, policy: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    debug_assert!(headers.contains_key(CONTENT_TYPE) || response.status() == 304);
    response
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY};

    use super::*;
    use crate::base::cors::WebOrigin;
    use crate::daemon::http::ask::tests::asked;

    fn assets() -> Assets {
        let text = Bytes::from("hello ".repeat(100));
        Assets::of(
            [
                "index.html",
                "embed.html",
                "404.html",
                "assets/player-3KF7Q2ZD.js",
                "assets/logo.png",
                "assets/favicon.svg",
            ]
            .map(|path| (path.to_owned(), text.clone())),
        )
    }

    #[test]
    fn pages_are_revalidated_and_only_the_player_may_be_framed() {
        let assets = assets();
        let ask = asked("/", &[]);
        let policies = Policies::new(&Cors::Any, &Assets::default());
        let page = |file| page(&assets, &policies, &ask, file);
        let index = page("index.html");
        assert_eq!(index.headers()[CACHE_CONTROL], "no-cache");
        let policy = |response: &Response| {
            let value = response.headers()[CONTENT_SECURITY_POLICY].to_str();
            value.unwrap().to_owned()
        };
        assert!(policy(&index).ends_with("frame-ancestors 'self'"));
        let embed = page("embed.html");
        assert!(policy(&embed).ends_with("frame-ancestors *"));
        let absent = page("watch.html");
        assert_eq!(absent.status(), 404);
        assert!(policy(&absent).ends_with("frame-ancestors 'self'"));
    }

    #[test]
    fn pages_may_load_media_from_edges() {
        let policies = Policies::new(&Cors::Any, &Assets::default());
        let edge = |name: &str| Edge {
            name: name.to_owned(),
            address: format!("https://{name}.example.org"),
            weight: 1,
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, policies.page.clone());
        allow_edges(&mut headers, &[]);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], policies.page);
        allow_edges(&mut headers, &[edge("a"), edge("b")]);
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let edges = "https://a.example.org https://b.example.org";
        assert!(
            policy.contains(&format!("; media-src 'self' {edges} blob:;")),
            "{policy}"
        );
        assert!(
            policy.contains(&format!("; connect-src 'self' {edges};")),
            "{policy}"
        );
        assert!(policy.contains("; script-src 'self';"), "{policy}");
    }

    #[test]
    fn sites_that_may_embed_are_named() {
        let site = WebOrigin::parse("https://example.org").unwrap();
        let policies = Policies::new(&Cors::Only(vec![site]), &Assets::default());
        let ends = |policy: &HeaderValue, end: &str| policy.to_str().unwrap().ends_with(end);
        let ancestors = "frame-ancestors 'self' https://example.org";
        assert!(ends(
            &policies.embed,
            &format!("form-action 'none'; {ancestors}")
        ));
        assert!(ends(
            &policies.embedded_form,
            &format!("form-action 'self'; {ancestors}")
        ));
        assert!(ends(&policies.page, "frame-ancestors 'self'"));
        let nobody = Policies::new(&Cors::Only(Vec::new()), &Assets::default());
        assert!(ends(&nobody.embed, "frame-ancestors 'self'"));
    }

    #[test]
    fn a_404_is_never_a_304_and_may_come_true_soon() {
        let assets = assets();
        let headers = [("if-none-match", "*"), ("accept-encoding", "gzip")];
        let response = not_found(
            &assets,
            &Policies::new(&Cors::Any, &Assets::default()),
            &asked("/nothing", &headers),
        );
        assert_eq!(response.status(), 404);
        assert_eq!(
            response.headers()[CACHE_CONTROL],
            "public, max-age=0, s-maxage=1"
        );
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        assert!(!response.headers().contains_key(ETAG));
    }

    #[test]
    fn hashed_assets_are_immutable_and_compressed() {
        let assets = assets();
        let path = "/assets/player-3KF7Q2ZD.js";
        let response = asset(&assets, &asked(path, &[("accept-encoding", "gzip")])).unwrap();
        assert_eq!(
            response.headers()[CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        let tag = response.headers()[ETAG].to_str().unwrap().to_owned();
        let again = asked(path, &[("if-none-match", &tag)]);
        assert_eq!(asset(&assets, &again).unwrap().status(), 304);
    }

    #[test]
    fn a_picture_does_not_vary_and_pages_are_no_assets() {
        let assets = assets();
        let gzip = [("accept-encoding", "gzip")];
        let picture = asset(&assets, &asked("/assets/logo.png", &gzip)).unwrap();
        assert!(!picture.headers().contains_key(VARY));
        assert!(!picture.headers().contains_key(CONTENT_ENCODING));
        for path in [
            "/index.html",
            "/assets/",
            "/assets/../index.html",
            "/nothing.js",
        ] {
            assert!(asset(&assets, &asked(path, &[])).is_none(), "{path}");
        }
    }

    #[test]
    fn there_is_a_favicon() {
        let icon = asset(&assets(), &asked("/favicon.ico", &[])).unwrap();
        assert_eq!(icon.headers()[CONTENT_TYPE], "image/svg+xml");
    }
}
