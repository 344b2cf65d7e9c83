//! Rules that need two fetches of the same playlist.

use std::collections::BTreeMap;
use std::time::Duration;

use super::parse::{self, Edge, Page, Segment, integer};
use super::{Report, Violation, page};

/// How late an observer may see an update before it counts as the server's fault.
const OBSERVER_SLACK: Duration = Duration::from_secs(2);

/// When a playlist was fetched, and with which delivery directives. The clock must never go back,
/// and all checkers must share it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fetch {
    /// Time when the request was sent.
    pub asked: Duration,
    /// Time when the answer arrived.
    pub answered: Duration,
    /// `_HLS_msn`
    pub msn: Option<u64>,
    /// `_HLS_part`
    pub part: Option<u64>,
}

impl Fetch {
    /// A fetch without delivery directives, answered at once.
    pub fn at(now: Duration) -> Self {
        Self {
            asked: now,
            answered: now,
            ..Self::default()
        }
    }
}

/// The live edges that one fetch showed.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) asked: Duration,
    pub(super) answered: Duration,
    /// Of the fetched playlist.
    pub(super) edge: Option<Edge>,
    /// Of the other renditions, by URI as written, from `EXT-X-RENDITION-REPORT`.
    pub(super) reports: Vec<(String, Edge)>,
    /// Seconds of the fetched playlist after the edge of the other rendition, by its URI.
    pub(super) ahead_s: Vec<(String, f64)>,
}

/// Follows one media playlist and judges every fetch of it.
#[derive(Debug, Default)]
pub struct Checker {
    last: Option<Page>,
    looks: Vec<Look>,
    seen: BTreeMap<u64, Segment>,
    /// Time when the last new segment was seen.
    fed: Duration,
}

impl Checker {
    /// A checker that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges one fetched playlist.
    pub fn observe(&mut self, text: &str, fetch: Fetch) -> Vec<Violation> {
        let mut report = Report::default();
        let mut page = parse::page(text, &mut report);
        self.merge(&mut page, &mut report);
        page::check(&page, &mut report);
        waited(&page, fetch, &mut report);
        self.compare(&page, fetch.answered, &mut report);
        for segment in &page.segments {
            self.seen.insert(segment.msn, segment.clone());
        }
        self.looks.push(look(&page, fetch));
        self.last = Some(page);
        report.0
    }

    /// Every closed segment ever listed, by number, as last seen.
    pub(super) fn seen(&self) -> &BTreeMap<u64, Segment> {
        &self.seen
    }

    /// Every fetch, in order.
    pub(super) fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// The last playlist, with delta updates merged.
    pub(super) fn last(&self) -> Option<&Page> {
        self.last.as_ref()
    }

    /// Restores the segments that a Playlist Delta Update left out (section 6.3.7).
    fn merge(&self, page: &mut Page, report: &mut Report) {
        let skipped = page.skipped();
        if skipped == 0 {
            return;
        }
        let boundary_s = page.control_s("CAN-SKIP-UNTIL");
        let allowed = boundary_s.is_some() && !page.ended;
        report.rule("6.2.5.1", allowed, || {
            "a delta update without CAN-SKIP-UNTIL, or of an ended playlist".into()
        });
        let left_s: f64 = page.segments.iter().filter_map(|s| s.duration_s).sum();
        let far = left_s + 0.001 >= boundary_s.unwrap_or_default();
        report.rule("6.2.5.1", far, || {
            format!("skipped up to {left_s} s from the end, within the skip boundary")
        });
        let first = page.media_sequence.unwrap_or_default();
        let old: Vec<Segment> = (first..first + skipped)
            .filter_map(|msn| self.seen.get(&msn).cloned())
            .collect();
        report.rule("6.3.7", old.len() as u64 == skipped, || {
            "skipped segments were never seen: not asked for, or never listed".into()
        });
        let Some(edge) = old.last() else {
            return;
        };
        let (map, discontinuities) = (edge.map.clone(), edge.discontinuities);
        let base = page.discontinuity_sequence.unwrap_or_default();
        for segment in page.segments.iter_mut().chain(&mut page.open) {
            segment.map = segment.map.take().or_else(|| map.clone());
            segment.discontinuities += discontinuities - base;
        }
        page.segments.splice(0..0, old);
    }

    fn compare(&mut self, page: &Page, now: Duration, report: &mut Report) {
        let Some(last) = self.last.take() else {
            self.fed = now;
            return;
        };
        constants(&last, page, report);
        self.order(&last, page, report);
        for segment in page.segments.iter().chain(&page.open) {
            self.unchanged(&last, segment, report);
        }
        hint_kept(&last, page, report);
        self.cadence(&last, page, now, report);
        let frozen = !last.ended || (page.ended && page.segments == last.segments);
        report.rule("6.2.1", frozen, || {
            "the playlist changed after EXT-X-ENDLIST".into()
        });
    }

    fn order(&self, last: &Page, page: &Page, report: &mut Report) {
        let (before, after) = (last.media_sequence, page.media_sequence);
        report.rule("6.2.2", after >= before, || {
            format!("EXT-X-MEDIA-SEQUENCE fell from {before:?} to {after:?}")
        });
        let edge = |page: &Page| page.segments.last().map(|segment| segment.msn);
        report.rule("6.2.1", edge(page) >= edge(last), || {
            format!("the end fell from {:?} to {:?}", edge(last), edge(page))
        });
        let (before, after) = (last.discontinuity_sequence, page.discontinuity_sequence);
        report.rule("6.2.2", after >= before, || {
            format!("EXT-X-DISCONTINUITY-SEQUENCE fell from {before:?} to {after:?}")
        });
        let length_s: f64 = page.segments.iter().filter_map(|s| s.duration_s).sum();
        let floor_s = 3.0 * page.target_s.unwrap_or_default() as f64;
        let shortened = page.media_sequence > last.media_sequence && !page.ended;
        report.rule("6.2.2", !shortened || length_s >= floor_s - 0.001, || {
            format!("segments were removed down to {length_s} s, below three target durations")
        });
    }

    /// "The server MUST NOT change the Media Playlist file, except to" append and remove.
    fn unchanged(&self, last: &Page, segment: &Segment, report: &mut Report) {
        let msn = segment.msn;
        if let Some(before) = self.seen.get(&msn) {
            let strip = |segment: &Segment| Segment {
                parts: Vec::new(),
                ..segment.clone()
            };
            let same = strip(before) == strip(segment);
            report.rule("6.2.1", same, || format!("segment {msn} has changed"));
        }
        let open = last.open.as_ref().filter(|open| open.msn == msn);
        let before = last.segments.iter().find(|s| s.msn == msn).or(open);
        let Some(before) = before else {
            return;
        };
        // The parts of an open segment may grow. Those of a closed one may disappear, all at once.
        let grown = segment.parts.starts_with(&before.parts);
        let gone = segment.parts.is_empty() && segment.duration_s.is_some();
        report.rule("6.2.1", grown || gone, || {
            format!("the parts of segment {msn} have changed")
        });
        let same_start = (before.date_ms, &before.map, before.discontinuities)
            == (segment.date_ms, &segment.map, segment.discontinuities);
        report.rule("6.2.1", same_start, || {
            format!("the tags before the parts of segment {msn} have changed")
        });
    }

    /// A new segment "MUST be made available no later than 1.5 times the Target Duration after the
    /// previous time". An interruption is excused when the playlist marks it with a discontinuity.
    fn cadence(&mut self, last: &Page, page: &Page, now: Duration, report: &mut Report) {
        let edge = |page: &Page| page.segments.last().map(|s| (s.msn, s.discontinuities));
        if edge(page) == edge(last) && !page.ended {
            let target = Duration::from_secs(page.target_s.unwrap_or_default());
            let waited = now.saturating_sub(self.fed);
            let cut = page.open.as_ref().is_some_and(|open| open.discontinuity);
            let in_time = waited <= target * 3 / 2 + OBSERVER_SLACK;
            report.rule("6.2.1", in_time || cut, || {
                format!("no new segment for {waited:?}")
            });
        } else {
            self.fed = now;
        }
    }
}

fn look(page: &Page, fetch: Fetch) -> Look {
    let reports = page.reports.iter().filter_map(|list| {
        let last_part = list.get("LAST-PART").map(|text| integer(text));
        let edge = (integer(list.get("LAST-MSN")?)?, last_part.flatten());
        Some((list.get("URI")?.clone(), edge))
    });
    let reports: Vec<(String, Edge)> = reports.collect();
    let ahead = reports.iter();
    Look {
        asked: fetch.asked,
        answered: fetch.answered,
        edge: page.edge(),
        ahead_s: ahead
            .map(|(uri, edge)| (uri.clone(), page.after_s(*edge)))
            .collect(),
        reports,
    }
}

/// "The Server MUST hold the request until a Playlist contains" what it asks for, "or later"
/// (section 6.2.5.2).
fn waited(page: &Page, fetch: Fetch, report: &mut Report) {
    let Some(msn) = fetch.msn else {
        return;
    };
    let there = page.ended || page.has(msn, fetch.part);
    report.rule("6.2.5.2", there, || {
        let part = fetch.part;
        format!(
            "segment {msn}, part {part:?}, was asked for and the end is {:?}",
            page.edge()
        )
    });
}

fn constants(last: &Page, page: &Page, report: &mut Report) {
    report.rule("6.2.1", page.target_s == last.target_s, || {
        "EXT-X-TARGETDURATION has changed".into()
    });
    report.rule("house", page.part_target_s == last.part_target_s, || {
        "PART-TARGET has changed".into()
    });
    report.rule("house", page.control == last.control, || {
        "EXT-X-SERVER-CONTROL has changed".into()
    });
}

/// The URI of a hint "MUST match the URI that will be subsequently added to the Playlist". The
/// server may give up a hint (section 6.2.6), but must mark that with a discontinuity.
fn hint_kept(last: &Page, page: &Page, report: &mut Report) {
    let Some(hint) = last.hints.iter().find_map(|hint| hint.get("URI")) else {
        return;
    };
    let place = |page: &Page| match &page.open {
        Some(open) => (open.msn, open.parts.len()),
        None => (page.segments.last().map_or(0, |s| s.msn + 1), 0),
    };
    let from = place(last);
    let mut new = page.segments.iter().chain(&page.open).flat_map(|segment| {
        let parts = segment.parts.iter().enumerate();
        parts.map(move |(index, part)| ((segment.msn, index), segment.discontinuity, part))
    });
    if let Some((place, discontinuity, part)) = new.find(|(place, ..)| *place >= from) {
        // A part that came and left between the two fetches cannot be judged.
        let next = place == from;
        let kept = part.uri == *hint || discontinuity || !next;
        report.rule("4.4.5.3", kept, || {
            format!("{hint} was hinted and {} came", part.uri)
        });
    }
}
