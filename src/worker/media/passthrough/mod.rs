//! Pass-through: the publisher's own frames in the top rung, between the input half, the pacer and the
//! rung.

mod watch;

pub use watch::{KeyFrame, Next, Unit};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use watch::Watch;

use crate::model::frame::{EncodedFrame, VideoCodec, VideoFormat};
use crate::model::h264::{self, Sequence, unit};
use crate::model::passthrough::{Obstacle, Policy, Rung};

/// What passes a publisher's frames on; cheap to clone.
#[derive(Clone, Default)]
pub struct Passthrough(Arc<Mutex<State>>);

impl std::fmt::Debug for Passthrough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passthrough").finish_non_exhaustive()
    }
}

/// Ends the segment before a key frame.
type Follow = Box<dyn Fn(KeyFrame) + Send>;

#[derive(Default)]
struct State {
    policy: Policy,
    /// Known once the session has a plan.
    output: Option<(Watch, Rung, Follow)>,
    format: Option<Format>,
    /// The publisher has pictures in another format, or none.
    refused: Option<Obstacle>,
    /// No rung needs pictures.
    rests: bool,
    /// How long before its presentation the last key frame is decoded, in nanoseconds.
    ahead_ns: i64,
}

/// The pictures of a publisher.
#[derive(Debug, Clone)]
pub struct Format {
    /// `AVCDecoderConfigurationRecord`.
    pub config: Bytes,
    sequence: Sequence,
    /// The parameter sets, each behind its length.
    sets: Bytes,
}

impl Format {
    fn read(format: &VideoFormat) -> Option<Self> {
        let sets = h264::parameter_sets(&format.config)?;
        let sequence = Sequence::read(sets.first()?)?;
        let mut bytes = BytesMut::new();
        for set in sets {
            bytes.put_u32(u32::try_from(set.len()).ok()?);
            bytes.put_slice(set);
        }
        Some(Self {
            config: format.config.clone(),
            sequence,
            sets: bytes.freeze(),
        })
    }
}

impl State {
    /// What in the source's format is against it.
    fn obstacle(&self, rung: &Rung) -> Option<Obstacle> {
        match (self.policy, &self.format) {
            (Policy::Never, _) => Some(Obstacle::Never),
            (_, None) => Some(self.refused.unwrap_or(Obstacle::NoSource)),
            (_, Some(format)) => self.refused.or(rung.obstacle(&format.sequence)),
        }
    }

    fn open(&mut self) {
        let Some((_, rung, _)) = &self.output else {
            return;
        };
        let obstacle = self.obstacle(rung);
        if let Some((watch, ..)) = &mut self.output {
            watch.opened(obstacle);
        }
    }
}

impl Passthrough {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether sources may be passed through.
    pub fn allow(&self, policy: Policy) {
        self.lock().policy = policy;
    }

    /// The session has a plan with this top rung. `follow` is called with each key frame of a good source
    /// and ends the segment there where it has to.
    pub fn begin(&self, rung: Rung, follow: impl Fn(KeyFrame) + Send + 'static) {
        let mut state = self.lock();
        state.output = Some((Watch::new(rung), rung, Box::new(follow)));
        state.open();
    }

    /// A publisher comes, goes or changes its format.
    pub fn opened(&self, format: Option<&VideoFormat>) {
        let mut state = self.lock();
        let h264 = format.filter(|format| format.codec == VideoCodec::H264);
        state.format = h264.and_then(Format::read);
        let other = format.is_some() && state.format.is_none();
        state.refused = other.then_some(Obstacle::Codec);
        state.ahead_ns = 0;
        state.open();
    }

    /// Takes a frame of the publisher's picture; `shift_ns` is added to its times. A key frame of a good
    /// source decides where the segment ends.
    pub fn frame(&self, frame: &EncodedFrame, shift_ns: i64) {
        let mut state = self.lock();
        let state = &mut *state;
        let (Some(format), None) = (&state.format, state.refused) else {
            return;
        };
        let (key, data, obstacle) = passed(format, &frame.data);
        if let Some(obstacle) = obstacle {
            state.refused = Some(obstacle);
            return state.open();
        }
        if key {
            state.ahead_ns = frame.pts_ns.saturating_sub(frame.dts_ns);
        }
        if let Some((watch, _, follow)) = &mut state.output
            && let Some(key) = watch.frame(frame.pts_ns.saturating_add(shift_ns), key, data)
        {
            follow(key);
        }
    }

    /// The picture with the time `time_ns` is shown in canvas frame `frame`.
    pub fn shown(&self, time_ns: i64, frame: u64) {
        if let Some((watch, ..)) = &mut self.lock().output {
            watch.shown(time_ns, frame);
        }
    }

    /// By how much pictures have to be shown later, so that it is known a canvas frame ahead which of
    /// them is a key frame; `None` for a source that cannot be passed through.
    pub fn lead(&self) -> Option<Duration> {
        let state = self.lock();
        let (watch, rung, _) = state.output.as_ref()?;
        let ahead = Duration::from_nanos(u64::try_from(state.ahead_ns).unwrap_or(0));
        let lead = rung.fps.frame_duration().saturating_sub(ahead);
        watch.has_good_format().then_some(lead)
    }

    /// What is against passing the source through; `None` if nothing is.
    pub fn obstacle(&self) -> Option<Obstacle> {
        match &self.lock().output {
            Some((watch, ..)) => watch.obstacle(),
            None => Some(Obstacle::NoSource),
        }
    }

    /// No rung needs pictures, or one does again.
    pub fn rest(&self, rests: bool) {
        self.lock().rests = rests;
    }

    /// Whether only key frames have to be decoded, for thumbnails.
    pub fn rests(&self) -> bool {
        let state = self.lock();
        let watch = state.output.as_ref().map(|(watch, ..)| watch);
        state.rests && watch.is_some_and(|watch| watch.passes())
    }

    /// The output's timeline shows the frame with the time `time_ns` at `due`.
    pub fn due(&self, time_ns: i64, due: Duration) {
        if let Some((watch, ..)) = &mut self.lock().output {
            watch.due(time_ns, due);
        }
    }

    /// How much later than it is shown a frame that is passed through is due, in canvas frames; `None` if
    /// none is.
    pub fn phase(&self) -> Option<f64> {
        let state = self.lock();
        let (watch, ..) = state.output.as_ref()?;
        watch.phase()
    }

    /// Begins to pass the source through with canvas frame `frame`; see [`Watch::begin`].
    pub fn start(&self, frame: u64) -> Option<(u64, Format)> {
        let mut state = self.lock();
        let format = state.format.clone()?;
        let (watch, ..) = state.output.as_mut()?;
        Some((watch.begin(frame)?, format))
    }

    /// The source is not passed through any more.
    pub fn end(&self) {
        if let Some((watch, ..)) = &mut self.lock().output {
            watch.end();
        }
    }

    /// The frame at `place` in decoding order.
    pub fn take(&self, place: u64) -> Next {
        match &mut self.lock().output {
            Some((watch, ..)) => watch.take(place),
            None => Next::Over,
        }
    }

    /// The frames behind the last one that was taken, up to the end of its group.
    pub fn rest_of_group(&self) -> Vec<Unit> {
        match &self.lock().output {
            Some((watch, ..)) => watch.rest_of_group().cloned().collect(),
            None => Vec::new(),
        }
    }

    /// The source is behind.
    pub fn late(&self) {
        if let Some((watch, ..)) = &mut self.lock().output {
            watch.fail(Obstacle::Late);
        }
    }
}

/// Whether a frame is a key frame, its bytes, which for a key frame begin with the parameter sets, and
/// what is against it.
fn passed(format: &Format, data: &Bytes) -> (bool, Bytes, Option<Obstacle>) {
    /// `payloadType` of a display orientation message (section D.1.27).
    const ORIENTATION: u8 = 47;
    let Some(units) = h264::units(data) else {
        return (false, Bytes::new(), Some(Obstacle::Codec));
    };
    let has = |kind| units.iter().any(|it| h264::kind(it) == Some(kind));
    let turned =
        |it: &&&[u8]| matches!(it, [header, ORIENTATION, ..] if header & 0x1f == unit::SEI);
    if units.iter().any(|it| turned(&it)) {
        return (false, Bytes::new(), Some(Obstacle::Turned));
    }
    // Parameter sets other than those of the configuration belong to other pictures.
    let known = |set: &[u8]| format.sets.windows(set.len().max(1)).any(|it| it == set);
    let sets = units.iter();
    let mut sets = sets.filter(|it| matches!(h264::kind(it), Some(unit::SPS | unit::PPS)));
    if !sets.all(|set| known(set)) {
        return (false, Bytes::new(), Some(Obstacle::Codec));
    }
    if !has(unit::IDR) || has(unit::SPS) && has(unit::PPS) {
        return (has(unit::IDR), data.clone(), None);
    }
    let mut whole = BytesMut::with_capacity(format.sets.len() + data.len());
    whole.put_slice(&format.sets);
    whole.put_slice(data);
    (true, whole.freeze(), None)
}
