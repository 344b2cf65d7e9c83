//! A strict line parser for media playlists: an unknown tag is an error.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::Report;

/// An attribute list (section 4.2), without quotes.
pub type Attributes = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub uri: String,
    pub duration_s: f64,
    pub independent: bool,
    pub gap: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Segment {
    pub msn: u64,
    /// Discontinuity Sequence Number (section 6.2.1).
    pub discontinuities: u64,
    pub discontinuity: bool,
    /// The `EXT-X-MAP` that applies.
    pub map: Option<String>,
    pub date_ms: Option<i64>,
    pub gap: bool,
    pub parts: Vec<Part>,
    /// `EXTINF`; `None` while the segment is open.
    pub duration_s: Option<f64>,
    pub uri: String,
    /// A tag that must precede the first part but followed one.
    pub late_tag: Option<String>,
}

impl Segment {
    pub fn parts_s(&self) -> f64 {
        self.parts.iter().map(|part| part.duration_s).sum()
    }

    /// `EXTINF`, or the duration of the parts so far.
    pub fn length_s(&self) -> f64 {
        self.duration_s.unwrap_or_else(|| self.parts_s())
    }
}

/// Live edge: number of the last segment that has parts and index of its last part, or only the
/// number of the last segment when there are no parts.
pub(super) type Edge = (u64, Option<u64>);

/// One fetched media playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    pub version: u64,
    pub target_s: Option<u64>,
    pub part_target_s: Option<f64>,
    pub control: Attributes,
    pub media_sequence: Option<u64>,
    pub discontinuity_sequence: Option<u64>,
    pub independent: bool,
    pub playlist_type: bool,
    /// `SKIPPED-SEGMENTS` of every `EXT-X-SKIP`.
    pub skips: Vec<u64>,
    /// Closed segments.
    pub segments: Vec<Segment>,
    /// The segment that is still open.
    pub open: Option<Segment>,
    pub hints: Vec<Attributes>,
    /// Every `EXT-X-DATERANGE`.
    pub ranges: Vec<Attributes>,
    pub reports: Vec<Attributes>,
    pub ended: bool,
}

impl Page {
    pub fn skipped(&self) -> u64 {
        self.skips.iter().sum()
    }

    /// An attribute of `EXT-X-SERVER-CONTROL` in seconds.
    pub fn control_s(&self, name: &str) -> Option<f64> {
        seconds(self.control.get(name)?)
    }

    /// Live edge of the playlist.
    pub fn edge(&self) -> Option<Edge> {
        let mut all = self.segments.iter().chain(&self.open).rev();
        let last_part = all.find_map(|segment| {
            let last = segment.parts.len().checked_sub(1)?;
            Some((segment.msn, Some(last as u64)))
        });
        last_part.or(self.segments.last().map(|segment| (segment.msn, None)))
    }

    /// Seconds of media after this edge of another rendition.
    pub fn after_s(&self, (msn, part): Edge) -> f64 {
        let all = self.segments.iter().chain(&self.open);
        all.map(|segment| match (segment.msn.cmp(&msn), part) {
            (Ordering::Less, _) | (Ordering::Equal, None) => 0.0,
            (Ordering::Equal, Some(part)) => {
                let later = segment.parts.iter().skip(part as usize + 1);
                later.map(|part| part.duration_s).sum()
            }
            (Ordering::Greater, _) => segment.length_s(),
        })
        .sum()
    }

    /// Whether the playlist contains what a reload with `_HLS_msn` and `_HLS_part` must wait for
    /// (section 6.2.5.2).
    pub fn has(&self, msn: u64, part: Option<u64>) -> bool {
        match part.filter(|_| self.part_target_s.is_some()) {
            None => self.segments.last().is_some_and(|last| last.msn >= msn),
            // A part number beyond the last part of a segment means the first part of the next
            // segment.
            Some(part) => self.edge() >= Some((msn, Some(part))),
        }
    }
}

/// Attributes whose value is a quoted-string. All other known attributes are not quoted.
const QUOTED: [&str; 14] = [
    "AUDIO",
    "CHANNELS",
    "CLASS",
    "CODECS",
    "CUE",
    "END-DATE",
    "GROUP-ID",
    "ID",
    "NAME",
    "PATHWAY-ID",
    "SERVER-URI",
    "STABLE-VARIANT-ID",
    "START-DATE",
    "URI",
];

/// Parses an attribute list (section 4.2) and reports grammar errors.
pub(super) fn attributes(text: &str, report: &mut Report) -> Attributes {
    let mut list = Attributes::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let Some(first) = attribute(text) else {
            report.rule("4.2", false, || format!("no attribute list: {text}"));
            break;
        };
        let name = first.name;
        let quoted = QUOTED.contains(&name);
        // Those of date ranges that begin so may be either.
        let fits = first.quoted == quoted || name.starts_with("X-");
        report.rule("4.2", fits, || {
            let not = if quoted { "not " } else { "" };
            format!("the value of {name} is {not}quoted")
        });
        // "A given AttributeName MUST NOT appear more than once in a given attribute-list."
        let twice = list.insert(name.to_owned(), first.value.to_owned());
        report.rule("4.2", twice.is_none(), || format!("{name} is there twice"));
        rest = first.rest;
    }
    list
}

struct Attribute<'a> {
    name: &'a str,
    value: &'a str,
    quoted: bool,
    /// Text after the comma.
    rest: Option<&'a str>,
}

fn attribute(text: &str) -> Option<Attribute<'_>> {
    let (name, after) = text.split_once('=')?;
    // "An unquoted string containing characters from the set [A..Z], [0..9] and '-'."
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
    let quoted = after.strip_prefix('"');
    let (value, after) = match quoted {
        Some(after) => after.split_once('"')?,
        None => after.split_at(after.find(',').unwrap_or(after.len())),
    };
    // "An enumerated-string MUST NOT contain double quotes ("), commas (,), or whitespace."
    let bare = |value: &str| !value.contains([' ', '\t', '"']);
    // "The string MUST be non-empty, unless specifically allowed"; no attribute of weir's may be empty.
    let sound = !value.is_empty() && (quoted.is_some() || bare(value));
    if name.is_empty() || !name.bytes().all(allowed) || !sound {
        return None;
    }
    Some(Attribute {
        name,
        value,
        quoted: quoted.is_some(),
        rest: match after {
            "" => None,
            after => Some(after.strip_prefix(',')?),
        },
    })
}

/// Parses a decimal-integer (section 4.2): no sign, no space.
pub(super) fn integer(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Parses a decimal-floating-point (section 4.2): no sign, no exponent.
fn seconds(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse().ok().filter(|_| digits)
}

/// "Playlist files MUST be encoded in UTF-8", without a byte order mark and control characters,
/// normalized; "US-ASCII conforms to these rules". "Whitespace MUST NOT be present, except for elements
/// in which it is explicitly specified" (section 4.1): weir writes such an element only in date ranges,
/// whose texts operators write, in any language.
pub(super) fn characters(text: &str, report: &mut Report) {
    let free = |line: &&str| line.starts_with("#EXT-X-DATERANGE:");
    let mut plain = text.lines().filter(|line| !free(line)).flat_map(str::chars);
    let odd = plain.find(|c| !matches!(c, '!'..='~'));
    report.rule("4.1", odd.is_none(), || {
        format!("a character that is none of US-ASCII, or white: {odd:?}")
    });
    let controls = text.lines().flat_map(str::chars).find(|c| c.is_control());
    report.rule("4.1", controls.is_none(), || {
        format!("a control character: {controls:?}")
    });
}

/// Parses a playlist and reports every line that cannot be read.
pub(super) fn page(text: &str, report: &mut Report) -> Page {
    characters(text, report);
    let mut reader = Reader::default();
    let first = text.lines().next();
    report.rule("4.4.1.1", first == Some("#EXTM3U"), || {
        format!("EXTM3U is not the first line but {first:?}")
    });
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let understood = match line.split_once(':') {
            _ if !line.starts_with('#') => reader.uri(line, report),
            Some((tag, value)) => reader.tag(tag, value, report),
            None => reader.tag(line, "", report),
        };
        report.rule("4.1", understood.is_some(), || {
            format!("cannot be read: {line}")
        });
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    page: Page,
    /// Tags that may come once and have come.
    once: BTreeSet<String>,
    next: Segment,
    /// A tag of the next segment has been read.
    begun: bool,
    map: Option<String>,
    discontinuities: u64,
}

impl Reader {
    /// Tags that "MUST NOT appear more than once", and those that "MUST appear before the first Media
    /// Segment in the Playlist".
    fn place(&mut self, tag: &str, report: &mut Report) {
        let section = match tag {
            "#EXT-X-VERSION" => "4.4.1.2",
            "#EXT-X-INDEPENDENT-SEGMENTS" => "4.4.2",
            "#EXT-X-TARGETDURATION"
            | "#EXT-X-MEDIA-SEQUENCE"
            | "#EXT-X-DISCONTINUITY-SEQUENCE"
            | "#EXT-X-ENDLIST"
            | "#EXT-X-PLAYLIST-TYPE"
            | "#EXT-X-PART-INF"
            | "#EXT-X-SERVER-CONTROL" => "4.4.3",
            _ => return,
        };
        let first = self.once.insert(tag.to_owned());
        report.rule(section, first, || format!("{tag} is there twice"));
        let begun = self.begun || !self.page.segments.is_empty();
        let section = match tag {
            "#EXT-X-MEDIA-SEQUENCE" => "4.4.3.2",
            "#EXT-X-DISCONTINUITY-SEQUENCE" => "4.4.3.3",
            _ => return,
        };
        report.rule(section, !begun, || format!("{tag} after a segment"));
    }

    fn tag(&mut self, tag: &str, value: &str, report: &mut Report) -> Option<()> {
        self.place(tag, report);
        let page = &mut self.page;
        match tag {
            "#EXT-X-VERSION" => page.version = integer(value)?,
            "#EXT-X-TARGETDURATION" => page.target_s = Some(integer(value)?),
            "#EXT-X-PART-INF" => {
                let list = attributes(value, report);
                page.part_target_s = Some(seconds(list.get("PART-TARGET")?)?);
            }
            "#EXT-X-SERVER-CONTROL" => page.control = attributes(value, report),
            "#EXT-X-MEDIA-SEQUENCE" => page.media_sequence = Some(integer(value)?),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.discontinuities = integer(value)?;
                page.discontinuity_sequence = Some(self.discontinuities);
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => page.independent = true,
            "#EXT-X-PLAYLIST-TYPE" => page.playlist_type = true,
            "#EXT-X-SKIP" => {
                let list = attributes(value, report);
                page.skips.push(integer(list.get("SKIPPED-SEGMENTS")?)?);
            }
            "#EXT-X-DATERANGE" => page.ranges.push(attributes(value, report)),
            "#EXT-X-PRELOAD-HINT" => page.hints.push(attributes(value, report)),
            "#EXT-X-RENDITION-REPORT" => page.reports.push(attributes(value, report)),
            "#EXT-X-ENDLIST" => page.ended = true,
            _ => return self.segment_tag(tag, value, report),
        }
        Some(())
    }

    fn segment_tag(&mut self, tag: &str, value: &str, report: &mut Report) -> Option<()> {
        let early = matches!(
            tag,
            "#EXT-X-DISCONTINUITY" | "#EXT-X-MAP" | "#EXT-X-PROGRAM-DATE-TIME"
        );
        if early && !self.next.parts.is_empty() {
            self.next.late_tag = Some(tag.to_owned());
        }
        self.begun = true;
        match tag {
            "#EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "#EXT-X-MAP" => self.map = Some(attributes(value, report).remove("URI")?),
            "#EXT-X-PROGRAM-DATE-TIME" => {
                let date = chrono::DateTime::parse_from_rfc3339(value).ok()?;
                self.next.date_ms = Some(date.timestamp_millis());
            }
            "#EXT-X-GAP" => self.next.gap = true,
            "#EXT-X-PART" => {
                let list = attributes(value, report);
                let yes = |name: &str| list.get(name).is_some_and(|value| value == "YES");
                self.next.parts.push(Part {
                    uri: list.get("URI")?.clone(),
                    duration_s: seconds(list.get("DURATION")?)?,
                    independent: yes("INDEPENDENT"),
                    gap: yes("GAP"),
                });
            }
            "#EXTINF" => self.next.duration_s = Some(seconds(value.split(',').next()?)?),
            _ => return None,
        }
        Some(())
    }

    fn take(&mut self) -> Segment {
        self.begun = false;
        let mut segment = std::mem::take(&mut self.next);
        self.discontinuities += u64::from(segment.discontinuity);
        let before = self.page.skipped() + self.page.segments.len() as u64;
        segment.msn = self.page.media_sequence.unwrap_or_default() + before;
        segment.discontinuities = self.discontinuities;
        segment.map = self.map.clone();
        segment
    }

    fn uri(&mut self, uri: &str, report: &mut Report) -> Option<()> {
        let length = self.next.duration_s;
        report.rule("4.4.4.1", length.is_some(), || {
            format!("{uri} has no EXTINF")
        });
        length?;
        let mut segment = self.take();
        segment.uri = uri.to_owned();
        self.page.segments.push(segment);
        Some(())
    }

    fn finish(mut self) -> Page {
        if self.begun {
            self.page.open = Some(self.take());
        }
        self.page
    }
}
