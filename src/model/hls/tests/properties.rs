//! Random sessions: a player can follow every playlist.

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Add the next part of a rendition (CMAF video 0 and 1, audio) or the next MPEG-TS segment.
    Make(u8, bool),
    Interrupt,
    Slide(u8),
    Shorten,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0_u8..5, any::<bool>()).prop_map(|(track, last)| Step::Make(track, last)),
        1 => Just(Step::Interrupt),
        2 => (0_u8..20).prop_map(Step::Slide),
        1 => Just(Step::Shorten),
    ]
}

/// Adds the part (or MPEG-TS segment) that the window of rendition `n` expects next.
fn make(show: &mut Show, n: usize, last: bool) {
    let (window, _) = show.media.window(n).unwrap();
    let (msn, index) = window.next_part().unwrap_or((1, 0));
    let date_ns = START_NS + msn * 1_000_000_000;
    let data = Bytes::from(vec![0; 10]);
    if n >= 3 {
        let video = u8::try_from(n - 3).unwrap();
        let segment = TsSegment {
            video,
            msn,
            duration: PART,
            date_ns,
            data,
        };
        show.media.ts_segment(segment).unwrap();
        return;
    }
    let part = Part {
        track: [VIDEO, TrackId::Video(1), AUDIO][n],
        msn,
        index,
        duration: PART,
        independent: index == 0,
        last: last || index == 3,
        date_ns,
        data,
    };
    show.media.part(&part).unwrap();
}

/// Checks what must hold for each window before and after a step.
fn compare(before: &[Option<(u64, Option<u64>)>], show: &Show) {
    for (n, before) in before.iter().enumerate() {
        let (window, _) = show.media.window(n).unwrap();
        let msns: Vec<u64> = window.listed().map(|s| s.msn).collect();
        assert!(msns.windows(2).all(|w| w[1] == w[0] + 1), "{msns:?}");
        for segment in window.listed().filter(|s| s.closed() && !s.gap()) {
            let parts: Duration = segment.parts.iter().map(|p| p.duration).sum();
            assert_eq!(parts, segment.duration);
        }
        if let Some((first, last)) = before {
            assert!(window.first_listed() >= Some(*first), "msn fell");
            assert!(window.last_closed() >= *last, "segments vanished");
        }
    }
}

fn look(show: &Show) -> Vec<Option<(u64, Option<u64>)>> {
    let look = |n| {
        let (window, _) = show.media.window(n)?;
        Some((window.first_listed()?, window.last_closed()))
    };
    (0..show.media.rendition_count()).map(look).collect()
}

proptest! {
    #[test]
    fn numbers_agree_whatever_happens(steps in prop::collection::vec(step(), 1..400)) {
        let mut show = Show::new(PART);
        for step in steps {
            let before = look(&show);
            match step {
                Step::Make(n, last) => make(&mut show, usize::from(n), last),
                Step::Slide(s) => show.media.slide(Duration::from_secs(u64::from(s))),
                Step::Shorten => drop(show.media.shorten()),
                Step::Interrupt => {
                    let next = show.media.interrupt();
                    for n in 0..show.media.rendition_count() {
                        let (window, _) = show.media.window(n).unwrap();
                        let begun = window.last_closed().is_some();
                        prop_assert!(!begun || window.next_part() == Some((next, 0)));
                        prop_assert!(!begun || window.last_closed() == Some(next - 1));
                    }
                    show.inits();
                }
            }
            compare(&before, &show);
            let sum: u64 = (0..show.media.rendition_count())
                .map(|n| show.media.window(n).unwrap().0.bytes())
                .sum();
            prop_assert_eq!(show.media.bytes(), sum);
            // The same segment has the same Discontinuity Sequence Number in every rendition.
            let mut numbers = std::collections::BTreeMap::new();
            for n in 0..show.media.rendition_count() {
                for segment in show.media.window(n).unwrap().0.listed() {
                    let number = *numbers.entry(segment.msn).or_insert(segment.discontinuities);
                    prop_assert_eq!(segment.discontinuities, number, "segment {}", segment.msn);
                }
            }
        }
    }
}
