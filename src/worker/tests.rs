//! A whole worker in this process, fed with frames encoded here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gst::prelude::*;
use gst_app::AppSink;

use super::director::Director;
use super::input::Feeder;
use crate::base::units::{Bitrate, FrameRate};
use crate::model::encoder::OnFailure;
use crate::model::frame::{
    AudioCodec, AudioFormat, EncodedFrame, InputFormat, Track, VideoCodec, VideoFormat,
};
use crate::model::hls::TrackId;
use crate::model::ladder::Rung;
use crate::model::source::Source;
use crate::wire::protocol::{Cutting, FromWorker, Start};
use crate::worker::media::events::{Event, Events};
use crate::worker::media::input::Intake;
use crate::worker::media::mailbox::Receiver;
use crate::worker::media::template::Library;
use crate::worker::media::{self, Outbox};
use crate::worker::walls::Readable;

/// Longest wait for a message.
const WAIT: Duration = Duration::from_secs(20);

fn start(source: Source) -> Start {
    let rung = |name: &str, height| Rung {
        name: name.to_owned(),
        height,
        fps_max: FrameRate::whole(30),
        bitrate: Bitrate::from_bps(400_000),
        audio: Bitrate::from_bps(64_000),
    };
    Start {
        stream: "test".to_owned(),
        source,
        rungs: vec![rung("240p", 240), rung("120p", 120)],
        cutting: Cutting {
            segment: Duration::from_secs(1),
            part: Duration::from_millis(200),
            ts: true,
        },
        encoders: vec!["x264".into()],
        on_failure: OnFailure::Fallback,
        passthrough: crate::model::passthrough::Policy::Auto,
        plan: None,
        first_msn: 1,
        resume: None,
        shed: 0,
    }
}

struct Worker {
    feeder: Feeder,
    events: Events,
    messages: Receiver<FromWorker>,
    director: std::thread::JoinHandle<()>,
}

fn worker(start: Start) -> Worker {
    media::init().unwrap();
    let (outbox, messages) = Outbox::new(|| panic!("the outbox is full"));
    let (events, reports) = Events::new();
    let library = Arc::new(Library::load(None).0);
    let intake = Arc::new(Intake::new(events.clone()));
    let feeder = Feeder::new(
        intake.clone(),
        library.clone(),
        outbox.clone(),
        events.clone(),
    );
    let director = Director::new(
        start,
        intake,
        library,
        Readable::default(),
        outbox,
        events.clone(),
    );
    Worker {
        feeder,
        events,
        messages,
        director: std::thread::spawn(move || director.run(&reports)),
    }
}

/// Reads messages until `enough` says so.
fn read(
    messages: &Receiver<FromWorker>,
    mut enough: impl FnMut(&FromWorker) -> bool,
) -> Vec<FromWorker> {
    let mut seen = Vec::new();
    loop {
        let message = messages.recv_timeout(WAIT).expect("the worker went quiet");
        assert!(
            !matches!(message, FromWorker::EncoderFailed { .. }),
            "{message:?}"
        );
        assert!(!matches!(message, FromWorker::Log(_)), "{message:?}");
        let done = enough(&message);
        seen.push(message);
        if done {
            return seen;
        }
    }
}

fn ends_segment(message: &FromWorker, track: TrackId, msn: u64) -> bool {
    matches!(message, FromWorker::Part(p) if p.track == track && p.msn == msn && p.last)
}

fn encoded() -> (InputFormat, Vec<EncodedFrame>) {
    let (video_config, video) = encode(
        "videotestsrc num-buffers=90 ! video/x-raw,width=426,height=240,framerate=30/1 \
         ! x264enc speed-preset=ultrafast bframes=2 key-int-max=30 \
         ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! appsink name=out sync=false",
        Track::Video,
    );
    let (audio_config, audio) = encode(
        "audiotestsrc num-buffers=141 samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=2 \
         ! avenc_aac ! appsink name=out sync=false",
        Track::Audio,
    );
    let mut frames: Vec<_> = video.into_iter().chain(audio).collect();
    frames.sort_by_key(|frame| frame.dts_ns);
    let format = InputFormat {
        video: Some(VideoFormat {
            codec: VideoCodec::H264,
            config: video_config,
            fps_milli_hint: None,
        }),
        audio: Some(AudioFormat {
            codec: AudioCodec::Aac,
            config: audio_config,
        }),
        video_announced: false,
    };
    (format, frames)
}

fn encode(line: &str, track: Track) -> (Bytes, Vec<EncodedFrame>) {
    let pipeline = gst::parse::launch(line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let (mut config, mut frames) = (Bytes::new(), Vec::new());
    while let Ok(sample) = sink.pull_sample() {
        let structure = sample.caps().unwrap().structure(0).unwrap().to_owned();
        let data = structure.get::<gst::Buffer>("codec_data").unwrap();
        config = Bytes::copy_from_slice(&data.map_readable().unwrap());
        let buffer = sample.buffer().unwrap();
        // x264enc starts its time a thousand hours in.
        let segment = sample
            .segment()
            .unwrap()
            .downcast_ref::<gst::ClockTime>()
            .unwrap();
        let time = |t: gst::ClockTime| match segment.to_running_time_full(t) {
            Some(gst::Signed::Positive(t)) => t.nseconds() as i64,
            Some(gst::Signed::Negative(t)) => -(t.nseconds() as i64),
            None => 0,
        };
        let pts_ns = time(buffer.pts().unwrap());
        frames.push(EncodedFrame {
            track,
            pts_ns,
            dts_ns: buffer.dts().map_or(pts_ns, time),
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            data: Bytes::copy_from_slice(&buffer.map_readable().unwrap()),
        });
    }
    pipeline.set_state(gst::State::Null).unwrap();
    (config, frames)
}

#[test]
fn a_publisher_becomes_a_ladder_and_may_leave_and_return() {
    let mut worker = worker(start(Source::Push));
    let (format, frames) = encoded();
    for msn in [1, 3] {
        worker.feeder.opened(format.clone());
        for frame in &frames {
            worker.feeder.frame(frame.clone());
        }
        let seen = read(&worker.messages, |m| {
            ends_segment(m, TrackId::Video(1), msn)
        });
        if msn == 1 {
            let planned = seen.iter().find_map(|m| match m {
                FromWorker::Planned { plan, .. } => Some(plan.clone()),
                _ => None,
            });
            let plan = planned.expect("a plan before the first part");
            let sizes: Vec<_> = plan.video.iter().map(|v| (v.width, v.height)).collect();
            assert_eq!(sizes, [(426, 240), (214, 120)]);
        }
        worker.feeder.closed();
        // The output goes on without a publisher.
        read(&worker.messages, |m| {
            ends_segment(m, TrackId::Audio(0), msn + 1)
        });
    }
    finish(worker);
}

#[test]
fn the_test_signal_needs_nothing() {
    let worker = worker(start(Source::Test));
    let (mut thumbnail, mut ts) = (false, false);
    read(&worker.messages, |m| {
        thumbnail |=
            matches!(m, FromWorker::Thumbnail { data, .. } if data.starts_with(&[0xFF, 0xD8]));
        ts |= matches!(m, FromWorker::TsSegment(s) if s.msn == 1);
        thumbnail && ts
    });
    finish(worker);
}

fn finish(worker: Worker) {
    worker.events.send(Event::Finish);
    read(&worker.messages, |m| matches!(m, FromWorker::Finished));
    worker.director.join().unwrap();
}
