//! I-frame playlists, and the pictures that they list.

use super::client::{ask, get};
use super::iframe::{HEAD_BYTES, fragment};
use super::stub::Running;

/// The only sample of the first part.
const PICTURE: &[u8] = b"a picture";

/// Writes a segment that begins with [`fragment`]; returns its file.
fn write(server: &Running) -> String {
    server.write([
        fragment(PICTURE, &[]).into(),
        "the rest of the segment".into(),
    ])
}

#[tokio::test]
async fn a_picture_is_a_range_of_its_segment() {
    let server = Running::start();
    let file = write(&server);
    let path = server.path("iframes.m3u8");
    let reply = get(server.address, &path).await;
    assert_eq!(reply.status, 200);
    let playlist = "application/vnd.apple.mpegurl";
    assert_eq!(reply.header("content-type"), Some(playlist));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
    let (text, length) = (reply.text(), HEAD_BYTES + PICTURE.len());
    assert!(text.contains("#EXT-X-I-FRAMES-ONLY\n"), "{text}");
    // The other segments of this server have no boxes.
    let listed = format!(
        "30.m4s\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:02.000Z\n\
         #EXT-X-BYTERANGE:{length}@0\n#EXTINF:2.0,\n{file}\n"
    );
    assert!(text.ends_with(&listed), "{text}");
    let tag = reply.header("etag").unwrap().to_owned();
    let again = ask(server.address, "GET", &path, &[("If-None-Match", &tag)]).await;
    assert_eq!(again.status, 304);

    let range = format!("bytes=0-{}", length - 1);
    let range = [("Range", range.as_str())];
    let reply = ask(server.address, "GET", &server.path(&file), &range).await;
    assert_eq!(
        (reply.status, &*reply.body),
        (206, fragment(PICTURE, &[]).as_slice())
    );
    let sound = server.session_path("audio-128k/iframes.m3u8");
    get(server.address, &sound).await.assert_problem(404);
    let master = get(server.address, "/live/demo/master.m3u8").await;
    let listed = path.strip_prefix("/live/demo/").unwrap();
    let listed = format!(",URI=\"{listed}\"");
    assert!(master.text().contains(&listed), "{}", master.text());
    server.stop().await;
}

#[tokio::test]
async fn who_looks_for_a_place_wakes_no_rung() {
    let server = Running::start();
    let file = server.path(&write(&server));
    let path = server.path("iframes.m3u8");
    let picture = format!("bytes=0-{}", HEAD_BYTES + PICTURE.len() - 1);
    let waits = format!("{path}?_HLS_msn=31");
    for (path, range) in [
        (&path, "bytes=0-"),
        (&waits, "bytes=0-"),
        (&file, &*picture),
    ] {
        let reply = ask(server.address, "GET", path, &[("Range", range)]).await;
        assert!(matches!(reply.status, 200 | 206), "{path}");
        assert!(!server.is_watched(), "{path}");
    }
    assert_eq!(server.stub.viewers.borrow().len(), 2, "it is watched");
    assert!(server.stub.rungs.lock().unwrap().is_empty(), "but no rung");
    // ffmpeg asks for whole segments so.
    let whole = [("Range", "bytes=0-")];
    ask(server.address, "GET", &file, &whole).await;
    assert!(server.is_watched());
    server.stop().await;
}
