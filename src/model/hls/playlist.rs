//! The text of a media playlist (RFC 8216bis section 4.4), and of an I-frame playlist.

use std::fmt::Write;
use std::time::Duration;

use super::date_ranges::Place;
use super::iframe::IFrame;
use super::media::Packaging;
use super::segment::Segment;
use super::text::{Seconds, date};
use super::timing::Timing;
use super::window::Window;

/// The last segment and part of another rendition, for `EXT-X-RENDITION-REPORT` (section 4.4.5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// Name of the rendition's folder.
    pub(super) rendition: String,
    /// Segment of the last part; the last segment if there are no parts.
    pub(super) last_msn: u64,
    /// Index of the last part in that segment.
    pub(super) last_part: Option<u32>,
}

/// Which of a rendition's playlists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// All its media.
    Media,
    /// The first picture of each segment.
    IFrames,
}

/// Everything that a media playlist shows.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) window: &'a Window,
    pub(super) timing: &'a Timing,
    pub(super) packaging: Packaging,
    /// The tags of date ranges, and where they stand, in order.
    pub(super) ranges: &'a [(Place, &'a str)],
    pub(super) listing: Listing,
    pub(super) reports: &'a [Report],
    pub(super) ended: bool,
}

/// `EXT-X-VERSION`: `EXT-X-SKIP` needs 9 (section 8); the MPEG-TS playlists are for old players and
/// need only 6.
pub(super) const fn version(packaging: Packaging) -> u8 {
    match packaging {
        Packaging::Cmaf => 9,
        Packaging::Ts => 6,
    }
}

/// File name of a media playlist in its rendition's folder.
pub(super) const fn file_name(packaging: Packaging) -> &'static str {
    match packaging {
        Packaging::Cmaf => "index.m3u8",
        Packaging::Ts => "ts.m3u8",
    }
}

/// File name of an I-frame playlist in its rendition's folder.
pub(super) const IFRAMES_FILE: &str = "iframes.m3u8";

/// The tags of date ranges that are not written yet, in order.
struct Ranges<'a>(&'a [(Place, &'a str)]);

impl Ranges<'_> {
    /// Writes those that stand at `place` or before.
    fn write(&mut self, out: &mut String, place: Place) {
        while let Some(((at, tag), rest)) = self.0.split_first()
            && *at <= place
        {
            out.push_str(tag);
            self.0 = rest;
        }
    }
}

impl Page<'_> {
    /// The playlist's text; with `skip`, a Playlist Delta Update if there are segments to skip.
    pub(super) fn render(&self, skip: bool) -> String {
        let skipped = if skip { self.skippable() } else { 0 };
        // Writing to a String cannot fail, so results of `write!` are ignored below.
        let mut out = String::with_capacity(4096);
        self.header(&mut out);
        if skipped > 0 {
            let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
        }
        self.segments(&mut out, skipped);
        self.trailer(&mut out);
        out
    }

    /// Part Target Duration; `None` if this playlist lists no parts.
    fn part_target(&self) -> Option<Duration> {
        match self.listing {
            Listing::Media => self.part_target_of_all(),
            Listing::IFrames => None,
        }
    }

    /// Part Target Duration of the playlists of this packaging.
    fn part_target_of_all(&self) -> Option<Duration> {
        match self.packaging {
            Packaging::Cmaf => self.timing.part_target(),
            Packaging::Ts => None,
        }
    }

    fn header(&self, out: &mut String) {
        let version = version(self.packaging);
        let target_s = self.timing.target_s();
        let _ = write!(
            out,
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target_s}\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES"
        );
        // "If any Media Playlist in a Multivariant Playlist contains an EXT-X-SERVER-CONTROL tag, then all
        // Media Playlists in that Multivariant Playlist MUST contain that tag, with the same attributes and
        // values" (section 6.2.4), so that of an I-frame playlist is the same.
        if let Some(part) = self.part_target_of_all() {
            let part_hold_back = self.timing.part_hold_back(part);
            let _ = write!(out, ",PART-HOLD-BACK={part_hold_back}");
        }
        let hold_back = self.timing.hold_back();
        let _ = write!(out, ",HOLD-BACK={hold_back}");
        if self.packaging == Packaging::Cmaf {
            let skip_until = Seconds::nearest(self.timing.skip_boundary());
            let _ = write!(out, ",CAN-SKIP-UNTIL={skip_until}");
        }
        out.push('\n');
        if let Some(part) = self.part_target() {
            let part = Seconds::at_least(part);
            let _ = writeln!(out, "#EXT-X-PART-INF:PART-TARGET={part}");
        }
        if self.listing == Listing::IFrames {
            out.push_str("#EXT-X-I-FRAMES-ONLY\n");
        }
        let first = self.listed().next();
        let msn = first.map_or(0, |s| s.msn);
        // A discontinuity counts once its tag is no longer in the playlist (section 6.2.2).
        let gone = first.map_or(0, |s| s.discontinuities - u64::from(s.discontinuity));
        let _ = write!(
            out,
            "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA-SEQUENCE:{msn}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{gone}\n"
        );
    }

    /// Closed segments, and the open one if its parts are listed.
    fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> + ExactSizeIterator {
        let count = match self.part_target() {
            Some(_) => self.window.listed().len(),
            None => self.window.listed_count(),
        };
        self.window.listed().take(count)
    }

    /// Number of segments that lie wholly "further from the end of the last (Parent) Media Segment
    /// in the Playlist than the Skip Boundary" (section 6.2.5.1).
    fn skippable(&self) -> usize {
        // "A Server MUST ignore the _HLS_skip directive if the Playlist does not contain the
        // CAN-SKIP-UNTIL attribute, or if it contains an EXT-X-ENDLIST tag."
        if self.ended || self.packaging == Packaging::Ts {
            return 0;
        }
        // From the end, because only the segments up to the boundary have to be looked at.
        let boundary = self.timing.skip_boundary();
        let mut after = Duration::ZERO;
        let newest_first = self.listed().rev().filter(|s| s.closed());
        let kept = newest_first.take_while(|s| {
            let within = after <= boundary;
            after = after.saturating_add(s.duration);
            within
        });
        self.window.listed_count().saturating_sub(kept.count())
    }

    fn segments(&self, out: &mut String, skipped: usize) {
        // "EXT-X-PART tags SHOULD be removed from the Playlist after they are greater than three
        // Target Durations from the end of the Playlist" (section 6.2.2): all parts of a segment at
        // once.
        let mut to_end: Duration = self.listed().skip(skipped).map(|s| s.duration).sum();
        let before = skipped.checked_sub(1).and_then(|n| self.listed().nth(n));
        let mut map = before.and_then(|segment| segment.init);
        let mut ranges = Ranges(self.ranges);
        for segment in self.listed().skip(skipped) {
            let changed = std::mem::replace(&mut map, segment.init) != segment.init;
            // Without CAN-SKIP-DATERANGES no date range is skipped (section 6.2.5.1): a delta update has
            // those of skipped segments here, before its first one.
            ranges.write(out, (segment.msn, 0));
            self.preamble(out, segment, changed);
            if to_end <= self.timing.three_targets() {
                self.parts(out, segment, &mut ranges);
            }
            self.closed(out, segment, &mut ranges);
            to_end = to_end.saturating_sub(segment.duration);
        }
        ranges.write(out, (u64::MAX, u32::MAX));
    }

    /// The tags that "MUST appear before the first EXT-X-PART tag of that Parent Segment"
    /// (section 4.4.4.9).
    fn preamble(&self, out: &mut String, segment: &Segment, map_changed: bool) {
        if segment.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(init) = segment.init.filter(|_| map_changed)
            && self.packaging == Packaging::Cmaf
        {
            let _ = writeln!(out, "#EXT-X-MAP:URI=\"init-{init}.mp4\"");
        }
        let date = date(segment.date_ns);
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{date}");
    }

    fn parts(&self, out: &mut String, segment: &Segment, ranges: &mut Ranges<'_>) {
        if self.part_target().is_none() {
            return;
        }
        let msn = segment.msn;
        for (index, part) in (0_u32..).zip(&segment.parts) {
            ranges.write(out, (msn, index));
            let duration = Seconds::nearest(part.duration);
            let independent = if part.independent {
                ",INDEPENDENT=YES"
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "#EXT-X-PART:DURATION={duration},URI=\"{msn}.{index}.m4s\"{independent}"
            );
        }
    }

    fn closed(&self, out: &mut String, segment: &Segment, ranges: &mut Ranges<'_>) {
        if !segment.closed() {
            return;
        }
        ranges.write(out, (segment.msn, u32::MAX));
        let picture = segment.iframe.filter(|_| self.listing == Listing::IFrames);
        let has_picture = self.listing == Listing::Media || picture.is_some();
        if segment.gap() || !has_picture {
            out.push_str("#EXT-X-GAP\n");
        }
        if let Some(IFrame { offset, length }) = picture {
            let _ = writeln!(out, "#EXT-X-BYTERANGE:{length}@{offset}");
        }
        // In an I-frame playlist this is "the time between the presentation time of the I-frame in the
        // Media Segment and the presentation time of the next I-frame in the Playlist" (section 4.4.3.6),
        // and each segment begins with one.
        let duration = Seconds::nearest(segment.duration);
        let suffix = match self.packaging {
            Packaging::Cmaf => "m4s",
            Packaging::Ts => "ts",
        };
        let _ = write!(out, "#EXTINF:{duration},\n{}.{suffix}\n", segment.msn);
    }

    fn trailer(&self, out: &mut String) {
        // "A Playlist containing an EXT-X-ENDLIST tag MUST NOT contain an EXT-X-PRELOAD-HINT
        // tag" (section 4.4.5.3).
        if let Some((msn, part)) = self.window.next_part()
            && self.part_target().is_some()
            && !self.ended
        {
            let _ = writeln!(
                out,
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{msn}.{part}.m4s\""
            );
        }
        let file = file_name(self.packaging);
        for report in self.reports {
            let _ = write!(
                out,
                "#EXT-X-RENDITION-REPORT:URI=\"../{}/{file}\",LAST-MSN={}",
                report.rendition, report.last_msn
            );
            if let Some(part) = report.last_part {
                let _ = write!(out, ",LAST-PART={part}");
            }
            out.push('\n');
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
    }
}
