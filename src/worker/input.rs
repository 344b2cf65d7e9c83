//! Feeds a push stream's encoded frames to the input half of its current publisher.

use std::sync::Arc;

use crate::model::frame::{EncodedFrame, InputFormat};
use crate::wire::protocol::{FromWorker, InputState, Level};
use crate::worker::media::Outbox;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::input::{Decoders, Intake, Push};
use crate::worker::media::template::{self, Library};

/// The current publisher's decoders.
pub struct Feeder {
    intake: Arc<Intake>,
    decoders: Arc<Decoders>,
    outbox: Outbox,
    events: Events,
    /// Announced, but not yet built: the input half needs the first frame's time.
    pending: Option<InputFormat>,
    push: Option<Push>,
    /// What the director knows of the publisher's pictures.
    told: Option<Event>,
}

impl Feeder {
    /// A feeder without a publisher.
    pub fn new(intake: Arc<Intake>, library: Arc<Library>, outbox: Outbox, events: Events) -> Self {
        Self {
            intake,
            decoders: Decoders::new(library, &events),
            outbox,
            events,
            pending: None,
            push: None,
            told: None,
        }
    }

    /// A publisher has connected, or the one that is connected has changed its format.
    pub fn opened(&mut self, format: InputFormat) {
        let event = Event::Opened {
            pictures: format.video.is_some(),
            announced: format.video_announced,
        };
        // Told again only when it changes: it begins a wait.
        if self.told.as_ref() != Some(&event) {
            self.told = Some(event.clone());
            self.events.send(event);
        }
        match self.push.take() {
            Some(push) => self.change(push, &format),
            None => self.pending = Some(format),
        }
    }

    /// The publisher has left.
    pub fn closed(&mut self) {
        self.push = None;
        self.pending = None;
        self.told = None;
        self.intake.close();
    }

    /// Decodes a frame.
    pub fn frame(&mut self, frame: EncodedFrame) {
        if let Some(format) = self.pending.take() {
            self.start(&format, frame.dts_ns);
        }
        if let Some(push) = &mut self.push {
            push.frame(frame);
        }
    }

    fn start(&mut self, format: &InputFormat, first_dts_ns: i64) {
        let events = self.events.clone();
        let push = Push::start(format, first_dts_ns, &self.intake, &self.decoders, events);
        self.use_or_report(push, format);
    }

    fn change(&mut self, mut push: Push, format: &InputFormat) {
        let changed = push.change(format).map(|()| push);
        self.use_or_report(changed, format);
    }

    fn use_or_report(&mut self, push: Result<Push, template::Error>, format: &InputFormat) {
        match push {
            Ok(push) => {
                self.push = Some(push);
                self.outbox.send(FromWorker::Input(InputState::Live {
                    description: describe(format),
                }));
            }
            Err(error) => {
                let reason = format!("no decoder for this publisher: {error}; run `weir doctor`");
                self.outbox.log(Level::Error, None, reason.clone());
                let lost = InputState::Lost {
                    reason,
                    retry_in: None,
                };
                self.outbox.send(FromWorker::Input(lost));
            }
        }
    }
}

fn describe(format: &InputFormat) -> String {
    let video = format
        .video
        .as_ref()
        .map(|video| format!("{:?}", video.codec));
    let audio = format
        .audio
        .as_ref()
        .map(|audio| format!("{:?}", audio.codec).to_uppercase());
    let tracks: Vec<String> = video.into_iter().chain(audio).collect();
    tracks.join(", ")
}
