//! The decoders of a worker's inputs. What has failed in one input is left alone in the next, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::ranking::{Named, Ranking};
use super::watch::named;
use crate::wire::protocol::Trouble;
use crate::worker::media::events::Events;
use crate::worker::media::output::Grave;
use crate::worker::media::template::{Kind, Library, Template};

/// The decoders that this machine has, and how they did.
#[derive(Debug)]
pub struct Decoders {
    library: Arc<Library>,
    ranking: Ranking,
    grave: Grave,
    /// The decoders that `decodebin` could choose from when it was last asked for one in hardware.
    offered: Mutex<Vec<Named>>,
}

impl Decoders {
    /// Nothing has failed yet.
    pub fn new(library: Arc<Library>, events: &Events) -> Arc<Self> {
        Arc::new(Self {
            library,
            ranking: Ranking::default(),
            grave: Grave::new(events),
            offered: Mutex::default(),
        })
    }

    /// The templates of this worker.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// Stops a pipeline in which a driver may hang.
    pub fn bury(&self, pipeline: &gst::Pipeline) {
        self.grave.bury(pipeline);
    }

    /// The decoder templates for `codec` in the order in which they are to be tried, each with its
    /// decoder.
    pub fn templates(&self, codec: &str) -> Vec<(Named, &Template)> {
        let all = self.library.of_kind(Kind::Decoder);
        let all = all.filter(|template| template.body.codec.as_deref() == Some(codec));
        let all: Vec<_> = all.map(|template| (named_in(template), template)).collect();
        let decoder_of = |(decoder, _): &(Named, &Template)| Some(decoder.clone());
        self.ranking.order(all, decoder_of, Instant::now())
    }

    /// The elements that `decodebin` may plug in next, in the order in which it is to try them.
    pub fn sorted(&self, all: Vec<gst::ElementFactory>) -> Vec<gst::ElementFactory> {
        let offered: Vec<Named> = all.iter().filter_map(named).collect();
        if offered.iter().any(|decoder| decoder.hardware) {
            *self.offered() = offered;
        }
        self.ranking.order(all, named, Instant::now())
    }

    fn offered(&self) -> MutexGuard<'_, Vec<Named>> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The decoder `name` of a pushed track in `codec`, in hardware, has failed. Returns what a person
    /// should know, and whether another one can take over.
    pub fn failed_pushed(&self, codec: &str, name: &str, reason: &str) -> (Trouble, bool) {
        let rest = self.ranking.failed(name, Instant::now());
        let templates = self.templates(codec).into_iter();
        let mut heirs = templates.filter(|(_, template)| is_installed(template));
        let heir = heirs.next().map(|(decoder, _)| decoder.name);
        let takes_over = heir.as_deref().is_some_and(|heir| heir != name);
        let next = match heir.filter(|_| takes_over) {
            Some(heir) => format!(
                "{heir} decodes from the next key frame on, and {name} is left alone for {rest:?}"
            ),
            None => format!("this machine has no other one, so {name} is tried again"),
        };
        (trouble(name, reason, next), takes_over)
    }

    /// The decoder `name` of a pull, in hardware, has failed; with `at_once`, before it was given
    /// anything. Returns what a person should know, and whether another one can take over.
    pub fn failed_pulled(&self, name: &str, reason: &str, at_once: bool) -> (Trouble, bool) {
        let now = Instant::now();
        let rest = self.ranking.failed(name, now);
        let offered = self.offered().clone();
        let heirs = self.ranking.order(offered, |it| Some(it.clone()), now);
        let mut heirs = heirs.into_iter().map(|decoder| decoder.name);
        let heir = heirs.next().filter(|heir| heir != name);
        let next = match &heir {
            Some(heir) => {
                let when = match at_once {
                    true => "now",
                    false => "once the source is fetched again, which is done now",
                };
                format!("{heir} decodes {when}, and {name} is left alone for {rest:?}")
            }
            None => format!("this machine has no other one, so {name} is tried again"),
        };
        (trouble(name, reason, next), heir.is_some())
    }
}

fn trouble(name: &str, reason: &str, next: String) -> Trouble {
    let cause = format!("decoder {name} failed: {reason}");
    Trouble { cause, next }
}

/// The decoder that `template` has.
fn named_in(template: &Template) -> Named {
    let factories = template.body.element.iter();
    let mut factories =
        factories.filter_map(|element| gst::ElementFactory::find(element.factory.get_ref()));
    let decoder = factories.find_map(|factory| named(&factory));
    let name = decoder.map_or_else(|| template.name.to_string(), |decoder| decoder.name);
    Named {
        name,
        hardware: template.body.hardware,
    }
}

fn is_installed(template: &Template) -> bool {
    let mut elements = template.body.element.iter();
    elements.all(|element| gst::ElementFactory::find(element.factory.get_ref()).is_some())
}
