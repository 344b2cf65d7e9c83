//! Blocking Playlist Reload: whether a request is answered, waits or is refused (RFC 8216bis
//! section 6.2.5.2).

use super::timing::Timing;
use super::window::{Lookup, Window};

/// Delivery directives of a media playlist request (RFC 8216bis section 6.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reload {
    /// `_HLS_msn`
    pub msn: Option<u64>,
    /// `_HLS_part`
    pub part: Option<u32>,
    /// `_HLS_skip=YES` (or `v2`)
    pub skip: bool,
}

/// What to do with a playlist request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Answer with the current playlist.
    Ready,
    /// Wait for the next change.
    Wait,
    /// Refuse, with the reason.
    Refused(&'static str),
}

impl Reload {
    /// What to do with this request for the playlist of a live `window`; `parts` says whether the
    /// playlist lists parts.
    pub(super) fn readiness(self, window: &Window, timing: &Timing, parts: bool) -> Readiness {
        let Some(msn) = self.msn else {
            // "If the Playlist URI contains an _HLS_part directive but no _HLS_msn directive, the
            // Server MUST return Bad Request."
            return match self.part {
                Some(_) => Readiness::Refused("_HLS_part without _HLS_msn"),
                None => Readiness::Ready,
            };
        };
        let Some(last_closed) = window.last_closed() else {
            return Readiness::Wait;
        };
        // "If the _HLS_msn is greater than the Media Sequence Number of the last Media Segment in
        // the current Playlist plus two […] the server SHOULD immediately return Bad Request."
        if msn > last_closed.saturating_add(2) {
            return Readiness::Refused("_HLS_msn is too far ahead");
        }
        let ready = match self.part.filter(|_| parts) {
            None => last_closed >= msn,
            Some(part) if too_far(window, timing, msn, part) => {
                return Readiness::Refused("_HLS_part is too far ahead");
            }
            Some(part) => has_part(window, last_closed, msn, part),
        };
        if ready {
            Readiness::Ready
        } else {
            Readiness::Wait
        }
    }
}

/// "… or if the _HLS_part exceeds the last Partial Segment in the current Playlist by the Advance
/// Part Limit."
fn too_far(window: &Window, timing: &Timing, msn: u64, part: u32) -> bool {
    let Some((next_msn, next_part)) = window.next_part() else {
        return false;
    };
    let reached = if msn == next_msn { next_part } else { 0 };
    msn >= next_msn && part > reached.saturating_add(timing.advance_part_limit())
}

fn has_part(window: &Window, last_closed: u64, msn: u64, part: u32) -> bool {
    if msn <= last_closed {
        let count = match window.find(msn) {
            Lookup::Found(segment) => segment.part_count(),
            Lookup::Gone | Lookup::Absent => return true,
        };
        // "If the Client requests a Part Index greater than that of the final Partial Segment of
        // the Parent Segment, the Server MUST treat the request as one for Part Index 0 of the
        // following Parent Segment."
        return part < count || window.next_part() > Some((msn.saturating_add(1), 0));
    }
    window.next_part() > Some((msn, part))
}
