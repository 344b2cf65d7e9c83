//! The media of publishers arrives unchanged.

use tokio::process::Command;
use weir::daemon::ingest::rtmp::{Limits, message};
use weir::daemon::ingest::{LEASE_EVENTS_MAX, MediaEvent};
use weir::model::frame::{Track, VideoCodec};

use super::fixture::{AVC_CONFIG, AVC_KEY, Fixture, assert_rising, ffmpeg, formats, frames};
use super::rtmp_client::Client;

#[tokio::test]
async fn ffmpeg_publishes_pictures_and_sound() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let mut publisher = ffmpeg(&fixture.url("studio?key=s3cret")).spawn().unwrap();
    let events = fixture.next_media().await;
    assert!(publisher.wait().await.unwrap().success());

    let formats = formats(&events);
    assert_eq!(formats.len(), 1, "one format, of both tracks");
    assert!(matches!(events[0], MediaEvent::Format(_)));
    let video = formats[0].video.as_ref().unwrap();
    assert_eq!(video.codec, VideoCodec::H264);
    assert_eq!(video.fps_milli_hint, Some(25_000));
    assert_eq!(formats[0].audio.as_ref().unwrap().config[..2], [0x11, 0x88]);

    let video = frames(&events, Track::Video);
    assert_eq!(video.len(), 50);
    assert_rising(&video);
    assert_eq!(video.iter().filter(|frame| frame.key).count(), 2);
    assert!(
        video
            .iter()
            .any(|frame| frame.pts_ns > frame.dts_ns + 40_000_000),
        "B-frames"
    );
    let audio = frames(&events, Track::Audio);
    assert!(
        (93..=96).contains(&audio.len()),
        "{} frames of 1024 samples",
        audio.len()
    );
    assert_rising(&audio);
    fixture.stop().await;
}

#[tokio::test]
async fn gstreamer_publishes() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let mut publisher = Command::new("gst-launch-1.0")
        .args("-q videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120".split(' '))
        .args("! x264enc tune=zerolatency ! flvmux streamable=true ! rtmp2sink".split(' '))
        .arg(format!("location={}", fixture.url("studio?key=s3cret")))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let events = fixture.next_media().await;
    assert!(publisher.wait().await.unwrap().success());
    assert_eq!(frames(&events, Track::Video).len(), 30);
    assert!(formats(&events)[0].audio.is_none());
    fixture.stop().await;
}

#[tokio::test]
async fn timestamps_go_on_where_32_bits_end() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let (mut client, _) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    client.send(message::VIDEO, 0, AVC_CONFIG).await.unwrap();
    for timestamp_ms in [u32::MAX - 30, 9, 49] {
        client
            .send(message::VIDEO, timestamp_ms, AVC_KEY)
            .await
            .unwrap();
    }
    drop(client);
    let events = fixture.next_media().await;
    let times: Vec<_> = frames(&events, Track::Video)
        .iter()
        .map(|frame| frame.dts_ns / 1_000_000 - i64::from(u32::MAX))
        .collect();
    assert_eq!(times, [-30, 10, 50]);
    fixture.stop().await;
}

#[tokio::test]
async fn hevc_comes_by_enhanced_rtmp_and_av1_is_refused() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let (mut client, _) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    let config = [b"\x90hvc1".as_slice(), &[1; 23]].concat();
    client.send(message::VIDEO, 0, &config).await.unwrap();
    client
        .send(message::VIDEO, 0, b"\x91hvc1\0\0\x28KEY")
        .await
        .unwrap();
    client
        .send(message::VIDEO, 40, b"\x90av01CONFIG")
        .await
        .unwrap();
    assert_eq!(
        client.status().await.as_deref(),
        Some("NetStream.Publish.Rejected")
    );
    let events = fixture.next_media().await;
    let codec = formats(&events)[0].video.as_ref().map(|video| video.codec);
    assert_eq!(codec, Some(VideoCodec::H265));
    assert_eq!(frames(&events, Track::Video)[0].pts_ns, 40_000_000);
    let Some(MediaEvent::Refused(cause)) = events.last() else {
        panic!("the session is told why: {events:?}");
    };
    assert!(
        cause.contains("av01") && cause.contains("encoder's settings"),
        "{cause}"
    );
    drop(client);
    fixture.stop().await;
}

#[tokio::test]
async fn a_session_that_is_slow_loses_nothing() {
    let mut fixture = Fixture::start(Limits::default()).await;
    let (mut client, _) = Client::publish(fixture.address, "studio?key=s3cret")
        .await
        .unwrap();
    let frames_sent = 2 * LEASE_EVENTS_MAX;
    client.send(message::VIDEO, 0, AVC_CONFIG).await.unwrap();
    for _ in 0..frames_sent {
        client.send(message::VIDEO, 0, AVC_KEY).await.unwrap();
    }
    drop(client);
    let events = fixture.next_media().await;
    assert_eq!(frames(&events, Track::Video).len(), frames_sent);
    fixture.stop().await;
}
