//! Rules that a single playlist can break. Delta updates have been merged before they are checked
//! here.

use std::collections::BTreeMap;

use super::Report;
use super::parse::{Attributes, Page, Segment, integer};

/// Rounding error of the last printed digit.
const ROUNDING_S: f64 = 0.001;
/// One AAC frame at 48 kHz, plus rounding to the millisecond: segments of sound end at frame
/// boundaries.
const AAC_FRAME_S: f64 = 1024.0 / 48_000.0 + 0.002;

/// Checks every rule of this file.
pub(super) fn check(page: &Page, report: &mut Report) {
    header(page, report);
    control(page, report);
    for segment in page.segments.iter().chain(&page.open) {
        whole(page, segment, report);
        parts(page, segment, report);
    }
    reach(page, report);
    dates(page, report);
    ranges(page, report);
    hints(page, report);
    reports(page, report);
}

fn header(page: &Page, report: &mut Report) {
    let needs = match (page.skips.is_empty(), uses_map(page)) {
        (false, _) => 9,
        (true, true) => 6,
        (true, false) => 3,
    };
    report.rule("8", page.version >= needs, || {
        format!("version {} is below {needs}", page.version)
    });
    let target = page.target_s.is_some_and(|target_s| target_s >= 1);
    report.rule("4.4.3.1", target, || {
        "no EXT-X-TARGETDURATION, or one below 1".into()
    });
    report.rule("4.4.5.2", page.skips.len() <= 1, || {
        "more than one EXT-X-SKIP".into()
    });
    report.rule("6.2.2", page.ended || !page.playlist_type, || {
        "a live playlist has an EXT-X-PLAYLIST-TYPE".into()
    });
    report.rule("house", !page.segments.is_empty(), || {
        "no complete segment: players refuse it".into()
    });
    let discontinuous = page.segments.iter().any(|s| s.discontinuity);
    let numbered = page.discontinuity_sequence.is_some();
    report.rule("6.2.2", !discontinuous || numbered, || {
        "discontinuities without EXT-X-DISCONTINUITY-SEQUENCE".into()
    });
}

fn uses_map(page: &Page) -> bool {
    page.segments.iter().any(|s| s.map.is_some())
}

fn has_parts(page: &Page) -> bool {
    let mut all = page.segments.iter().chain(&page.open);
    all.any(|s| !s.parts.is_empty())
}

fn control(page: &Page, report: &mut Report) {
    let target_s = page.target_s.unwrap_or_default() as f64;
    let at_least = |name: &str, least_s: f64| {
        let value = page.control_s(name);
        value.is_none_or(|value| value + 1e-9 >= least_s)
    };
    report.rule("4.4.3.8", at_least("HOLD-BACK", 3.0 * target_s), || {
        "HOLD-BACK is below three target durations".into()
    });
    let skip = at_least("CAN-SKIP-UNTIL", 6.0 * target_s);
    report.rule("4.4.3.8", skip, || {
        "CAN-SKIP-UNTIL is below six target durations".into()
    });
    report.rule(
        "4.4.3.7",
        !has_parts(page) || page.part_target_s.is_some(),
        || "parts without EXT-X-PART-INF".into(),
    );
    let Some(part_target_s) = page.part_target_s else {
        return;
    };
    let held = page.control.contains_key("PART-HOLD-BACK");
    report.rule("4.4.3.8", held, || {
        "EXT-X-PART-INF without PART-HOLD-BACK".into()
    });
    let held = at_least("PART-HOLD-BACK", 3.0 * part_target_s);
    report.rule("4.4.3.8", held, || {
        "PART-HOLD-BACK is below three part targets".into()
    });
    let blocks = page.control.get("CAN-BLOCK-RELOAD").map(String::as_str);
    report.rule("B.1", blocks == Some("YES"), || {
        "low latency without CAN-BLOCK-RELOAD=YES".into()
    });
}

fn whole(page: &Page, segment: &Segment, report: &mut Report) {
    let msn = segment.msn;
    if let (Some(duration_s), Some(target_s)) = (segment.duration_s, page.target_s) {
        let fits = duration_s.round() <= target_s as f64;
        report.rule("4.4.3.1", fits, || {
            format!("segment {msn} of {duration_s} s rounds above {target_s} s")
        });
    }
    let needs_map = segment.uri.ends_with(".m4s") && !segment.gap;
    report.rule("3.1.2", !needs_map || segment.map.is_some(), || {
        format!("fMP4 segment {msn} without EXT-X-MAP")
    });
    report.rule("6.2.1", segment.date_ms.is_some(), || {
        format!("segment {msn} has no EXT-X-PROGRAM-DATE-TIME")
    });
    report.rule("4.4.4.9", segment.late_tag.is_none(), || {
        format!("segment {msn}: {:?} after a part", segment.late_tag)
    });
}

fn parts(page: &Page, segment: &Segment, report: &mut Report) {
    let msn = segment.msn;
    let Some(target_s) = page.part_target_s.filter(|_| !segment.parts.is_empty()) else {
        return;
    };
    let last = segment.parts.len() - 1;
    for (index, part) in segment.parts.iter().enumerate() {
        let duration_s = part.duration_s;
        report.rule("4.4.4.9", duration_s <= target_s, || {
            format!("part {msn}.{index} of {duration_s} s exceeds the part target {target_s} s")
        });
        let next_is_gap = segment.parts.get(index + 1).is_some_and(|part| part.gap);
        let is_last = index == last && segment.duration_s.is_some();
        // Only the next reload tells whether the newest part of an open segment is the last.
        let newest = index == last && segment.duration_s.is_none();
        let exempt = part.independent || part.gap || next_is_gap || is_last || newest;
        report.rule("4.4.4.9", exempt || duration_s >= 0.85 * target_s, || {
            format!("part {msn}.{index} of {duration_s} s is below 85 % of {target_s} s")
        });
    }
    let independent = segment.parts.first().is_some_and(|part| part.independent);
    report.rule("4.4.2.1", independent || !page.independent, || {
        format!("segment {msn} begins with a part that is not INDEPENDENT")
    });
    if let Some(duration_s) = segment.duration_s {
        let parts_s = segment.parts_s();
        let equal = (parts_s - duration_s).abs() <= ROUNDING_S;
        report.rule("3.2", equal, || {
            format!("segment {msn} lasts {duration_s} s and its parts {parts_s} s")
        });
    }
}

/// Only segments near the live edge may list parts.
fn reach(page: &Page, report: &mut Report) {
    let reach_s = 3.0 * page.target_s.unwrap_or_default() as f64;
    let mut to_end_s = 0.0;
    for segment in page.segments.iter().chain(&page.open).rev() {
        to_end_s += segment.length_s();
        let fits = segment.parts.is_empty() || to_end_s <= reach_s + ROUNDING_S;
        report.rule("6.2.2", fits, || {
            format!("parts of segment {} are {to_end_s} s back", segment.msn)
        });
    }
}

fn dates(page: &Page, report: &mut Report) {
    let all: Vec<&Segment> = page.segments.iter().chain(&page.open).collect();
    for (before, after) in all.iter().zip(all.iter().skip(1)) {
        let (Some(before_ms), Some(after_ms)) = (before.date_ms, after.date_ms) else {
            continue;
        };
        let step_s = (after_ms - before_ms) as f64 / 1000.0;
        let length_s = before.length_s();
        // Dates must not overlap. Time may pass across a discontinuity, and before a gap, where an
        // interruption cut a segment short.
        let continuous = (step_s - length_s).abs() <= AAC_FRAME_S;
        let cut = after.discontinuity || after.gap;
        let later = cut && step_s >= length_s - 1.0;
        report.rule("6.2.1", continuous || later, || {
            format!(
                "segment {} begins {step_s} s after {} of {length_s} s",
                after.msn, before.msn
            )
        });
    }
}

/// Date ranges, by the rules for one tag and for those of one id.
fn ranges(page: &Page, report: &mut Report) {
    let mut known: BTreeMap<&str, Attributes> = BTreeMap::new();
    for tag in &page.ranges {
        let id = tag.get("ID");
        report.rule("4.4.5.1", id.is_some(), || {
            "EXT-X-DATERANGE without ID".into()
        });
        let whole = known.entry(id.map_or("", String::as_str)).or_default();
        for (name, value) in tag {
            let before = whole.insert(name.clone(), value.clone());
            let same = before.as_ref().is_none_or(|before| before == value);
            report.rule("4.4.5.1", same, || {
                format!("date range {id:?} changes {name} from {before:?} to {value}")
            });
        }
    }
    for (id, range) in &known {
        let has = |name: &str| range.contains_key(name);
        report.rule("4.4.5.1", has("START-DATE"), || {
            format!("date range {id} has no START-DATE")
        });
        let open = !has("DURATION") && !has("END-DATE") && has("CLASS");
        report.rule("4.4.5.1", !has("END-ON-NEXT") || open, || {
            format!("date range {id} ends on the next one, and has an end or no CLASS")
        });
        let date = |name: &str| chrono::DateTime::parse_from_rfc3339(range.get(name)?).ok();
        let dates = (date("START-DATE"), date("END-DATE"));
        let backwards = matches!(dates, (Some(start), Some(end)) if end < start);
        report.rule("4.4.5.1", !backwards, || {
            format!("date range {id} ends before it starts")
        });
    }
}

fn hints(page: &Page, report: &mut Report) {
    report.rule("4.4.5.3", !page.ended || page.hints.is_empty(), || {
        "EXT-X-PRELOAD-HINT in an ended playlist".into()
    });
    for hint in &page.hints {
        let kind = hint.get("TYPE").map(String::as_str);
        let whole = matches!(kind, Some("PART" | "MAP")) && hint.contains_key("URI");
        report.rule("4.4.5.3", whole, || format!("incomplete hint {hint:?}"));
    }
    let parts: Vec<_> = page.hints.iter().map(|hint| hint.get("TYPE")).collect();
    let hinted = parts
        .iter()
        .filter(|kind| kind.is_some_and(|k| k == "PART"));
    let count = hinted.count();
    report.rule("6.2.6", count <= 1, || {
        format!("{count} hints of type PART")
    });
    let live = page.part_target_s.is_some() && !page.ended;
    report.rule("B.1", !live || count >= 1, || {
        "low latency without EXT-X-PRELOAD-HINT".into()
    });
    let listed = page.segments.iter().chain(&page.open);
    for part in listed.flat_map(|segment| &segment.parts) {
        let known = page.hints.iter().any(|h| h.get("URI") == Some(&part.uri));
        report.rule("4.4.5.3", !known, || {
            format!("the hint {} is in the playlist already", part.uri)
        });
    }
}

fn reports(page: &Page, report: &mut Report) {
    for list in &page.reports {
        let low_latency = page.part_target_s.is_some();
        let whole = list.contains_key("URI")
            && list.contains_key("LAST-MSN")
            && (!low_latency || list.contains_key("LAST-PART"));
        report.rule("4.4.5.4", whole, || format!("incomplete report {list:?}"));
        // "It MUST be relative to the URI of the Media Playlist containing the" tag.
        let uri = list.get("URI").map(String::as_str).unwrap_or_default();
        let relative = !uri.starts_with('/') && !uri.contains(':');
        report.rule("4.4.5.4", relative, || format!("{uri} is not relative"));
        let numbers = ["LAST-MSN", "LAST-PART"]
            .iter()
            .filter_map(|name| list.get(*name));
        let digits = numbers.map(|text| integer(text)).all(|n| n.is_some());
        report.rule("4.4.5.4", digits, || {
            format!("no numbers in report {list:?}")
        });
    }
}
