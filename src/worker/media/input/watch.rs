//! Watches a decoder in hardware: what goes in must come out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::glib::WeakRef;
use gst::prelude::*;

use super::ranking::Named;

/// How long a decoder may give no picture while it is fed.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Pictures that a decoder may owe at any time: 16 wait for their turn at most (ITU-T H.264 section
/// A.3.1 and H.265 section A.4.2 say so), and a driver may work on some more at once.
const OWED_MAX: u32 = 40;

/// `factory` as a decoder of pictures; `None` when it is something else.
pub fn named(factory: &gst::ElementFactory) -> Option<Named> {
    let class = factory.metadata(gst::ELEMENT_METADATA_KLASS)?;
    let is = |word: &str| class.split('/').any(|it| it == word);
    (is("Decoder") && is("Video")).then(|| Named {
        name: factory.name().to_string(),
        hardware: is("Hardware"),
    })
}

/// What went into a decoder and what came out of it.
#[derive(Debug, Default)]
struct Account {
    /// A frame went in.
    entered: bool,
    /// A key frame went in: before, a decoder has nothing to show.
    begun: bool,
    /// Frames that went in since the last picture.
    owed: u32,
    /// When the first of them went in.
    since: Option<Instant>,
    /// When the last of them went in.
    fed: Option<Instant>,
}

impl Account {
    fn took(&mut self, key: bool, now: Instant) {
        self.entered = true;
        self.begun |= key;
        if self.begun {
            self.owed = self.owed.saturating_add(1);
            self.since.get_or_insert(now);
            self.fed = Some(now);
        }
    }

    fn gave(&mut self) {
        (self.owed, self.since, self.fed) = (0, None, None);
    }

    /// It took frames for a while and gave nothing for them.
    fn is_silent(&self, now: Instant) -> bool {
        self.owed > OWED_MAX && is_over(self.since, now)
    }

    /// Nothing has gone in or come out for a while. That is all right if nothing is there for it.
    fn stands_still(&self, now: Instant) -> bool {
        is_over(self.fed, now)
    }
}

fn is_over(since: Option<Instant>, now: Instant) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) > SILENCE_MAX)
}

/// The watch over one decoder.
#[derive(Debug)]
pub struct Watch {
    decoder: Named,
    account: Arc<Mutex<Account>>,
    closed: Arc<AtomicBool>,
    sink: WeakRef<gst::Pad>,
    src: WeakRef<gst::Pad>,
}

impl Watch {
    /// Watches `element`, which is `decoder`; `None` when it has other pads than decoders have.
    pub fn over(decoder: Named, element: &gst::Element) -> Option<Self> {
        let (sink, src) = (element.static_pad("sink")?, element.static_pad("src")?);
        let account: Arc<Mutex<Account>> = Arc::default();
        let closed: Arc<AtomicBool> = Arc::default();
        let taking = account.clone();
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let delta = gst::BufferFlags::DELTA_UNIT;
            let key = info.buffer().is_some_and(|it| !it.flags().contains(delta));
            lock(&taking).took(key, Instant::now());
            gst::PadProbeReturn::Ok
        });
        let (giving, shut) = (account.clone(), closed.clone());
        src.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            lock(&giving).gave();
            match shut.load(Ordering::Relaxed) {
                true => gst::PadProbeReturn::Handled,
                false => gst::PadProbeReturn::Ok,
            }
        });
        Some(Self {
            decoder,
            account,
            closed,
            sink: sink.downgrade(),
            src: src.downgrade(),
        })
    }

    /// The decoder.
    pub fn decoder(&self) -> &Named {
        &self.decoder
    }

    /// Whether a frame has gone in.
    pub fn was_fed(&self) -> bool {
        lock(&self.account).entered
    }

    /// What is wrong with the decoder, if anything.
    pub fn complaint(&self, now: Instant) -> Option<&'static str> {
        let fed = {
            let account = lock(&self.account);
            if !account.is_silent(now) && !account.stands_still(now) {
                return None;
            }
            account.fed
        };
        let (sink, src) = (self.sink.upgrade()?, self.src.upgrade()?);
        // What comes after the decoder may take its time with a picture.
        if src.is_blocking() || is_busy(&src) {
            return None;
        }
        if lock(&self.account).is_silent(now) {
            return Some("it gave no picture for 2 s, although frames came");
        }
        // A source may pause: then no frame is inside.
        let holds = sink.peer().is_some_and(|before| is_busy(&before));
        let same = lock(&self.account).fed == fed;
        (holds && same).then_some("it hangs: it has held a frame for 2 s")
    }

    /// Lets no picture of the decoder through any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a thread is inside a push through `pad`. GStreamer calls an idle probe at once if not.
fn is_busy(pad: &gst::Pad) -> bool {
    let idle = Arc::new(AtomicBool::new(false));
    let seen = idle.clone();
    let probe = pad.add_probe(gst::PadProbeType::IDLE, move |_, _| {
        seen.store(true, Ordering::Relaxed);
        gst::PadProbeReturn::Remove
    });
    let idle = idle.load(Ordering::Relaxed);
    if let Some(probe) = probe.filter(|_| !idle) {
        pad.remove_probe(probe);
    }
    !idle
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    #[test]
    fn what_precedes_the_first_key_frame_owes_no_picture() {
        let (mut account, start) = (Account::default(), Instant::now());
        for n in 0..300 {
            account.took(false, start + FRAME * n);
        }
        assert!(!account.is_silent(start + FRAME * 300));
        assert!(!account.stands_still(start + FRAME * 3000));
        let key = start + FRAME * 300;
        for n in 0..100 {
            account.took(n == 0, key + FRAME * n);
        }
        assert!(!account.is_silent(key + SILENCE_MAX));
        assert!(account.is_silent(key + SILENCE_MAX + FRAME));
        account.gave();
        assert!(!account.is_silent(key + SILENCE_MAX + FRAME));
    }

    #[test]
    fn pictures_may_wait_for_their_turn() {
        let (mut account, start) = (Account::default(), Instant::now());
        // Two pictures a second: all that a decoder may owe are 20 s.
        let frame = Duration::from_millis(500);
        for n in 0..OWED_MAX {
            account.took(n == 0, start + frame * n);
        }
        assert!(!account.is_silent(start + frame * OWED_MAX));
        account.took(false, start + frame * OWED_MAX);
        assert!(account.is_silent(start + frame * OWED_MAX));
    }

    #[test]
    fn a_pad_is_busy_while_a_push_is_inside() {
        gst::init().unwrap();
        let src = gst::Pad::builder(gst::PadDirection::Src).build();
        let (entered, enters) = mpsc::channel();
        let (leave, leaves) = mpsc::channel::<()>();
        let leaves = Mutex::new(leaves);
        let sink = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, _| {
                entered.send(()).unwrap();
                let _ = leaves.lock().unwrap().recv();
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        src.link(&sink).unwrap();
        src.set_active(true).unwrap();
        sink.set_active(true).unwrap();
        src.push_event(gst::event::StreamStart::new("s"));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        src.push_event(gst::event::Segment::new(&segment));
        assert!(!is_busy(&src));
        let pushing = src.clone();
        let pusher = std::thread::spawn(move || pushing.push(gst::Buffer::new()));
        enters.recv().unwrap();
        assert!(is_busy(&src));
        leave.send(()).unwrap();
        pusher.join().unwrap().unwrap();
        assert!(!is_busy(&src));
    }
}
