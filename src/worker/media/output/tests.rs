//! The output half fed with pictures of its own, faster than real time.

mod format;
mod resumed;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::units::{Bitrate, FrameRate};
use crate::model::hls::{Part, TrackId, TsSegment};
use crate::model::ladder::cuts::{Cut, CutLog};
use crate::model::ladder::lengths::{Lengths, Settings, aac_time};
use crate::model::ladder::{AudioRendition, Canvas, Plan, RungSet, VideoRendition};
use crate::wire::protocol::FromWorker;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::mailbox::Receiver;
use crate::worker::media::outbox::Outbox;
use crate::worker::media::passthrough::Passthrough;
use crate::worker::media::template::Library;

/// Longest wait for a message.
const WAIT: Duration = Duration::from_secs(10);

fn plan(fps: FrameRate) -> Plan {
    let rendition = |name: &str, width, height, divisor| VideoRendition {
        name: name.to_owned(),
        width,
        height,
        divisor,
        bitrate: Bitrate::from_bps(300_000),
        audio: 0,
    };
    Plan {
        canvas: Canvas {
            width: 320,
            height: 180,
            fps,
        },
        video: vec![rendition("180p", 320, 180, 1), rendition("90p", 160, 90, 2)],
        audio: vec![AudioRendition {
            name: "audio-64k".to_owned(),
            bitrate: Bitrate::from_bps(64_000),
        }],
    }
}

fn picture(frame: u64) -> gst::Buffer {
    let mut bytes = vec![128u8; 320 * 180 * 3 / 2];
    for (index, luma) in bytes.iter_mut().take(320 * 180).enumerate() {
        *luma = ((index as u64 * 7 + frame * 3) % 200) as u8 + 16;
    }
    gst::Buffer::from_mut_slice(bytes)
}

/// A running output half and what it has been fed.
struct Fed {
    output: Output,
    cuts: Cuts,
    fps: FrameRate,
    frame: u64,
    audio: u64,
    messages: Receiver<FromWorker>,
    failed: Receiver<Event>,
}

impl Fed {
    fn new(fps: FrameRate) -> Self {
        let fed = Self::without_encoders(fps);
        for rung in [0, 1] {
            fill(&fed.output, rung);
        }
        fed
    }

    fn without_encoders(fps: FrameRate) -> Self {
        Self::of(&plan(fps), None)
    }

    /// Makes `plan` with the templates of `folder`.
    fn of(plan: &Plan, folder: Option<&Path>) -> Self {
        let first = Cut {
            msn: 5,
            frame: 0,
            awake: RungSet::first(plan.video.len()),
        };
        Self::at(plan, folder, |plan, lengths| {
            Joint::begin(plan, lengths, first)
        })
    }

    /// One whose rungs begin where `joint` says.
    fn at(plan: &Plan, folder: Option<&Path>, joint: impl FnOnce(&Plan, Lengths) -> Joint) -> Self {
        crate::worker::media::init().unwrap();
        let fps = plan.canvas.fps;
        let lengths = Lengths::new(Settings {
            fps,
            grid: 2,
            segment: Duration::from_secs(2),
            part: Duration::from_millis(200),
        });
        let joint = joint(plan, lengths);
        let cuts = Cuts::new(joint.cuts.clone());
        let (outbox, messages) = Outbox::new(|| panic!("the outbox is full"));
        let (events, failed) = Events::new();
        let (library, errors) = Library::load(folder);
        assert!(errors.is_empty(), "{errors:?}");
        let tools = Tools {
            library: Arc::new(library),
            cuts: cuts.clone(),
            epoch: Epoch::at(1_000_000_000),
            outbox,
            grave: Grave::new(&events),
            passthrough: Passthrough::default(),
            events,
        };
        let output = Output::start(plan, &joint, true, &tools).unwrap();
        Self {
            output,
            cuts,
            fps,
            frame: joint.frame,
            audio: joint.block,
            messages,
            failed,
        }
    }

    /// Feeds pictures and sound up to `end`.
    fn until(&mut self, end: Duration) {
        while self.fps.time_of(self.frame) < end {
            while !self.output.has_room() {
                std::thread::yield_now();
            }
            self.cuts.decide(self.frame + 1);
            self.output.picture(self.frame, picture(self.frame));
            self.frame += 1;
            while aac_time(self.audio) < self.fps.time_of(self.frame) {
                let silence = gst::Buffer::from_mut_slice(vec![0u8; 4096]);
                self.output.samples(self.audio, silence);
                self.audio += 1;
            }
        }
    }

    /// Waits for a message that `wanted` takes.
    fn wait_for(&self, mut wanted: impl FnMut(&FromWorker) -> bool) {
        while !wanted(&self.messages.recv_timeout(WAIT).unwrap()) {}
    }

    fn finish(self) -> (CutLog, Vec<FromWorker>) {
        self.output.finish();
        let events = std::iter::from_fn(|| self.failed.try_next());
        let failed: Vec<_> = events.filter(|e| *e != Event::Emptied).collect();
        assert_eq!(failed, []);
        (self.cuts.snapshot(), self.messages.collect())
    }
}

fn fill(output: &Output, rung: usize) {
    let slot = &output.slots()[rung];
    slot.fill(slot.make(&"x264".into()).unwrap()).unwrap();
}

fn run(fps: FrameRate, seconds: u64) -> (CutLog, Vec<FromWorker>) {
    let mut fed = Fed::new(fps);
    fed.until(Duration::from_secs(seconds));
    fed.finish()
}

fn parts(messages: &[FromWorker]) -> BTreeMap<TrackId, Vec<Part>> {
    let mut tracks: BTreeMap<TrackId, Vec<Part>> = BTreeMap::new();
    for message in messages {
        if let FromWorker::Part(part) = message {
            tracks.entry(part.track).or_default().push(part.clone());
        }
    }
    tracks
}

/// Checks that the parts of every track follow each other where the log cuts; returns the tracks.
fn checked(log: &CutLog, messages: &[FromWorker]) -> BTreeMap<TrackId, Vec<Part>> {
    let tracks = parts(messages);
    check(log, &tracks);
    tracks
}

fn check(log: &CutLog, tracks: &BTreeMap<TrackId, Vec<Part>>) {
    for (track, parts) in tracks {
        let mut expected = (5, 0);
        for part in parts {
            assert_eq!((part.msn, part.index), expected, "{track:?}");
            let target = log.lengths().part_target();
            assert!(
                part.duration <= target + Duration::from_nanos(1),
                "{part:?}"
            );
            let last = match track {
                TrackId::Video(_) => log.ends_segment(part.msn, part.index),
                TrackId::Audio(_) => log.ends_audio_segment(part.msn, part.index),
            };
            assert_eq!(part.last, last);
            expected = if part.last {
                (part.msn + 1, 0)
            } else {
                (part.msn, part.index + 1)
            };
            if part.index == 0 && matches!(track, TrackId::Video(_)) {
                let start = log.segment_time(part.msn).unwrap();
                assert_eq!(part.date_ns, 1_000_000_000 + start.as_nanos() as u64);
                assert!(part.independent);
            }
        }
        assert!(expected.0 >= 8, "{track:?} stops at {expected:?}");
    }
}

#[test]
fn every_rendition_is_cut_where_the_log_says() {
    for fps in [
        FrameRate::whole(30),
        FrameRate::new(30_000, 1001).unwrap(),
        FrameRate::whole(24),
    ] {
        let (log, messages) = run(fps, 6);
        assert_eq!(checked(&log, &messages).len(), 3);
    }
}

#[test]
fn transport_stream_segments_match_the_log() {
    let (log, messages) = run(FrameRate::whole(30), 6);
    let segments = |video| {
        let of = move |m: &FromWorker| match m {
            FromWorker::TsSegment(s) if s.video == video => Some(s.clone()),
            _ => None,
        };
        messages.iter().filter_map(of).collect::<Vec<TsSegment>>()
    };
    for video in [0, 1] {
        let segments = segments(video);
        let numbers: Vec<u64> = segments.iter().map(|s| s.msn).collect();
        assert_eq!(numbers, [5, 6, 7, 8], "rendition {video}");
        for segment in &segments {
            assert_eq!(segment.data.len() % 188, 0);
            assert_eq!(segment.data.first(), Some(&0x47));
            let start = log.segment_time(segment.msn).unwrap();
            assert_eq!(segment.date_ns, 1_000_000_000 + start.as_nanos() as u64);
            let frames = video_frames(&segment.data).count() as u64;
            let cut = |msn| log.cut(msn).map_or(180, |cut: &Cut| cut.frame);
            let expected = (cut(segment.msn + 1) - cut(segment.msn)) / (u64::from(video) + 1);
            assert_eq!(frames, expected, "{segment_msn}", segment_msn = segment.msn);
        }
    }
}

/// Packets that begin a PES packet of a video stream.
fn video_frames(ts: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begins = |packet: &&[u8]| {
        let payload = match packet[3] >> 4 & 3 {
            1 => 4,
            3 => 5 + packet[4] as usize,
            _ => return false,
        };
        packet[1] & 0x40 != 0
            && packet
                .get(payload..payload + 4)
                .is_some_and(|p| p[..3] == [0, 0, 1] && p[3] >> 4 == 0xE)
    };
    ts.chunks_exact(188).filter(begins)
}

#[test]
fn only_key_frames_are_marked_as_random_access_points() {
    let (_, messages) = run(FrameRate::whole(30), 4);
    // ISO/IEC 13818-1 section 2.4.3.5: the adaptation field's random_access_indicator.
    let marked = |packet: &&[u8]| packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x40 != 0;
    let mut segments = 0;
    for message in &messages {
        if let FromWorker::TsSegment(segment) = message {
            let marks: Vec<bool> = video_frames(&segment.data).map(|p| marked(&p)).collect();
            assert_eq!(marks.first(), Some(&true), "{}", segment.msn);
            assert_eq!(marks.iter().filter(|m| **m).count(), 1, "{}", segment.msn);
            segments += 1;
        }
    }
    assert!(segments >= 4, "{segments} segments");
}

#[test]
fn a_transport_stream_segment_is_there_soon_after_its_end() {
    let mut fed = Fed::new(FrameRate::whole(30));
    for msn in [5, 6] {
        fed.until(Duration::from_millis(1600 + (msn - 5) * 2000));
        // Nothing more is fed, so what comes now is all that viewers have at this time.
        let mut missing = vec![0, 1];
        while !missing.is_empty() {
            let message = fed.messages.recv_timeout(WAIT).unwrap_or_else(|error| {
                panic!("{error}: segment {msn} of renditions {missing:?}");
            });
            if let FromWorker::TsSegment(segment) = message {
                missing.retain(|video| (segment.msn, segment.video) != (msn, *video));
            }
        }
    }
    fed.finish();
}

#[test]
fn fragments_are_numbered_without_gaps() {
    let (_, messages) = run(FrameRate::whole(30), 4);
    for (track, parts) in parts(&messages) {
        let numbers: Vec<u32> = parts
            .iter()
            .map(|part| fragment_number(&part.data))
            .collect();
        let expected: Vec<u32> = (1..=parts.len() as u32).collect();
        assert_eq!(numbers, expected, "{track:?}");
    }
}

/// The sequence number in `mfhd`, which has version and flags before it.
fn fragment_number(part: &[u8]) -> u32 {
    let at = part.windows(4).position(|name| name == b"mfhd").unwrap() + 8;
    u32::from_be_bytes(part[at..at + 4].try_into().unwrap())
}

#[test]
fn codecs_are_named() {
    let (_, messages) = run(FrameRate::whole(30), 2);
    let mut codecs: Vec<_> = messages
        .iter()
        .filter_map(|m| match m {
            FromWorker::Init { track, codec, .. } => Some((*track, codec.clone())),
            _ => None,
        })
        .collect();
    codecs.sort();
    assert_eq!(codecs.len(), 3);
    assert!(codecs[0].1.starts_with("avc1.64"), "{codecs:?}");
    assert_eq!(codecs[2].1, "mp4a.40.2");
}

/// A picture of the whole life of one rung: its segments of both packagings, and its init sections.
fn of_rung(messages: &[FromWorker], rung: u8) -> Vec<String> {
    let mut life = Vec::new();
    for message in messages {
        let event = match message {
            FromWorker::Part(part) if part.track == TrackId::Video(rung) && part.last => {
                format!("{} of {}", part.msn, part.index + 1)
            }
            FromWorker::Init { track, .. } if *track == TrackId::Video(rung) => "init".into(),
            _ => continue,
        };
        life.push(event);
    }
    life
}

#[test]
fn a_rung_sleeps_and_wakes_at_cuts() {
    let fps = FrameRate::whole(30);
    let mut fed = Fed::new(fps);
    fed.until(Duration::from_millis(1500));
    fed.cuts.put_to_sleep(0);
    fed.until(Duration::from_millis(4900));
    // All that was made before the rung slept is out.
    fed.wait_for(|m| matches!(m, FromWorker::TsSegment(s) if (s.video, s.msn) == (0, 6)));
    while !fed.output.slots()[0].is_empty() {
        std::thread::yield_now();
    }
    fill(&fed.output, 0);
    fed.cuts.wake(0);
    fed.until(Duration::from_millis(9000));
    let (log, messages) = fed.finish();
    let awake: Vec<bool> = (5..10)
        .map(|msn| log.cut(msn).unwrap().awake.contains(0))
        .collect();
    assert_eq!(awake, [true, true, false, true, true]);
    let ts: Vec<u64> = messages
        .iter()
        .filter_map(|m| match m {
            FromWorker::TsSegment(s) if s.video == 0 => Some(s.msn),
            _ => None,
        })
        .collect();
    assert_eq!(ts, [8, 9]);
    let mut life = of_rung(&messages, 0);
    life.retain(|event| !event.starts_with(['5', '6']) && event != "init");
    assert_eq!(life, ["8 of 10", "9 of 10"]);
}

/// Scaling takes longer than a picture lasts.
const SLOW_SCALE: &str = r#"
kind = "scale"
[[element]]
factory = "weirscale"
[[element]]
factory = "identity"
properties = { sleep-time = 50000 }
"#;

#[test]
fn pictures_keep_their_order_when_the_rung_between_falls_asleep_or_wakes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("scale.toml"), SLOW_SCALE).unwrap();
    let mut plan = plan(FrameRate::whole(30));
    let mut between = plan.video[0].clone();
    (between.name, between.width, between.height) = ("120p".to_owned(), 214, 120);
    plan.video.insert(1, between);
    let mut fed = Fed::of(&plan, Some(folder.path()));
    for rung in 0..3 {
        fill(&fed.output, rung);
    }
    fed.until(Duration::from_millis(1500));
    fed.cuts.put_to_sleep(1);
    fed.until(Duration::from_millis(4500));
    fill(&fed.output, 1);
    fed.cuts.wake(1);
    fed.until(Duration::from_millis(6500));
    let (log, messages) = fed.finish();
    let awake: Vec<bool> = (5..9)
        .map(|msn| log.cut(msn).unwrap().awake.contains(1))
        .collect();
    assert_eq!(awake, [true, true, false, true]);
    let mut tracks = parts(&messages);
    tracks.remove(&TrackId::Video(1));
    let lowest = &tracks[&TrackId::Video(2)];
    let made: Duration = lowest.iter().map(|part| part.duration).sum();
    assert_eq!(made.as_millis(), plan.canvas.fps.time_of(196).as_millis());
    check(&log, &tracks);
}

#[test]
fn an_encoder_that_comes_late_makes_everything() {
    let mut fed = Fed::without_encoders(FrameRate::whole(30));
    fed.until(Duration::from_millis(1200));
    for rung in [0, 1] {
        fill(&fed.output, rung);
    }
    fed.until(Duration::from_secs(6));
    let (log, messages) = fed.finish();
    checked(&log, &messages);
    for rung in [0, 1] {
        let ts = messages.iter().filter_map(|m| match m {
            FromWorker::TsSegment(s) if s.video == rung => Some(video_frames(&s.data).count()),
            _ => None,
        });
        assert_eq!(ts.sum::<usize>(), 180 / (usize::from(rung) + 1));
    }
}

#[test]
fn another_encoder_makes_again_what_was_not_sent() {
    let fps = FrameRate::whole(30);
    let mut fed = Fed::new(fps);
    let mut messages = Vec::new();
    for (end_ms, template) in [(1950, "openh264"), (3333, "x264"), (5000, "x264")] {
        fed.until(Duration::from_millis(end_ms));
        let slot = &fed.output.slots()[0];
        slot.break_encoder();
        let failed = fed.failed.recv_timeout(WAIT).unwrap();
        assert!(
            matches!(failed, Event::EncoderFailed { video: 0, .. }),
            "{failed:?}"
        );
        fed.until(Duration::from_millis(end_ms + 300));
        let slot = &fed.output.slots()[0];
        slot.fill(slot.make(&template.into()).unwrap()).unwrap();
        messages.extend(std::iter::from_fn(|| fed.messages.try_next()));
    }
    fed.until(Duration::from_secs(8));
    let (log, rest) = fed.finish();
    messages.extend(rest);
    let tracks = checked(&log, &messages);
    let frames: usize = tracks[&TrackId::Video(0)]
        .iter()
        .map(|part| samples(&part.data))
        .sum();
    assert_eq!(frames, 240);
    // x264 and openh264 make sections of their own; an x264 that follows x264 makes the same again.
    let inits = of_rung(&messages, 0);
    let inits = inits.iter().filter(|event| *event == "init").count();
    assert_eq!(inits, 3);
    let ts = messages.iter().filter_map(|m| match m {
        FromWorker::TsSegment(s) if s.video == 0 => Some(video_frames(&s.data).count()),
        _ => None,
    });
    assert_eq!(ts.sum::<usize>(), 240);
}

/// The segment begins while x264 has not yet made its first frame, which is asked for as a key frame too.
#[test]
fn a_segment_that_begins_right_after_an_encoder_begins_with_a_key_frame() {
    let mut fed = Fed::new(FrameRate::whole(15));
    for end_ms in [1950, 3950] {
        fed.until(Duration::from_millis(end_ms));
        fed.output.slots()[0].break_encoder();
        let failed = fed.failed.recv_timeout(WAIT).unwrap();
        let expected = matches!(failed, Event::EncoderFailed { video: 0, .. });
        assert!(expected, "{failed:?}");
        fill(&fed.output, 0);
    }
    fed.until(Duration::from_secs(8));
    let (log, messages) = fed.finish();
    checked(&log, &messages);
}

/// Samples in `trun`, which has version and flags before their number.
fn samples(part: &[u8]) -> usize {
    let at = part.windows(4).position(|name| name == b"trun").unwrap() + 8;
    u32::from_be_bytes(part[at..at + 4].try_into().unwrap()) as usize
}
