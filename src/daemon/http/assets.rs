//! The pages and the files they load, embedded from `web/dist` at build time.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use http::HeaderValue;
use rust_embed::Embed;
use sha2::{Digest, Sha256};

use super::caching::{IMMUTABLE, REVALIDATE};
use crate::base::gzip::gzip;

#[derive(Embed)]
#[folder = "web/dist"]
struct Dist;

/// One file, ready to send.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) content_type: HeaderValue,
    pub(super) cache_control: HeaderValue,
    pub(super) etag: String,
    pub(super) body: Bytes,
    pub(super) gzip: Option<Bytes>,
}

/// All files by their path below the root, without a leading slash.
#[derive(Debug, Default)]
pub(super) struct Assets {
    files: HashMap<String, Asset>,
}

impl Assets {
    /// The embedded files; the first call compresses them.
    pub(super) fn embedded() -> &'static Self {
        static ASSETS: OnceLock<Assets> = OnceLock::new();
        ASSETS.get_or_init(|| {
            Self::of(Dist::iter().filter_map(|path| {
                let data = Dist::get(&path)?.data;
                Some((path.into_owned(), data.into_owned().into()))
            }))
        })
    }

    /// Files with their paths.
    pub(super) fn of(files: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let files = files.into_iter();
        Self {
            files: files
                .map(|(path, body)| {
                    let asset = Asset::new(&path, body);
                    (path, asset)
                })
                .collect(),
        }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }

    /// By what a policy knows the scripts that stand in pages, `'sha256-…'` for each (Content Security
    /// Policy level 3, section 2.3.1).
    pub(super) fn inline_scripts(&self) -> BTreeSet<String> {
        let pages = self
            .files
            .iter()
            .filter(|(path, _)| path.ends_with(".html"));
        let texts = pages.filter_map(|(_, page)| std::str::from_utf8(&page.body).ok());
        let scripts = texts.flat_map(|text| text.split("<script").skip(1));
        scripts
            .filter_map(|script| script.split_once("</script>")?.0.split_once('>'))
            .filter(|(_, text)| !text.is_empty())
            .map(|(_, text)| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text))))
            .collect()
    }
}

impl Asset {
    fn new(path: &str, body: Bytes) -> Self {
        let mime = mime_guess::from_path(path).first_or_octet_stream();
        let text = mime.type_() == "text"
            || mime.suffix().is_some_and(|suffix| suffix == "xml")
            || matches!(mime.subtype().as_str(), "javascript" | "json" | "wasm");
        let content_type = if mime.type_() == "text" {
            format!("{mime}; charset=utf-8")
        } else {
            mime.to_string()
        };
        let etag = Sha256::digest(&body)
            .iter()
            .take(12)
            .fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}"));
        Self {
            content_type: HeaderValue::from_str(&content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
            cache_control: if is_hashed(path) {
                IMMUTABLE
            } else {
                REVALIDATE
            },
            etag: etag + "\"",
            gzip: text.then(|| gzip(&body, Compression::best())).flatten(),
            body,
        }
    }
}

/// Whether the name carries a hash of the content, as bundlers write it: `player-3KF7Q2ZD.js`,
/// `main.5f2c9e01.css`. The content at such an address never changes.
fn is_hashed(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.split_once('.').map_or(file, |_| {
        file.rsplit_once('.').map_or(file, |(stem, _)| stem)
    });
    let Some(hash) = stem.rsplit(['-', '.']).next().filter(|hash| *hash != stem) else {
        return false;
    };
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    hash.len() >= 8 && (hash.bytes().all(upper) || hash.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names() {
        for path in ["assets/player-3KF7Q2ZD.js", "assets/main.5f2c9e01.css"] {
            assert!(is_hashed(path), "{path}");
        }
        for path in [
            "index.html",
            "assets/player.js",
            "assets/media-controller.js",
            "assets/3KF7Q2ZD.js",
            "assets/a-1234.js",
            "assets/hls.min.js",
        ] {
            assert!(!is_hashed(path), "{path}");
        }
    }

    #[test]
    fn scripts_in_pages_are_known_by_their_hash() {
        let page = "<script src=\"a.js\"></script><script data-page=\"/b.js\">alert(1)</script>";
        let files = [
            ("a.html", page),
            ("b.html", page),
            ("c.js", "<script>x</script>"),
        ];
        let assets = Assets::of(files.map(|(path, text)| (path.to_owned(), text.into())));
        // echo -n 'alert(1)' | openssl dgst -sha256 -binary | base64
        let known = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='";
        assert!(assets.inline_scripts().iter().eq([known]));
        assert_eq!(Assets::embedded().inline_scripts().len(), 1);
    }

    #[test]
    fn types_and_compression() {
        let body = Bytes::from("x".repeat(1000));
        let files = ["a.js", "b.svg", "c.css", "d.png", "e.html", "f.unknown"];
        let assets = Assets::of(files.map(|path| (path.to_owned(), body.clone())));
        for (path, content_type, compressed) in [
            ("a.js", "text/javascript; charset=utf-8", true),
            ("b.svg", "image/svg+xml", true),
            ("c.css", "text/css; charset=utf-8", true),
            ("d.png", "image/png", false),
            ("e.html", "text/html; charset=utf-8", true),
            ("f.unknown", "application/octet-stream", false),
        ] {
            let asset = assets.get(path).unwrap();
            assert_eq!(asset.content_type, content_type, "{path}");
            assert_eq!(asset.gzip.is_some(), compressed, "{path}");
            assert!(asset.etag.starts_with('"') && asset.etag.ends_with('"'));
        }
    }

    #[test]
    fn the_pages_are_embedded() {
        for page in ["index.html", "watch.html", "embed.html", "404.html"] {
            assert!(Assets::embedded().get(page).is_some(), "{page}");
        }
    }
}
