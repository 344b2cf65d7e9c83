//! The scale cascade: every rung is scaled from the nearest larger one that is awake. Each size has a
//! pipeline of its own, which gets no picture while nobody needs its size.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::failure;
use super::feed::Feed;
use super::line::{Line, Way};
use super::slot::Slot;
use super::thumbnail::Thumbnail;
use super::tools::Tools;
use crate::model::ladder::{Canvas, RungSet};
use crate::worker::media::caps;
use crate::worker::media::element;
use crate::worker::media::events::Event;
use crate::worker::media::template::{self, Kind, Values};

/// Pictures that may wait for one step. Above that the machine is too slow.
const BACKLOG_MAX: u64 = 12;
/// Pictures that wait at most, even of those that begin a part, which are never left out. With more
/// the worker fails.
const PICTURES_MAX: u64 = 48;
/// The same of pictures that wait beside a step.
const WAITING_MAX: usize = 48;

/// Width and height in pixels.
type Size = (u32, u32);

/// Hands every picture of the canvas to the rungs that take it.
pub struct Cascade {
    canvas: Canvas,
    tools: Tools,
    /// Largest first; the first has the size of the canvas.
    levels: Vec<Level>,
    thumbnail: Thumbnail,
}

struct Level {
    size: Size,
    /// Makes pictures of this size from larger ones; `None` for the size of the canvas.
    scaler: Option<Scaler>,
    slots: Vec<(usize, Arc<Slot>)>,
}

struct Scaler {
    pipeline: gst::Pipeline,
    feed: Feed,
    line: Mutex<Line<Picture>>,
}

/// A picture on its way down.
struct Picture {
    frame: u64,
    size: Size,
    picture: gst::Buffer,
}

impl Level {
    fn is_needed(&self, awake: RungSet) -> bool {
        self.slots.iter().any(|(rung, _)| awake.contains(*rung))
    }
}

impl Cascade {
    /// Starts the cascade for `slots`, in the order of the plan.
    ///
    /// # Errors
    /// When an element is missing or a pipeline does not start.
    pub fn start(
        canvas: Canvas,
        slots: &[Arc<Slot>],
        tools: &Tools,
    ) -> Result<Arc<Self>, template::Error> {
        let top = (canvas.width, canvas.height);
        let mut levels: Vec<Level> = vec![Level {
            size: top,
            scaler: None,
            slots: Vec::new(),
        }];
        for (rung, slot) in slots.iter().enumerate() {
            let size = (slot.rendition().width, slot.rendition().height);
            let slot = (rung, slot.clone());
            match levels.last_mut() {
                Some(level) if level.size == size => level.slots.push(slot),
                _ => levels.push(Level {
                    size,
                    scaler: None,
                    slots: vec![slot],
                }),
            }
        }
        let mut failed = None;
        let thumbnail = Thumbnail::start(canvas.fps, tools)?;
        let cascade = Arc::new_cyclic(|this: &Weak<Self>| {
            for (index, level) in levels.iter_mut().enumerate().skip(1) {
                match Scaler::start(index, level.size, top, this, tools) {
                    Ok(scaler) => level.scaler = Some(scaler),
                    Err(error) => failed = Some(error),
                }
            }
            Self {
                canvas,
                tools: tools.clone(),
                levels,
                thumbnail,
            }
        });
        failed.map_or(Ok(cascade), Err)
    }

    /// Hands on canvas frame `frame`.
    pub fn picture(&self, frame: u64, picture: &gst::Buffer) {
        let (msn, awake) = self.tools.cuts.segment_of(frame);
        for (rung, slot) in self.levels.iter().flat_map(|level| &level.slots) {
            match awake.contains(*rung) {
                true => slot.expect(frame, msn),
                false => slot.sleep(msn),
            }
        }
        self.hand_on(0, frame, picture, awake);
    }

    /// Hands a picture of level `from` to the rungs of this size, and to the next size that is needed.
    fn hand_on(&self, from: usize, frame: u64, picture: &gst::Buffer, awake: RungSet) {
        let Some(level) = self.levels.get(from) else {
            return;
        };
        let slots = level.slots.iter();
        for (_, slot) in slots.filter(|(rung, _)| awake.contains(*rung)) {
            slot.picture(frame, picture);
        }
        let (size, picture) = (level.size, picture.clone());
        let picture = Picture {
            frame,
            size,
            picture,
        };
        self.pass(from, picture);
    }

    /// Passes a picture on to the first size below level `above` that is needed. A size between them that
    /// is not needed any more may still have earlier pictures for the same rungs; the picture waits for
    /// those.
    fn pass(&self, above: usize, picture: Picture) {
        let (_, awake) = self.tools.cuts.segment_of(picture.frame);
        let mut picture = picture;
        for level in self.levels.iter().skip(above + 1) {
            let Some(scaler) = &level.scaler else {
                continue;
            };
            let way = match level.is_needed(awake) {
                true => Way::Through,
                false => Way::Past,
            };
            let mut line = scaler.line();
            let Some(goes_on) = line.come(picture, way) else {
                if line.waiting() > WAITING_MAX {
                    let cause = format!("pipeline `{}` is stuck", scaler.pipeline.name());
                    self.tools.events.send(Event::Fatal(cause));
                }
                return;
            };
            if way == Way::Through {
                return scaler.push(self.canvas, &goes_on);
            }
            picture = goes_on;
        }
        let Picture { frame, size, .. } = picture;
        self.thumbnail.picture(frame, size, &picture.picture);
    }

    /// A step has made a picture.
    fn scaled(&self, index: usize, picture: &gst::Buffer) {
        let Some(pts) = picture.pts() else { return };
        let frame = self.canvas.fps.frame_at(pts.into());
        let (_, awake) = self.tools.cuts.segment_of(frame);
        self.hand_on(index, frame, picture, awake);
        let level = self.levels.get(index);
        let Some(scaler) = level.and_then(|level| level.scaler.as_ref()) else {
            return;
        };
        // Whoever comes meanwhile waits for the lock, and so comes after those that have waited. Whoever
        // holds the lock of one step takes only locks of later ones.
        let mut line = scaler.line();
        line.left();
        while let Some((picture, way)) = line.next() {
            match way {
                Way::Through => scaler.push(self.canvas, &picture),
                Way::Past => self.pass(index, picture),
            }
        }
    }

    /// Whether no step is behind.
    pub fn has_room(&self) -> bool {
        let mut scalers = self.levels.iter().filter_map(|level| level.scaler.as_ref());
        scalers.all(|scaler| scaler.waiting() < BACKLOG_MAX)
    }

    /// Hands on what waits, and stops; waits up to `wait_max` for each step.
    pub fn finish(&self, wait_max: Duration) {
        for scaler in self.levels.iter().filter_map(|level| level.scaler.as_ref()) {
            scaler.feed.end();
            failure::wait_for_end(&scaler.pipeline, wait_max);
            self.tools.grave.bury(&scaler.pipeline);
        }
        self.thumbnail.stop();
    }
}

impl Scaler {
    fn start(
        level: usize,
        size: Size,
        top: Size,
        cascade: &Weak<Cascade>,
        tools: &Tools,
    ) -> Result<Self, template::Error> {
        let name = format!("scale-{}x{}", size.0, size.1);
        let fail = |message: &str| template::Error::build(&name, message);
        let pipeline = gst::Pipeline::with_name(&name);
        let picture_bytes = u64::from(top.0) * u64::from(top.1) * 3 / 2;
        let bytes_max = picture_bytes.saturating_mul(PICTURES_MAX);
        let feed = Feed::add(&pipeline, "pictures", None, bytes_max, &tools.events)?;
        let (first, last) = tools
            .library
            .build_kind(Kind::Scale, &Values::default())?
            .add_to(pipeline.upcast_ref())?;
        let sized = caps::picture(size.0, size.1).build();
        let sized = element::add_filter(&pipeline, &sized, &name)?;
        let cascade = cascade.clone();
        let sink = AppSink::builder()
            .sync(false)
            .async_(false)
            .max_buffers(1)
            .callbacks(
                AppSinkCallbacks::builder()
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        if let Some((cascade, picture)) =
                            cascade.upgrade().zip(sample.buffer_owned())
                        {
                            cascade.scaled(level, &picture);
                        }
                        Ok(gst::FlowSuccess::Ok)
                    })
                    .build(),
            )
            .build();
        pipeline.add(&sink).map_err(|_| fail("no sink"))?;
        let chain = [feed.element(), &first];
        gst::Element::link_many(chain).map_err(|_| fail("takes no pictures"))?;
        let chain = [&last, &sized, sink.upcast_ref()];
        gst::Element::link_many(chain).map_err(|_| fail("makes no pictures"))?;
        failure::watch(&pipeline, &tools.events, |_, reason| Event::Fatal(reason));
        let playing = pipeline.set_state(gst::State::Playing);
        playing.map_err(|_| fail("does not start"))?;
        Ok(Self {
            pipeline,
            feed,
            line: Mutex::default(),
        })
    }

    fn line(&self) -> MutexGuard<'_, Line<Picture>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pictures that wait for this step or beside it.
    fn waiting(&self) -> u64 {
        let beside = u64::try_from(self.line().waiting()).unwrap_or(u64::MAX);
        self.feed.waiting().saturating_add(beside)
    }

    fn push(&self, canvas: Canvas, picture: &Picture) {
        let Picture { size, picture, .. } = picture;
        let pictures = caps::picture(size.0, size.1)
            .field("framerate", caps::fraction(canvas.fps))
            .build();
        self.feed.retune(&pictures);
        // The source refuses a picture only while the worker ends.
        let _ = self.feed.push(picture.clone());
    }
}
