//! Checks the default ladder down to every decoded frame.

use std::time::Duration;

use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::playlist::MediaPlaylist;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, doctor, probe, push_stream, turn};

/// Number of segments that are downloaded and decoded.
const SEGMENTS: u64 = 3;
const SEGMENT: Duration = Duration::from_secs(2);
/// Longest time until the last of these segments is listed; a busy machine needs it.
const LIMIT: Duration = Duration::from_secs(60);
/// Frame rate of the source, and so of all rungs. Four rungs of 30 frames per second take nearly two cores,
/// and on a busy machine weir would make less of the ladder.
const FPS: u32 = 15;
/// Rounding error of a timescale.
const ROUNDING: Duration = Duration::from_millis(1);

/// Times of the key frames.
fn key_frames(frames: &[probe::Frame]) -> Vec<Duration> {
    frames
        .iter()
        .filter(|frame| frame.key)
        .map(|frame| frame.pts)
        .collect()
}

fn assert_same_times(one: &[Duration], other: &[Duration], what: &str) {
    assert_eq!(one.len(), other.len(), "{what}: {one:?} {other:?}");
    for (one, other) in one.iter().zip(other) {
        assert!(
            one.abs_diff(*other) <= ROUNDING,
            "{what}: {one:?} {other:?}"
        );
    }
}

/// Decodes a rendition from segment 2 on; returns the times of its key frames.
fn decode(
    viewer: &Viewer,
    (uri, playlist): &(String, MediaPlaylist),
    (width, height): (u32, u32),
) -> Vec<Duration> {
    let numbers = 2..2 + SEGMENTS;
    let segments = numbers.filter_map(|msn| playlist.segment(msn));
    let frames = probe::video_frames(&viewer.download(uri, segments));
    assert_eq!(
        frames.len() as u64,
        SEGMENTS * SEGMENT.as_secs() * u64::from(FPS),
        "{uri}: {FPS} frames per second"
    );
    assert!(
        frames
            .iter()
            .all(|f| (f.width, f.height) == (width, height)),
        "{uri}"
    );
    for (before, after) in frames.iter().zip(frames.iter().skip(1)) {
        let step = after.pts.saturating_sub(before.pts);
        assert!(
            step.abs_diff(Duration::from_secs(1) / FPS) <= ROUNDING,
            "{uri}: step {step:?}"
        );
    }
    let keys = key_frames(&frames);
    let starts: Vec<Duration> = (0..u32::try_from(SEGMENTS).expect("few"))
        .map(|n| frames[0].pts + SEGMENT * n)
        .collect();
    assert_same_times(&keys, &starts, uri);
    keys
}

#[test]
fn four_rungs_and_one_sound_that_agree_in_both_packagings() {
    let _turn = turn();
    let daemon = Daemon::start(&push_stream("demo"));
    let _publisher =
        Publisher::ffmpeg(Clip::new(1920, 1080, FPS), &daemon.publish_url("demo", KEY));
    let cmaf = Viewer::open(&daemon, "demo");
    let ts = Viewer::open_ts(&daemon, "demo");

    let sizes = [(1920, 1080), (1280, 720), (854, 480), (640, 360)];
    for viewer in [&cmaf, &ts] {
        let listed: Vec<_> = viewer
            .master
            .variants
            .iter()
            .map(|v| v.resolution)
            .collect();
        assert_eq!(listed, sizes);
    }
    assert_eq!(
        cmaf.master.media.len(),
        1,
        "one group of sound: {:?}",
        cmaf.master.media
    );
    let bandwidths: Vec<u64> = cmaf.master.variants.iter().map(|v| v.bandwidth).collect();
    assert!(bandwidths.is_sorted_by(|a, b| a > b), "{bandwidths:?}");
    let group = &cmaf.master.media[0].group;
    for variant in &cmaf.master.variants {
        assert_eq!(variant.audio_group.as_ref(), Some(group));
        assert_eq!(variant.frame_rate, Some(f64::from(FPS)));
        assert!(variant.codecs.contains("avc1.") && variant.codecs.contains("mp4a.40.2"));
    }

    let last = 1 + SEGMENTS;
    let cmaf_all = cmaf.all_with(last, LIMIT);
    let ts_all = ts.all_with(last, LIMIT);
    for (uri, playlist) in &cmaf_all {
        // A segment of 2 s holds parts of 200 ms of video, or of 9 AAC frames (192 ms).
        let expected = if uri.contains("audio-") { 11 } else { 10 };
        let parts = playlist.segments.last().map(|segment| segment.parts);
        assert_eq!(parts, Some(expected), "{uri}");
    }
    let of = |viewer: &Viewer, all: &[(String, MediaPlaylist)]| -> Vec<Vec<Duration>> {
        all.iter()
            .zip(sizes)
            .map(|(one, size)| decode(viewer, one, size))
            .collect()
    };
    for (viewer, all) in [(&cmaf, &cmaf_all), (&ts, &ts_all)] {
        let keys = of(viewer, all);
        for other in &keys {
            assert_same_times(&keys[0], other, "key frames of the rungs");
        }
    }
    agree(&cmaf_all, &ts_all, last);
    sound(&cmaf, &cmaf_all[sizes.len()]);
    for (uri, playlist) in &ts_all {
        let segment = playlist.segment(2).expect("segment 2");
        let segment = ts.download(uri, [segment]);
        assert_eq!(probe::stream_kinds(&segment), ["video", "audio"]);
        assert_eq!(doctor::transport_stream(&segment), [""; 0], "{uri}");
    }
}

/// In both packagings, every rendition must have the same segments with the same dates.
fn agree(cmaf: &[(String, MediaPlaylist)], ts: &[(String, MediaPlaylist)], last: u64) {
    let video = &cmaf[..ts.len()];
    let reference = &cmaf[0].1;
    for (uri, playlist) in video.iter().chain(ts) {
        for msn in 1..=last {
            let one = reference.segment(msn).expect("listed");
            let other = playlist
                .segment(msn)
                .unwrap_or_else(|| panic!("{uri} lacks {msn}"));
            assert!(
                (one.duration_s - other.duration_s).abs() < 0.002,
                "{uri} segment {msn}"
            );
            assert_eq!(one.date, other.date, "{uri} segment {msn}");
        }
    }
}

fn sound(viewer: &Viewer, (uri, playlist): &(String, MediaPlaylist)) {
    let segments = (2..2 + SEGMENTS).filter_map(|msn| playlist.segment(msn));
    let frames = probe::audio_frames(&viewer.download(uri, segments));
    let seconds = SEGMENT.as_secs() * SEGMENTS;
    let expected = seconds * 48_000 / 1024;
    assert!(
        (frames.len() as u64).abs_diff(expected) <= 2,
        "{} frames of sound",
        frames.len()
    );
    for (before, after) in frames.iter().zip(frames.iter().skip(1)) {
        let step = after.saturating_sub(*before);
        assert!(
            step.abs_diff(Duration::from_secs(1024) / 48_000) <= ROUNDING,
            "{step:?}"
        );
    }
}
