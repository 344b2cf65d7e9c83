//! A line parser for media playlists. It is strict: what it does not know is an error.

use std::collections::BTreeMap;

use super::Report;

/// An attribute list (section 4.2), quotes removed.
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
    /// The `EXT-X-MAP` in force.
    pub map: Option<String>,
    pub date_ms: Option<i64>,
    pub gap: bool,
    pub parts: Vec<Part>,
    /// `EXTINF`; `None` while the segment is open.
    pub duration_s: Option<f64>,
    pub uri: String,
    /// A tag that belongs before the first part came after it.
    pub late_tag: Option<String>,
}

impl Segment {
    pub fn parts_s(&self) -> f64 {
        self.parts.iter().map(|part| part.duration_s).sum()
    }

    /// `EXTINF`, or the parts so far.
    pub fn length_s(&self) -> f64 {
        self.duration_s.unwrap_or_else(|| self.parts_s())
    }
}

/// One media playlist as fetched.
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
    /// Of each `EXT-X-SKIP`.
    pub skips: Vec<u64>,
    /// Closed segments.
    pub segments: Vec<Segment>,
    /// The segment whose parts come last.
    pub open: Option<Segment>,
    pub hints: Vec<Attributes>,
    pub reports: Vec<Attributes>,
    pub ended: bool,
}

impl Page {
    pub fn skipped(&self) -> u64 {
        self.skips.iter().sum()
    }

    /// A seconds attribute of `EXT-X-SERVER-CONTROL`.
    pub fn control_s(&self, name: &str) -> Option<f64> {
        self.control.get(name)?.parse().ok()
    }
}

pub fn attributes(text: &str) -> Attributes {
    let mut list = Attributes::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                (value, after.strip_prefix(',').unwrap_or(after))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        list.insert(name.to_owned(), value.to_owned());
        rest = after;
    }
    list
}

/// Reads a page; what cannot be read is reported.
pub(super) fn page(text: &str, report: &mut Report) -> Page {
    let mut reader = Reader::default();
    let first = text.lines().next();
    report.rule("4.4.1.1", first == Some("#EXTM3U"), || {
        format!("EXTM3U is not the first line but {first:?}")
    });
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let understood = match line.split_once(':') {
            _ if !line.starts_with('#') => reader.uri(line),
            Some((tag, value)) => reader.tag(tag, value),
            None => reader.tag(line, ""),
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
    next: Segment,
    /// Anything has been said of the next segment.
    begun: bool,
    map: Option<String>,
    discontinuities: u64,
}

impl Reader {
    fn tag(&mut self, tag: &str, value: &str) -> Option<()> {
        let page = &mut self.page;
        match tag {
            "#EXT-X-VERSION" => page.version = value.parse().ok()?,
            "#EXT-X-TARGETDURATION" => page.target_s = Some(value.parse().ok()?),
            "#EXT-X-PART-INF" => {
                page.part_target_s = Some(attributes(value).get("PART-TARGET")?.parse().ok()?);
            }
            "#EXT-X-SERVER-CONTROL" => page.control = attributes(value),
            "#EXT-X-MEDIA-SEQUENCE" => page.media_sequence = Some(value.parse().ok()?),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.discontinuities = value.parse().ok()?;
                page.discontinuity_sequence = Some(self.discontinuities);
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => page.independent = true,
            "#EXT-X-PLAYLIST-TYPE" => page.playlist_type = true,
            "#EXT-X-SKIP" => {
                let skipped = attributes(value).get("SKIPPED-SEGMENTS")?.parse().ok()?;
                page.skips.push(skipped);
            }
            "#EXT-X-PRELOAD-HINT" => page.hints.push(attributes(value)),
            "#EXT-X-RENDITION-REPORT" => page.reports.push(attributes(value)),
            "#EXT-X-ENDLIST" => page.ended = true,
            _ => return self.segment_tag(tag, value),
        }
        Some(())
    }

    fn segment_tag(&mut self, tag: &str, value: &str) -> Option<()> {
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
            "#EXT-X-MAP" => self.map = Some(attributes(value).remove("URI")?),
            "#EXT-X-PROGRAM-DATE-TIME" => {
                let date = chrono::DateTime::parse_from_rfc3339(value).ok()?;
                self.next.date_ms = Some(date.timestamp_millis());
            }
            "#EXT-X-GAP" => self.next.gap = true,
            "#EXT-X-PART" => {
                let list = attributes(value);
                let yes = |name: &str| list.get(name).is_some_and(|value| value == "YES");
                self.next.parts.push(Part {
                    uri: list.get("URI")?.clone(),
                    duration_s: list.get("DURATION")?.parse().ok()?,
                    independent: yes("INDEPENDENT"),
                    gap: yes("GAP"),
                });
            }
            "#EXTINF" => {
                self.next.duration_s = Some(value.split(',').next()?.parse().ok()?);
            }
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

    fn uri(&mut self, uri: &str) -> Option<()> {
        self.next.duration_s?;
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
