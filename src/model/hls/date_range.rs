//! One `EXT-X-DATERANGE` (RFC 8216bis section 4.4.5.1): what it may say, and its text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::date::Date;
use super::text::{Seconds, is_composed};

/// Longest text of one tag, in bytes. The largest `splice_info_section` has 4096, in hexadecimal twice
/// as many.
const TAG_BYTES_MAX: usize = 12 << 10;
/// Attributes that begin with `X-`.
const ATTRIBUTES_MAX: usize = 32;
/// Longest name of an attribute, longest id, and longest number, in bytes.
const NAME_BYTES_MAX: usize = 96;
/// Longest duration.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why a date range was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It is no date range by the rules of the standard.
    #[error("{0}")]
    Invalid(String),
    /// It does not agree with what is in the playlists already.
    #[error("{0}")]
    Conflict(String),
    /// There is none with this id.
    #[error("no date range of this id")]
    Unknown,
    /// The stream has no media now.
    #[error("nothing is being published")]
    NotLive,
}

/// When the action of a date range is triggered, instead of at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Cue {
    /// Before playback begins, wherever it begins.
    Pre,
    /// After the end.
    Post,
    /// Only once.
    Once,
}

impl Cue {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "PRE",
            Self::Post => "POST",
            Self::Once => "ONCE",
        }
    }
}

/// The value of an attribute that begins with `X-`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A decimal-floating-point.
    Number(f64),
    /// A quoted-string; one such as `0x1F` is a hexadecimal-sequence.
    Text(String),
}

/// A date range. In JSON, what it does not have is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DateRange {
    /// `ID`; without one, the session makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `CLASS`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// `START-DATE`; without one, the end of the newest media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// `END-DATE`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// `DURATION`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// `PLANNED-DURATION`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_duration: Option<f64>,
    /// `END-ON-NEXT`: it ends where the next range of its class starts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub end_on_next: bool,
    /// `CUE`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cue: Vec<Cue>,
    /// `SCTE35-CMD`, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scte35_cmd: Option<String>,
    /// `SCTE35-OUT`, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scte35_out: Option<String>,
    /// `SCTE35-IN`, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scte35_in: Option<String>,
    /// Attributes of others, by their names, which begin with `X-`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
}

impl DateRange {
    /// The id; empty before it has one.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    pub(super) fn start_ms(&self) -> u64 {
        self.start.map_or(0, |start| start.unix_ms)
    }

    /// Where it ends, by its own word. "A Date Range with neither a DURATION, an END-DATE, nor an
    /// END-ON-NEXT=YES attribute has an unknown duration, even if it has a PLANNED-DURATION."
    pub(super) fn end_ms(&self) -> Option<u64> {
        let after = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        let after = self.duration.and_then(after);
        let after_ms = after.and_then(|after| u64::try_from(after.as_millis()).ok());
        let by_duration = after_ms.map(|ms| self.start_ms().saturating_add(ms));
        self.end.map(|end| end.unix_ms).or(by_duration)
    }

    /// The tag with its id, its start, and these attributes.
    pub(super) fn tag(&self, attributes: &[Attribute]) -> String {
        let mut tag = format!("#EXT-X-DATERANGE:ID=\"{}\"", self.id());
        let start = self
            .start
            .map(|start| ("START-DATE".to_owned(), quoted(start)));
        let others = attributes.iter().filter(|(name, _)| name != "START-DATE");
        for (name, value) in start.iter().chain(others) {
            tag.push(',');
            tag.push_str(name);
            tag.push('=');
            tag.push_str(value);
        }
        tag.push('\n');
        tag
    }

    /// This range with what `more` adds, and what that is.
    ///
    /// # Errors
    /// If an attribute would change: "any AttributeName that appears in both tags MUST have the same
    /// AttributeValue".
    pub(super) fn with(&self, more: &Self) -> Result<(Self, Vec<Attribute>), RangeError> {
        let before: BTreeMap<String, String> = self.texts().into_iter().collect();
        let mut added = Vec::new();
        for (name, value) in more.texts() {
            match before.get(&name) {
                None => added.push((name, value)),
                Some(known) if *known == value => {}
                Some(known) => {
                    let what = format!("{name} is {known} and cannot become {value}");
                    return Err(RangeError::Conflict(what));
                }
            }
        }
        let of = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        let mut attributes = self.attributes.clone();
        attributes.extend(more.attributes.clone());
        let merged = Self {
            id: self.id.clone(),
            class: of(&more.class, &self.class),
            start: self.start,
            end: more.end.or(self.end),
            duration: more.duration.or(self.duration),
            planned_duration: more.planned_duration.or(self.planned_duration),
            end_on_next: self.end_on_next || more.end_on_next,
            cue: if more.cue.is_empty() {
                self.cue.clone()
            } else {
                more.cue.clone()
            },
            scte35_cmd: of(&more.scte35_cmd, &self.scte35_cmd),
            scte35_out: of(&more.scte35_out, &self.scte35_out),
            scte35_in: of(&more.scte35_in, &self.scte35_in),
            attributes,
        };
        merged.check()?;
        Ok((merged, added))
    }

    /// The attributes as they stand in a tag, without the id.
    pub(super) fn texts(&self) -> Vec<Attribute> {
        let seconds = |seconds: f64| {
            let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            Seconds::nearest(duration).to_string()
        };
        let cues: Vec<&str> = self.cue.iter().map(|cue| cue.as_str()).collect();
        let cues = (!cues.is_empty()).then(|| cues.join(","));
        let fixed = [
            ("CLASS", self.class.clone().map(quoted)),
            ("START-DATE", self.start.map(quoted)),
            ("CUE", cues.map(quoted)),
            ("END-DATE", self.end.map(quoted)),
            ("DURATION", self.duration.map(seconds)),
            ("PLANNED-DURATION", self.planned_duration.map(seconds)),
            ("SCTE35-CMD", self.scte35_cmd.as_deref().map(hexadecimal)),
            ("SCTE35-OUT", self.scte35_out.as_deref().map(hexadecimal)),
            ("SCTE35-IN", self.scte35_in.as_deref().map(hexadecimal)),
            ("END-ON-NEXT", self.end_on_next.then(|| "YES".to_owned())),
        ];
        let fixed = fixed
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let others = self.attributes.iter();
        fixed
            .chain(others.map(|(name, value)| (name.clone(), written(value))))
            .collect()
    }

    /// Whether all of it can stand in a playlist.
    ///
    /// # Errors
    /// What is wrong, in the words of the JSON.
    pub(super) fn check(&self) -> Result<(), RangeError> {
        let id = self.id();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let fits = (1..=NAME_BYTES_MAX).contains(&id.len()) && !id.starts_with('.');
        demand(fits && id.bytes().all(plain), || {
            format!(
                "id has 1 to {NAME_BYTES_MAX} of the characters A-Z a-z 0-9 _ . -, and no dot first"
            )
        })?;
        if let Some(class) = &self.class {
            check_text("class", class)?;
        }
        for (name, seconds) in [
            ("duration", self.duration),
            ("planned_duration", self.planned_duration),
        ] {
            let fits = seconds.is_none_or(|s| (0.0..=DURATION_MAX.as_secs_f64()).contains(&s));
            demand(fits, || format!("{name} is 0 to {DURATION_MAX:?}"))?;
        }
        self.check_end()?;
        self.check_cue()?;
        for (name, hex) in [
            ("scte35_cmd", &self.scte35_cmd),
            ("scte35_out", &self.scte35_out),
            ("scte35_in", &self.scte35_in),
        ] {
            let fits = hex.as_deref().is_none_or(is_bytes);
            demand(fits, || {
                format!("{name} is hexadecimal, two digits a byte, with or without 0x")
            })?;
        }
        self.check_attributes()?;
        demand(self.tag(&self.texts()).len() <= TAG_BYTES_MAX, || {
            format!("a date range has at most {TAG_BYTES_MAX} bytes in a playlist")
        })
    }

    fn check_end(&self) -> Result<(), RangeError> {
        let end = self.end.map(|end| end.unix_ms);
        // "It MUST be equal to or later than the value of the START-DATE attribute."
        demand(end.is_none_or(|end| end >= self.start_ms()), || {
            "end is before start".to_owned()
        })?;
        // "The value of the END-DATE attribute MUST be equal to the value of the START-DATE attribute plus
        // the value of the DURATION attribute."
        let by_duration = Self {
            end: None,
            ..self.clone()
        };
        let by_duration = by_duration.end_ms().filter(|_| end.is_some());
        demand(by_duration.is_none() || by_duration == end, || {
            "end is not start plus duration".to_owned()
        })?;
        if !self.end_on_next {
            return Ok(());
        }
        // "An EXT-X-DATERANGE tag with an END-ON-NEXT=YES attribute MUST have a CLASS attribute [and]
        // MUST NOT contain DURATION or END-DATE attributes."
        demand(self.class.is_some(), || {
            "end_on_next needs a class".to_owned()
        })?;
        demand(end.is_none() && self.duration.is_none(), || {
            "with end_on_next there is neither duration nor end".to_owned()
        })
    }

    fn check_cue(&self) -> Result<(), RangeError> {
        let has = |cue| self.cue.iter().filter(|has| **has == cue).count();
        // "A CUE attribute MUST NOT include both PRE and POST."
        let once = [Cue::Pre, Cue::Post, Cue::Once]
            .iter()
            .all(|cue| has(*cue) <= 1);
        demand(once && has(Cue::Pre) + has(Cue::Post) <= 1, || {
            "cue has PRE or POST, and ONCE, each once at most".to_owned()
        })
    }

    fn check_attributes(&self) -> Result<(), RangeError> {
        demand(self.attributes.len() <= ATTRIBUTES_MAX, || {
            format!("there are at most {ATTRIBUTES_MAX} attributes")
        })?;
        for (name, value) in &self.attributes {
            let rest = name.strip_prefix("X-").unwrap_or_default();
            let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
            let fits = !rest.is_empty() && name.len() <= NAME_BYTES_MAX;
            demand(fits && name.bytes().all(allowed), || {
                "names of attributes begin with X- and have only A-Z, 0-9 and -".to_owned()
            })?;
            match value {
                Value::Text(text) => check_text(name, text)?,
                Value::Number(number) => {
                    // decimal-floating-point has no sign (section 4.2).
                    let fits = number.is_finite() && number.is_sign_positive();
                    let short = written(value).len() <= NAME_BYTES_MAX;
                    demand(fits && short, || {
                        format!("{name} is not negative, nor huge")
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// Name and value, as they stand in a tag.
pub(super) type Attribute = (String, String);

fn demand(is_so: bool, else_what: impl FnOnce() -> String) -> Result<(), RangeError> {
    if is_so {
        Ok(())
    } else {
        Err(RangeError::Invalid(else_what()))
    }
}

/// A quoted-string has no line breaks and no quotes (section 4.2), and a playlist is normalized text
/// (section 4.1). Players take `{$` for a variable, and stop where it is not defined (section 4.3).
fn check_text(name: &str, text: &str) -> Result<(), RangeError> {
    let fits = text.chars().all(|c| c != '"' && is_composed(c));
    demand(!text.is_empty() && fits && !text.contains("{$"), || {
        format!("{name} is a text without line breaks, quotes, {{$ and characters that combine")
    })
}

fn quoted(text: impl Into<String>) -> String {
    format!("\"{}\"", text.into())
}

/// "0x" and digits of "[0..9] and [A..F]" (section 4.2).
fn hexadecimal(text: &str) -> String {
    format!("0x{}", digits(text).to_ascii_uppercase())
}

fn digits(text: &str) -> &str {
    let rest = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    rest.unwrap_or(text)
}

fn is_hexadecimal(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_bytes(text: &str) -> bool {
    let digits = digits(text);
    is_hexadecimal(digits) && digits.len().is_multiple_of(2)
}

fn written(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) if digits(text) != text && is_hexadecimal(digits(text)) => {
            hexadecimal(text)
        }
        Value::Text(text) => quoted(text.clone()),
    }
}
