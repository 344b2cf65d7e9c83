//! Pictures that stand in when no new one comes, and drawing into buffers.

use gst_video::prelude::*;

use super::caps;
use super::picture::note;
use super::picture::{Planes, PlanesMut};
use crate::ladder::Canvas;

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
            waiting: draw(canvas, note::waiting),
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
    let stride = |plane: usize| usize::try_from(*frame.plane_stride().get(plane)?).ok();
    let from = Planes {
        width: usize::try_from(canvas.width).ok()?,
        height: usize::try_from(canvas.height).ok()?,
        y: frame.plane_data(0).ok()?,
        u: frame.plane_data(1).ok()?,
        v: frame.plane_data(2).ok()?,
        y_stride: stride(0)?,
        uv_stride: stride(1)?,
    };
    Some(draw(canvas, |planes| note::reconnecting(&from, planes)))
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
    draw(&mut PlanesMut {
        width: canvas.width as usize,
        height: canvas.height as usize,
        y,
        u,
        v,
        y_stride: usize::try_from(stride(0)).unwrap_or_default(),
        uv_stride: usize::try_from(stride(1)).unwrap_or_default(),
    });
    gst::Buffer::from_mut_slice(bytes)
}
