//! Keeps the renditions of a session in step: "Matching content in Variant Streams and Renditions
//! MUST have matching Discontinuity Sequence Numbers", and content that one of them lacks "MUST
//! appear either at the beginning or at the end" (RFC 8216bis section 6.2.4).

use std::collections::BTreeMap;
use std::time::Duration;

use super::segment::Segment;
use super::window::Window;

/// Number of a session's first segment. Not 0, because hls.js does not use blocking reloads while
/// the last segment's number is 0.
const FIRST_MSN: u64 = 1;

/// Closes all open segments, and gives each window a gap for each segment it lacks. Returns the
/// number of the next segment, with which all windows continue after a discontinuity.
pub(super) fn interrupt(windows: &mut [&mut Window]) -> u64 {
    let next = end(windows);
    if windows.iter().any(|w| w.last_closed().is_some()) {
        for window in windows.iter_mut() {
            window.resume_at(next);
        }
    }
    next
}

/// Closes all open segments, and gives each window a gap for each segment it lacks, so that all end
/// with the same segment. Returns the number of the segment after that.
pub(super) fn end(windows: &mut [&mut Window]) -> u64 {
    for window in windows.iter_mut() {
        window.close();
    }
    let Some(last) = windows.iter().filter_map(|w| w.last_closed()).max() else {
        return FIRST_MSN;
    };
    let next = last.saturating_add(1);
    let known = known_segments(windows);
    let Some(oldest) = known.keys().next().copied() else {
        return next;
    };
    for window in windows.iter_mut() {
        // A window that stopped so long ago that no other window has the segments it lacks cannot
        // be filled with gaps: it starts again.
        if window
            .last_closed()
            .is_none_or(|msn| msn.saturating_add(1) < oldest)
        {
            window.clear();
        }
        let from = window
            .last_closed()
            .map_or(oldest, |msn| msn.saturating_add(1));
        for (_, gap) in known.range(from..next) {
            window.push_gap(gap);
        }
    }
    next
}

/// All listed segments by number, each from the first window that has it. Starts after the last
/// hole, that is, a number that no window has.
fn known_segments(windows: &[&mut Window]) -> BTreeMap<u64, Segment> {
    let mut known = BTreeMap::new();
    for window in windows {
        for segment in window.listed().filter(|s| s.closed()) {
            known
                .entry(segment.msn)
                .or_insert_with(|| segment.as_gap(None));
        }
    }
    let mut oldest = known.keys().next_back().copied().unwrap_or_default();
    while oldest > 0 && known.contains_key(&(oldest - 1)) {
        oldest -= 1;
    }
    known.split_off(&oldest)
}

/// Removes the oldest segment from all playlists if at least `keep` remains; returns whether it
/// did.
///
/// "The server MUST NOT remove a Media Segment from a Playlist file without an EXT-X-ENDLIST tag if
/// that would produce a Playlist whose duration is less than three times the Target Duration"
/// (section 6.2.2), which is `floor`. A rendition that stopped more than `floor` ago does not
/// count, or all renditions would have to keep their segments for it.
pub(super) fn slide(windows: &mut [&mut Window], keep: Duration, floor: Duration) -> bool {
    // A window always keeps its last segment.
    let spare = |w: &&mut Window| w.first_listed().filter(|msn| Some(*msn) != w.last_closed());
    let Some(oldest) = windows.iter().filter_map(spare).min() else {
        return false;
    };
    let left: Vec<Duration> = windows
        .iter()
        .filter(|w| w.last_closed().is_some())
        .map(|w| w.duration_after(oldest))
        .collect();
    let most = left.iter().copied().max().unwrap_or_default();
    let holds = |left: &Duration| *left >= floor || *left + floor < most;
    if most < keep.max(floor) || !left.iter().all(holds) {
        return false;
    }
    for window in windows.iter_mut() {
        window.unlist_through(oldest);
    }
    true
}

/// Removes the oldest segment from all playlists if one of them lists more than `count_max`; returns
/// whether it did.
pub(super) fn thin(windows: &mut [&mut Window], count_max: usize) -> bool {
    let Some(oldest) = oldest_spare(windows) else {
        return false;
    };
    if windows.iter().all(|w| w.listed_count() <= count_max) {
        return false;
    }
    for window in windows.iter_mut() {
        window.unlist_through(oldest);
    }
    true
}

/// Number of the oldest listed segment; a window always keeps its last one.
fn oldest_spare(windows: &[&mut Window]) -> Option<u64> {
    let spare = |w: &&mut Window| w.first_listed().filter(|msn| Some(*msn) != w.last_closed());
    windows.iter().filter_map(spare).min()
}
