//! Still pictures for slots without a new one; the buffers that weir draws into.

use std::time::Duration;

use gst_video::prelude::*;

use super::caps;
use super::picture::note;
use super::picture::planes::{Plane, Planes, PlanesMut};
use crate::model::ladder::Canvas;

/// The last picture of the input, and what is shown instead while the input is away.
#[derive(Debug)]
pub struct Stills {
    canvas: Canvas,
    /// The newest picture, and the output time at which it was taken.
    last: Option<(gst::Buffer, Duration)>,
    /// Drawn once per outage.
    dimmed: Option<gst::Buffer>,
    waiting: gst::Buffer,
}

impl Stills {
    /// Without a picture yet.
    pub fn new(canvas: Canvas) -> Self {
        Self {
            canvas,
            last: None,
            dimmed: None,
            waiting: draw(canvas, note::waiting),
        }
    }

    /// Remembers the newest picture, which was taken at output time `now`.
    pub fn keep(&mut self, picture: gst::Buffer, now: Duration) {
        self.last = Some((picture, now));
        self.dimmed = None;
    }

    /// What is shown at output time `now`: the newest picture, or the same dimmed under a note when
    /// it has stood still for longer than `patience`. Before the first picture, a card that says so.
    pub fn at(&mut self, now: Duration, patience: Duration) -> gst::Buffer {
        let Some((last, since)) = &self.last else {
            return self.waiting.clone();
        };
        if now.saturating_sub(*since) <= patience {
            return last.clone();
        }
        let dim = || dimmed(self.canvas, last).unwrap_or_else(|| last.clone());
        self.dimmed.get_or_insert_with(dim).clone()
    }
}

/// A new picture of the canvas's size, drawn by `draw`. Empty when GStreamer cannot describe such a
/// picture.
pub fn draw(canvas: Canvas, draw: impl FnOnce(&mut PlanesMut<'_>)) -> gst::Buffer {
    drawn(canvas, draw).unwrap_or_default()
}

fn drawn(canvas: Canvas, draw: impl FnOnce(&mut PlanesMut<'_>)) -> Option<gst::Buffer> {
    let info = info(canvas)?;
    let buffer = gst::Buffer::from_mut_slice(vec![0u8; info.size()]);
    let mut frame = gst_video::VideoFrame::from_buffer_writable(buffer, &info).ok()?;
    draw(&mut planes(&info, frame.planes_data_mut())?);
    Some(frame.into_buffer())
}

fn dimmed(canvas: Canvas, picture: &gst::BufferRef) -> Option<gst::Buffer> {
    let info = info(canvas)?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(picture, &info).ok()?;
    let last = planes(frame.info(), frame.planes_data())?;
    drawn(canvas, |out| note::reconnecting(&last, out))
}

fn info(canvas: Canvas) -> Option<gst_video::VideoInfo> {
    gst_video::VideoInfo::from_caps(&caps::canvas(canvas)).ok()
}

fn planes<D>(info: &gst_video::VideoInfo, [y, u, v, _]: [D; 4]) -> Option<Planes<D>> {
    let plane = |component: u8, data| {
        Some(Plane {
            data,
            stride: usize::try_from(*info.stride().get(usize::from(component))?).ok()?,
            width: info.comp_width(component) as usize,
            height: info.comp_height(component) as usize,
        })
    };
    Some(Planes {
        y: plane(0, y)?,
        u: plane(1, u)?,
        v: plane(2, v)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::FrameRate;

    #[test]
    fn viewers_see_a_card_then_pictures_then_a_note_over_the_last() {
        crate::worker::media::init().unwrap();
        let canvas = Canvas {
            width: 320,
            height: 180,
            fps: FrameRate::whole(30),
        };
        let ms = Duration::from_millis;
        let mut stills = Stills::new(canvas);
        let at = |stills: &mut Stills, now| stills.at(ms(now), ms(1500));
        assert_eq!(at(&mut stills, 60_000), stills.waiting);
        let picture = draw(canvas, |out| out.y.data.fill(200));
        stills.keep(picture.clone(), ms(60_000));
        assert_eq!(at(&mut stills, 61_500), picture);
        let note = at(&mut stills, 61_501);
        assert_eq!(note.map_readable().unwrap()[0], 90, "dimmed");
        let again = at(&mut stills, 70_000);
        assert_eq!(again.as_ptr(), note.as_ptr(), "drawn once");
        let patient = stills.at(ms(61_501), ms(6000));
        assert_eq!(patient, picture, "the source sends few pictures");
        stills.keep(picture.clone(), ms(70_000));
        assert_eq!(at(&mut stills, 70_100), picture);
    }
}
