//! I-frame playlists.

use super::*;

fn text(show: &Show, name: &str, skip: bool) -> String {
    let n = show.media.find(name, Packaging::Cmaf).unwrap();
    show.media.iframes(n, skip).unwrap()
}

/// A test of the I-frame playlist of a rung of `$show`.
macro_rules! texts {
    ($($test:ident: $show:expr, $rung:literal, skip = $skip:literal, $golden:literal;)*) => {$(
        #[test]
        fn $test() {
            let text = text(&$show, $rung, $skip);
            assert_eq!(text, include_str!(concat!("../golden/", $golden)));
        }
    )*};
}

texts! {
    a_running_one_has_this_text: running(), "720p", skip = false, "running.iframes.m3u8";
    one_whose_window_has_moved: evicted(), "720p", skip = false, "evicted.iframes.m3u8";
    a_delta_update: delta(), "720p", skip = true, "delta.iframes.m3u8";
    one_that_lacks_a_segment: discontinuity(), "360p", skip = false, "gap.iframes.m3u8";
    one_of_a_rung_that_has_slept: slept(), "720p", skip = false, "slept.iframes.m3u8";
    one_that_has_ended: ended(), "720p", skip = true, "ended.iframes.m3u8";
}

#[test]
fn only_rungs_in_cmaf_have_one() {
    let show = running();
    let of = |name, packaging| {
        let n = show.media.find(name, packaging).unwrap();
        let readiness = show.media.iframes_readiness(n, Reload::default());
        (show.media.iframes(n, false).is_some(), readiness.is_some())
    };
    assert_eq!(of("720p", Packaging::Cmaf), (true, true));
    assert_eq!(of("audio-128k", Packaging::Cmaf), (false, false));
    assert_eq!(of("720p", Packaging::Ts), (false, false));
    let fresh = Show::new(PART);
    assert_eq!(fresh.media.iframes(0, false), None);
}

#[test]
fn a_reload_waits_for_a_segment_not_for_a_part() {
    let mut show = running(); // segments 1 to 4, and the first part of 5
    let ask = |show: &Show, msn, part| {
        let reload = Reload {
            msn,
            part,
            skip: false,
        };
        let ends = show.media.iframes_end_as_asked(0, reload);
        (show.media.iframes_readiness(0, reload).unwrap(), ends)
    };
    assert_eq!(ask(&show, None, None), (Readiness::Ready, false));
    assert_eq!(ask(&show, Some(3), None), (Readiness::Ready, false));
    assert_eq!(ask(&show, Some(4), None), (Readiness::Ready, true));
    assert_eq!(ask(&show, Some(5), Some(0)), (Readiness::Wait, false));
    let refused = |(readiness, _)| matches!(readiness, Readiness::Refused(_));
    assert!(refused(ask(&show, Some(7), None)));
    assert!(refused(ask(&show, None, Some(0))));
    show.parts(5, 1);
    assert_eq!(ask(&show, Some(5), Some(0)), (Readiness::Ready, true));
    show.media.end();
    assert_eq!(ask(&show, Some(99), None), (Readiness::Ready, false));
    let early = Show::new(PART);
    assert_eq!(ask(&early, None, None), (Readiness::Wait, false));
}

/// The second segment, of these two parts.
fn second(show: &mut Show, parts: [Vec<u8>; 2]) {
    for (index, data) in (0..).zip(parts) {
        let part = Part {
            track: VIDEO,
            msn: 2,
            index,
            duration: PART,
            independent: index == 0,
            last: index == 1,
            date_ns: START_NS + 1_000_000_000,
            data: data.into(),
        };
        show.media.part(&part).unwrap();
    }
}

#[test]
fn a_segment_without_a_picture_is_a_gap_here_alone() {
    let mut show = fresh();
    second(&mut show, [vec![0; 1000], vec![0; 1000]]);
    let iframes = text(&show, "720p", false);
    assert!(
        iframes.ends_with("#EXT-X-GAP\n#EXTINF:1.0,\n2.m4s\n"),
        "{iframes}"
    );
    assert!(!show.text(Packaging::Cmaf, false).contains("GAP"));
}

#[test]
fn bandwidth_follows_pictures_that_outgrow_it() {
    let mut show = fresh();
    let line = |show: &mut Show| {
        let master = show.media.master(Packaging::Cmaf, "s", &[]).unwrap();
        let mut lines = master.lines();
        let of_top = "RESOLUTION=1280x720,URI=\"s/720p/iframes.m3u8\"";
        let line = lines.find(|line| line.ends_with(of_top)).unwrap();
        line.split_once(',').unwrap().0.to_owned()
    };
    let promised = "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=2805408";
    assert_eq!(line(&mut show), promised);
    let first = super::super::iframe::fragment(500_000, &[499_000]);
    second(&mut show, [first, vec![0]]);
    // 499 000 bytes, and 112 of boxes, in a second.
    let measured = "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=3992896";
    assert_eq!(line(&mut show), measured);
}

#[test]
fn the_bytes_of_a_picture_are_known() {
    let show = running();
    for (rendition, msn, bytes, expected) in [
        (0, 4, 16..444, true),
        (0, 4, 16..445, false),
        (0, 4, 0..u64::MAX, false),
        (0, 9, 16..444, false),
        (2, 4, 16..444, false),
    ] {
        let found = show.media.is_iframe(rendition, msn, &bytes);
        assert_eq!(found, expected, "{rendition} {msn} {bytes:?}");
    }
}

/// Segments of a playlist: number, duration, and whether it is a gap.
fn entries(text: &str) -> Vec<(String, String, bool)> {
    let (mut duration, mut gap, mut all) = (String::new(), false, Vec::new());
    for line in text.lines() {
        match line.strip_prefix("#EXTINF:") {
            Some(value) => duration = value.to_owned(),
            None if line == "#EXT-X-GAP" => gap = true,
            None if line.starts_with('#') => {}
            None => all.push((line.to_owned(), duration.clone(), std::mem::take(&mut gap))),
        }
    }
    all
}

proptest! {
    /// Whatever happens, the I-frame playlist lists the segments of the media playlist, and a version has
    /// one text.
    #[test]
    fn both_playlists_list_the_same_segments(steps in prop::collection::vec(0_u8..6, 1..60)) {
        let mut show = Show::new(PART);
        let (mut msn, mut index) = (1, 0);
        let mut known = (0, None);
        for step in steps {
            match step {
                4 => show.media.slide(Duration::from_secs(4)),
                5 if show.media.window(0).unwrap().0.last_closed().is_some() => {
                    (msn, index) = (show.media.interrupt(), 0);
                    show.inits();
                }
                _ => {
                    show.parts(msn, index);
                    show.date_ns += 500_000_000;
                    (msn, index) = if index == 1 { (msn + 1, 0) } else { (msn, 1) };
                }
            }
            let (version, iframes) = (show.media.iframes_version(0), show.media.iframes(0, false));
            prop_assert!(known.0 != version || known.1 == iframes, "two texts of one version");
            if let (Some(iframes), Some(media)) = (&iframes, show.media.playlist(0, false)) {
                prop_assert_eq!(entries(iframes), entries(&media));
                let count = iframes.matches("#EXT-X-BYTERANGE:428@16").count();
                let gaps = iframes.matches("#EXT-X-GAP").count();
                prop_assert_eq!(count + gaps, entries(iframes).len());
            }
            known = (version, iframes);
        }
    }
}
