//! Fits the configured ladder to a source: makes its plan.

use super::plan::{AudioRendition, Canvas, Plan, Rung, SourceFormat, VideoRendition};
use super::rates::nearest_rate;
use crate::base::units::{Bitrate, FrameRate};

/// Smallest side of any picture, in pixels: one macroblock.
const SIDE_MIN: u32 = 16;
/// Longest side of any picture, in pixels; larger sources are scaled down.
const SIDE_MAX: u32 = 8192;
/// Lowest bitrate of a rung whose bitrate was scaled by area.
const SCALED_BITRATE_MIN: Bitrate = Bitrate::from_bps(100_000);

/// Makes the plan for `source` from `rungs` (top first).
///
/// No picture is scaled up: rungs above the source are left out. If no rung has exactly the
/// source's height, the lowest of those above it is lowered to that height, with its bitrate scaled
/// by area, and becomes the top of the ladder. The rung below it is left out if it is nearly as
/// high. A lowered rung named after its height gets the name of its new height (`1080p` → `900p`);
/// any other name stays.
///
/// Sides below 16 pixels count as 16; a source with a side above 8192 is scaled down first. Without
/// any rung the plan has one of the source's size, with the scaled default bitrate of 1080p.
pub fn plan(rungs: &[Rung], source: SourceFormat) -> Plan {
    let (width, height) = bounded(source.width, source.height);
    let rate = nearest_rate(source.fps);
    let rungs = fitted(rungs, width.min(height));
    let fastest = rungs.iter().map(|r| divisor(rate, r.fps_max)).min();
    let fps = rate.divided(fastest.unwrap_or(1));
    let audio = audio_renditions(&rungs);
    let video: Vec<VideoRendition> = rungs
        .into_iter()
        .map(|rung| {
            let (width, height) = scaled((width, height), rung.height);
            VideoRendition {
                width,
                height,
                divisor: divisor(fps, rung.fps_max),
                bitrate: rung.bitrate,
                audio: audio
                    .iter()
                    .position(|a| a.bitrate == rung.audio)
                    .unwrap_or_default(),
                name: rung.name,
            }
        })
        .collect();
    let (width, height) = video
        .first()
        .map_or((width, height), |top| (top.width, top.height));
    Plan {
        canvas: Canvas { width, height, fps },
        video,
        audio,
    }
}

/// The rungs for a source with `short` pixels on its short side, top first, with their final names,
/// heights and bitrates. Never empty.
fn fitted(rungs: &[Rung], short: u32) -> Vec<Rung> {
    let mut rungs: Vec<Rung> = rungs.to_vec();
    rungs.sort_by_key(|rung| std::cmp::Reverse(rung.height));
    let (above, mut made): (Vec<Rung>, Vec<Rung>) =
        rungs.into_iter().partition(|rung| rung.height > short);
    if made.first().is_some_and(|top| top.height == short) {
        return made;
    }
    let lowest = above.last().map(|rung| rung.height);
    let nearest = above.into_iter().find(|rung| Some(rung.height) == lowest);
    let template = match (nearest, made.is_empty()) {
        (None, false) => return made,
        (Some(rung), _) => rung,
        (None, true) => default_rung(),
    };
    let top = brought_down(template, short, &made);
    made.retain(|rung| !nearly_as_high(rung.height, short));
    made.insert(0, top);
    made
}

/// Lowers `rung` to a height of `short`, with at least the bitrate of the rungs below it.
fn brought_down(rung: Rung, short: u32, below: &[Rung]) -> Rung {
    let square = |side: u32| u128::from(side) * u128::from(side);
    let scaled = u128::from(rung.bitrate.bps()) * square(short) / square(rung.height.max(1));
    let scaled = Bitrate::from_bps(u64::try_from(scaled).unwrap_or(u64::MAX));
    let floor = below.iter().map(|rung| rung.bitrate).max();
    let floor = floor.unwrap_or(Bitrate::from_bps(0));
    let own = rung
        .name
        .replacen(&rung.height.to_string(), &short.to_string(), 1);
    // If the new name is taken, the rung keeps its old one, which is unique.
    let taken = below.iter().any(|rung| rung.name == own);
    Rung {
        name: if taken { rung.name } else { own },
        height: short,
        bitrate: scaled
            .max(floor.max(SCALED_BITRATE_MIN))
            .min(rung.bitrate.max(floor)),
        ..rung
    }
}

/// Whether a rung has at least 7/8 of the top's height: it is then not worth an encoder of its own.
fn nearly_as_high(height: u32, top: u32) -> bool {
    u64::from(height) * 8 >= u64::from(top) * 7
}

fn default_rung() -> Rung {
    Rung {
        name: "1080p".to_owned(),
        height: 1080,
        fps_max: FrameRate::whole(30),
        bitrate: Bitrate::from_bps(5_000_000),
        audio: Bitrate::from_bps(128_000),
    }
}

/// The smallest divisor that brings `rate` to `fps_max` or below. A rate and its 1000/1001 form
/// count as equal, so 30 fits a limit of 29.97.
fn divisor(rate: FrameRate, fps_max: FrameRate) -> u32 {
    let rate_scaled = u128::from(rate.num()) * u128::from(fps_max.den()) * 1000;
    let limit_scaled = u128::from(rate.den()) * u128::from(fps_max.num()) * 1001;
    u32::try_from(rate_scaled.div_ceil(limit_scaled))
        .unwrap_or(u32::MAX)
        .max(1)
}

/// One audio rendition per distinct bitrate, best first.
fn audio_renditions(rungs: &[Rung]) -> Vec<AudioRendition> {
    let mut bitrates: Vec<Bitrate> = rungs.iter().map(|rung| rung.audio).collect();
    bitrates.sort_by(|a, b| b.cmp(a));
    bitrates.dedup();
    bitrates
        .into_iter()
        .map(|bitrate| AudioRendition {
            // Names have no capital letters: 1M becomes 1m.
            name: format!("audio-{bitrate}").to_lowercase(),
            bitrate,
        })
        .collect()
}

/// Brings the size of a source into the range that encoders accept: even sides from 16 to 8192
/// pixels. The aspect ratio is kept where that range allows it.
fn bounded(width: u32, height: u32) -> (u32, u32) {
    let long = width.max(height);
    let fit = |side| even_below(mul_div(side, long.min(SIDE_MAX), long)).clamp(SIDE_MIN, SIDE_MAX);
    (fit(width), fit(height))
}

/// Scales `size` down to a short side of `short`, with the long side rounded to the nearest even
/// number of pixels: 1920x1080 at 480 is 854x480. No side becomes larger.
fn scaled(size: (u32, u32), short: u32) -> (u32, u32) {
    let (width, height) = size;
    let source_short = width.min(height);
    let short = even_below(short).clamp(SIDE_MIN, source_short);
    let fit = |side: u32| {
        let half = mul_div_nearest(side, short, source_short * 2);
        (half * 2).clamp(SIDE_MIN, side)
    };
    (fit(width), fit(height))
}

fn even_below(side: u32) -> u32 {
    side & !1
}

fn mul_div(a: u32, b: u32, c: u32) -> u32 {
    u32::try_from(u64::from(a) * u64::from(b) / u64::from(c.max(1))).unwrap_or(u32::MAX)
}

fn mul_div_nearest(a: u32, b: u32, c: u32) -> u32 {
    let c = u64::from(c.max(1));
    u32::try_from((u64::from(a) * u64::from(b) * 2 + c) / (c * 2)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rung(height: u32, fps: u32, kbps: u64, audio_kbps: u64) -> Rung {
        Rung {
            name: format!("{height}p"),
            height,
            fps_max: FrameRate::whole(fps),
            bitrate: Bitrate::from_bps(kbps * 1000),
            audio: Bitrate::from_bps(audio_kbps * 1000),
        }
    }

    fn ladder() -> Vec<Rung> {
        vec![
            rung(1080, 30, 5000, 128),
            rung(720, 30, 2800, 128),
            rung(480, 30, 1400, 128),
            rung(360, 30, 800, 128),
        ]
    }

    fn source(width: u32, height: u32, fps: FrameRate) -> SourceFormat {
        SourceFormat { width, height, fps }
    }

    /// `name WxH /divisor kbit` of each rendition of the default ladder.
    fn made(width: u32, height: u32) -> Vec<String> {
        plan(&ladder(), source(width, height, FrameRate::whole(30)))
            .video
            .iter()
            .map(|v| format!("{} {}x{} {}k", v.name, v.width, v.height, v.bitrate.kbps()))
            .collect()
    }

    #[test]
    fn sources_and_their_ladders() {
        let below_720 = ["480p 854x480 1400k", "360p 640x360 800k"];
        let with = |top: &[&'static str]| [top, &below_720].concat();
        assert_eq!(
            made(1920, 1080),
            with(&["1080p 1920x1080 5000k", "720p 1280x720 2800k"])
        );
        assert_eq!(
            made(3840, 2160),
            with(&["1080p 1920x1080 5000k", "720p 1280x720 2800k"])
        );
        assert_eq!(made(1280, 720), with(&["720p 1280x720 2800k"]));
        assert_eq!(
            made(1600, 900),
            with(&["900p 1600x900 3472k", "720p 1280x720 2800k"])
        );
        // 720p is left out: it is nearly as high as 800p.
        assert_eq!(
            made(1280, 800),
            [
                "800p 1280x800 2800k",
                "480p 768x480 1400k",
                "360p 576x360 800k"
            ]
        );
        assert_eq!(made(426, 240), ["240p 426x240 355k"]);
        assert_eq!(
            made(1080, 1920),
            [
                "1080p 1080x1920 5000k",
                "720p 720x1280 2800k",
                "480p 480x854 1400k",
                "360p 360x640 800k"
            ]
        );
        // Odd sizes lose a pixel; they never gain one.
        assert_eq!(made(427, 241), ["240p 426x240 355k"]);
    }

    #[test]
    fn a_brought_down_rung_keeps_a_name_of_its_own() {
        let mut rungs = vec![rung(1080, 30, 5000, 128), rung(480, 30, 1400, 96)];
        rungs[0].name = "high".to_owned();
        let plan_of = |rungs: &[Rung]| plan(rungs, source(1280, 720, FrameRate::whole(30)));
        assert_eq!(plan_of(&rungs).video[0].name, "high");
        rungs[0].name = "1080p".to_owned();
        rungs[1].name = "720p".to_owned();
        let names: Vec<_> = plan_of(&rungs).video.into_iter().map(|v| v.name).collect();
        assert_eq!(names, ["1080p", "720p"]);
    }

    #[test]
    fn audio_is_one_rendition_per_bitrate() {
        let rungs = [
            rung(1080, 30, 5000, 96),
            rung(720, 30, 2800, 128),
            rung(480, 30, 1400, 96),
        ];
        let plan = plan(&rungs, source(1920, 1080, FrameRate::whole(30)));
        let names: Vec<_> = plan.audio.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["audio-128k", "audio-96k"]);
        let indices: Vec<_> = plan.video.iter().map(|v| v.audio).collect();
        assert_eq!(indices, [1, 0, 1]);
    }

    #[test]
    fn rates_and_divisors() {
        let of = |num, den, limits: &[u32]| {
            let rungs: Vec<Rung> = limits.iter().map(|&fps| rung(360, fps, 800, 128)).collect();
            let fps = FrameRate::new(num, den).unwrap();
            let plan = plan(&rungs, source(640, 360, fps));
            let divisors: Vec<u32> = plan.video.iter().map(|v| v.divisor).collect();
            (plan.canvas.fps, divisors, plan.grid())
        };
        let rate = |num, den| FrameRate::new(num, den).unwrap();
        assert_eq!(of(30, 1, &[30]), (rate(30, 1), vec![1], 1));
        assert_eq!(of(50, 1, &[30]), (rate(25, 1), vec![1], 1));
        assert_eq!(of(2997, 100, &[30]), (rate(30_000, 1001), vec![1], 1));
        assert_eq!(of(12, 1, &[30]), (rate(12, 1), vec![1], 1));
        assert_eq!(of(48, 1, &[30]), (rate(24, 1), vec![1], 1));
        assert_eq!(of(48, 1, &[60, 30]), (rate(48, 1), vec![1, 2], 2));
        assert_eq!(of(90, 1, &[60, 30]), (rate(45, 1), vec![1, 2], 2));
        assert_eq!(of(90, 1, &[120, 30]), (rate(90, 1), vec![1, 3], 3));
        assert_eq!(of(120, 1, &[120, 60, 30]), (rate(120, 1), vec![1, 2, 4], 4));
        assert_eq!(of(60, 1, &[60, 30, 15]), (rate(60, 1), vec![1, 2, 4], 4));
        assert_eq!(of(60, 1, &[60, 30, 20]), (rate(60, 1), vec![1, 2, 3], 6));
        // 20 is no whole fraction of a canvas of 30.
        assert_eq!(of(60, 1, &[30, 20]), (rate(30, 1), vec![1, 2], 2));
        assert_eq!(of(5994, 100, &[30]), (rate(30_000, 1001), vec![1], 1));
        let ntsc = Rung {
            fps_max: rate(30_000, 1001),
            ..rung(360, 30, 800, 128)
        };
        let plan = plan(&[ntsc], source(640, 360, FrameRate::whole(30)));
        assert_eq!(plan.canvas.fps, rate(30, 1));
    }

    #[test]
    fn no_rungs_make_one() {
        let plan = plan(&[], source(640, 360, FrameRate::whole(30)));
        assert_eq!(plan.video.len(), 1);
        assert_eq!(plan.video[0].name, "360p");
    }

    fn any_rung() -> impl Strategy<Value = Rung> {
        (0..5000_u32, 1..200_u32, 1..100_000_u64, 1..400_u64)
            .prop_map(|(height, fps, kbps, audio)| rung(height, fps, kbps, audio))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_plan_is_sane(
            rungs in prop::collection::vec(any_rung(), 0..6),
            width in any::<u32>().prop_map(|w| w % 20_000), height in any::<u32>().prop_map(|h| h % 20_000),
            num in 1..u32::MAX, den in 1..u32::MAX,
        ) {
            let plan = plan(&rungs, source(width, height, FrameRate::new(num, den).unwrap()));
            let top = &plan.video[0];
            prop_assert_eq!((plan.canvas.width, plan.canvas.height), (top.width, top.height));
            prop_assert!(plan.video.iter().any(|v| v.divisor == 1));
            for v in &plan.video {
                for (side, source) in [(v.width, width), (v.height, height)] {
                    prop_assert!(side % 2 == 0 && (SIDE_MIN..=SIDE_MAX).contains(&side));
                    prop_assert!(side <= source.max(SIDE_MIN), "{} > {}", side, source);
                }
                prop_assert!(v.width <= top.width && v.height <= top.height);
                prop_assert!(v.audio < plan.audio.len());
            }
            prop_assert!(plan.audio.windows(2).all(|a| a[0].bitrate > a[1].bitrate));
        }

        /// The aspect ratio is that of the source, within the rounding to even pixels.
        #[test]
        fn shapes_are_kept(width in 360..4000_u32, height in 360..4000_u32) {
            for v in plan(&ladder(), source(width, height, FrameRate::whole(25))).video {
                let exact = f64::from(v.width.min(v.height)) * f64::from(width.max(height))
                    / f64::from(width.min(height));
                let off = (f64::from(v.width.max(v.height)) - exact).abs();
                prop_assert!(off < 2.0 + 4.0 * exact / f64::from(v.width.min(v.height)), "{:?}", v);
            }
        }
    }
}
