//! What is wrong with a test encoder, as text in an environment variable. The plugin reads the text,
//! and the tests write it.
//!
//! ```text
//! GST_WEIR_FAULT="nvh264enc@400=hang-after:60;vah264enc=refuse"
//! ```
//! The first rule that fits an encoder counts. An encoder that no rule fits is healthy.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The environment variable. Workers inherit it, because its name begins with `GST_`.
pub const VARIABLE: &str = "GST_WEIR_FAULT";

/// What is wrong with an encoder. Frames are those of one instance, from its opening on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It does not open.
    Refuse,
    /// It does not open while so many of its kind are open in the process.
    RefuseAfterSessions(u32),
    /// It reports an error after so many frames.
    FailAfter(u64),
    /// After so many frames it takes a frame and never returns. Stopping it blocks too.
    HangAfter(u64),
    /// After so many frames it takes frames and gives nothing.
    SilentAfter(u64),
    /// After so many frames it gives random bytes.
    GarbageAfter(u64),
    /// It needs so long for each frame.
    Slow(Duration),
    /// After so many frames it makes no key frame, although it is asked to.
    NoKeyFramesAfter(u64),
}

impl Fault {
    fn named(name: &str, number: u64) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "refuse" => Self::Refuse,
            "refuse-after-sessions" => Self::RefuseAfterSessions(number.try_into().ok()?),
            "fail-after" => Self::FailAfter(number),
            "hang-after" => Self::HangAfter(number),
            "silent-after" => Self::SilentAfter(number),
            "garbage-after" => Self::GarbageAfter(number),
            "slow" => Self::Slow(Duration::from_millis(number)),
            "no-key-frames-after" => Self::NoKeyFramesAfter(number),
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Refuse => write!(f, "refuse"),
            Self::RefuseAfterSessions(open) => write!(f, "refuse-after-sessions:{open}"),
            Self::FailAfter(frames) => write!(f, "fail-after:{frames}"),
            Self::HangAfter(frames) => write!(f, "hang-after:{frames}"),
            Self::SilentAfter(frames) => write!(f, "silent-after:{frames}"),
            Self::GarbageAfter(frames) => write!(f, "garbage-after:{frames}"),
            Self::Slow(frame) => write!(f, "slow:{}", frame.as_millis()),
            Self::NoKeyFramesAfter(frames) => write!(f, "no-key-frames-after:{frames}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = text.split_once(':').unwrap_or((text, "0"));
        let number = number.parse().map_err(|e| format!("`{text}`: {e}"))?;
        Self::named(name, number).ok_or_else(|| format!("`{text}` is no fault"))
    }
}

/// Which encoders have a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Name of the element, such as `nvh264enc`.
    pub element: String,
    /// Only instances with this value of `bitrate`; all if `None`.
    pub bitrate_kbps: Option<u32>,
    /// What is wrong with them.
    pub fault: Fault,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bitrate_kbps {
            Some(kbps) => write!(f, "{}@{kbps}={}", self.element, self.fault),
            None => write!(f, "{}={}", self.element, self.fault),
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whose, fault) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not ELEMENT=FAULT"))?;
        let (element, bitrate_kbps) = match whose.split_once('@') {
            Some((element, kbps)) => {
                let kbps = kbps.parse().map_err(|e| format!("`{whose}`: {e}"))?;
                (element, Some(kbps))
            }
            None => (whose, None),
        };
        Ok(Self {
            element: element.to_owned(),
            bitrate_kbps,
            fault: fault.parse()?,
        })
    }
}

/// The text of `rules`.
#[allow(dead_code, reason = "the plugin only reads")]
pub fn text(rules: &[Rule]) -> String {
    let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
    rules.join(";")
}

/// What the rules in `text` say of one instance.
///
/// # Errors
/// Which rule is none.
pub fn of(text: &str, element: &str, bitrate_kbps: u32) -> Result<Fault, String> {
    let rules = text.split(';').filter(|rule| !rule.is_empty());
    let rules: Vec<Rule> = rules.map(str::parse).collect::<Result<_, _>>()?;
    let fits = |rule: &&Rule| {
        rule.element == element && rule.bitrate_kbps.is_none_or(|kbps| kbps == bitrate_kbps)
    };
    let first = rules.iter().find(fits);
    Ok(first.map_or(Fault::None, |rule| rule.fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_was_written() {
        for fault in [
            Fault::None,
            Fault::Refuse,
            Fault::RefuseAfterSessions(1),
            Fault::FailAfter(2),
            Fault::HangAfter(3),
            Fault::SilentAfter(4),
            Fault::GarbageAfter(5),
            Fault::Slow(Duration::from_millis(6)),
            Fault::NoKeyFramesAfter(7),
        ] {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!("none-of-these".parse::<Fault>().is_err());
        assert!("fail-after:soon".parse::<Fault>().is_err());
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rule = |element: &str, bitrate_kbps, fault| Rule {
            element: element.to_owned(),
            bitrate_kbps,
            fault,
        };
        let rules = text(&[
            rule("nvh264enc", Some(400), Fault::Refuse),
            rule("nvh264enc", None, Fault::FailAfter(60)),
        ]);
        assert_eq!(rules, "nvh264enc@400=refuse;nvh264enc=fail-after:60");
        assert_eq!(of(&rules, "nvh264enc", 400), Ok(Fault::Refuse));
        assert_eq!(of(&rules, "nvh264enc", 150), Ok(Fault::FailAfter(60)));
        assert_eq!(of(&rules, "vah264enc", 400), Ok(Fault::None));
        assert!(of("nvh264enc", "nvh264enc", 400).is_err());
    }
}
