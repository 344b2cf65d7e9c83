//! The output half fed with pictures of its own, faster than real time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::base::units::{Bitrate, FrameRate};
use crate::model::hls::{Part, TrackId, TsSegment};
use crate::model::ladder::clock::{LadderClock, Settings, aac_time};
use crate::model::ladder::{AudioRendition, Canvas, Plan, VideoRendition};
use crate::wire::protocol::FromWorker;
use crate::worker::media::events::Event;
use crate::worker::media::mailbox::Receiver;

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
    clock: LadderClock,
    fps: FrameRate,
    frame: u64,
    audio: u64,
    messages: Receiver<FromWorker>,
    failed: Receiver<Event>,
}

impl Fed {
    fn new(fps: FrameRate) -> Self {
        crate::worker::media::init().unwrap();
        let plan = plan(fps);
        let clock = LadderClock::new(Settings {
            fps,
            grid: 2,
            segment: Duration::from_secs(2),
            part: Duration::from_millis(200),
            first_msn: 5,
        });
        let (outbox, messages) = Outbox::new(|| panic!("the outbox is full"));
        let (events, failed) = Events::new();
        let spec = Spec {
            plan: &plan,
            clock: &clock,
            encoders: &["x264".into(), "x264".into()],
            ts: true,
            epoch: Epoch::at(1_000_000_000),
            first_msn: 5,
        };
        let (library, errors) = Library::load(None);
        assert!(errors.is_empty(), "{errors:?}");
        let output = Output::start(&spec, &library, &outbox, &events).unwrap();
        Self {
            output,
            clock,
            fps,
            frame: 0,
            audio: 0,
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
            self.output.picture(self.frame, picture(self.frame));
            self.frame += 1;
            while aac_time(self.audio) < self.fps.time_of(self.frame) {
                let silence = gst::Buffer::from_mut_slice(vec![0u8; 4096]);
                self.output.samples(self.audio, silence);
                self.audio += 1;
            }
        }
    }

    fn finish(self) -> (LadderClock, Vec<FromWorker>) {
        self.output.finish();
        assert_eq!(self.failed.try_next(), None);
        (self.clock, self.messages.collect())
    }
}

fn run(fps: FrameRate, seconds: u64) -> (LadderClock, Vec<FromWorker>) {
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

#[test]
fn every_rendition_is_cut_where_the_clock_says() {
    for fps in [
        FrameRate::whole(30),
        FrameRate::new(30_000, 1001).unwrap(),
        FrameRate::whole(24),
    ] {
        let (clock, messages) = run(fps, 6);
        let tracks = parts(&messages);
        assert_eq!(tracks.len(), 3);
        for (track, parts) in tracks {
            let mut expected = (5, 0);
            for part in &parts {
                assert_eq!((part.msn, part.index), expected, "{track:?} at {fps:?}");
                assert!(
                    part.duration <= clock.part_target() + Duration::from_nanos(1),
                    "{part:?}"
                );
                let count = match track {
                    TrackId::Video(_) => clock.parts_in_segment(part.msn),
                    TrackId::Audio(_) => clock.audio().parts_in_segment(part.msn),
                };
                assert_eq!(part.last, part.index + 1 == count);
                expected = if part.last {
                    (part.msn + 1, 0)
                } else {
                    (part.msn, part.index + 1)
                };
                if part.index == 0 && matches!(track, TrackId::Video(_)) {
                    let start = clock.segment_time(part.msn);
                    assert_eq!(part.date_ns, 1_000_000_000 + start.as_nanos() as u64);
                    assert!(part.independent);
                }
            }
            assert!(expected.0 >= 8, "{track:?} stops at {expected:?}");
        }
    }
}

#[test]
fn transport_stream_segments_match_the_clock() {
    let (clock, messages) = run(FrameRate::whole(30), 6);
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
            let start = clock.segment_time(segment.msn);
            assert_eq!(segment.date_ns, 1_000_000_000 + start.as_nanos() as u64);
            let frames = video_frames(&segment.data).count() as u64;
            let expected = clock.segment_frames(segment.msn) / (u64::from(video) + 1);
            assert!(
                segment.msn == 8 || frames == expected,
                "{frames} of {expected}"
            );
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
        fed.until(fed.clock.segment_time(msn + 1) + Duration::from_millis(600));
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
