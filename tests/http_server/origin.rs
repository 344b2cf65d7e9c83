//! The HTTP server in front of the real origin: answers that need both.

use std::time::Duration;

use bytes::Bytes;
use weir::base::units::{ByteSize, FrameRate};
use weir::daemon::http::Limits;
use weir::daemon::origin::{self, Origin, SessionSpec, SessionWriter};
use weir::model::hls::{Part, TrackId};
use weir::model::ladder::{SourceFormat, plan};

use super::client::get;
use super::stub::{Running, Stub};

const SECOND: Duration = Duration::from_secs(1);

fn spec() -> SessionSpec {
    let source = SourceFormat {
        width: 640,
        height: 360,
        fps: FrameRate::whole(30),
    };
    SessionSpec {
        // Without rungs, the plan has one rendition of the source's size.
        plan: plan(&[], source),
        segment: SECOND,
        part_target: SECOND / 2,
        ts: false,
    }
}

/// Feeds stream `demo` with two segments of two parts each.
fn write(origin: &Origin) -> SessionWriter {
    let mut writer = origin.open("demo", spec());
    for track in [TrackId::Video(0), TrackId::Audio(0)] {
        writer.init(track, "avc1.64001e", Bytes::from_static(b"init"));
        for (msn, index) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
            assert!(writer.part(Part {
                track,
                msn,
                index,
                duration: SECOND / 2,
                independent: index == 0,
                last: index == 1,
                date_ns: msn * 1_000_000_000 + u64::from(index) * 500_000_000,
                data: Bytes::from_static(b"part"),
            }));
        }
    }
    writer
}

#[tokio::test]
async fn directives_that_make_no_sense_are_refused_with_a_way_out() {
    let origin = Origin::new(origin::Limits {
        window: 20 * SECOND,
        memory: ByteSize::from_mib(1),
        hold_back: None,
    });
    let writer = write(&origin);
    let server = Running::serving(origin, Stub::default(), Limits::default());
    let master = get(server.address, "/live/demo/master.m3u8").await;
    let uri = master.text().lines().last().unwrap().to_owned();
    let ask = |query: &str| {
        let path = format!("/live/demo/{uri}{query}");
        async move { get(server.address, &path).await }
    };
    for (query, error) in [
        ("?_HLS_part=1", "_HLS_part without _HLS_msn"),
        ("?_HLS_msn=5", "_HLS_msn is too far ahead"),
        ("?_HLS_msn=3&_HLS_part=99", "_HLS_part is too far ahead"),
        ("?_HLS_msn=x", "_HLS_msn is not one number"),
    ] {
        let reply = ask(query).await;
        reply.assert_problem(400);
        let json = reply.json();
        assert_eq!(json["error"], error);
        let hint = json["hint"].as_str().unwrap();
        assert!(hint.contains("only with it _HLS_part=NUMBER"), "{hint}");
    }
    for query in ["", "?_HLS_msn=2&_HLS_part=1", "?_HLS_skip=YES"] {
        assert_eq!(ask(query).await.status, 200, "{query}");
    }
    // "A Server MUST ignore _HLS_msn and _HLS_part if the Playlist contains an EXT-X-ENDLIST tag"
    // (RFC 8216bis section 6.2.5.2).
    writer.end();
    assert_eq!(ask("?_HLS_part=1").await.status, 200);
    server.stop().await;
}
