//! Whether a plan is one that the ladder can make: a worker makes the plan, and the daemon does not
//! take the worker's word for it.

use super::fit::plan;
use super::plan::{Plan, Rung, SourceFormat, VideoRendition};
use super::rates::standard_rates;
use crate::base::units::FrameRate;

/// The size of a lower rung is rounded once from the source and here a second time from the canvas,
/// each time to an even number of pixels.
const ROUNDING_PIXELS_MAX: u32 = 2;

/// Whether some source makes [`plan`] return `claimed` for `rungs`, but for the rounding of sizes.
///
/// The canvas is the picture that the ladder was fitted to, so the canvas as a source makes the same
/// plan again; only the rate of the source is unknown, and there are few of them.
pub fn can_make(rungs: &[Rung], claimed: &Plan) -> bool {
    let canvas = claimed.canvas;
    standard_rates()
        .into_iter()
        .filter(|rate| is_multiple(*rate, canvas.fps))
        .any(|fps| {
            let source = SourceFormat {
                width: canvas.width,
                height: canvas.height,
                fps,
            };
            same(&plan(rungs, source), claimed)
        })
}

/// Whether `rate` is a whole multiple of `fps`.
fn is_multiple(rate: FrameRate, fps: FrameRate) -> bool {
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    product(rate.num(), fps.den()).is_multiple_of(product(rate.den(), fps.num()))
}

fn same(made: &Plan, claimed: &Plan) -> bool {
    made.canvas == claimed.canvas
        && made.audio == claimed.audio
        && made.video.len() == claimed.video.len()
        && made
            .video
            .iter()
            .zip(&claimed.video)
            .all(|(m, c)| alike(m, c))
}

fn alike(made: &VideoRendition, claimed: &VideoRendition) -> bool {
    let near = |a: u32, b: u32| b.is_multiple_of(2) && a.abs_diff(b) <= ROUNDING_PIXELS_MAX;
    let sized = near(made.width, claimed.width) && near(made.height, claimed.height);
    let (width, height) = (claimed.width, claimed.height);
    let resized = VideoRendition {
        width,
        height,
        ..made.clone()
    };
    sized && resized == *claimed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::units::Bitrate;
    use crate::model::ladder::nearest_rate;

    fn rung(height: u32, fps: u32, kbps: u64) -> Rung {
        Rung {
            name: format!("{height}p"),
            height,
            fps_max: FrameRate::whole(fps),
            bitrate: Bitrate::from_bps(kbps * 1000),
            audio: Bitrate::from_bps(if height < 500 { 96_000 } else { 128_000 }),
        }
    }

    fn ladder() -> Vec<Rung> {
        vec![
            rung(1080, 60, 5000),
            rung(720, 30, 2800),
            rung(360, 30, 800),
        ]
    }

    fn made() -> Plan {
        let fps = FrameRate::whole(60);
        let (width, height) = (1920, 1080);
        plan(&ladder(), SourceFormat { width, height, fps })
    }

    #[test]
    fn a_plan_of_other_renditions_is_not_one_of_the_ladder() {
        assert!(can_make(&ladder(), &made()));
        let spoil: [fn(&mut Plan); 16] = [
            |plan| plan.video.clear(),
            |plan| plan.audio.clear(),
            |plan| plan.video.push(plan.video[0].clone()),
            |plan| plan.audio.push(plan.audio[0].clone()),
            |plan| plan.video[1].divisor = 0,
            |plan| plan.video[1].divisor = 1,
            |plan| plan.video[1].audio = 7,
            |plan| plan.video[1].name = "../x".into(),
            |plan| plan.audio[0].name = String::new(),
            |plan| plan.video[1].bitrate = Bitrate::from_bps(2_800_001),
            |plan| plan.audio[0].bitrate = Bitrate::from_bps(1),
            |plan| plan.video[1].width = 1920,
            |plan| plan.video[1].width += 1,
            |plan| plan.canvas.width = u32::MAX,
            |plan| plan.canvas.fps = FrameRate::new(1, u32::MAX).unwrap(),
            |plan| plan.canvas.fps = FrameRate::whole(u32::MAX),
        ];
        for (case, spoil) in spoil.iter().enumerate() {
            let mut plan = made();
            spoil(&mut plan);
            assert!(!can_make(&ladder(), &plan), "case {case}");
        }
        assert!(!can_make(&[rung(240, 30, 300)], &made()));
    }

    proptest! {
        #[test]
        fn every_plan_of_the_ladder_is_one(
            sides in (1_u32..9000, 1_u32..9000),
            milli in 1_000_u32..130_000,
            heights in proptest::collection::btree_set(32_u32..1200, 0..6),
            rates in proptest::collection::vec(1_u32..61, 6),
        ) {
            let rungs: Vec<Rung> = heights
                .iter()
                .rev()
                .zip(rates)
                .map(|(half, fps)| rung(half * 2, fps, u64::from(*half) * 4))
                .collect();
            let (width, height) = sides;
            let fps = nearest_rate(FrameRate::new(milli, 1000).unwrap());
            let made = plan(&rungs, SourceFormat { width, height, fps });
            prop_assert!(can_make(&rungs, &made), "{made:?}");
        }
    }
}
