//! Rules that the renditions of one session must keep together, in both packagings (section 6.2.4).

use std::collections::BTreeSet;

use super::history::Checker;
use super::parse::Segment;
use super::{Report, Violation};

/// Content of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CMAF video.
    Video,
    /// CMAF audio, which is cut at the AAC frame nearest to the cut of the video.
    Audio,
    /// MPEG-TS, muxed.
    Ts,
}

/// A rendition to compare.
#[derive(Debug, Clone, Copy)]
pub struct Rendition<'a> {
    /// URI of its playlist, as the multivariant playlist gives it.
    pub uri: &'a str,
    /// Content.
    pub kind: Kind,
    /// Everything seen of this rendition.
    pub checker: &'a Checker,
}

/// Compares all renditions with the first one, which must be video.
pub fn cross(renditions: &[Rendition<'_>]) -> Vec<Violation> {
    let mut report = Report::default();
    if let Some((first, others)) = renditions.split_first() {
        for other in others {
            headers(first, other, &mut report);
            segments(first, other, &mut report);
            // The two packagings have multivariant playlists of their own.
            let set = |one: &&Rendition<'_>| (one.kind == Kind::Ts) == (other.kind == Kind::Ts);
            if let Some(one) = renditions.iter().find(set) {
                controls(one, other, &mut report);
            }
        }
    }
    for rendition in renditions {
        reported(rendition, renditions, &mut report);
        timely(rendition, renditions, &mut report);
    }
    report.0
}

fn headers(first: &Rendition<'_>, other: &Rendition<'_>, report: &mut Report) {
    let (Some(one), Some(two)) = (first.checker.last(), other.checker.last()) else {
        report.rule("house", false, || {
            format!("{} or {} was never seen", first.uri, other.uri)
        });
        return;
    };
    report.rule("6.2.4", one.target_s == two.target_s, || {
        format!("target durations of {} and {} differ", first.uri, other.uri)
    });
}

/// "If any Media Playlist in a Multivariant Playlist contains an EXT-X-SERVER-CONTROL tag, then all
/// Media Playlists in that Multivariant Playlist MUST contain that tag, with the same attributes and
/// values."
fn controls(first: &Rendition<'_>, other: &Rendition<'_>, report: &mut Report) {
    let (Some(one), Some(two)) = (first.checker.last(), other.checker.last()) else {
        return;
    };
    report.rule("6.2.4", one.control == two.control, || {
        format!("server controls of {} and {} differ", first.uri, other.uri)
    });
    report.rule("house", one.part_target_s == two.part_target_s, || {
        format!("part targets of {} and {} differ", first.uri, other.uri)
    });
}

fn segments(first: &Rendition<'_>, other: &Rendition<'_>, report: &mut Report) {
    // One AAC frame at 48 kHz (21.3 ms) for audio; rounding for video.
    let tolerance_ms = match other.kind {
        Kind::Audio => 23.0,
        Kind::Video | Kind::Ts => 1.0,
    };
    let mut common = 0;
    for (msn, one) in first.checker.seen() {
        let Some(two) = other.checker.seen().get(msn) else {
            continue;
        };
        common += 1;
        let what = |what: &str| format!("{what} of segment {msn} differ: {}", other.uri);
        let same = one.discontinuities == two.discontinuities;
        report.rule("6.2.4", same, || what("discontinuity sequence numbers"));
        let apart_ms = match (one.date_ms, two.date_ms) {
            (Some(one), Some(two)) => (one - two).abs() as f64,
            _ => f64::INFINITY,
        };
        report.rule("6.2.4", apart_ms <= tolerance_ms, || what("dates"));
        let cut = before_cut(first, *msn) || before_cut(other, *msn);
        let apart_ms = (one.length_s() - two.length_s()).abs() * 1000.0;
        report.rule("6.2.4", cut || apart_ms <= tolerance_ms, || {
            what("durations")
        });
    }
    report.rule("6.2.4", common > 0, || {
        format!("{} and {} have no segment in common", first.uri, other.uri)
    });
}

/// Whether segment `msn` is the last one before a discontinuity, a gap or the end: the renditions
/// may stand at different places there.
fn before_cut(rendition: &Rendition<'_>, msn: u64) -> bool {
    let next = rendition.checker.seen().get(&(msn + 1));
    next.is_none_or(|next: &Segment| next.discontinuity || next.gap)
}

/// "Each Media Playlist MUST contain one EXT-X-RENDITION-REPORT tag for each Media Playlist in
/// the Multivariant Playlist, except for the Media Playlist to which" it is added (appendix B.1).
fn reported(rendition: &Rendition<'_>, all: &[Rendition<'_>], report: &mut Report) {
    let Some(page) = rendition.checker.last() else {
        return;
    };
    let is_ts = rendition.kind == Kind::Ts;
    let others: BTreeSet<String> = all
        .iter()
        .filter(|other| (other.kind == Kind::Ts) == is_ts && other.uri != rendition.uri)
        .map(|other| other.uri.to_owned())
        .collect();
    let uris = page.reports.iter().filter_map(|list| list.get("URI"));
    let reported: BTreeSet<String> = uris.map(|uri| resolve(rendition.uri, uri)).collect();
    report.rule("B.1", reported == others, || {
        format!("{} reports {reported:?}, not {others:?}", rendition.uri)
    });
}

/// A report "carries information about an associated Rendition that is as up-to-date as the
/// Playlist that contains it" (section 4.4.5.4). So it says at least what the other rendition
/// listed before this playlist was requested, and at most what the other rendition lists
/// afterwards.
fn timely(rendition: &Rendition<'_>, all: &[Rendition<'_>], report: &mut Report) {
    for look in rendition.checker.looks() {
        for (uri, said) in &look.reports {
            let uri = resolve(rendition.uri, uri);
            let Some(other) = all.iter().find(|other| other.uri == uri) else {
                continue;
            };
            let looks = other.checker.looks();
            let before = looks.iter().rfind(|one| one.answered <= look.asked);
            let before = before.and_then(|one| one.edge);
            report.rule("4.4.5.4", before <= Some(*said), || {
                format!(
                    "{} says {uri} is at {said:?}, it was at {before:?}",
                    rendition.uri
                )
            });
            let after = looks.iter().find(|one| one.asked >= look.answered);
            let after = after.map(|one| one.edge);
            let reached = after.is_none_or(|after| Some(*said) <= after);
            report.rule("4.4.5.4", reached, || {
                format!(
                    "{} says {uri} is at {said:?}, it then is at {after:?}",
                    rendition.uri
                )
            });
        }
    }
}

/// Resolves `relative` against the playlist `base`.
fn resolve(base: &str, relative: &str) -> String {
    let mut path: Vec<&str> = base.split('/').collect();
    path.pop();
    for step in relative.split('/') {
        if step == ".." {
            path.pop();
        } else {
            path.push(step);
        }
    }
    path.join("/")
}
