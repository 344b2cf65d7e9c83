//! `decodebin` for a pull: it plugs in what weir takes, and tells why a pull cannot be decoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::glib;
use gst::prelude::*;

use super::decoders::Decoders;
use super::elements;
use super::formats::{PLAYLIST, PLAYLIST_DEMUXER, Verdict, title, verdict};
use super::http::cause::{Shown, word};
use super::http::{Cause, Rules};
use crate::model::frame::Track;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::template::Error;

/// Most compressed media of one track that waits between demuxer and decoder: what a live source
/// sends ahead, a fragment, or the segments of a playlist. A source that sends more is not read for
/// a while.
const WAITING_BYTES_MAX: u32 = 32 * 1024 * 1024;
const WAITING_TIME_MAX: gst::ClockTime = gst::ClockTime::from_seconds(20);
const WAITING_FRAMES_MAX: u32 = 8192;

/// A decoder of input number `input`, with `decoders` inside, that takes listed formats only, and a playlist only where the
/// rules say that the address was configured as one. What it leaves out is noted in `rules`, and
/// reported to `events` when the rest of the input goes on.
///
/// # Errors
/// When GStreamer lacks `decodebin`.
pub fn make(
    rules: &Arc<Rules>,
    input: u64,
    events: &Events,
    decoders: &Arc<Decoders>,
) -> Result<gst::Element, Error> {
    let decoder = elements::make("decodebin")?;
    decoder.set_property("max-size-bytes", WAITING_BYTES_MAX);
    decoder.set_property("max-size-time", WAITING_TIME_MAX.nseconds());
    decoder.set_property("max-size-buffers", WAITING_FRAMES_MAX);
    // The type exists once `decodebin` does.
    let answers =
        glib::Type::from_name("GstAutoplugSelectResult").and_then(glib::EnumClass::with_type);
    let answers = answers.ok_or_else(|| elements::fail("decodebin has no autoplug-select"))?;
    // A playlist may not name a second playlist as its media.
    let playlists = AtomicBool::new(rules.is_playlist());
    decoder.connect("autoplug-select", false, move |args| {
        let caps = args.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        let factory = args
            .get(3)
            .and_then(|v| v.get::<gst::ElementFactory>().ok());
        let takes = match caps.as_ref().map(judge) {
            Some((Verdict::Taken, _)) => true,
            Some((Verdict::Manifest(_), name)) => {
                let named = factory.is_some_and(|factory| factory.name() == PLAYLIST_DEMUXER);
                name == PLAYLIST && named && playlists.swap(false, Ordering::Relaxed)
            }
            _ => false,
        };
        answers.to_value_by_nick(if takes { "try" } else { "skip" })
    });
    let decoders = decoders.clone();
    decoder.connect("autoplug-sort", false, move |args| {
        let all = args.get(3).and_then(|v| v.get::<glib::ValueArray>().ok());
        let sorted = all.map(|all| {
            let all = all
                .iter()
                .filter_map(|v| v.get::<gst::ElementFactory>().ok());
            glib::ValueArray::new(decoders.sorted(all.collect()))
        });
        Some(sorted.to_value())
    });
    let (rules, events) = (rules.clone(), events.clone());
    decoder.connect("unknown-type", false, move |args| {
        let pad = args.get(1).and_then(|v| v.get::<gst::Pad>().ok())?;
        let caps = args.get(2).and_then(|v| v.get::<gst::Caps>().ok())?;
        let (verdict, name) = judge(&caps);
        let cause = cause_of(&rules, verdict, &name)?;
        rules.note(&cause);
        if let Some(track) = track_of(&pad, &name) {
            let reason = cause.to_string();
            events.send(Event::Undecodable {
                input,
                track,
                reason,
            });
        }
        None
    });
    Ok(decoder)
}

/// The verdict on `caps`, and their name.
fn judge(caps: &gst::Caps) -> (Verdict, String) {
    let Some(structure) = caps.structure(0) else {
        return (Verdict::Refused, String::new());
    };
    let system = structure.get::<bool>("systemstream").unwrap_or(false);
    let name = structure.name().to_string();
    (verdict(&name, system), name)
}

/// Why the format `name` is not decoded; `None` for what nobody misses.
fn cause_of(rules: &Rules, verdict: Verdict, name: &str) -> Option<Cause> {
    match verdict {
        Verdict::Taken => Some(Cause::NoDecoder(title(name).to_owned())),
        Verdict::Manifest(manifest) => Some(Cause::Manifest(manifest.to_owned())),
        Verdict::Page => Some(Cause::WebPage(Shown::of(&rules.pull().url))),
        Verdict::Refused => Some(Cause::Format(word(name))),
        Verdict::Beside => None,
    }
}

/// The track of a container that `pad` belongs to; `None` when `pad` is the input as a whole.
fn track_of(pad: &gst::Pad, name: &str) -> Option<Track> {
    let factory = pad.parent_element().and_then(|element| element.factory());
    if factory.is_some_and(|factory| factory.name() == "typefind") {
        return None;
    }
    match name.split('/').next() {
        Some("video" | "image") => Some(Track::Video),
        Some("audio") => Some(Track::Audio),
        _ => None,
    }
}

/// The reason of a pull's end, for a person, behind GStreamer's `error`. The first cause that weir
/// found itself explains more than what GStreamer says in the end.
pub fn reason(rules: &Rules, error: &glib::Error) -> String {
    if let Some(cause) = rules.cause() {
        return cause.to_string();
    }
    let unknown = error.matches(gst::StreamError::TypeNotFound)
        || error.matches(gst::StreamError::WrongType)
        || error.matches(gst::StreamError::CodecNotFound);
    if unknown {
        let kind = match rules.content_type() {
            none if none.is_empty() => "no content type".to_owned(),
            some => some,
        };
        let at = Shown::of(&rules.pull().url);
        return Cause::UnknownMedia { at, kind }.to_string();
    }
    format!(
        "GStreamer cannot go on: {}",
        without_addresses(error.message())
    )
}

/// A text without the addresses in it, which may contain passwords.
pub fn without_addresses(text: &str) -> String {
    let text = word(text);
    let words = text.split(' ').map(|word| match word.contains("://") {
        true => "(an address)",
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::Pull;

    fn rules() -> Arc<Rules> {
        Rules::new(Pull {
            url: "http://cam/video?pwd=hunter2".parse().unwrap(),
            user: None,
            password: None,
            tls_verify: true,
            allow_private: false,
        })
    }

    #[test]
    fn what_weir_found_comes_before_what_gstreamer_says() {
        let rules = rules();
        let error = glib::Error::new(gst::StreamError::Failed, "Internal data stream error.");
        assert_eq!(
            reason(&rules, &error),
            "GStreamer cannot go on: Internal data stream error."
        );
        rules.note(&Cause::NoDecoder("H.265".to_owned()));
        assert!(reason(&rules, &error).contains("no decoder for H.265"));
    }

    #[test]
    fn data_without_a_known_type_is_named_by_its_content_type() {
        let rules = rules();
        rules.note_content_type("application/pdf");
        let error = glib::Error::new(gst::StreamError::TypeNotFound, "Could not determine type");
        let text = reason(&rules, &error);
        assert!(
            text.starts_with("http://cam/video sends no media"),
            "{text}"
        );
        assert!(text.contains("(application/pdf)"), "{text}");
    }

    #[test]
    fn an_address_in_a_text_of_gstreamer_is_left_out() {
        let error = "No element for 'http://cam/?pwd=hunter2' found";
        let error = glib::Error::new(gst::CoreError::MissingPlugin, error);
        let text = reason(&rules(), &error);
        assert_eq!(
            text,
            "GStreamer cannot go on: No element for (an address) found"
        );
    }

    #[test]
    fn every_verdict_has_its_cause() {
        let rules = rules();
        for (name, verdict, expected) in [
            ("video/x-h265", Verdict::Taken, "no decoder for H.265"),
            (
                "application/sdp",
                Verdict::Manifest("an SDP description"),
                ".m3u8",
            ),
            ("text/html", Verdict::Page, "a web page"),
            ("video/x-vp6-flash", Verdict::Refused, "video/x-vp6-flash"),
        ] {
            let text = cause_of(&rules, verdict, name).unwrap().to_string();
            assert!(text.contains(expected), "{text}");
        }
        assert_eq!(cause_of(&rules, Verdict::Beside, "text/x-raw"), None);
    }
}
