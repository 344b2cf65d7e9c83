//! Tests of the conversion of messages into media events.

use bytes::BytesMut;

use super::*;

const AVC_CONFIG: &[u8] = b"\x17\x00\0\0\0\x01\x64\0\x1f\xff\xe0\0";
const AVC_CONFIG_2: &[u8] = b"\x17\x00\0\0\0\x01\x64\0\x28\xff\xe0\0";
const AAC_CONFIG: &[u8] = b"\xaf\x00\x11\x90";
const AVC_KEY: &[u8] = b"\x17\x01\0\0\x28KEY";
const AVC_DELTA: &[u8] = b"\x27\x01\0\0\0DELTA";
const AAC_FRAME: &[u8] = b"\xaf\x01SOUND";

#[derive(Default)]
struct Fixture {
    tracks: Tracks,
    events: VecDeque<MediaEvent>,
}

impl Fixture {
    fn video(&mut self, timestamp_ms: u32, payload: &[u8]) -> &mut Self {
        let payload = Bytes::copy_from_slice(payload);
        self.tracks
            .video(timestamp_ms, &payload, &mut self.events)
            .unwrap();
        self
    }

    fn audio(&mut self, timestamp_ms: u32, payload: &[u8]) -> &mut Self {
        let payload = Bytes::copy_from_slice(payload);
        self.tracks
            .audio(timestamp_ms, &payload, &mut self.events)
            .unwrap();
        self
    }

    fn framerate(&mut self, fps: f64) -> &mut Self {
        self.metadata(Value::object([("framerate", Value::Number(fps))]))
    }

    fn metadata(&mut self, metadata: Value) -> &mut Self {
        let mut data = BytesMut::new();
        Value::string("@setDataFrame").write(&mut data);
        Value::string("onMetaData").write(&mut data);
        metadata.write(&mut data);
        self.tracks.data(&data);
        self
    }

    /// The events so far, one text per event.
    fn take(&mut self) -> Vec<String> {
        self.events
            .drain(..)
            .map(|event| match event {
                MediaEvent::Format(format) => format!(
                    "format{}{}{}",
                    if format.video_announced {
                        " video soon"
                    } else {
                        ""
                    },
                    format.video.map_or(String::new(), |video| format!(
                        " {:?}@{:?}",
                        video.codec, video.fps_milli_hint
                    )),
                    format
                        .audio
                        .map_or(String::new(), |audio| format!(" {:?}", audio.codec)),
                ),
                MediaEvent::Refused(cause) => cause,
                MediaEvent::Frame(frame) => format!(
                    "{:?} {}/{}{}",
                    frame.track,
                    frame.dts_ns / NANOS_PER_MS,
                    frame.pts_ns / NANOS_PER_MS,
                    if frame.key { " key" } else { "" },
                ),
            })
            .collect()
    }
}

#[test]
fn one_format_tells_of_both_tracks() {
    let mut fixture = Fixture::default();
    fixture
        .framerate(29.97)
        .video(0, AVC_CONFIG)
        .audio(0, AAC_CONFIG)
        .video(0, AVC_KEY)
        .audio(3, AAC_FRAME)
        .video(33, AVC_DELTA);
    assert_eq!(
        fixture.take(),
        [
            "format H264@Some(29970) Aac",
            "Video 0/40 key",
            "Audio 3/3 key",
            "Video 33/33"
        ]
    );
}

/// Encoders that capture a screen may send their first picture seconds after the sound.
#[test]
fn announced_pictures_are_told_until_they_come() {
    let text = |name: &str, value| (name.to_owned(), Value::string(value));
    let number = |name: &str, value| (name.to_owned(), Value::Number(value));
    for (metadata, soon) in [
        (vec![number("videocodecid", 7.0)], " video soon"),
        (vec![text("videocodecid", "avc1")], " video soon"),
        (
            vec![number("width", 1280.0), number("height", 720.0)],
            " video soon",
        ),
        (vec![number("width", 0.0), number("height", 0.0)], ""),
        (vec![number("videocodecid", 0.0)], ""),
        (vec![number("audiocodecid", 10.0)], ""),
    ] {
        let mut fixture = Fixture::default();
        fixture
            .metadata(Value::Object(metadata))
            .audio(0, AAC_CONFIG)
            .audio(0, AAC_FRAME)
            .audio(21, AAC_FRAME);
        let told = format!("format{soon} Aac");
        assert_eq!(fixture.take(), [&*told, "Audio 0/0 key", "Audio 21/21 key"]);
        fixture.video(5000, AVC_CONFIG).video(5000, AVC_KEY);
        assert_eq!(
            fixture.take(),
            ["format H264@None Aac", "Video 5000/5040 key"]
        );
    }
}

#[test]
fn a_format_is_told_again_only_when_a_configuration_changes() {
    let mut fixture = Fixture::default();
    fixture.video(0, AVC_CONFIG).video(0, AVC_KEY).take();
    fixture
        .video(40, AVC_CONFIG)
        .framerate(50.0)
        .video(40, AVC_KEY);
    assert_eq!(fixture.take(), ["Video 40/80 key"], "the same header again");
    fixture.audio(50, AAC_CONFIG).audio(50, AAC_FRAME);
    assert_eq!(fixture.take(), ["format H264@None Aac", "Audio 50/50 key"]);
    fixture.video(80, AVC_CONFIG_2).video(80, AVC_KEY);
    assert_eq!(
        fixture.take(),
        ["format H264@Some(50000) Aac", "Video 80/120 key"]
    );
}

#[test]
fn hevc_comes_by_enhanced_rtmp() {
    let mut fixture = Fixture::default();
    let config = [b"\x90hvc1".as_slice(), &[1; 23]].concat();
    fixture
        .video(0, &config)
        .video(0, b"\x91hvc1\0\0\x50KEY")
        .video(20, b"\xa3hvc1DELTA");
    assert_eq!(
        fixture.take(),
        ["format H265@None", "Video 0/80 key", "Video 20/20"]
    );
}

#[test]
fn what_cannot_be_decoded_is_dropped_and_never_fatal() {
    let mut fixture = Fixture::default();
    fixture
        .video(0, AVC_KEY)
        .audio(0, AAC_FRAME)
        .video(0, b"")
        .audio(0, b"")
        .video(0, b"\x17\x00\0\0\0short")
        .audio(0, b"\xaf\x00\x11")
        .video(0, AVC_CONFIG)
        .video(0, b"\x17\x01\0\0\0")
        .video(0, b"\x17\x01\x7f\xff\xffABSURD")
        .video(0, b"\x1c\x01\0\0\0OTHER CODEC");
    fixture.tracks.data(b"\xff");
    assert_eq!(fixture.take(), [""; 0]);
    // In the order of `Dropped`.
    assert_eq!(fixture.tracks.dropped, [2, 1, 3, 2, 1, 1]);
}

#[test]
fn implausible_frame_rates_are_no_hint() {
    for fps in [0.0, -25.0, f64::NAN, f64::INFINITY, 1e9] {
        let mut fixture = Fixture::default();
        fixture.framerate(fps);
        assert_eq!(fixture.tracks.fps_milli_hint, None, "{fps}");
    }
}

#[test]
fn an_unsupported_codec_is_an_error() {
    let mut tracks = Tracks::default();
    let av1 = Bytes::from_static(b"\x90av01C");
    assert!(tracks.video(0, &av1, &mut VecDeque::new()).is_err());
}
