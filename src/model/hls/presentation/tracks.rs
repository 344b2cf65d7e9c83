//! The CMAF renditions as other formats of manifests list them: by whole segments.

use super::Presentation;
use crate::base::units::FrameRate;
use crate::model::hls::media::{Packaging, TrackId};
use crate::model::hls::multivariant;
use crate::model::hls::window::Window;
use crate::model::ladder::{Plan, VideoRendition};

/// A CMAF rendition.
#[derive(Debug, Clone, Copy)]
pub struct Track<'a> {
    /// Name of its folder.
    pub name: &'a str,
    /// What the plan says of its pictures, and how many there are per second; `None` for sound.
    pub picture: Option<(&'a VideoRendition, FrameRate)>,
    /// Its segments.
    pub window: &'a Window,
    /// Bits per second at which its segments come in time for who has buffered a second.
    pub bandwidth_bps: u64,
}

/// Which whole segments there are to list: those that all CMAF renditions have, so that none of them ever
/// moves to another place in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// Number of the first one.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// No other one follows.
    pub ended: bool,
    /// Tells apart what is listed of the single renditions.
    firsts: u64,
}

impl Presentation {
    /// The CMAF renditions, in an order that never changes: video, top first, then audio.
    pub fn tracks(&self) -> impl Iterator<Item = Track<'_>> {
        self.set(Packaging::Cmaf).filter_map(|(_, rendition)| {
            let (plan, window) = (&self.plan, &rendition.window);
            let (picture, promised_bps) = match rendition.track {
                TrackId::Video(n) => {
                    let video = plan.video.get(usize::from(n))?;
                    let rate = plan.canvas.fps.divided(video.divisor);
                    let bps = multivariant::picture_bps(rate, video, &self.timing);
                    (Some((video, rate)), bps)
                }
                TrackId::Audio(n) => {
                    let audio = plan.audio.get(usize::from(n))?;
                    (None, multivariant::sound_bps(audio, &self.timing))
                }
            };
            let measured_bps = multivariant::sustained_bps(window.peak_bps(), &self.timing);
            Some(Track {
                name: &rendition.name,
                picture,
                window,
                bandwidth_bps: promised_bps.max(measured_bps),
            })
        })
    }

    /// The whole segments that all CMAF renditions have; `None` before there is one. Two equal editions
    /// have the same segments.
    pub fn edition(&self) -> Option<Edition> {
        let windows = || self.set(Packaging::Cmaf).map(|(_, r)| &r.window);
        let firsts = || windows().filter_map(Window::first_listed);
        let (first, last) = (firsts().min()?, windows().map(Window::last_closed).min()??);
        (first <= last && self.playable(Packaging::Cmaf)).then_some(Edition {
            first,
            last,
            ended: self.ended,
            firsts: firsts().fold(0, u64::wrapping_add),
        })
    }

    /// What the session makes.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}
