//! Rules of pace. They hold while all encoders are well: one that hangs is noticed, and replaced, later
//! than they allow.

use std::time::Duration;

use super::cross::Rendition;
use super::{Report, Violation};

/// Judges what all renditions have shown. `slack` is how late the observer may see an update.
pub fn pace(renditions: &[Rendition<'_>], slack: Duration) -> Vec<Violation> {
    let mut report = Report::default();
    for rendition in renditions {
        parts(rendition, slack, &mut report);
        step(rendition, slack, &mut report);
    }
    report.0
}

/// "If a Media Playlist without an EXT-X-ENDLIST tag contains Partial Segments, the Server MUST add a
/// new Partial Segment to the Playlist within one Part Target Duration after it added the previous
/// Partial Segment."
fn parts(rendition: &Rendition<'_>, slack: Duration, report: &mut Report) {
    let page = rendition.checker.last().filter(|page| !page.ended);
    let Some(target_s) = page.and_then(|page| page.part_target_s) else {
        return;
    };
    let limit = Duration::from_secs_f64(target_s) + slack;
    let mut fed = None;
    for look in rendition.checker.looks() {
        let (edge, since) = *fed.get_or_insert((look.edge, look.answered));
        let waited = look.answered.saturating_sub(since);
        report.rule("6.2.1", waited <= limit, || {
            format!("{}: no new part for {waited:?}", rendition.uri)
        });
        if look.edge != edge {
            fed = Some((look.edge, look.answered));
        }
    }
}

/// "Content that appears in a Media Playlist of one Variant Stream but not in another MUST appear either
/// at the beginning or at the end of the Media Playlist file and MUST NOT be longer than the smallest
/// Target Duration declared in any Media Playlist in the Multivariant Playlist" (section 6.2.4). For low
/// latency, "all Renditions in a Multivariant Playlist are updated in sync, within an accuracy of one
/// Part Target Duration" (appendix B.1).
fn step(rendition: &Rendition<'_>, slack: Duration, report: &mut Report) {
    let page = rendition.checker.last();
    let target_s = page.and_then(|page| page.target_s).unwrap_or_default();
    let part_target_s = page.and_then(|page| page.part_target_s);
    let slack_s = slack.as_secs_f64();
    // A segment may be half a second longer than the Target Duration says.
    let limit_s = target_s as f64 + 0.5 + slack_s;
    for look in rendition.checker.looks() {
        for (uri, ahead_s) in &look.ahead_s {
            let what = || format!("{} is {ahead_s} s ahead of {uri}", rendition.uri);
            report.rule("6.2.4", *ahead_s <= limit_s, what);
            let in_sync = part_target_s.is_none_or(|part_s| *ahead_s <= part_s + slack_s + 1e-6);
            report.rule("B.1", in_sync, what);
        }
    }
}
