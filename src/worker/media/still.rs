//! Pictures that stand in when no new one comes, and drawing into buffers.

use gst_video::prelude::*;

use super::caps;
use super::picture::note;
use super::picture::{Picture, Plane, PlaneMut, Planes, PlanesMut};
use crate::model::ladder::Canvas;

/// The last picture of the input and what is shown in its place when the input is away.
#[derive(Debug)]
pub struct Stills {
    canvas: Canvas,
    last: Option<gst::Buffer>,
    /// Made once an outage.
    dimmed: Option<gst::Buffer>,
    waiting: gst::Buffer,
}

impl Stills {
    /// Before any picture.
    pub fn new(canvas: Canvas) -> Self {
        Self {
            canvas,
            last: None,
            dimmed: None,
            waiting: copied(canvas, &note::waiting(canvas.width, canvas.height)),
        }
    }

    /// Remembers the newest picture.
    pub fn keep(&mut self, picture: gst::Buffer) {
        self.last = Some(picture);
        self.dimmed = None;
    }

    /// The newest picture, or the card that says there is none yet.
    pub fn last(&self) -> gst::Buffer {
        self.last.as_ref().unwrap_or(&self.waiting).clone()
    }

    /// The card that says there is no picture yet.
    pub fn waiting(&self) -> gst::Buffer {
        self.waiting.clone()
    }

    /// The newest picture dimmed under a note.
    pub fn reconnecting(&mut self) -> gst::Buffer {
        let last = self.last();
        let canvas = self.canvas;
        let dim = || dimmed(canvas, &last).unwrap_or_else(|| last.clone());
        self.dimmed.get_or_insert_with(dim).clone()
    }
}

fn info(canvas: Canvas) -> Option<gst_video::VideoInfo> {
    gst_video::VideoInfo::from_caps(&caps::canvas(canvas)).ok()
}

fn dimmed(canvas: Canvas, picture: &gst::BufferRef) -> Option<gst::Buffer> {
    let info = info(canvas)?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(picture, &info).ok()?;
    let plane = |index: u32| {
        Some(Plane {
            data: frame.plane_data(index).ok()?,
            stride: usize::try_from(*frame.plane_stride().get(index as usize)?).ok()?,
            width: frame.comp_width(index) as usize,
            height: frame.comp_height(index) as usize,
        })
    };
    let last = Planes {
        y: plane(0)?,
        u: plane(1)?,
        v: plane(2)?,
    };
    Some(copied(canvas, &note::reconnecting(&last)))
}

fn copied(canvas: Canvas, picture: &Picture) -> gst::Buffer {
    let from = picture.planes();
    draw(canvas, |to| {
        for (from, to) in [
            (from.y, &mut to.y),
            (from.u, &mut to.u),
            (from.v, &mut to.v),
        ] {
            for y in 0..to.height {
                for (target, source) in to.row(y).iter_mut().zip(from.row(y)) {
                    *target = *source;
                }
            }
        }
    })
}

/// A new picture of the canvas's size, drawn by `draw`; an empty buffer when GStreamer cannot
/// describe such a picture.
pub fn draw(canvas: Canvas, draw: impl FnOnce(&mut PlanesMut<'_>)) -> gst::Buffer {
    let Some(info) = info(canvas) else {
        return gst::Buffer::new();
    };
    // GStreamer rounds strides up to four bytes: planes begin where the info says.
    let offset = |plane: usize| info.offset().get(plane).copied().unwrap_or_default();
    let stride = |plane: usize| info.stride().get(plane).copied().unwrap_or_default();
    let mut bytes = vec![0u8; info.size()];
    let (y, chroma) = bytes.split_at_mut(offset(1).min(info.size()));
    let (u, v) = chroma.split_at_mut((offset(2) - offset(1)).min(chroma.len()));
    let plane = |index: usize, data| PlaneMut {
        data,
        stride: usize::try_from(stride(index)).unwrap_or_default(),
        width: info.comp_width(index as u8) as usize,
        height: info.comp_height(index as u8) as usize,
    };
    draw(&mut PlanesMut {
        y: plane(0, y),
        u: plane(1, u),
        v: plane(2, v),
    });
    gst::Buffer::from_mut_slice(bytes)
}
