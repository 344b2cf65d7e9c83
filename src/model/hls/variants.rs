//! The multivariant playlist of a session: its variants, and what their bit rates promise.

use super::codecs;
use super::media::Packaging;
use super::multivariant::{self, IFrames, Pathway, Variant};
use super::presentation::Presentation;
use super::window::Window;
use crate::model::ladder::VideoRendition;

impl Presentation {
    /// The multivariant playlist; `None` before the packaging is playable. `session` is the folder
    /// of the media playlists, relative to this playlist, or to the folder of each of `pathways`.
    pub fn master(
        &mut self,
        packaging: Packaging,
        session: &str,
        pathways: &[Pathway],
    ) -> Option<String> {
        if !self.playable(packaging) {
            return None;
        }
        let videos = self.plan.video.iter().enumerate();
        let variants: Vec<_> = videos
            .map(|(n, video)| self.variant(n, video, packaging))
            .collect();
        let text = multivariant::render(&self.plan, &variants, packaging, session, pathways);
        let promises: Vec<_> = variants.iter().map(|v| v.bandwidth_bps).collect();
        for (n, bps) in promises.into_iter().enumerate() {
            self.advertised.insert((packaging, n), bps);
        }
        Some(text)
    }

    fn variant<'a>(
        &'a self,
        n: usize,
        video: &'a VideoRendition,
        packaging: Packaging,
    ) -> Variant<'a> {
        let find = |name: &str, packaging| {
            let n = self.find(name, packaging);
            n.and_then(|n| self.renditions.get(n)).map(|r| &r.window)
        };
        let audio = self.plan.audio_of(video);
        let sound = audio.and_then(|audio| find(&audio.name, Packaging::Cmaf));
        let picture = find(&video.name, Packaging::Cmaf);
        // "The attribute value MUST include every media format [RFC6381] present in any Media
        // Segment in any of the Renditions" (section 6.2.4).
        let mut named = codecs::cover(picture.into_iter().flat_map(Window::codecs));
        let iframes = IFrames {
            bandwidth_bps: multivariant::promised_iframes_bps(&self.plan, video, &self.timing)
                .max(picture.map_or(0, Window::peak_iframe_bps)),
            codecs: named.join(","),
        };
        named.extend(codecs::cover(sound.into_iter().flat_map(Window::codecs)));
        let measured_bps = match packaging {
            Packaging::Cmaf => [picture, sound],
            Packaging::Ts => [find(&video.name, Packaging::Ts), None],
        };
        let measured_bps: u64 = measured_bps.iter().flatten().map(|w| w.peak_bps()).sum();
        let (promised_bps, average_bps) =
            multivariant::promised_bps(&self.plan, video, &self.timing, packaging);
        let before_bps = self.advertised.get(&(packaging, n)).copied();
        Variant {
            video,
            audio: audio.filter(|_| packaging == Packaging::Cmaf),
            // "BANDWIDTH: the peak segment bit rate of the Variant Stream" (section 4.4.6.2).
            bandwidth_bps: promised_bps
                .max(measured_bps)
                .max(before_bps.unwrap_or_default()),
            average_bps,
            codecs: named.join(","),
            frame_rate: self.plan.canvas.fps.divided(video.divisor),
            iframes: Some(iframes).filter(|_| packaging == Packaging::Cmaf),
        }
    }

    /// Raises `BANDWIDTH` of variants whose segments have exceeded it, and counts them.
    pub(super) fn compare_bandwidth(&mut self) {
        let mut advertised = std::mem::take(&mut self.advertised);
        for ((packaging, n), bps) in &mut advertised {
            let Some(video) = self.plan.video.get(*n) else {
                continue;
            };
            let now_bps = self.variant(*n, video, *packaging).bandwidth_bps;
            if now_bps > *bps {
                *bps = now_bps;
                self.bandwidth_raised = self.bandwidth_raised.saturating_add(1);
            }
        }
        self.advertised = advertised;
    }

    /// How often a segment exceeded the `BANDWIDTH` in a multivariant playlist already rendered.
    /// The next playlist has the higher value.
    pub fn bandwidth_raised(&self) -> u64 {
        self.bandwidth_raised
    }
}
