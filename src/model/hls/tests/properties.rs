//! Random sessions: a player can follow every playlist.

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Add the next part of a rendition (CMAF video 0 and 1, audio) or the next MPEG-TS segment.
    Make(u8, bool),
    /// These rungs are awake from the next segment on.
    Cut(u32),
    Interrupt,
    Slide(u8),
    Shorten,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0_u8..5, any::<bool>()).prop_map(|(track, last)| Step::Make(track, last)),
        2 => (1_u32..4).prop_map(Step::Cut),
        1 => Just(Step::Interrupt),
        2 => (0_u8..20).prop_map(Step::Slide),
        1 => Just(Step::Shorten),
    ]
}

/// What the encoders of the renditions make next.
struct Encoders {
    next: [(u64, u32); 5],
    /// The rungs that are awake, by the segment from which on.
    awake: Vec<(u64, RungSet)>,
}

impl Encoders {
    fn at(msn: u64) -> Self {
        Self {
            next: [(msn, 0); 5],
            awake: Vec::new(),
        }
    }

    fn awake(&self, n: usize, msn: u64) -> bool {
        let rung = [Some(0), Some(1), None, Some(0), Some(1)][n];
        let set = self.awake.iter().rev().find(|(from, _)| *from <= msn);
        rung.zip(set).is_none_or(|(rung, set)| set.1.contains(rung))
    }

    /// Decides the cut after everything that was begun.
    fn cut(&mut self, show: &mut Show, awake: RungSet) {
        let msn = self.next.iter().map(|next| next.0).max().unwrap() + 1;
        self.awake.push((msn, awake));
        let frame = 0;
        show.media.cut(&Cut { msn, frame, awake });
    }

    /// Makes the next part (or MPEG-TS segment) of rendition `n`.
    fn make(&mut self, show: &mut Show, n: usize, last: bool) {
        let (mut msn, index) = self.next[n];
        let cuts = self.awake.last().map_or(0, |cut| cut.0);
        while index == 0 && !self.awake(n, msn) {
            if msn > cuts {
                return;
            }
            msn += 1;
        }
        let date_ns = START_NS + msn * 1_000_000_000;
        let data = Bytes::from(vec![0; 10]);
        let last = last || index == 3 || n >= 3;
        let taken = if n >= 3 {
            let video = u8::try_from(n - 3).unwrap();
            let duration = PART;
            show.media.ts_segment(TsSegment {
                video,
                msn,
                duration,
                date_ns,
                data,
            })
        } else {
            show.media.part(&Part {
                track: [VIDEO, LOW, AUDIO][n],
                msn,
                index,
                duration: PART,
                independent: index == 0,
                last,
                date_ns,
                data,
            })
        };
        // Only what waits for a stand-in may be too much.
        if taken.is_ok() {
            self.next[n] = if last { (msn + 1, 0) } else { (msn, index + 1) };
        } else {
            let (window, _) = show.media.window(n).unwrap();
            assert!(
                window.next_part().is_none_or(|next| next.0 < msn),
                "{taken:?} {msn}.{index}"
            );
        }
    }
}

/// Checks what must hold for each window before and after a step.
fn compare(before: &[Option<(u64, Option<u64>)>], show: &Show) {
    for (n, before) in before.iter().enumerate() {
        let (window, _) = show.media.window(n).unwrap();
        window.assert_sums();
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
        let mut encoders = Encoders::at(1);
        show.cut(1, &[0, 1]);
        let mut texts = vec![(0, None); show.media.rendition_count()];
        for step in steps {
            let before = look(&show);
            match step {
                Step::Make(n, last) => encoders.make(&mut show, usize::from(n), last),
                Step::Cut(bits) => {
                    let rungs = (0..2).filter(|rung| bits & (1 << rung) != 0);
                    encoders.cut(&mut show, rungs.fold(RungSet::EMPTY, RungSet::with));
                }
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
                    encoders = Encoders::at(next);
                    show.cut(next, &[0, 1]);
                    show.inits();
                }
            }
            compare(&before, &show);
            for (n, known) in texts.iter_mut().enumerate() {
                let (version, text) = (show.media.version(n), show.media.playlist(n, false));
                prop_assert!(known.0 != version || known.1 == text, "two texts of one version");
                *known = (version, text);
            }
            let sum: u64 = (0..show.media.rendition_count())
                .map(|n| show.media.window(n).unwrap().0.bytes())
                .sum();
            prop_assert!(show.media.bytes() >= sum);
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
