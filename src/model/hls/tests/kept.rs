//! How long what has left a playlist can be fetched.

use super::*;

/// "Clients MUST be able to download the Partial Segment for at least three Target Durations after the
/// EXT-X-PART tag is removed from the Playlist" (section 6.2.2), also where the window is the shortest
/// that there may be.
#[test]
fn a_part_stays_for_three_targets_after_its_tag() {
    let mut show = Show::new(PART);
    let three_targets = show.media.timing().three_targets();
    // When a part of segment 4 was last listed, and last found; both counted in parts of the stream.
    let (mut listed, mut found) = (0, 0);
    for msn in 1..30 {
        for index in 0..PARTS_PER_SEGMENT {
            show.parts(msn, index);
            show.media.slide(three_targets);
            let now = msn as u32 * PARTS_PER_SEGMENT + index;
            let text = show.media.playlist(0, false).unwrap_or_default();
            if text.contains("\"4.0.m4s\"") {
                listed = now;
            }
            let (window, _) = show.media.window(0).unwrap();
            if let Lookup::Found(segment) = window.find(4)
                && segment.part(0).is_some()
            {
                found = now;
            }
        }
    }
    let first_without = listed + 1;
    let kept = PART * (found - first_without);
    assert!(kept >= three_targets, "{kept:?}");
    // Memory is not unlimited.
    assert!(kept <= three_targets * 2, "{kept:?}");
}
