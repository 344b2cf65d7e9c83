//! The text of a manifest (ISO/IEC 23009-1 section 5.3).
//!
//! No text in it needs escapes: names are of `[a-z0-9_-]`, and codecs are checked (`hls::is_codec`).

use std::fmt::{Display, Write};
use std::time::Duration;

use chrono::SecondsFormat;

use super::periods::{Periods, Span, listed, section, shown, ticks};
use crate::base::time::rfc3339;
use crate::base::units::FrameRate;
use crate::model::hls::{Edition, Presentation, Segment, Track};

/// An encoder's buffer, which a client has to fill before it plays.
const BUFFER_MIN: Duration = Duration::from_secs(1);
/// The file of the manifest itself. Its answer has the server's date.
const FILE: &str = "manifest.mpd";

/// A number of seconds, `xs:duration`: whole microseconds.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let us = (self.0.as_nanos() + 500) / 1000;
        write!(f, "PT{}", us / 1_000_000)?;
        match us % 1_000_000 {
            0 => f.write_str("S"),
            fraction => {
                let digits = format!("{fraction:06}");
                write!(f, ".{}S", digits.trim_end_matches('0'))
            }
        }
    }
}

/// One Representation in one Period.
struct Representation<'a> {
    track: Track<'a>,
    init: u32,
    timescale: u32,
    codec: &'a str,
    /// Number of its first segment.
    first: u64,
    /// Begin and duration of each segment, in ticks.
    times: Vec<(u64, u64)>,
}

/// The manifest of what is listed now; `None` when no Period has a segment that can be listed.
pub(super) fn render(
    periods: &Periods,
    media: &Presentation,
    (session, edition): (&str, Edition),
    published: Duration,
) -> Option<String> {
    let tracks: Vec<Track<'_>> = media.tracks().collect();
    // Writing to a String cannot fail, so results of `write!` are ignored below.
    let mut out = String::with_capacity(4096);
    let spans: Vec<Span> = periods.spans(edition).collect();
    for span in &spans {
        write_period(&mut out, span, &tracks, session);
    }
    if out.is_empty() {
        return None;
    }
    let head = head(media, bounds(&tracks, &spans), edition.ended, published);
    Some(format!(
        "{head}{out}  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"{FILE}\"/>\n</MPD>\n"
    ))
}

/// Durations and dates that hold for the whole (section 5.3.1.2). The time line counts from the Unix epoch,
/// so that a time on it is a date and those of the next session go on.
fn head(
    media: &Presentation,
    (begin, end): (Duration, Duration),
    ended: bool,
    published: Duration,
) -> String {
    let timing = media.timing();
    let published_ms = u64::try_from(published.as_millis()).unwrap_or(u64::MAX);
    let date = rfc3339(published_ms, SecondsFormat::Millis);
    let segment = Seconds(timing.segment());
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" \
         type=\"{}\" availabilityStartTime=\"1970-01-01T00:00:00Z\" publishTime=\"{date}\"",
        if ended { "static" } else { "dynamic" }
    );
    if ended {
        let _ = write!(out, " mediaPresentationDuration=\"{}\"", Seconds(end));
    } else {
        let depth = Seconds(end.saturating_sub(begin));
        let delay = Seconds(timing.delay());
        let _ = write!(
            out,
            " minimumUpdatePeriod=\"{segment}\" timeShiftBufferDepth=\"{depth}\" \
             suggestedPresentationDelay=\"{delay}\""
        );
    }
    // No segment rounds above the Target Duration.
    let longest = Seconds(timing.target().saturating_add(Duration::from_millis(500)));
    let buffer = Seconds(timing.segment().max(BUFFER_MIN));
    let _ = writeln!(
        out,
        " maxSegmentDuration=\"{longest}\" minBufferTime=\"{buffer}\">"
    );
    out
}

/// Begin and end of what is listed, on the time line of the presentation.
fn bounds(tracks: &[Track<'_>], spans: &[Span]) -> (Duration, Duration) {
    let places = spans.iter().flat_map(|span| {
        let ends = tracks
            .iter()
            .flat_map(|track| [(track, span.first), (track, span.last)]);
        ends.filter_map(|(track, msn)| Some(span.place_ns(listed(track, msn)?)))
    });
    let (begin_ns, end_ns) = places.fold((u64::MAX, 0), |(begin_ns, end_ns), place| {
        (begin_ns.min(place.0), end_ns.max(place.1))
    });
    let begin_ns = begin_ns.min(end_ns);
    (Duration::from_nanos(begin_ns), Duration::from_nanos(end_ns))
}

fn write_period(out: &mut String, span: &Span, tracks: &[Track<'_>], session: &str) {
    let representations = |pictures: bool| -> Vec<Representation<'_>> {
        let tracks = tracks.iter().filter(|t| t.picture.is_some() == pictures);
        tracks
            .filter_map(|track| Representation::new(*track, span))
            .collect()
    };
    let sets = [
        (0, "video", representations(true)),
        (1, "audio", representations(false)),
    ];
    if sets.iter().all(|(_, _, set)| set.is_empty()) {
        return;
    }
    let start = Seconds(Duration::from_nanos(span.start_ns));
    let id = span.id;
    let _ = writeln!(out, "  <Period id=\"{session}-{id}\" start=\"{start}\">");
    for (id, kind, set) in sets.iter().filter(|(_, _, set)| !set.is_empty()) {
        // All segments begin with a key frame, at the same place in all renditions.
        let _ = writeln!(
            out,
            "    <AdaptationSet id=\"{id}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\" \
             segmentAlignment=\"true\" startWithSAP=\"1\">"
        );
        for representation in set {
            representation.write(out, span, session);
        }
        out.push_str("    </AdaptationSet>\n");
    }
    out.push_str("  </Period>\n");
}

impl<'a> Representation<'a> {
    /// What is listed of a track in a Period; `None` when that is nothing.
    fn new(track: Track<'a>, span: &Span) -> Option<Self> {
        let shown: Vec<&Segment> = (span.first..=span.last)
            .filter_map(|msn| shown(&track, msn))
            .collect();
        let first = shown.first()?;
        let init = first.init()?;
        let (timescale, codec) = section(&track, init)?;
        Some(Self {
            track,
            init,
            timescale,
            codec,
            first: first.msn(),
            times: times(&shown, span, timescale),
        })
    }

    fn write(&self, out: &mut String, span: &Span, session: &str) {
        let Track {
            name,
            picture,
            bandwidth_bps,
            ..
        } = self.track;
        let codec = self.codec;
        let _ = write!(
            out,
            "      <Representation id=\"{name}\" codecs=\"{codec}\" bandwidth=\"{bandwidth_bps}\""
        );
        match picture {
            Some((video, rate)) => {
                let (width, height, rate) = (video.width, video.height, fraction(rate));
                let _ = writeln!(
                    out,
                    " width=\"{width}\" height=\"{height}\" frameRate=\"{rate}\" sar=\"1:1\">"
                );
            }
            None => out.push_str(
                " audioSamplingRate=\"48000\">\n        <AudioChannelConfiguration \
                 schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"2\"/>\n",
            ),
        }
        let (init, timescale) = (self.init, self.timescale);
        let offset = span.offset(timescale);
        let first = self.first;
        let _ = writeln!(
            out,
            "        <SegmentTemplate media=\"{session}/{name}/$Number$.m4s\" \
             initialization=\"{session}/{name}/init-{init}.mp4\" timescale=\"{timescale}\" \
             presentationTimeOffset=\"{offset}\" startNumber=\"{first}\">"
        );
        write_timeline(out, &self.times);
        out.push_str("        </SegmentTemplate>\n      </Representation>\n");
    }
}

fn fraction(rate: FrameRate) -> String {
    match (rate.num(), rate.den()) {
        (num, 1) => num.to_string(),
        (num, den) => format!("{num}/{den}"),
    }
}

/// Begin and duration of segments that follow one another. Each one ends where the next one begins, and
/// lasts a tick at least, whatever their dates say.
fn times(segments: &[&Segment], span: &Span, timescale: u32) -> Vec<(u64, u64)> {
    let mut begins: Vec<u64> = Vec::with_capacity(segments.len() + 1);
    let mut end = 0;
    for segment in segments {
        let begin = span.time_of(segment.date_ns(), timescale);
        let begin = begin.max(begins.last().map_or(0, |before| before.saturating_add(1)));
        let duration_ns = u64::try_from(segment.duration().as_nanos()).unwrap_or(u64::MAX);
        end = begin.saturating_add(ticks(duration_ns, timescale).max(1));
        begins.push(begin);
    }
    let ends = begins.iter().skip(1).copied().chain([end]);
    let pairs = begins.iter().zip(ends);
    pairs
        .map(|(begin, end)| (*begin, end.saturating_sub(*begin)))
        .collect()
}

/// "@r: a repeat count of the number of following contiguous Segments with the same duration expressed by
/// the value of @d" (section 5.3.9.6).
fn write_timeline(out: &mut String, times: &[(u64, u64)]) {
    out.push_str("          <SegmentTimeline>\n");
    for (n, run) in times.chunk_by(|a, b| a.1 == b.1).enumerate() {
        let Some((begin, duration)) = run.first() else {
            continue;
        };
        out.push_str("            <S");
        if n == 0 {
            let _ = write!(out, " t=\"{begin}\"");
        }
        let _ = write!(out, " d=\"{duration}\"");
        if run.len() > 1 {
            let _ = write!(out, " r=\"{}\"", run.len() - 1);
        }
        out.push_str("/>\n");
    }
    out.push_str("          </SegmentTimeline>\n");
}
