//! The DASH manifest of a stream.

use std::sync::Arc;

use super::*;
use crate::model::mp4::samples;

const SCALE: u32 = 48_000;

/// Opens a session whose files say when they are shown.
fn open_timed(origin: &Origin) -> SessionWriter {
    let mut writer = origin.open("s", spec());
    writer.init(VIDEO, "avc1.64001e", samples::init(SCALE, "video").into());
    writer.init(AUDIO, "mp4a.40.2", samples::init(SCALE, "audio").into());
    writer
}

fn timed(track: TrackId, msn: u64, index: u32) -> Part {
    let ticks = (msn * 2 + u64::from(index)) * u64::from(SCALE) / 2;
    Part {
        data: samples::part(ticks, &[(1000, 0)]).into(),
        ..part(track, msn, index)
    }
}

fn timed_segment(writer: &mut SessionWriter, msn: u64) {
    for track in [VIDEO, AUDIO] {
        for index in 0..2 {
            assert!(writer.part(timed(track, msn, index)));
        }
    }
}

async fn manifest(origin: &Origin) -> Result<Arc<Text>, Missing> {
    let document = origin.manifest("s", Duration::ZERO).await;
    document.map(|document| document.text)
}

#[tokio::test(start_paused = true)]
async fn a_manifest_is_rendered_once_for_each_segment() {
    let origin = origin(u64::MAX);
    let mut writer = open_timed(&origin);
    timed_segment(&mut writer, 1);
    let first = manifest(&origin).await.unwrap();
    // Neither a part nor a segment that some rendition lacks changes it.
    for (track, index) in [(VIDEO, 0), (VIDEO, 1), (AUDIO, 0)] {
        assert!(writer.part(timed(track, 2, index)));
        assert!(Arc::ptr_eq(&first, &manifest(&origin).await.unwrap()));
    }
    assert!(writer.part(timed(AUDIO, 2, 1)));
    let second = manifest(&origin).await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert_ne!(first.body, second.body);
}

#[tokio::test(start_paused = true)]
async fn a_manifest_is_awaited_and_ends_with_its_session() {
    let origin = origin(u64::MAX);
    assert_eq!(manifest(&origin).await.unwrap_err(), Missing::NotFound);
    origin.expect("s");
    let asked = tokio::spawn({
        let origin = origin.clone();
        async move { origin.manifest("s", Duration::from_secs(10)).await }
    });
    sleep(HALF).await;
    let mut writer = open_timed(&origin);
    timed_segment(&mut writer, 1);
    let first = asked.await.unwrap().unwrap().text;
    let is = |text: &Text, kind: &str| {
        let text = std::str::from_utf8(&text.body).unwrap();
        text.contains(&format!(" type=\"{kind}\""))
    };
    assert!(is(&first, "dynamic"));
    writer.end();
    assert!(is(&manifest(&origin).await.unwrap(), "static"));
    sleep(WINDOW).await;
    assert_eq!(manifest(&origin).await.unwrap_err(), Missing::NotFound);
}

/// The address in the manifest that wakes a rung is that of a segment; to read the manifest does not.
#[tokio::test(start_paused = true)]
async fn only_segments_are_demand_for_a_rung() {
    let origin = origin(u64::MAX);
    let mut writer = open_timed(&origin);
    timed_segment(&mut writer, 1);
    let watched = || writer.demand().watched().0;
    let text = manifest(&origin).await.unwrap();
    assert!(watched().is_empty());
    let text = std::str::from_utf8(&text.body).unwrap();
    let (_, media) = text.split_once("media=\"").unwrap();
    let media = media.split('"').next().unwrap().replace("$Number$", "1");
    let path: Vec<&str> = media.split('/').collect();
    let found = origin.object("s", path[0], path[1], path[2]).await;
    assert!(found.is_ok(), "{media}");
    assert!(!watched().is_empty());
}
